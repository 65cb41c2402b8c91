"""From the columns of a file to a feature table: keys, times, doubled rows, labels."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from aegan.data.contract import FeatureContract
from aegan.errors import InputError
from aegan.tables.roles import CODES, DECLARED, FRAMES, LABELS, PASSPORT, TIMES, Columns, Target
from aegan.tables.table import FeatureTable
from aegan.tables.text import cut, is_number, listed, read_one_line

NO_NAME = ("", "?", "noname", "unknown")  # what openSMILE writes without an instance name

_MISSING = ("", "?", "nan")
_DURATION = re.compile(
    r"(?=.)(?:(\d{1,5}) days?,? ?\+?)?(?:(\d{1,5}):([0-5]\d):([0-5]\d(?:\.\d+)?))?", re.ASCII
)
_LONGEST_PASSPORT = 1 << 16  # characters
_BLOCK = 4096  # rows moved together


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
    chosen: Target | None = None
    cells: dict[str, list[str]] = {}
    for target in columns.roles.targets:
        if chosen is not None:
            notes.append(f"column '{target.name}' left out; '{chosen.name}' is used in its place")
            continue
        found = blank(columns.texts[target.role], ("unknown",))
        present = set(found) - {""}
        whole = len(present) > 1 and all(value.isdecimal() for value in present)
        if not present:
            notes.append(f"column '{target.name}' left out: it is empty")
        elif target.rule == DECLARED or not all(map(is_number, present)):
            chosen, cells = target, {"emotion": found}
        elif target.rule == CODES and whole:
            notes.append(f"column '{target.name}': its numbers are taken as names of classes")
            chosen, cells = target, {"emotion": found}
        else:
            notes.append(f"column '{target.name}' left out: numbers, not names of classes")
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
