"""Results that do not depend on the model, kept on disk: one file per item, named by its content.

A file is an ``.npz`` of arrays plus one JSON text, read without pickle. Its name is the sha256 of
everything the item depends on, so a stale file is never read; an unreadable one counts as absent.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from aegan.system.files import replacing

FORMAT = 3  # raise when the meaning of a stored item changes
_LIBRARIES = ("numpy", "scipy", "scikit-learn", "imbalanced-learn")
_JSON = "meta_json"

Values = dict[str, Any]  # arrays and JSON values


def cached(directory: Path | None, make: Callable[[], Values], **parts: object) -> Values:
    """What ``make`` gives; from the file of these parts where there is a whole one, else stored.

    Parts are JSON values or numpy arrays: all that the values depend on, but for the format and the
    libraries that compute. A reader sees the whole file or none; no directory, no file.
    """
    if directory is None:
        return make()
    path = directory / f"{_key(parts)}.npz"
    try:
        # `np.load` leaves a broken file open.
        with open(path, "rb") as file, np.load(file) as archive:
            arrays = dict(archive)
        return json.loads(str(arrays.pop(_JSON))) | arrays
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, SyntaxError, TypeError):
        values = make()
    arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
    others = {name: value for name, value in values.items() if name not in arrays}
    with replacing(path) as part, open(part, "wb") as file:
        np.savez(file, **arrays, **{_JSON: np.array(json.dumps(others, sort_keys=True))})
    return values


def _key(parts: dict[str, object]) -> str:
    digest = hashlib.sha256()
    parts = parts | {"cache_format": FORMAT, "libraries": [version(name) for name in _LIBRARIES]}
    for name, part in sorted(parts.items()):
        digest.update(f"\0{name}\0".encode())
        if isinstance(part, np.ndarray):
            digest.update(f"{part.dtype.str}{part.shape}".encode())
            digest.update(np.ascontiguousarray(part).tobytes())
        else:
            digest.update(json.dumps(part, sort_keys=True).encode())
    return digest.hexdigest()
