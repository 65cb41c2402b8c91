"""Anybody's own corpus: a folder of recordings and a table of labels, CSV or TSV.

The table has a header with the columns ``file`` (or name, filename, path), ``speaker`` and
``emotion`` (or label, class), and optionally ``session``; other columns are not read. Labels and
recordings are matched by path, or by the shorter names that `csv_corpus` describes.
"""

from __future__ import annotations

import csv
import io
import os
import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from aegan.corpora.interface import CorpusReader, Listing, PassedOver, Utterance
from aegan.corpora.listing import (
    OTHER_SUFFIXES,
    Folder,
    list_utterances,
    quoted,
    read_text,
    scan,
    shown,
)
from aegan.errors import InputError
from aegan.tables.emotions import own_class
from aegan.tables.labels import Labels, way_to_join
from aegan.tables.read import kind_of
from aegan.tables.roles import Options, columns_by_role
from aegan.tables.text import MAX_TEXT

COLUMNS = ("file", "speaker", "emotion")
OPTIONAL_COLUMNS = ("session",)

_MOST_COLUMNS = 1000  # both bound the memory that a wrong file takes
_MOST_ROWS = 1_000_000
_LEAST, _ENOUGH = 0.1, 0.5  # shares that match: fewer are refused, or warned of
_SHOWN = 200  # characters of a path in a message; its end matters
_NO_TEXT = {"arff": "ARFF", "feather": "Feather", "parquet": "Parquet"}


class Row(NamedTuple):
    """One labelled recording."""

    file: str  # the table's name of the recording, with "/"
    speaker: str
    emotion: str
    session: str | None
    line: int  # of the table, from 1


def parse_labels(text: str, place: str, named: Mapping[str, str] | None = None) -> tuple[Row, ...]:
    """The rows of a table of labels, separated by comma, semicolon or tab.

    Args:
        text: of the table.
        place: where it is from, for messages.
        named: the table's own names of columns: ``{"speaker": "spk"}``.

    Raises:
        InputError: a column is missing or doubled, a row has too few or too many cells, a cell is
            empty, too long or not plain text, a file is no name or there twice, or no rows.
    """
    table = _cells(text, place)
    _, header = next(table, (1, []))
    columns = _columns(header, place, named or {})
    rows: dict[str, Row] = {}
    for line, cells in table:
        where = f"{place}: line {line}"
        if len(rows) == _MOST_ROWS:
            raise InputError(f"{where}: more than {_MOST_ROWS} rows; split the corpus")
        if len(cells) != len(header):
            raise InputError(
                f"{where}: {len(cells)} cell(s) for {len(header)} columns; "
                "add what is missing, or quote what holds a separator"
            )
        values = {name: cells[index] for name, index in columns.items()}
        for name, value in values.items():
            if not value or any(ord(c) < 32 or c == "\x7f" for c in value):
                what = "holds a control character" if value else "is empty"
                raise InputError(f"{where}: column '{name}' {what}; correct it or drop the row")
            if len(value) > MAX_TEXT:
                raise InputError(
                    f"{where}: column '{name}' has {len(value)} characters; shorten it to "
                    f"{MAX_TEXT} at most"
                )
        values["file"] = _path(values["file"], where)
        row = Row(**{"session": None, **values}, line=line)
        first = rows.setdefault(row.file, row)
        if first is not row:
            raise InputError(
                f"{where}: file {quoted(row.file)} is in line {first.line} already; keep one row"
            )
    if not rows:
        raise InputError(f"{place}: no rows below the header; a table needs one per recording")
    return tuple(rows.values())


def _cells(text: str, place: str) -> Iterator[tuple[int, list[str]]]:
    """Line number and stripped cells of every row that is not blank."""
    text = text.removeprefix("\ufeff")
    header = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(",;\t", key=header.count)
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
    start = 1
    try:
        for cells in reader:
            if len(cells) > _MOST_COLUMNS:
                raise InputError(
                    f"{place}: line {start}: {len(cells)} cells, more than a table of labels has; "
                    "give another file"
                )
            if any(cell.strip() for cell in cells):
                yield start, [cell.strip() for cell in cells]
            start = reader.line_num + 1
    except csv.Error as error:
        raise InputError(
            f"{place}: line {start}: not CSV ({shown(error)}); close its quotes or write it again"
        ) from error


def _columns(header: list[str], place: str, named: Mapping[str, str]) -> dict[str, int]:
    """Position of each column that is read."""
    first = f"the first line is {quoted(' | '.join(header))}"
    for name in named.values():
        if name not in header:
            raise InputError(
                f"{place}: column {quoted(name)} of --columns is missing, {first}; correct one"
            )
    used = columns_by_role(header, Options(named))
    lower = [name.lower() for name in header]
    for role in COLUMNS + OPTIONAL_COLUMNS:
        name = used[role]
        if name is None:
            continue
        count = header.count(name) if role in named else lower.count(name.lower())
        if count > 1:
            raise InputError(
                f"{place}: column '{name.lower()}' is there {count} times; rename or drop one"
            )
    for role in COLUMNS:
        if used[role] is None:
            raise InputError(
                f"{place}: column '{role}' is missing, {first}; a table of labels needs file, "
                f"speaker and emotion, so say which it is with --columns={role}=..."
            )
    roles = [role for role in COLUMNS + OPTIONAL_COLUMNS if used[role] is not None]
    return {role: header.index(used[role]) for role in roles}


def _path(file: str, where: str) -> str:
    """The name of a recording, with "/" on every system."""
    path = PurePosixPath(file.replace("\\", "/"))
    if path.name in ("", ".."):
        raise InputError(
            f"{where}: file {quoted(file)} is not the name of a recording; write it as "
            "'folder/name.wav'"
        )
    return str(path)


def csv_corpus(labels: Path, named: Mapping[str, str] | None = None) -> CorpusReader:
    """The corpus that a table of labels describes.

    Labels and recordings are matched by the path below the folder, which may be absolute; if none
    agrees, by the last parts of the path, then by base name, then by base name without suffix: in
    one way for the whole table.

    Utterances have the table's name as their ``file``, as base names repeat in many folders, and
    its speakers and sessions as they are written. Its own emotions are all kept: "anger" and the
    like are one of the four classes, every other is a class of its own.

    Args:
        labels: path of the table.
        named: the table's own names of columns: ``{"speaker": "spk"}``.

    Raises:
        InputError: the table cannot be read (see `parse_labels`). ``read`` raises it where hardly
            any label has a recording, or hardly any recording a label, and where one of them may
            belong to several.
    """
    place, name = shown(labels), shown(Path(labels).name)
    rows = parse_labels(_read(labels), place, named)

    def read(root: Path) -> Listing:
        folder = scan(root)
        paths = {path.relative_to(folder.root).as_posix(): path for path in folder.recordings}
        match = _match(rows, folder, list(paths), place)
        by_path = {paths[below]: row for below, row in match.rows.items()}
        warning = _check_shares(rows, list(paths), match, place)

        def describe(path: Path) -> Utterance | str:
            row = by_path.get(path)
            if row is None:
                return f"not named in {name}"
            return Utterance(row.file, row.speaker, row.session, row.emotion, path)

        recorded = {row.file for row in match.rows.values()}
        rest = sorted(row.file for row in rows if row.file not in recorded)
        unread = _unread(rest, folder)
        listing = list_utterances(folder, name, describe, [f for f in rest if f not in unread])
        passed_over = [
            PassedOver(shown(file), "neither .wav nor .flac; convert it") for file in unread
        ]
        return listing._replace(
            passed_over=(*listing.passed_over, *passed_over),
            matched=f"{_shares(rows, list(paths), match)}; matched by {match.how}",
            warning=warning,
        )

    emotions = sorted({row.emotion for row in rows})
    return replace(
        CSV,
        title=name,
        classes={emotion: own_class(emotion) for emotion in emotions},
        read=read,
    )


def _read(labels: Path) -> str:
    """The text of a table of labels."""
    text = read_text(labels)
    with open(labels, "rb") as file:
        utf_16 = file.read(2) in (b"\xff\xfe", b"\xfe\xff")  # which is read here
    kind = "text" if utf_16 else kind_of(Path(labels), "a table of labels")
    if kind != "text":
        raise InputError(f"{shown(labels)}: is {_NO_TEXT[kind]}; save the table as CSV")
    return text


class _Match(NamedTuple):
    """Which label each recording has."""

    how: str  # "base name"
    rows: Mapping[str, Row]  # by the path of the recording below the folder


def _match(rows: Sequence[Row], folder: Folder, paths: Sequence[str], place: str) -> _Match:
    """The labels of recordings, in the first way by which any of their names agree.

    Args:
        rows: the labels.
        folder: of the recordings.
        paths: of the recordings below the folder.
        place: of the table, for messages.

    Raises:
        InputError: no names agree, or a label and several recordings, or the reverse.
    """
    files = _below(folder.root, [row.file for row in rows])
    way = way_to_join(_keys(paths), _keys(files))
    if way is None:
        unread = _unread([row.file for row in rows], folder)
        if unread:
            raise InputError(
                f"{place}: no label is of a .wav or .flac file below {shown(folder.root)} "
                f"({_name(unread[0])}: neither .wav nor .flac); convert what it names"
            )
        raise InputError(
            f"{place}: no label is of a recording below {shown(folder.root)}: "
            f"{_beside(rows[0].file, paths[0])}; name both alike, or say which column has the "
            "names with --columns=file=..."
        )
    how = "path below the folder" if way.how == "name" else way.how
    first: dict[str, str] = {}
    second: dict[str, str] = {}
    for path in paths:
        if first.setdefault(way.key(path), path) != path:
            second.setdefault(way.key(path), path)
    found: dict[str, Row] = {}
    for row, file in zip(rows, files, strict=True):
        key = way.key(file)
        if key not in first:
            continue
        if key in second:
            raise InputError(
                f"{place}: line {row.line}: file {_name(row.file)} may be {_name(first[key])} or "
                f"{_name(second[key])}, matched by {how}; write the path below the folder"
            )
        other = found.setdefault(first[key], row)
        if other is not row:
            raise InputError(
                f"{place}: line {row.line}: file {_name(row.file)} and {_name(other.file)} in line "
                f"{other.line} may both be {_name(first[key])}, matched by {how}; write the paths "
                "below the folder"
            )
    return _Match(how, found)


def _below(root: Path, files: Sequence[str]) -> list[str]:
    """Paths in the folder below it; all others as they are."""
    roots = {os.path.abspath(root), os.path.realpath(root)}
    starts = tuple(Path(start).as_posix().rstrip("/") + "/" for start in sorted(roots))
    below = []
    for file in files:
        path = posixpath.normpath(file)
        start = next((start for start in starts if path.startswith(start)), "")
        below.append(path[len(start) :] if start else file)
    return below


def _keys(files: Sequence[str]) -> Labels:
    # Objects, as one long name would widen the texts of a whole array.
    return Labels("", np.array(files, dtype=object), None, {})


def _shares(rows: Sequence[Row], paths: Sequence[str], match: _Match) -> str:
    some = f"{len(match.rows)} of"
    return f"{some} {len(rows)} labels have a recording, {some} {len(paths)} recordings a label"


def _check_shares(rows: Sequence[Row], paths: Sequence[str], match: _Match, place: str) -> str:
    """A warning where half of the labels or of the recordings are left over, or else nothing.

    Raises:
        InputError: nearly all are left over.
    """
    share = len(match.rows) / max(len(rows), len(paths))
    if share >= _ENOUGH:
        return ""
    shares = _shares(rows, paths, match)
    recorded = {row.file for row in match.rows.values()}
    label = next((row.file for row in rows if row.file not in recorded), rows[0].file)
    path = next((path for path in paths if path not in match.rows), paths[0])
    if share < _LEAST:
        raise InputError(
            f"{place}: only {shares}, matched by {match.how} ({_beside(label, path)}); look at the "
            "names, and give a table and a folder of the same recordings"
        )
    return f"only {shares}; look at the names ({_beside(label, path)})"


def _unread(files: Iterable[str], folder: Folder) -> list[str]:
    """Names of the table that stand for recordings of a kind that is not read."""
    there = {path.name for path in folder.others}
    there |= {path.stem for path in folder.others if path.suffix.lower() in OTHER_SUFFIXES}
    paths = {file: PurePosixPath(file) for file in files}
    return [
        file
        for file, path in paths.items()
        if path.suffix.lower() in OTHER_SUFFIXES or path.name in there
    ]


def _beside(label: str, path: str) -> str:
    return f"labels say {_name(label)}, the folder has {_name(path)}"


def _name(file: str) -> str:
    return f"'{shown(file, _SHOWN)}'"


def _needs_labels(root: Path) -> Listing:
    raise InputError(
        "--corpus=csv: the labels are missing; pass --labels=labels.csv, a table with the columns "
        "file, speaker, emotion and optionally session"
    )


CSV = CorpusReader(
    name="csv",
    title="anybody's own, by a table of labels (--labels=labels.csv)",
    language="any",
    layout=".wav and .flac anywhere below the folder; columns file, speaker, emotion[, session]",
    licence="not known; ask the owner of the recordings",
    classes={},
    published={},
    read=_needs_labels,
    note="every emotion is kept; anger, happiness, sadness and the like join the four classes",
)
