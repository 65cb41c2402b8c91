"""Tables of labels, and joining them to features: by key, never by position."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from aegan.errors import InputError
from aegan.tables.columnar import read_texts, row_name
from aegan.tables.delimited import split_header
from aegan.tables.read import kind_of, unreadable
from aegan.tables.roles import LABELS, TIMES, Options, check_there, columns_by_role
from aegan.tables.rows import decode, lines_of
from aegan.tables.table import FeatureTable, blank, times_of
from aegan.tables.text import cut, flaw, listed

if TYPE_CHECKING:
    import pandas as pd

REFUSE, DROP = "refuse", "drop"
NEEDED = {
    "speaker": "folds keep speakers apart, so every row needs its speaker",
    "emotion": "every row needs the emotion that it stands for",
}

_MAX_LINE = 1 << 20  # bytes
_MOST_PARTS = 16  # of a path that are compared
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,5}$")

_Choose = Callable[[Sequence[str]], Mapping[str, int]]  # the header -> columns by role


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
    path = Path(path)
    kind = kind_of(path, "a table of labels")
    if kind == "arff":
        raise InputError(f"{path}: is ARFF; write the labels as CSV with file, speaker, emotion")
    choose = partial(_choose, path, Options(dict(rename or {})))
    lines: list[int] = []
    try:
        if kind == "text":
            columns = _read_text(path, choose, lines)
        else:
            columns = read_texts(path, kind, choose)
    except OSError as error:
        raise unreadable(path, error) from error
    files = columns["file"]

    def place(row: int) -> str:
        return f"{path}: {f'line {lines[row]}' if lines else row_name(row)}"

    if not files:
        raise InputError(f"{path}: no rows below the header; a table of labels has one per file")
    if "" in files:
        raise InputError(f"{place(files.index(''))} has no file; fill it in or drop the row")
    return Labels(
        str(path),
        np.array(files, dtype=str),
        times_of(columns, len(files), place),
        {name: np.array(blank(columns[name]), dtype=str) for name in LABELS if name in columns},
    )


def _choose(path: Path, options: Options, header: Sequence[str]) -> dict[str, int]:
    """Positions of the columns that are read."""
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


def _read_text(path: Path, choose: _Choose, numbers: list[int]) -> dict[str, list[str]]:
    """Cells by role; appends the line of every row to ``numbers``."""
    lines = lines_of(path, _MAX_LINE)
    before, first = next((found for found in lines if decode(found[1]).strip()), (0, b""))
    separator, header = split_header(first)
    chosen = choose(header)
    columns: dict[str, list[str]] = {role: [] for role in chosen}
    texts = (decode(line) + "\n" for _, line in lines)  # a cell in quotes may hold a line break
    rows = csv.reader(texts, delimiter=separator.decode(), skipinitialspace=True)
    try:
        for cells in rows:
            if not any(map(str.strip, cells)):
                continue
            numbers.append(before + rows.line_num)
            place = f"{path}: line {numbers[-1]}"
            if len(cells) != len(header):
                raise InputError(
                    f"{place} has {len(cells)} cells for {len(header)} columns; quote what holds a "
                    "separator, or mend the line"
                )
            for role, position in chosen.items():
                cell = cells[position].strip()
                wrong = flaw(cell)
                if wrong:
                    raise InputError(f"{place}, column '{header[position]}' {wrong}")
                columns[role].append(cell)
    except csv.Error as error:
        raise InputError(
            f"{path}: line {before + rows.line_num}: not CSV ({error}); close its quotes or mend it"
        ) from error
    return columns


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
    for many in (True, False):
        for without, suffix in (("", True), (" without suffix", False)):
            yield [
                (
                    f"{f'the last {parts} parts of the path' if many else 'base name'}{without}",
                    partial(_tail, parts=parts, suffix=suffix),
                )
                for parts in (range(most, 1, -1) if many else (1,))
            ]


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
    ours, theirs = _keyed(table, way, {}), _keyed(labels, way, labels.columns)
    _check_distinct(table.source, ours[ours["key"].isin(theirs["key"])], way)
    _check_distinct(labels.source, theirs[theirs["key"].isin(ours["key"])], way)
    single = theirs.drop_duplicates("key")
    _check_same_labels(labels, theirs, single)
    merged = ours.merge(
        single, "outer", on="key", suffixes=("", "_there"), validate="m:1", indicator="side"
    )
    both, bare, unused = (
        merged[merged["side"] == side].sort_values(row)
        for side, row in (("both", "row"), ("left_only", "row"), ("right_only", "row_there"))
    )
    notes = [f"labels of {Path(labels.source).name} joined by {way.how}"]
    doubled = len(theirs) - len(single)
    if doubled:
        notes.append(f"{doubled} doubled row{'s' * (doubled > 1)} of labels left out (same labels)")
    shared = len(both) - both["key"].nunique()
    if shared:
        notes.append(f"{shared} more segments take the labels of their recording")
    said = [
        f"{len(rows)} of {total} rows of {Path(source).name} have no {what} ({listed(rows[file])})"
        for rows, total, source, what, file in (
            (bare, len(ours), table.source, "labels", "file"),
            (unused, len(single), labels.source, "features", "file_there"),
        )
        if len(rows)
    ]
    if said and unmatched == REFUSE:
        raise InputError(
            f"{labels.source}: {' and '.join(said)}; mend the names, compared by {way.how}, or "
            "leave such rows out with --unmatched=drop"
        )
    notes += [f"left out: {text}" for text in said]
    if len(bare):
        table = table.select(both["row"].to_numpy(int))
    joined = dict(table.labels)
    for name, values in labels.columns.items():
        values = values[both["row_there"].to_numpy(int)]
        differing = int((joined.get(name, values) != values).sum())
        if differing:
            notes.append(f"{differing} values of '{name}' in the features replaced by the labels'")
        joined[name] = values
    return table.but(*notes, labels=joined)


def complete(table: FeatureTable, source: str, unmatched: str = REFUSE) -> FeatureTable:
    """The table with a speaker and an emotion in every row.

    Args:
        table: with its labels.
        source: where labels came from, for messages.
        unmatched: "refuse" rows with an empty label, or "drop" them with a note.

    Raises:
        InputError: a missing column, or empty cells in it.
    """
    for name, why in NEEDED.items():
        if name not in table.labels:
            raise InputError(
                f"{source}: no column '{name}'; {why}; add it, or say which it is with "
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
        table = table.select(~empty, f"{count}, left out: {first}")
    return table


def _keys(rows: FeatureTable | Labels, way: Way) -> list[str]:
    files = [way.key(file) for file in rows.files.tolist()]
    if not way.timed:
        return files
    times = np.round(np.nan_to_num(rows.times, nan=-1.0), 4).tolist()  # to a tenth of a millisecond
    return [f"{file}\0{start}\0{end}" for file, (start, end) in zip(files, times, strict=True)]


def _keyed(rows: FeatureTable | Labels, way: Way, labels: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Key, file, number and labels of every row."""
    import pandas as pd  # half a second, which no other use of this module needs

    # Bytes, as names of files need not be whole UTF-8.
    keys = [key.encode(errors="surrogatepass") for key in _keys(rows, way)]
    columns = {"key": keys, "file": rows.files, "row": range(len(keys)), **labels}
    return pd.DataFrame(columns, dtype=object)


def _check_distinct(source: str, rows: pd.DataFrame, way: Way) -> None:
    """Refuses short keys that several recordings share."""
    files = rows.drop_duplicates(["key", "file"])
    for key, second in files.loc[files["key"].duplicated(), ["key", "file"]].to_numpy()[:1]:
        first = files.loc[files["key"] == key, "file"].iloc[0]
        raise InputError(
            f"{source}: '{first}' and '{second}' have the same {way.how.removeprefix('the ')}, by "
            "which features and labels are joined; give both files the same names"
        )


def _check_same_labels(labels: Labels, rows: pd.DataFrame, single: pd.DataFrame) -> None:
    """Refuses a key whose rows have different labels; ``single`` has the first row of each."""
    again = rows.drop_duplicates(["key", *labels.columns])
    again = again[again["key"].duplicated()].drop_duplicates("key")
    if again.empty:
        return
    first = single.set_index("key").loc[again["key"]]
    before, row = first["row"].iloc[0], again["row"].iloc[0]
    name = next(n for n, v in labels.columns.items() if v[before] != v[row])
    raise InputError(
        f"{labels.source}: {len(again)} key{'s' * (len(again) > 1)} with different labels: "
        f"{listed(first['file'])} ('{labels.files[row]}' has {name} "
        f"'{labels.columns[name][before]}' and '{labels.columns[name][row]}'); keep one"
    )
