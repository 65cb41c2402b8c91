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
from typing import NamedTuple

import numpy as np

from aegan.system.files import replacing

FORMAT = 2  # raise when the meaning of a stored item changes
_LIBRARIES = ("numpy", "scipy", "scikit-learn", "imbalanced-learn")
_META = "meta_json"


class Item(NamedTuple):
    """What is stored under a key."""

    meta: dict  # JSON values
    arrays: dict[str, np.ndarray]


def cache_key(**parts: object) -> str:
    """sha256 hex of the named parts, the format and the versions of the libraries that compute.

    Parts are JSON values or numpy arrays.
    """
    digest = hashlib.sha256()
    parts |= {"cache_format": FORMAT, "libraries": [version(name) for name in _LIBRARIES]}
    for name, part in sorted(parts.items()):
        digest.update(f"\0{name}\0".encode())
        if isinstance(part, np.ndarray):
            digest.update(f"{part.dtype.str}{part.shape}".encode())
            digest.update(np.ascontiguousarray(part).tobytes())
        else:
            digest.update(json.dumps(part, sort_keys=True).encode())
    return digest.hexdigest()


def cached(directory: Path | None, key: str, make: Callable[[], Item]) -> Item:
    """The item under ``key``, made and stored where there is none; without a directory made."""
    item = load(directory, key)
    if item is None:
        item = make()
        store(directory, key, item)
    return item


def load(directory: Path | None, key: str) -> Item | None:
    """The item under ``key``, or None: no cache, no file, or a file that cannot be read whole."""
    if directory is None:
        return None
    try:
        # `np.load` leaves a broken file open.
        with open(directory / f"{key}.npz", "rb") as file, np.load(file) as archive:
            arrays = dict(archive)
        meta = json.loads(str(arrays.pop(_META)))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, SyntaxError):
        return None
    return Item(meta, arrays) if isinstance(meta, dict) else None


def store(directory: Path | None, key: str, item: Item) -> None:
    """Writes an item; a reader sees the whole file or none. No cache directory, no file."""
    if directory is not None:
        meta = {_META: np.array(json.dumps(item.meta, sort_keys=True))}
        with replacing(directory / f"{key}.npz") as part, open(part, "wb") as file:
            np.savez(file, **meta, **item.arrays)
