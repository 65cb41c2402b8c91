"""From the columns of a file to a feature table: keys, times, doubled rows, labels."""

from __future__ import annotations

import math
import ntpath
import posixpath
import re
import shlex
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from aegan.data.contract import FeatureContract
from aegan.errors import InputError
from aegan.tables.roles import FRAMES, LABELS, TIMES, Roles
from aegan.tables.table import FeatureTable
from aegan.tables.text import cut, is_number, listed, read_one_line

# What can be an emotion: words only; or two whole numbers at least; or whatever the file declares.
WORDS, CODES, DECLARED = "words", "codes", "declared"
NO_NAME = ("", "?", "noname", "unknown")  # what openSMILE writes without an instance name

_MISSING = ("", "?", "nan")
_DURATION = re.compile(
    r"(?=.)(?:(\d{1,5}) days?,? ?\+?)?(?:(\d{1,5}):([0-5]\d):([0-5]\d(?:\.\d+)?))?", re.ASCII
)
_LONGEST_PASSPORT = 1 << 16  # characters
_BLOCK = 4096  # rows moved together


class Target(NamedTuple):
    """A column that may hold the emotion."""

    role: str  # its key in ``Columns.texts``
    name: str  # its own
    rule: str  # WORDS, CODES or DECLARED


@dataclass
class Columns:
    """Cells of a file, by the role of their column."""

    place: str  # the file's path
    texts: dict[str, list[str]]  # "file", "start", "speaker", ...
    features: np.ndarray  # (rows, dim) float32, all finite
    names: tuple[str, ...]
    row_name: Callable[[int], str]  # 3 -> "line 5"
    targets: Sequence[Target] = ()  # that may hold the emotion, best first
    changed: bool = False  # whether the user left columns out
    metadata: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()


def contract_of(columns: Columns) -> FeatureContract:
    """The contract of a file; ``InputError`` where its own hash speaks against it."""
    return _contract(columns, dict(columns.metadata) | _passport(columns))


def name_by_stem(columns: Columns, stem: str) -> Columns:
    """Names the row of a file that has one row without a name by the file's own stem."""
    files = columns.texts.get("file", [""])
    if len(columns.features) != 1 or files[0].lower() not in NO_NAME:
        return columns
    return replace(columns, texts={**columns.texts, "file": [stem]})


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
    metadata = dict(columns.metadata) | _passport(columns)
    contract = _contract(columns, metadata)
    metadata = {k: v for k, v in metadata.items() if k not in contract.to_metadata()}
    files = _files(columns)
    times = _times(columns)
    labels = {
        name: columns.texts[name] for name in LABELS if name in columns.texts and name != "emotion"
    }
    labels |= _target(columns, notes)
    keep = _first_of_each_key(columns, files, times)
    features = columns.features
    if len(keep) < rows:
        doubled = rows - len(keep)
        notes.append(f"{doubled} doubled row{'s' * (doubled > 1)} left out (same key, same values)")
        features = _move_up(features, keep)
        files = [files[row] for row in keep]
        times = None if times is None else times[keep]
        labels = {name: [values[row] for row in keep] for name, values in labels.items()}
    return FeatureTable(
        source=place,
        files=np.array(files, dtype=str),
        times=times,
        labels={name: np.array(_blank(values), dtype=str) for name, values in labels.items()},
        features=features,
        contract=contract,
        metadata=metadata,
        notes=tuple(notes),
    )


def without_common_folder(table: FeatureTable) -> FeatureTable:
    """The table without the folder that all its files lie in, if they are absolute paths."""
    files = table.files.tolist()
    for path in (posixpath, ntpath):
        if all(map(path.isabs, files)):
            break
    else:
        return table
    try:
        folder = path.commonpath([path.dirname(file) for file in files])
    except ValueError:  # several drives
        return table
    short = [path.relpath(file, folder).replace("\\", "/") for file in files]
    if len(set(short)) < len(set(files)) or not all(map(path.basename, files)):
        return table
    note = f"names of files are those below {cut(folder)}"
    return replace(table, files=np.array(short, dtype=str), notes=(*table.notes, note))


def with_unique_files(table: FeatureTable) -> FeatureTable:
    """Names segments ``file[start-end]`` (seconds) where a file has several of them."""
    counts = Counter(table.files.tolist())
    several = {file for file, count in counts.items() if count > 1}
    if table.times is None or not several:
        return table
    for digits in (3, 6, 9):
        files = [
            f"{file}[{_seconds(start, digits)}-{_seconds(end, digits)}]"
            if file in several
            else file
            for file, (start, end) in zip(table.files.tolist(), table.times.tolist(), strict=True)
        ]
        if len(set(files)) == len(files):
            break
    else:
        double = next(file for file, count in Counter(files).items() if count > 1)
        raise InputError(f"{table.source}: segment '{double}' is there twice; keep one of them")
    note = f"{len(several)} with several segments each: rows are named file[start-end]"
    return replace(table, files=np.array(files, dtype=str), notes=(*table.notes, note))


def _seconds(value: float, digits: int) -> str:
    return "" if math.isnan(value) else f"{value:.{digits}f}"


def targets_of(roles: Roles) -> list[Target]:
    """The targets of a file that declares no types."""
    return [
        Target(role, name, CODES if name.lower() == "emotion" else WORDS)
        for role, name in roles.targets.items()
    ]


def _blank(values: list[str], also: Sequence[str] = ()) -> list[str]:
    missing = {*_MISSING, *also}
    return ["" if value.lower() in missing else value for value in values]


def _contract(columns: Columns, metadata: dict[str, str]) -> FeatureContract:
    names = columns.names
    if columns.changed:  # the file's hash may be that of more features
        own = FeatureContract.of(names, metadata.get("feature_set", ""))
        if metadata.get("feature_hash") != own.hash:
            return FeatureContract.of(names)
    return FeatureContract.from_metadata(columns.place, names, metadata)


def _files(columns: Columns) -> list[str]:
    files = columns.texts.get("file")
    nameless = [] if files is None else [i for i, f in enumerate(files) if f.lower() in NO_NAME]
    if files is None:
        raise InputError(
            f"{columns.place}: no column with the names of the recordings; call one 'file' "
            "(or name, filename, path), or say which it is with --columns=file=..."
        )
    if nameless:
        row = columns.row_name(nameless[0])
        which = "no row has" if len(nameless) == len(files) else f"{row} has not"
        raise InputError(
            f"{columns.place}: {which} the name of its recording ('{files[nameless[0]]}'); extract "
            "again with SMILExtract -instname (-N), or give a folder with one file per recording"
        )
    return files


def _times(columns: Columns) -> np.ndarray | None:
    """(rows, 2) seconds; None where the file has no such columns."""
    if not any(name in columns.texts for name in TIMES):
        return None
    times = np.full((len(columns.features), 2), np.nan)
    for i, name in enumerate(TIMES):
        for row, text in enumerate(columns.texts.get(name, ())):
            times[row, i] = seconds(text, f"{columns.place}: {columns.row_name(row)}", name)
    times[np.isnan(times[:, 0]), 0] = 0.0
    return times


def seconds(text: str, place: str, column: str) -> float:
    """A time in seconds: ``2.5``, ``00:00:02.5``, ``0 days 00:00:02.5``; NaN where it is empty."""
    text = text.strip()
    if text.lower() in ("nat", *_MISSING):
        return math.nan
    match = _DURATION.fullmatch(text)
    if match:
        days, hours, minutes, rest = match.groups(default="0")
        return 86400.0 * int(days) + 3600.0 * int(hours) + 60.0 * int(minutes) + float(rest)
    if is_number(text) and 0 <= float(text) < 1e9:
        return float(text)
    raise InputError(
        f"{place}, column '{column}': '{cut(text)}' is not a time; write seconds (2.5) or "
        "'0 days 00:00:02.5'"
    )


def _target(columns: Columns, notes: list[str]) -> dict[str, list[str]]:
    """The emotions, from the first column of them that says any."""
    chosen: Target | None = None
    for target in columns.targets:
        if chosen is not None:
            notes.append(f"column '{target.name}' left out; '{chosen.name}' is used in its place")
            continue
        present = set(_blank(columns.texts[target.role], ("unknown",))) - {""}
        whole = len(present) > 1 and all(value.isdecimal() for value in present)
        if not present:
            notes.append(f"column '{target.name}' left out: it is empty")
        elif target.rule == DECLARED or not all(map(is_number, present)):
            chosen = target
        elif target.rule == CODES and whole:
            notes.append(f"column '{target.name}': its numbers are taken as names of classes")
            chosen = target
        else:
            notes.append(f"column '{target.name}' left out: numbers, not names of classes")
    return {} if chosen is None else {"emotion": _blank(columns.texts[chosen.role], ("unknown",))}


def _passport(columns: Columns) -> dict[str, str]:
    """What the column ``passport`` of a synthetic CSV file says."""
    texts = columns.texts.get("passport")
    if texts is None:
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


def _first_of_each_key(columns: Columns, files: list[str], times: np.ndarray | None) -> list[int]:
    """The first row of every key; refuses a key with different values."""
    spans = [None] * len(files) if times is None else map(str, times.tolist())  # NaN equals NaN
    first: dict[tuple, int] = {}
    keep, clashes = [], {}
    values = columns.features
    for row, key in enumerate(zip(files, spans, strict=True)):
        before = first.setdefault(key, row)
        if before == row:
            keep.append(row)
        elif key not in clashes and not np.array_equal(values[before], values[row]):
            clashes[key] = (before, row)
    if not clashes:
        return keep
    (name, _), (before, row) = next(iter(clashes.items()))
    for column in FRAMES:
        cells = columns.texts.get(column)
        if cells and cells[before] != cells[row]:
            raise InputError(
                f"{columns.place}: '{name}' has rows of several times ({columns.row_name(before)}, "
                f"{columns.row_name(row)}): frames or windows; extract one row per recording "
                "(functionals, frameMode = full)"
            )
    raise InputError(
        f"{columns.place}: {len(clashes)} key{'s' * (len(clashes) > 1)} with different values in "
        f"several rows: {listed(key[0] for key in clashes)} ({columns.row_name(before)} and "
        f"{columns.row_name(row)}); keep one row per recording"
    )


def _move_up(features: np.ndarray, keep: list[int]) -> np.ndarray:
    """The rows to keep, moved up in place: a copy would need the memory twice."""
    for start in range(0, len(keep), _BLOCK):
        rows = keep[start : start + _BLOCK]
        features[start : start + len(rows)] = features[rows]
    return features[: len(keep)]
