"""Tables of labels, and joining them to features: by key, never by position."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from aegan.data.cells import known
from aegan.errors import InputError
from aegan.tables.columnar import read_texts, row_name
from aegan.tables.delimited import open_text
from aegan.tables.read import kind_of, reading
from aegan.tables.roles import LABELS, TIMES, Options, check_there, columns_by_role
from aegan.tables.rows import decode, fitted, lines_of
from aegan.tables.table import NUMBERS, FeatureTable, times_of
from aegan.tables.text import DROP as DROP  # for whoever joins
from aegan.tables.text import REFUSE, cut, flaw, listed

NEEDED = {
    "speaker": "folds keep speakers apart, so every row needs its speaker",
    "emotion": "every row needs the emotion that it stands for",
}

_MAX_LINE = 1 << 20  # bytes
_MOST_PARTS = 16  # of a path that are compared
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,5}$")


@dataclass(frozen=True, eq=False)
class Labels:
    """Labels of recordings or of segments; row i of every array is the same one."""

    source: str  # the file's path, for messages
    files: np.ndarray  # (rows,) str
    times: np.ndarray | None  # (rows, 2) seconds; end NaN: to the end
    columns: Mapping[str, np.ndarray]  # "speaker", "emotion", ...: (rows,) str, "" where empty


def csv_rows(
    lines: Iterable[str], place: str, separator: str, before: int = 0
) -> Iterator[tuple[int, list[str]]]:
    """First line and stripped cells of every row that is not blank; ``before`` lines came first.

    Raises:
        InputError: the csv module cannot read it.
    """
    rows = csv.reader(lines, delimiter=separator, skipinitialspace=True, strict=True)
    line = before + 1
    try:
        for cells in rows:
            cells = [cell.strip() for cell in cells]
            if any(cells):
                yield line, cells
            line = before + rows.line_num + 1  # a cell in quotes may hold line breaks
    except csv.Error as error:
        raise InputError(
            f"{place}: line {line}: not CSV, a quote opens here and is not closed where its cell "
            f"ends ({error}); mend it"
        ) from error


def read_labels(path: str | Path, rename: Mapping[str, str] | None = None) -> Labels:
    """Reads a table of labels: CSV, TSV, with semicolons, Parquet or Feather.

    It has the columns file (or name, filename, path), speaker and emotion (or label, class), and
    optionally session, start and end (seconds, or as pandas writes them). Others are not read.
    ``rename`` has the table's own names of columns: ``{"speaker": "spk"}``.

    Raises:
        InputError: no keys or no labels in it, or a row that cannot be understood.
    """
    path = Path(path)
    kind = kind_of(path, "a table of labels")
    if kind == "arff":
        raise InputError(f"{path}: is ARFF; write the labels as CSV with file, speaker, emotion")
    choose = partial(_choose, path, Options(dict(rename or {})))
    name_of_row = row_name
    with reading(path):
        if kind != "text":
            columns = read_texts(path, kind, choose)
        else:
            columns, lines = _read_text(path, choose)
            name_of_row = [f"line {line}" for line in lines].__getitem__
    files = columns["file"]
    if not files:
        raise InputError(f"{path}: no rows below the header; a table of labels has one per file")
    files = list(map(known, files))
    if "" in files:
        row = name_of_row(files.index(""))
        raise InputError(f"{path}: {row} has no file; fill it in or drop the row")
    there = [name for name in LABELS if name in columns]
    return Labels(
        str(path),
        np.array(files, dtype=str),
        times_of(str(path), columns, len(files), name_of_row),
        {name: np.array(list(map(known, columns[name])), dtype=str) for name in there},
    )


def _choose(path: Path, options: Options, header: Sequence[str]) -> dict[str, int]:
    header = [name.strip() for name in header]
    check_there(str(path), header, options)
    used = columns_by_role(header, options)
    roles = {role: used[role] for role in ("file", *TIMES, *LABELS) if used.get(role)}
    if "file" not in roles:
        raise InputError(
            f"{path}: no column with the names of the recordings (it has {listed(header)}); call "
            "one 'file', or say which it is with --columns=file=..."
        )
    for name in roles.values():
        if header.count(name) > 1:
            raise InputError(f"{path}: column '{name}' is there twice; rename or drop one")
    if not set(LABELS) & set(roles):
        raise InputError(
            f"{path}: no labels (it has {listed(header)}); add speaker and emotion, or say which "
            "they are with --columns=speaker=...,emotion=..."
        )
    return {role: header.index(name) for role, name in roles.items()}


def _read_text(
    path: Path, choose: Callable[[Sequence[str]], Mapping[str, int]]
) -> tuple[dict[str, list[str]], list[int]]:
    lines = lines_of(path, _MAX_LINE)
    (before, _), separator, header = open_text(lines)
    chosen = choose(header)
    columns: dict[str, list[str]] = {role: [] for role in chosen}
    numbers = []
    texts = (decode(line) + "\n" for _, line in lines)
    for number, cells in csv_rows(texts, str(path), separator.decode(), before):
        numbers.append(number)
        place = f"{path}: line {number}"
        cells = fitted(place, cells, len(header))
        for role, position in chosen.items():
            if wrong := flaw(cells[position]):
                raise InputError(f"{place}, column '{header[position]}' {wrong}")
            columns[role].append(cells[position])
    return columns, numbers


def _parts(file: str) -> list[str]:
    return [part for part in file.replace("\\", "/").split("/") if part not in ("", ".")]


def _with_small_suffix(file: str) -> str:
    return _SUFFIX.sub(lambda suffix: suffix[0].lower(), file)


def _tail(file: str, parts: int, suffix: bool) -> str:
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
    for several in (range(most, 1, -1), (1,)):
        for without, suffix in (("", True), (" without suffix", False)):
            named = [f"the last {n} parts of the path" if n > 1 else "base name" for n in several]
            keys = [partial(_tail, parts=n, suffix=suffix) for n in several]
            yield [(f"{name}{without}", key) for name, key in zip(named, keys, strict=True)]


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
            agreeing = [len({*_keys(table, way)} & {*_keys(labels, way)}) for way in ways]
            if any(agreeing):
                return ways[agreeing.index(max(agreeing))]
    return None


def join(table: FeatureTable, labels: Labels, unmatched: str = REFUSE) -> FeatureTable:
    """The table with the labels of another file of the same recordings.

    Keys are compared as they are; if none agrees, the last parts of their paths, then these
    without suffix, then base names, then these without suffix; with start and end where both
    sides have them. Rows keep the order of the table. Labels of the table itself stay where the
    other file has no such column. Rows that only one side has are refused, or with ``unmatched``
    "drop" left out with a note.

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
    ours, theirs = _keys(table, way), _keys(labels, way)
    here, there = set(ours), set(theirs)
    _check_distinct(table, ours, there, way)
    _check_distinct(labels, theirs, here, way)
    first: dict[str, int] = {}  # row of labels with a key
    for row, key in enumerate(theirs):
        first.setdefault(key, row)
    _check_same_labels(labels, theirs, first)
    label_rows = np.array([first.get(key, -1) for key in ours])
    both = label_rows >= 0
    unused = [row for key, row in first.items() if key not in here]
    notes = [f"labels of {Path(labels.source).name} joined by {way.how}"]
    doubled = len(theirs) - len(first)
    if doubled:
        notes.append(f"{doubled} doubled row{'s' * (doubled > 1)} of labels left out (same labels)")
    shared = int(both.sum()) - (len(first) - len(unused))
    if shared:
        notes.append(f"{shared} more segments take the labels of their recording")
    said = [
        f"{len(files)} of {total} rows of {Path(source).name} have no {what} ({listed(files)})"
        for files, total, source, what in (
            (table.files[~both], len(ours), table.source, "labels"),
            (labels.files[unused], len(first), labels.source, "features"),
        )
        if len(files)
    ]
    if said and unmatched == REFUSE:
        raise InputError(
            f"{labels.source}: {' and '.join(said)}; mend the names, compared by {way.how}, or "
            "leave such rows out with --unmatched=drop"
        )
    notes += [f"left out: {text}" for text in said]
    if not both.all():
        table = table.select(both)
    joined = dict(table.labels)
    for name, values in labels.columns.items():
        values = values[label_rows[both]]
        differing = int((joined.get(name, values) != values).sum())
        if differing:
            notes.append(f"{differing} values of '{name}' in the features replaced by the labels'")
        joined[name] = values
    return table.but(*notes, labels=joined)


def complete(table: FeatureTable, source: str, unmatched: str = REFUSE) -> FeatureTable:
    """The table with a speaker and an emotion in every row; ``source`` is where labels came from.

    ``unmatched`` says whether rows with an empty label are refused or dropped with a note.

    Raises:
        InputError: a missing column, or empty cells in it.
    """
    for name, why in NEEDED.items():
        said = [note for note in table.notes if NUMBERS in note]
        if name not in table.labels:
            raise InputError(
                f"{source}: no column '{name}'; {why}; add it, or say which it is with "
                f"--columns={name}=..." + "".join(f" ({note})" for note in said)
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
        table = table.select(~empty, f"{count}, left out: {first}")
    return table


def _keys(rows: FeatureTable | Labels, way: Way) -> list[str]:
    files = [way.key(file) for file in rows.files.tolist()]
    if not way.timed:
        return files
    times = np.round(np.nan_to_num(rows.times, nan=-1.0), 4).tolist()  # to a tenth of a millisecond
    return [f"{file}\0{start}\0{end}" for file, (start, end) in zip(files, times, strict=True)]


def _check_distinct(
    side: FeatureTable | Labels, keys: Sequence[str], others: set[str], way: Way
) -> None:
    """Refuses short keys that several recordings share, if the other side has them."""
    first: dict[str, str] = {}
    for key, file in zip(keys, side.files.tolist(), strict=True):
        if first.setdefault(key, file) != file and key in others:
            raise InputError(
                f"{side.source}: '{first[key]}' and '{file}' have the same "
                f"{way.how.removeprefix('the ')}, by which features and labels are joined; give "
                "both files the same names"
            )


def _check_same_labels(labels: Labels, keys: Sequence[str], first: Mapping[str, int]) -> None:
    """Refuses a key whose rows have different labels; ``first`` is the first row of each."""
    rows = list(zip(*(values.tolist() for values in labels.columns.values()), strict=True))
    again: dict[str, int] = {}
    for row, key in enumerate(keys):
        if rows[row] != rows[first[key]]:
            again.setdefault(key, row)
    if again:
        key, row = next(iter(again.items()))
        cells = zip(labels.columns, rows[first[key]], rows[row], strict=True)
        name, one, other = next(found for found in cells if found[1] != found[2])
        raise InputError(
            f"{labels.source}: {len(again)} key{'s' * (len(again) > 1)} with different labels: "
            f"{listed(labels.files[[first[key] for key in again]])} ('{labels.files[row]}' has "
            f"{name} '{one}' and '{other}'); keep one"
        )
