"""Finished clips of an extraction under way, so that it can go on after any end.

The folder holds ``identity.json``, written first, and ``part-*.parquet``, each written whole or not
at all: a row per clip with its path, size and time of change, and its features or the reason why
it has none. A part that came to harm is named, and its clips are done again.
"""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from aegan.audio.clips import FeatureKind, Row, Skipped
from aegan.data.parquet import parquet_writer, read_table
from aegan.errors import InputError
from aegan.system.files import beside, locked, read_json, sweep, whole, write_json, writing
from aegan.system.screen import say

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
    """What has come of clips, earlier runs included; see `finished_clips`."""

    def __init__(self, folder: Path, dim: int) -> None:
        self.outcomes: dict[ClipKey, Row | Skipped] = {}
        self._folder = folder
        self._nothing = Row(0.0, np.zeros(dim, np.float32))
        self._fresh: dict[ClipKey, Row | Skipped] = {}  # not yet in a part
        self._kept_at = time.monotonic()
        for part in sorted(folder.glob("part-*.parquet")):
            try:
                self.outcomes |= _read_part(part, dim)
            except InputError as error:
                say(str(error))
                part.unlink(missing_ok=True)

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
        options = {"compression": "none", "use_dictionary": False}
        with (
            writing(part, "make room, and run the same command again"),
            beside(part) as temporary,
            parquet_writer(temporary, table.schema, **options) as writer,
        ):
            writer.write_table(table)


def _read_part(part: Path, dim: int) -> dict[ClipKey, Row | Skipped]:
    found: dict[ClipKey, Row | Skipped] = {}
    with whole(part, "its clips are done again"):
        table = read_table(part)
        rows = table.drop_columns("features").to_pylist()
        for row, features in zip(rows, table["features"], strict=True):
            key = ClipKey(*(row[name] for name in ClipKey._fields))
            if row["reason"]:
                found[key] = Skipped(row["reason"], True)
                continue
            found[key] = Row(row["duration_s"], features.values.to_numpy())
            if found[key].features.shape != (dim,):
                raise ValueError("rows of other features")
    return found


@contextmanager
def finished_clips(folder: Path, kind: FeatureKind) -> Iterator[FinishedClips]:
    """Claims the folder of an extraction, new or interrupted, and in the end keeps all there is.

    Raises:
        InputError: the folder is of an extraction with other settings, of one that is at work
            now, or of anything else, or it cannot be written.
    """
    identity = {"extractor": kind.extractor, "fingerprint": kind.fingerprint}
    identity |= kind.contract.to_metadata()
    file, mend = folder / "identity.json", f"delete {folder} or give another --out"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not any(folder.iterdir()):
            write_json(file, identity)
        there = read_json(file, mend)
    except OSError as error:
        raise InputError(f"{folder}: not usable ({error.strerror}); {mend}") from error
    for name in sorted({*identity, *there}):
        before, now = there.get(name), identity.get(name)
        if before != now:
            how = f"{name} is {before!r} there and {now!r} here"
            raise InputError(f"{folder}: rows of other settings ({how}); {mend}")
    # Two at once would remove each other's parts.
    busy = "is at work on it; wait for its end, or give another --out"
    with (
        open(folder / "lock", "a+", encoding="utf-8", errors="replace") as lock,
        locked(lock, f"{folder}: {{holder}} {busy}"),
    ):
        sweep(folder)
        clips = FinishedClips(folder, len(kind.contract.names))
        try:
            yield clips
        finally:
            clips.keep()


def clip_key(path: Path) -> ClipKey | None:
    """The key of a recording, None if it is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    # A name that is not UTF-8 is written out, so that the parts can hold it.
    text = str(path.resolve()).encode("utf-8", "backslashreplace").decode()
    return ClipKey(text, found.st_size, found.st_mtime_ns)
