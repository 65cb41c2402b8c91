"""Finished clips of an extraction under way, so that it can go on after any end.

The folder holds ``identity.json``, written first, and ``part-*.parquet``, each written whole or not
at all: a row per clip with its path, size and time of change, and its features or the reason why
it has none.
"""

from __future__ import annotations

import shutil
import time
import uuid
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from aegan.audio.clips import FeatureKind, Row, Skipped
from aegan.errors import InputError
from aegan.system.files import read_json, replacing, write_json

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None

_ROWS = 256  # clips in a part, but for the time below
_SECONDS = 20.0  # that a kill may cost
# Beside the features.
_COLUMNS = [("path", pa.string()), ("size", pa.int64()), ("mtime_ns", pa.int64())]
_COLUMNS += [("duration_s", pa.float64()), ("reason", pa.string())]


class ClipKey(NamedTuple):
    """A recording as it lay on the disk."""

    path: str
    size: int  # bytes
    mtime_ns: int  # time of the last change


class FinishedClips:
    """The folder of an extraction; a context that claims it, and in the end keeps all there is.

    ``outcomes`` is what has come of clips, those of earlier runs included.

    Args:
        folder: new, or of an interrupted extraction.
        kind: of the rows.

    Raises:
        InputError: (on entry) the folder is of an extraction with other settings, of one that is
            at work now, or of anything else, or it cannot be written.
    """

    def __init__(self, folder: Path, kind: FeatureKind) -> None:
        self.outcomes: dict[ClipKey, Row | Skipped] = {}
        self._folder = folder
        self._identity = {"extractor": kind.extractor, "fingerprint": kind.fingerprint}
        self._identity |= kind.contract.to_metadata()
        self._nothing = Row(0.0, np.zeros(len(kind.contract.names), np.float32))
        self._fresh: dict[ClipKey, Row | Skipped] = {}  # not yet in a part
        self._kept_at = time.monotonic()
        self._lock: IO  # from entry on

    def __enter__(self) -> FinishedClips:
        self._check_identity()
        self._take_lock()
        for part in sorted(self._folder.glob("part-*.parquet")):
            self._take_up(part)
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self.keep()

    def add(self, key: ClipKey, outcome: Row | Skipped) -> None:
        """Notes what has come of a clip; kept, unless a later run should try again.

        Raises:
            InputError: the disk is full, or the folder gone.
        """
        self.outcomes[key] = outcome
        if isinstance(outcome, Row) or outcome.lasting:
            self._fresh[key] = outcome
        if len(self._fresh) >= _ROWS or time.monotonic() - self._kept_at > _SECONDS:
            self.keep()

    def remove(self) -> None:
        """Removes the folder."""
        self._fresh.clear()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _check_identity(self) -> None:
        mend = f"delete {self._folder} or give another --out"
        file = self._folder / "identity.json"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if not any(self._folder.iterdir()):
                write_json(file, self._identity)
            there = read_json(file)
            if not isinstance(there, dict):
                raise ValueError
        except OSError as error:
            raise InputError(f"{self._folder}: not usable ({error.strerror}); {mend}") from error
        except (ValueError, InputError) as error:
            raise InputError(f"{file}: cannot be read; {mend}") from error
        for name in sorted({*self._identity, *there}):
            before, now = there.get(name), self._identity.get(name)
            if before != now:
                raise InputError(
                    f"{self._folder}: rows of other settings ({name} is {before!r} there and "
                    f"{now!r} here); {mend}"
                )

    def _take_lock(self) -> None:
        """Two at once would remove each other's parts."""
        self._lock = (self._folder / "lock").open("w")
        try:
            if fcntl is not None:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise InputError(
                f"{self._folder}: another extraction is at work on it; wait for its end, or give "
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
        rows = table.drop_columns("features").to_pylist()
        for row, features in zip(rows, table["features"], strict=True):
            skipped = row["reason"] and Skipped(row["reason"], lasting=True)
            key = ClipKey(*(row[name] for name in ClipKey._fields))
            self.outcomes[key] = skipped or Row(row["duration_s"], features.values.to_numpy())

    def keep(self) -> None:
        """Writes what is not yet in a part; raises as ``add`` does."""
        fresh, self._fresh, self._kept_at = self._fresh, {}, time.monotonic()
        if not fresh:
            return
        part = self._folder / f"part-{uuid.uuid4().hex}.parquet"
        nothing = self._nothing._asdict()
        rows = [nothing | key._asdict() | outcome._asdict() for key, outcome in fresh.items()]
        features = pa.list_(pa.float32(), len(self._nothing.features))
        table = pa.Table.from_pylist(rows, pa.schema([*_COLUMNS, ("features", features)]))
        try:
            with replacing(part) as temporary:
                pq.write_table(table, temporary, compression="none", use_dictionary=False)
        except OSError as error:
            raise InputError(
                f"{part}: cannot be written ({error.strerror or error}); make room, and run the "
                "same command again"
            ) from error


def clip_key(path: Path) -> ClipKey | None:
    """The key of a recording, None if it is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    # A name that is not UTF-8 is written out, so that the parts can hold it.
    text = str(path.resolve()).encode("utf-8", "backslashreplace").decode()
    return ClipKey(text, found.st_size, found.st_mtime_ns)
