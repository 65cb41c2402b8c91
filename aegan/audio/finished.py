"""Finished clips of an extraction under way, so that it can go on after any end.

The folder holds ``identity.json``, written first, and ``part-*.parquet``, each written whole or not
at all: a row per clip with its path, size and time of change, and its features or the reason why
it has none.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Mapping
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


class FinishedClips:
    """The folder of an extraction with rows of ``dim`` features; a context that claims it.

    Args:
        folder: new, or of an interrupted extraction.
        identity: what all rows have in common.
        dim: number of features.

    Raises:
        InputError: (on entry) the folder is of an extraction with other settings, of one that is
            at work now, or of anything else, or it cannot be written.
    """

    def __init__(self, folder: Path, identity: Mapping[str, str], dim: int) -> None:
        self.folder = folder
        self.outcomes: dict[ClipKey, Row | Skipped] = {}
        self._identity = dict(identity)
        self._dim = dim
        self._lock: IO | None = None

    def __enter__(self) -> FinishedClips:
        self._check_identity()
        self._take_lock()
        for part in sorted(self.folder.glob("part-*.parquet")):
            self._take_up(part)
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            self._lock.close()

    def _check_identity(self) -> None:
        mend = f"delete {self.folder} or give another --out"
        file = self.folder / "identity.json"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if not any(self.folder.iterdir()):
                write_json(file, self._identity)
            there = read_json(file)
            if not isinstance(there, dict):
                raise ValueError
        except OSError as error:
            raise InputError(f"{self.folder}: not usable ({error.strerror}); {mend}") from error
        except (ValueError, InputError) as error:
            raise InputError(f"{file}: cannot be read; {mend}") from error
        for name in sorted({*self._identity, *there}):
            before, now = there.get(name), self._identity.get(name)
            if before != now:
                raise InputError(
                    f"{self.folder}: rows of other settings ({name} is {before!r} there and "
                    f"{now!r} here); {mend}"
                )

    def _take_lock(self) -> None:
        """Two at once would remove each other's parts."""
        if fcntl is None:
            return
        self._lock = (self.folder / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise InputError(
                f"{self.folder}: another extraction is at work on it; wait for its end, or give "
                "another --out"
            ) from None
        except OSError:  # a file system without locks
            pass

    def _take_up(self, part: Path) -> None:
        try:
            table = pq.read_table(part)
        except (pa.ArrowException, OSError):  # a disk's fault; its clips are done again
            part.unlink(missing_ok=True)
            return
        features = table["features"].combine_chunks().values.to_numpy().reshape(-1, self._dim)
        for row, values in zip(table.drop_columns("features").to_pylist(), features, strict=True):
            key = ClipKey(row["path"], row["size"], row["mtime_ns"])
            skipped = row["reason"] and Skipped(row["reason"], lasting=True)
            self.outcomes[key] = skipped or Row(row["duration_s"], values)

    def keep(self, outcomes: Mapping[ClipKey, Row | Skipped]) -> None:
        """Keeps what has come of clips.

        Raises:
            InputError: the disk is full, or the folder gone.
        """
        if not outcomes:
            return
        part = self.folder / f"part-{uuid.uuid4().hex}.parquet"
        nothing = Row(0.0, np.zeros(self._dim, np.float32))
        rows = [o if isinstance(o, Row) else nothing for o in outcomes.values()]
        reasons = [getattr(outcome, "reason", None) for outcome in outcomes.values()]
        features = np.concatenate([row.features for row in rows])
        table = pa.table(
            {
                "path": [key.path for key in outcomes],
                "size": [key.size for key in outcomes],
                "mtime_ns": [key.mtime_ns for key in outcomes],
                "duration_s": [row.duration_s for row in rows],
                "reason": pa.array(reasons, pa.string()),
                "features": pa.FixedSizeListArray.from_arrays(features, self._dim),
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
        self.outcomes |= outcomes

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
