"""Tables of labels, and joining them to features: by key, never by position."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from aegan.errors import InputError
from aegan.tables.assemble import seconds
from aegan.tables.columnar import read_texts, row_name
from aegan.tables.delimited import split_header
from aegan.tables.read import kind_of
from aegan.tables.roles import LABELS, TIMES, Options, check_there, columns_by_role
from aegan.tables.rows import decode
from aegan.tables.table import FeatureTable
from aegan.tables.text import cut, flaw, listed

REFUSE, DROP = "refuse", "drop"
NEEDED = ("speaker", "emotion")

_MAX_LINE = 1 << 20  # bytes
_MISSING = ("", "?", "nan")
_MOST_PARTS = 16  # of a path that are compared
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,5}$")


@dataclass(frozen=True, eq=False)
class Labels:
    """Labels of recordings or of segments; row i of every array is the same one."""

    source: str  # the file's path, for messages
    files: np.ndarray  # (rows,) str
    times: np.ndarray | None  # (rows, 2) seconds; end NaN: to the end
    columns: Mapping[str, np.ndarray]  # "speaker", "emotion", ...: (rows,) str, "" where empty


def read_labels(path: str | Path, rename: Mapping[str, str] | None = None) -> Labels:
    """Reads a table of labels: CSV, TSV, with semicolons, Parquet or Feather.

    It has the columns file (or name, filename, path), speaker and emotion (or label, class), and
    optionally session, start and end (seconds, or as pandas writes them). Others are not read.

    Args:
        path: of the table.
        rename: the table's own names of columns: ``{"speaker": "spk"}``.

    Raises:
        InputError: no keys or no labels in it, or a row that cannot be understood.
    """
    path, options = Path(path), Options(dict(rename or {}))
    place, kind = str(path), kind_of(path, "a table of labels")
    if kind == "arff":
        raise InputError(f"{place}: is ARFF; write the labels as CSV with file, speaker, emotion")

    def choose(header: Sequence[str]) -> dict[str, int]:
        return _choose(place, header, options)

    try:
        if kind == "text":
            columns, row_names = _read_text(path, choose)
        else:
            columns = read_texts(path, kind, choose)
            row_names = list(map(row_name, range(len(columns["file"]))))
    except OSError as error:
        raise InputError(f"{place}: cannot be read ({error.strerror}); see to that") from error
    return _labels(place, columns, row_names)


def _choose(place: str, header: Sequence[str], options: Options) -> dict[str, int]:
    """Positions of the columns that are read."""
    header = [name.strip() for name in header]
    check_there(place, header, options)
    used = columns_by_role(header, options)
    roles = {role: used[role] for role in ("file", *TIMES, *LABELS) if used.get(role)}
    if "file" not in roles:
        raise InputError(
            f"{place}: no column with the names of the recordings (it has {listed(header)}); call "
            "one 'file', or say which it is with --columns=file=..."
        )
    for name in roles.values():
        if header.count(name) > 1:
            raise InputError(f"{place}: column '{name}' is there twice; rename or drop one")
    if not set(LABELS) & set(roles):
        raise InputError(
            f"{place}: no labels (it has {listed(header)}); add speaker and emotion, or say which "
            "they are with --columns=speaker=...,emotion=..."
        )
    return {role: header.index(name) for role, name in roles.items()}


def _read_text(
    path: Path, choose: Callable[[Sequence[str]], Mapping[str, int]]
) -> tuple[dict[str, list[str]], list[str]]:
    """Cells by role, and the name of every row."""
    with path.open("rb") as file:
        lines = _lines(path, file)
        first = next((line for line in lines if line.strip()), "")
        separator, header = split_header(first.strip("\r\n").encode())
        chosen = choose(header)
        columns: dict[str, list[str]] = {role: [] for role in chosen}
        row_names = []
        reader = csv.reader(lines, delimiter=separator.decode(), skipinitialspace=True)
        try:
            for cells in reader:
                if not any(map(str.strip, cells)):
                    continue
                name = f"line {lines.number}"
                if len(cells) != len(header):
                    raise InputError(
                        f"{path}: {name} has {len(cells)} cells for {len(header)} columns; quote "
                        "what holds a separator, or mend the line"
                    )
                row_names.append(name)
                for role, position in chosen.items():
                    cell = cells[position].strip()
                    wrong = flaw(cell)
                    if wrong:
                        raise InputError(f"{path}: {name}, column '{header[position]}' {wrong}")
                    columns[role].append(cell)
        except csv.Error as error:
            raise InputError(
                f"{path}: line {lines.number}: not CSV ({error}); close its quotes or mend it"
            ) from error
    return columns, row_names


class _lines:
    """Text lines of a file; ``number`` is that of the last one, from 1."""

    def __init__(self, path: Path, file) -> None:
        self._path, self._file, self.number = path, file, 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._file.readline(_MAX_LINE + 1)
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) > _MAX_LINE:
            raise InputError(
                f"{self._path}: line {self.number} is longer than {_MAX_LINE >> 20} MB; write one "
                "line per row"
            )
        return decode(line.removeprefix(b"\xef\xbb\xbf") if self.number == 1 else line)


def _labels(place: str, columns: dict[str, list[str]], row_names: Sequence[str]) -> Labels:
    files = columns["file"]
    if not files:
        raise InputError(f"{place}: no rows below the header; a table of labels has one per file")
    for row, file in enumerate(files):
        if not file:
            raise InputError(f"{place}: {row_names[row]} has no file; fill it in or drop the row")
    times = None
    if "start" in columns or "end" in columns:
        times = np.full((len(files), 2), np.nan)
        for i, role in enumerate(TIMES):
            for row, text in enumerate(columns.get(role, ())):
                times[row, i] = seconds(text, f"{place}: {row_names[row]}", role)
        times[np.isnan(times[:, 0]), 0] = 0.0
    texts = {
        role: ["" if cell.lower() in _MISSING else cell for cell in columns[role]]
        for role in LABELS
        if role in columns
    }
    return Labels(
        place,
        np.array(files, dtype=str),
        times,
        {role: np.array(cells, dtype=str) for role, cells in texts.items()},
    )


def _parts(file: str) -> list[str]:
    return [part for part in file.replace("\\", "/").split("/") if part not in ("", ".")]


def _with_small_suffix(file: str) -> str:
    return _SUFFIX.sub(lambda suffix: suffix[0].lower(), file)


def _tail(file: str, parts: int, suffix: bool = True) -> str:
    """The last parts of a path, whatever accents and case of suffix the file system made of it."""
    tail = unicodedata.normalize("NFC", "/".join(_parts(file)[-parts:]))
    return _with_small_suffix(tail) if suffix else _SUFFIX.sub("", tail)


class Way(NamedTuple):
    """A way to compare keys."""

    how: str
    key: Callable[[str], str]
    timed: bool


def _ways(most: int) -> Iterator[list[tuple[str, Callable[[str], str]]]]:
    """Ways in the order they are tried; of those in one list, the one that fits most keys counts.

    ``most`` is the number of parts of a path that are compared at most.
    """
    yield [("name", str), ("name, its suffix in any case", _with_small_suffix)]
    for without, suffix in (("", True), (" without suffix", False)):
        yield [
            (
                f"the last {parts} parts of the path{without}",
                partial(_tail, parts=parts, suffix=suffix),
            )
            for parts in range(most, 1, -1)
        ]
    for without, suffix in (("", True), (" without suffix", False)):
        yield [(f"base name{without}", partial(_tail, parts=1, suffix=suffix))]


def way_to_join(table: FeatureTable, labels: Labels) -> Way | None:
    """The first way by which any keys agree; None where none does.

    One way holds for all rows. Of the last parts of the path it takes as many as make most keys
    agree.
    """
    most = min(
        max((len(_parts(file)) for file in side.files.tolist()), default=0)
        for side in (table, labels)  # of the shorter paths, all parts tell no less than more
    )
    both_timed = table.times is not None and labels.times is not None
    for timed in (True, False) if both_timed else (False,):
        for alike in _ways(min(most, _MOST_PARTS)):
            ways = [Way(f"{how}{' and time' if timed else ''}", key, timed) for how, key in alike]
            agreeing = [len(set(_keys(table, w)) & set(_keys(labels, w))) for w in ways]
            if any(agreeing):
                return ways[agreeing.index(max(agreeing))]
    return None


def join(table: FeatureTable, labels: Labels, unmatched: str = REFUSE) -> FeatureTable:
    """The table with the labels of another file.

    Keys are compared as they are; if none agrees, the last parts of their paths, then these
    without suffix, then base names, then these without suffix; with start and end where both
    sides have them. Rows keep the order of the table. Labels of the table itself stay where the
    other file has no such column.

    Args:
        table: of features.
        labels: of the same recordings.
        unmatched: "refuse" rows that only one side has, or "drop" them with a note.

    Raises:
        InputError: unmatched rows, one key with different labels, base names or last parts of
            a path that several recordings share.
    """
    way = way_to_join(table, labels)
    if way is None:
        raise InputError(
            f"{labels.source}: no row is of a recording of {table.source} (files like "
            f"'{cut(labels.files[0])}' here, '{cut(table.files[0])}' there); name both alike"
        )
    wanted, offered = _keys(table, way), _keys(labels, way)
    matched = set(wanted) & set(offered)
    _check_distinct(table.source, table.files, wanted, matched, way)
    _check_distinct(labels.source, labels.files, offered, matched, way)
    rows, doubled = _rows_of_keys(labels, offered)
    found = np.array([rows.get(key, -1) for key in wanted])
    notes = [f"labels of {Path(labels.source).name} joined by {way.how}"]
    if doubled:
        notes.append(f"{doubled} doubled row{'s' * (doubled > 1)} of labels left out (same labels)")
    shared = int((found >= 0).sum()) - len(matched)
    if shared:
        notes.append(f"{shared} more segments take the labels of their recording")
    notes += _unmatched(
        table, labels, found, [key for key in rows if key not in matched], rows, unmatched, way
    )
    if (found < 0).any():
        table, found = select_rows(table, found >= 0), found[found >= 0]
    joined = dict(table.labels)
    for name, values in labels.columns.items():
        own = joined.get(name)
        differing = 0 if own is None else int((own != values[found]).sum())
        if differing:
            notes.append(f"{differing} values of '{name}' in the features replaced by the labels'")
        joined[name] = values[found]
    return replace(table, labels=joined, notes=(*table.notes, *notes))


def complete(table: FeatureTable, source: str, unmatched: str = REFUSE) -> FeatureTable:
    """The table with a speaker and an emotion in every row.

    Args:
        table: with its labels.
        source: where labels came from, for messages.
        unmatched: "refuse" rows with an empty label, or "drop" them with a note.

    Raises:
        InputError: a missing column, or empty cells in it.
    """
    why = {
        "speaker": "folds keep speakers apart, so every row needs its speaker",
        "emotion": "every row needs the emotion that it stands for",
    }
    for name in NEEDED:
        if name not in table.labels:
            raise InputError(
                f"{source}: no column '{name}'; {why[name]}; add it, or say which it is with "
                f"--columns={name}=..."
            )
    for name in (*NEEDED, "session", "fold"):
        empty = table.labels[name] == "" if name in table.labels else np.zeros(1, bool)
        if not empty.any():
            continue
        count = f"{int(empty.sum())} of {len(empty)} rows have no {name}"
        first = listed(table.files[empty])
        if unmatched == REFUSE:
            raise InputError(
                f"{source}: {count} ({first}); fill them in, or leave the rows out with "
                "--unmatched=drop"
            )
        if empty.all():
            raise InputError(f"{source}: no row has the label '{name}'; fill the column in")
        note = f"{count}, left out: {first}"
        table = replace(select_rows(table, ~empty), notes=(*table.notes, note))
    return table


def _keys(rows: FeatureTable | Labels, way: Way) -> list[Hashable]:
    files = [way.key(file) for file in rows.files.tolist()]
    if not way.timed:
        return files
    times = np.round(np.nan_to_num(rows.times, nan=-1.0), 4).tolist()  # to a tenth of a millisecond
    return [(file, *span) for file, span in zip(files, times, strict=True)]


def _check_distinct(
    source: str, files: np.ndarray, keys: Sequence[Hashable], matched: set, way: Way
) -> None:
    """Refuses short keys that several recordings share."""
    first: dict[Hashable, str] = {}
    for file, key in zip(files.tolist(), keys, strict=True):
        if key in matched and first.setdefault(key, file) != file:
            how = way.how.removeprefix("the ")
            raise InputError(
                f"{source}: '{first[key]}' and '{file}' have the same {how}, by which features and "
                "labels are joined; give both files the same names"
            )


def _rows_of_keys(labels: Labels, keys: Sequence[Hashable]) -> tuple[dict[Hashable, int], int]:
    """The row of every key, and the number of doubled rows with the same labels."""
    rows: dict[Hashable, int] = {}
    clashes: dict[Hashable, tuple[int, int]] = {}
    for row, key in enumerate(keys):
        before = rows.setdefault(key, row)
        if before != row and any(v[before] != v[row] for v in labels.columns.values()):
            clashes.setdefault(key, (before, row))
    if clashes:
        (before, row) = next(iter(clashes.values()))
        name = next(n for n, v in labels.columns.items() if v[before] != v[row])
        raise InputError(
            f"{labels.source}: {len(clashes)} key{'s' * (len(clashes) > 1)} with different labels: "
            f"{listed(labels.files[a] for a, _ in clashes.values())} ('{labels.files[row]}' has "
            f"{name} '{labels.columns[name][before]}' and '{labels.columns[name][row]}'); keep one"
        )
    return rows, len(keys) - len(rows)


def _unmatched(
    table: FeatureTable,
    labels: Labels,
    found: np.ndarray,
    unused: Sequence[Hashable],
    rows: Mapping[Hashable, int],
    unmatched: str,
    way: Way,
) -> list[str]:
    """Notes of rows that only one side has; refuses them unless they are to be dropped."""
    said = []
    if (found < 0).any():
        count = int((found < 0).sum())
        said.append(
            f"{count} of {len(found)} rows of {Path(table.source).name} have no labels "
            f"({listed(table.files[found < 0])})"
        )
    if unused:
        said.append(
            f"{len(unused)} of {len(rows)} rows of {Path(labels.source).name} have no features "
            f"({listed(labels.files[rows[key]] for key in unused)})"
        )
    if said and unmatched == REFUSE:
        raise InputError(
            f"{labels.source}: {' and '.join(said)}; mend the names, compared by {way.how}, or "
            "leave such rows out with --unmatched=drop"
        )
    return [f"left out: {text}" for text in said]


def select_rows(table: FeatureTable, keep: np.ndarray) -> FeatureTable:
    """The rows of a mask (rows,)."""
    return replace(
        table,
        files=table.files[keep],
        times=None if table.times is None else table.times[keep],
        labels={name: values[keep] for name, values in table.labels.items()},
        features=table.features[keep],
    )
