"""Finished rows of an extraction under way, so that it can go on after any end.

The folder holds ``identity.json``, written first, and ``part-*.parquet``, each written whole or not
at all: a row per clip with its path, size and time of change, and its features or the reason why
it has none.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from aegan.audio.clips import Row, Skipped
from aegan.errors import InputError
from aegan.system.files import read_json, replacing, write_json

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None


class ClipKey(NamedTuple):
    """A recording as it lay on the disk."""

    path: str
    size: int  # bytes
    mtime_ns: int  # time of the last change


class Kept(NamedTuple):
    """Where a finished clip's row lies."""

    part: Path
    index: int
    duration_s: float
    reason: str | None  # None: it has features


class Parts:
    """The folder of an extraction with rows of ``dim`` features; a context that claims it."""

    def __init__(self, folder: Path, dim: int) -> None:
        self.folder = folder
        self._dim = dim
        self._lock: IO | None = None
        self.kept: dict[ClipKey, Kept] = {}

    def __enter__(self) -> Parts:
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            self._lock.close()

    def claim(self, identity: Mapping[str, str]) -> None:
        """Makes the folder this extraction's, or takes up what is there.

        Raises:
            InputError: the folder is of an extraction with other settings, of one that is at work
                now, or of anything else, or it cannot be written.
        """
        mend = f"delete {self.folder} or give another --out"
        file = self.folder / "identity.json"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if not any(self.folder.iterdir()):
                write_json(file, dict(identity))
            there = read_json(file)
            if not isinstance(there, dict):
                raise ValueError
        except OSError as error:
            raise InputError(f"{self.folder}: not usable ({error.strerror}); {mend}") from error
        except (ValueError, InputError) as error:
            raise InputError(f"{file}: cannot be read; {mend}") from error
        for name in sorted({*identity, *there}):
            if there.get(name) != identity.get(name):
                raise InputError(
                    f"{self.folder}: rows of other settings ({name} is {there.get(name)!r} there "
                    f"and {identity.get(name)!r} here); {mend}"
                )
        self._take_lock()
        for part in sorted(self.folder.glob("part-*.parquet")):
            self._take_up(part)

    def _take_lock(self) -> None:
        """Two at once would remove each other's parts."""
        if fcntl is None:
            return
        self._lock = (self.folder / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"{self.folder}: another extraction is at work on it; wait for its end, or give "
                "another --out"
            ) from None
        except OSError:  # a file system without locks
            pass

    def _take_up(self, part: Path) -> None:
        try:
            columns = ["path", "size", "mtime_ns", "duration_s", "reason"]
            rows = pq.read_table(part, columns=columns).to_pylist()
        except (pa.ArrowException, OSError):  # a disk's fault; its clips are done again
            part.unlink(missing_ok=True)
            return
        for index, row in enumerate(rows):
            key = ClipKey(row["path"], row["size"], row["mtime_ns"])
            self.kept[key] = Kept(part, index, row["duration_s"], row["reason"])

    def write(self, outcomes: Mapping[ClipKey, Row | Skipped]) -> None:
        """Keeps finished clips.

        Raises:
            InputError: the disk is full, or the folder gone.
        """
        if not outcomes:
            return
        part = self.folder / f"part-{uuid.uuid4().hex}.parquet"
        features = np.zeros((len(outcomes), self._dim), np.float32)
        durations, reasons = [], []
        for row, outcome in zip(features, outcomes.values(), strict=True):
            skipped = isinstance(outcome, Skipped)
            if not skipped:
                row[:] = outcome.features
            durations.append(0.0 if skipped else outcome.duration_s)
            reasons.append(outcome.reason if skipped else None)
        table = pa.table(
            {
                "path": [key.path for key in outcomes],
                "size": [key.size for key in outcomes],
                "mtime_ns": [key.mtime_ns for key in outcomes],
                "duration_s": durations,
                "reason": pa.array(reasons, pa.string()),
                "features": pa.FixedSizeListArray.from_arrays(features.ravel(), self._dim),
            }
        )
        try:
            with replacing(part) as temporary:
                pq.write_table(table, temporary, compression="none", use_dictionary=False)
        except OSError as error:
            raise InputError(
                f"{part}: cannot be written ({error.strerror or error}); make room, and run the "
                "same command again"
            ) from error
        for index, (key, duration, reason) in enumerate(
            zip(outcomes, durations, reasons, strict=True)
        ):
            self.kept[key] = Kept(part, index, duration, reason)

    def features(self, keys: Iterable[ClipKey]) -> np.ndarray:
        """Features of clips that have some, (clips, dim) float32 in the order of ``keys``."""
        keys = list(keys)
        matrix = np.empty((len(keys), self._dim), np.float32)
        wanted: dict[Path, list[tuple[int, int]]] = {}
        for row, key in enumerate(keys):
            kept = self.kept[key]
            wanted.setdefault(kept.part, []).append((row, kept.index))
        for part, pairs in wanted.items():
            rows, indices = np.array(pairs).T
            matrix[rows] = self._read(part)[indices]
        return matrix

    def _read(self, part: Path) -> np.ndarray:
        column = pq.read_table(part, columns=["features"]).column("features")
        return column.combine_chunks().values.to_numpy().reshape(-1, self._dim)

    def remove(self) -> None:
        """Removes the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


def clip_key(path: Path) -> ClipKey | None:
    """The key of a recording, None if it is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    # A name that is not UTF-8 is written out, so that the parts can hold it.
    text = str(path.resolve()).encode("utf-8", "backslashreplace").decode()
    return ClipKey(text, found.st_size, found.st_mtime_ns)
