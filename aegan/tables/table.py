"""The one form that every reader of feature files gives, and how it is made of their columns."""

from __future__ import annotations

import math
import ntpath
import posixpath
import re
import shlex
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from aegan.data.contract import FeatureContract
from aegan.errors import InputError
from aegan.tables.roles import CODES, DECLARED, FRAMES, LABELS, PASSPORT, TIMES, Columns
from aegan.tables.text import cut, is_number, listed, read_one_line

NO_NAME = ("", "?", "noname", "unknown")  # what openSMILE writes without an instance name

_MISSING = ("", "?", "nan")
_DURATION = re.compile(
    r"(?=.)(?:(\d{1,5}) days?,? ?\+?)?(?:(\d{1,5}):([0-5]\d):([0-5]\d(?:\.\d+)?))?", re.ASCII
)
_LONGEST_PASSPORT = 1 << 16  # characters
_BLOCK = 4096  # rows moved together


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """Rows of features with the keys and labels that stood beside them; row i is one segment."""

    source: str  # the file's path, for messages
    files: np.ndarray  # (rows,) str: instance name, or path of the recording
    times: np.ndarray | None  # (rows, 2) float64: start and end in seconds; end NaN: to the end
    labels: Mapping[str, np.ndarray]  # "speaker", "emotion", ...: (rows,) str, "" where empty
    features: np.ndarray  # (rows, dim) float32
    contract: FeatureContract
    metadata: Mapping[str, str] = field(default_factory=dict)  # of the file: corpus, licence, ...
    notes: tuple[str, ...] = ()  # what the reader left out or changed, in words

    def but(self, *notes: str, **changes: Any) -> FeatureTable:
        """The table with other fields, and with more notes."""
        return replace(self, **changes, notes=(*self.notes, *notes))

    def select(self, keep: np.ndarray, *notes: str) -> FeatureTable:
        """The rows of a mask (rows,) or of indices."""
        return self.but(
            *notes,
            files=self.files[keep],
            times=None if self.times is None else self.times[keep],
            labels={name: values[keep] for name, values in self.labels.items()},
            features=self.features[keep],
        )


def assemble(columns: Columns) -> FeatureTable:
    """The table that the columns make.

    Raises:
        InputError: no rows, rows without a name, one key with different values, times or a
            passport that cannot be read, columns other than the file's own hash says.
    """
    place, notes = columns.place, list(columns.notes)
    rows = len(columns.features)
    if not rows:
        raise InputError(f"{place}: no rows below the header; a table has one per recording")
    contract, metadata = contract_of(columns)
    files = np.array(_files(columns), dtype=str)
    times = times_of(columns.texts, rows, lambda row: f"{place}: {columns.row_name(row)}")
    labels = {name: columns.texts[name] for name in LABELS if name in columns.texts}
    labels.pop("emotion", None)
    labels = {name: blank(cells) for name, cells in labels.items()} | _emotion(columns, notes)
    labels = {name: np.array(cells, dtype=str) for name, cells in labels.items()}
    keep = _first_of_each_key(columns, files, times)
    features = columns.features
    if len(keep) < rows:
        doubled = rows - len(keep)
        notes.append(f"{doubled} doubled row{'s' * (doubled > 1)} left out (same key, same values)")
        features = _move_up(features, keep)
        files = files[keep]
        times = None if times is None else times[keep]
        labels = {name: values[keep] for name, values in labels.items()}
    return FeatureTable(place, files, times, labels, features, contract, metadata, tuple(notes))


def contract_of(columns: Columns) -> tuple[FeatureContract, dict[str, str]]:
    """The contract of a file, and what else its metadata or its passport say.

    Raises:
        InputError: the file's own hash speaks against its columns.
    """
    names, metadata = columns.names, dict(columns.metadata) | _passport(columns)
    contract = FeatureContract.of(names, metadata.get("feature_set", ""))
    if columns.changed and metadata.get("feature_hash") != contract.hash:
        contract = FeatureContract.of(names)  # the file's hash may be that of more features
    else:
        contract = FeatureContract.from_metadata(columns.place, names, metadata)
    return contract, {k: v for k, v in metadata.items() if k not in contract.to_metadata()}


def blank(cells: Sequence[str], also: Sequence[str] = ()) -> list[str]:
    """Cells of a label, "" where they stand for nothing."""
    missing = {*_MISSING, *also}
    return ["" if cell.lower() in missing else cell for cell in cells]


def times_of(
    texts: Mapping[str, Sequence[str]], rows: int, row_place: Callable[[int], str]
) -> np.ndarray | None:
    """Start and end (rows, 2) in seconds, NaN for no end; None where there are no such columns.

    Args:
        texts: cells of columns, "start" and "end" among them.
        rows: their number.
        row_place: file and row, for messages.

    Raises:
        InputError: a cell that is neither seconds nor a duration as pandas writes it.
    """
    if not any(name in texts for name in TIMES):
        return None
    times = np.full((rows, 2), np.nan)
    for i, name in enumerate(TIMES):
        for row, text in enumerate(texts.get(name, ())):
            seconds = _seconds(text.strip())
            if seconds is None:
                raise InputError(
                    f"{row_place(row)}, column '{name}': '{cut(text.strip())}' is not a time; "
                    "write seconds (2.5) or '0 days 00:00:02.5'"
                )
            times[row, i] = seconds
    times[np.isnan(times[:, 0]), 0] = 0.0
    return times


def _seconds(text: str) -> float | None:
    """Of ``2.5``, ``00:00:02.5``, ``0 days 00:00:02.5``; NaN where it is empty."""
    if text.lower() in ("nat", *_MISSING):
        return math.nan
    match = _DURATION.fullmatch(text)
    if match:
        days, hours, minutes, rest = match.groups(default="0")
        return 86400.0 * int(days) + 3600.0 * int(hours) + 60.0 * int(minutes) + float(rest)
    return float(text) if is_number(text) and 0 <= float(text) < 1e9 else None


def _files(columns: Columns) -> list[str]:
    files = columns.texts.get("file")
    if files is None:
        raise InputError(
            f"{columns.place}: no column with the names of the recordings; call one 'file' "
            "(or name, filename, path), or say which it is with --columns=file=..."
        )
    nameless = [i for i, file in enumerate(files) if file.lower() in NO_NAME]
    if nameless:
        row = columns.row_name(nameless[0])
        which = "no row has" if len(nameless) == len(files) else f"{row} has not"
        raise InputError(
            f"{columns.place}: {which} the name of its recording ('{files[nameless[0]]}'); extract "
            "again with SMILExtract -instname (-N), or give a folder with one file per recording"
        )
    return files


def _emotion(columns: Columns, notes: list[str]) -> dict[str, list[str]]:
    """The emotions, from the first column of them that says any."""
    chosen, cells = None, {}
    for role, name, rule in columns.roles.targets:
        found = blank(columns.texts[role], ("unknown",))
        present = set(found) - {""}
        words = rule == DECLARED or not all(map(is_number, present))
        codes = rule == CODES and len(present) > 1 and all(map(str.isdecimal, present))
        if chosen is not None:
            notes.append(f"column '{name}' left out; '{chosen}' is used in its place")
        elif not present:
            notes.append(f"column '{name}' left out: it is empty")
        elif words or codes:
            chosen, cells = name, {"emotion": found}
            if not words:
                notes.append(f"column '{name}': its numbers are taken as names of classes")
        else:
            notes.append(f"column '{name}' left out: numbers, not names of classes")
    return cells


def _passport(columns: Columns) -> dict[str, str]:
    """What the column ``passport`` of a synthetic CSV file says."""
    texts = columns.texts.get(PASSPORT)
    if not texts:
        return {}
    for row, text in enumerate(texts):
        if text != texts[0]:
            raise InputError(
                f"{columns.place}: {columns.row_name(row)} has another passport than "
                f"{columns.row_name(0)}; keep rows of other origin in a file of their own"
            )
    try:
        if len(texts[0]) > _LONGEST_PASSPORT:
            raise ValueError("too long")
        pairs = [part.partition("=") for part in shlex.split(texts[0])]
        if not all(key and equals for key, equals, _ in pairs):
            raise ValueError("no key=value")
        return {key: read_one_line(value) for key, _, value in pairs}
    except ValueError:
        raise InputError(
            f"{columns.place}: {columns.row_name(0)}, column 'passport': not of the form "
            "'synthetic=true model=...'; write the table again"
        ) from None


def _first_of_each_key(columns: Columns, files: np.ndarray, times: np.ndarray | None) -> list[int]:
    """The first row of every key; refuses a key with different values."""
    spans = [None] * len(files) if times is None else map(str, times.tolist())  # NaN equals NaN
    first: dict[tuple, int] = {}
    clashes: dict[tuple, tuple[int, int]] = {}
    values = columns.features
    for row, key in enumerate(zip(files.tolist(), spans, strict=True)):
        before = first.setdefault(key, row)
        if before != row and key not in clashes and not np.array_equal(values[before], values[row]):
            clashes[key] = (before, row)
    if not clashes:
        return list(first.values())
    (name, _), (before, row) = next(iter(clashes.items()))
    rows = (columns.row_name(before), columns.row_name(row))
    for column in FRAMES:
        cells = columns.texts.get(column)
        if cells and cells[before] != cells[row]:
            raise InputError(
                f"{columns.place}: '{name}' has rows of several times ({rows[0]}, {rows[1]}): "
                "frames or windows; extract one row per recording (functionals, frameMode = full)"
            )
    raise InputError(
        f"{columns.place}: {len(clashes)} key{'s' * (len(clashes) > 1)} with different values in "
        f"several rows: {listed(key[0] for key in clashes)} ({rows[0]} and {rows[1]}); keep one "
        "row per recording"
    )


def _move_up(features: np.ndarray, keep: list[int]) -> np.ndarray:
    """The rows to keep, moved up in place: a copy would need the memory twice."""
    for start in range(0, len(keep), _BLOCK):
        rows = keep[start : start + _BLOCK]
        features[start : start + len(rows)] = features[rows]
    return features[: len(keep)]


def without_common_folder(table: FeatureTable) -> FeatureTable:
    """The table without the folder that all its files lie in, if they are absolute paths."""
    files = table.files.tolist()
    path = next((path for path in (posixpath, ntpath) if all(map(path.isabs, files))), None)
    if path is None:
        return table
    try:
        folder = path.commonpath([path.dirname(file) for file in files])
    except ValueError:  # several drives
        return table
    short = [path.relpath(file, folder).replace("\\", "/") for file in files]
    if len(set(short)) < len(set(files)) or not all(map(path.basename, files)):
        return table
    note = f"names of files are those below {cut(folder)}"
    return table.but(note, files=np.array(short, dtype=str))


def with_unique_files(table: FeatureTable) -> FeatureTable:
    """Names segments ``file[start-end]`` (seconds) where a file has several of them."""
    counts = Counter(table.files.tolist())
    several = {file for file, count in counts.items() if count > 1}
    if table.times is None or not several:
        return table

    def name(file: str, times: list[float], digits: int) -> str:
        start, end = ("" if math.isnan(time) else f"{time:.{digits}f}" for time in times)
        return f"{file}[{start}-{end}]" if file in several else file

    for digits in (3, 6, 9):
        rows = zip(table.files.tolist(), table.times.tolist(), strict=True)
        files = [name(file, times, digits) for file, times in rows]
        if len(set(files)) == len(files):
            note = f"{len(several)} with several segments each: rows are named file[start-end]"
            return table.but(note, files=np.array(files, dtype=str))
    double = next(file for file, count in Counter(files).items() if count > 1)
    raise InputError(f"{table.source}: segment '{double}' is there twice; keep one of them")
