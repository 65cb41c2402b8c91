"""Results that do not depend on the model, kept on disk: one file per item, named by its content.

A file is an ``.npz`` of arrays plus one JSON text, read without pickle. Its name is the sha256 of
everything the item depends on, so a stale file is never read; an unreadable one counts as absent.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy
import sklearn

from aegan.system.files import replacing

FORMAT = 1  # raise when the meaning of a stored item changes
_META = "meta_json"


class Item(NamedTuple):
    """What is stored under a key."""

    meta: dict  # JSON values
    arrays: dict[str, np.ndarray]


def cache_key(**parts: object) -> str:
    """sha256 hex of the named parts, the format and the versions of numpy, scipy, scikit-learn.

    Parts are JSON values or numpy arrays.
    """
    digest = hashlib.sha256()
    parts |= {
        "cache_format": FORMAT,
        "libraries": [np.__version__, scipy.__version__, sklearn.__version__],
    }
    for name, part in sorted(parts.items()):
        digest.update(f"\0{name}\0".encode())
        if isinstance(part, np.ndarray):
            digest.update(f"{part.dtype.str}{part.shape}".encode())
            digest.update(np.ascontiguousarray(part).tobytes())
        else:
            digest.update(json.dumps(part, sort_keys=True).encode())
    return digest.hexdigest()


def load(directory: Path | None, key: str) -> Item | None:
    """The item under ``key``, or None: no cache, no file, or a file that cannot be read whole."""
    if directory is None:
        return None
    try:
        with (
            open(_path(directory, key), "rb") as file,
            np.load(file, allow_pickle=False) as archive,
        ):
            arrays = {name: archive[name] for name in archive.files}
        meta = json.loads(str(arrays.pop(_META)))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, SyntaxError):
        return None
    return Item(meta, arrays) if isinstance(meta, dict) else None


def store(
    directory: Path | None, key: str, meta: Mapping, arrays: Mapping[str, np.ndarray]
) -> None:
    """Writes an item; a reader sees the whole file or none. No cache directory, no file."""
    if directory is None:
        return
    with replacing(_path(directory, key)) as part, open(part, "wb") as file:
        np.savez(file, **{_META: np.array(json.dumps(meta, sort_keys=True))}, **arrays)


def _path(directory: Path, key: str) -> Path:
    return Path(directory) / f"{key}.npz"
