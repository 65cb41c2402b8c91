"""Anybody's own corpus: a folder of recordings and a table of labels, CSV or TSV.

The table has a header with the columns ``file`` (or name, filename, path), ``speaker`` and
``emotion`` (or label, class), and optionally ``session``; other columns are not read.
"""

from __future__ import annotations

import io
import os
import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from aegan.corpora.interface import CorpusReader, Listing, Utterance
from aegan.corpora.listing import (
    OTHER_SUFFIXES,
    UTF_16,
    Folder,
    decode,
    list_utterances,
    quoted,
    read_bytes,
    scan,
    shown,
)
from aegan.data.cells import known
from aegan.data.emotions import classes_of
from aegan.data.names import flaw
from aegan.errors import InputError
from aegan.tables.delimited import open_text
from aegan.tables.labels import Labels, csv_rows, way_to_join
from aegan.tables.read import kind_of
from aegan.tables.roles import Options, columns_by_role
from aegan.tables.rows import fitted

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

    ``place`` is for messages; ``named`` the table's own names of columns: ``{"speaker": "spk"}``.

    Raises:
        InputError: a column is missing or doubled, a row has too few or too many cells, a cell is
            empty, too long or not plain text, a file is no name or there twice, or no rows.
    """
    named, table = named or {}, _cells(text, place)
    header = next(table, (1, []))[1]
    columns = _columns(header, place, named)
    rows: dict[str, Row] = {}
    for line, cells in table:
        where = f"{place}: line {line}"
        if len(rows) == _MOST_ROWS:
            raise InputError(f"{where}: more than {_MOST_ROWS} rows; split the corpus")
        cells = fitted(where, cells, len(header))
        values = {role: known(cells[index]) for role, index in columns.items()}
        for role, value in values.items():
            if wrong := flaw(value) if value else "is empty; correct it or drop the row":
                raise InputError(f"{where}: column '{role}' {wrong}")
        path = PurePosixPath(values["file"].replace("\\", "/"))
        if path.name in ("", ".."):
            what = f"file {quoted(values['file'])} is not the name of a recording"
            raise InputError(f"{where}: {what}; write it as 'folder/name.wav'")
        row = Row(**{"session": None, **values, "file": str(path)}, line=line)
        first = rows.setdefault(row.file, row)
        if first is not row:
            what = f"file {quoted(row.file)} is in line {first.line} already"
            raise InputError(f"{where}: {what}; keep one row")
    if not rows:
        raise InputError(f"{place}: no rows below the header; a table needs one per recording")
    return tuple(rows.values())


def _cells(text: str, place: str) -> Iterator[tuple[int, list[str]]]:
    """Line number and stripped cells of every row that is not blank."""
    lines = io.StringIO(text.removeprefix("\ufeff"), newline="")
    numbered = enumerate((line.rstrip("\r\n").encode(errors="replace") for line in lines), 1)
    (before, _), separator, header = open_text(numbered)
    rows = csv_rows(lines, place, separator.decode(), before)
    for line, cells in chain([(before, header)], rows):
        if len(cells) > _MOST_COLUMNS:
            raise InputError(
                f"{place}: line {line}: {len(cells)} cells, more than a table of labels has; "
                "give another file"
            )
        yield line, cells


def _columns(header: list[str], place: str, named: Mapping[str, str]) -> dict[str, int]:
    """Position of each column that is read."""
    first = f"the first line is {quoted(' | '.join(header))}"
    for name in named.values():
        if name not in header:
            what = f"column {quoted(name)} of --columns is missing"
            raise InputError(f"{place}: {what}, {first}; correct one")
    used = columns_by_role(header, Options(named))
    lower = [name.lower() for name in header]
    columns = {}
    for role in COLUMNS + OPTIONAL_COLUMNS:
        name = used[role]
        if name is not None:
            count = header.count(name) if role in named else lower.count(name.lower())
            if count > 1:
                what = f"column '{name.lower()}' is there {count} times"
                raise InputError(f"{place}: {what}; rename or drop one")
            columns[role] = header.index(name)
        elif role in COLUMNS:
            raise InputError(
                f"{place}: column '{role}' is missing, {first}; a table of labels needs file, "
                f"speaker and emotion, so say which it is with --columns={role}=..."
            )
    return columns


@dataclass(frozen=True, kw_only=True)
class TableCorpus(CorpusReader):
    """The corpus that a table of labels describes.

    Labels and recordings are matched by the path below the folder, which may be absolute; if
    none agrees, by the last parts of the path, by base name, or by that without suffix: in one
    way for the whole table.

    Utterances have the table's name as their ``file``, as base names repeat in many folders,
    and its speakers and sessions as they are written.
    """

    name: str = "csv"
    title: str = "anybody's own, by a table of labels (--labels=labels.csv)"
    language: str = "any"
    layout: str = (
        ".wav and .flac anywhere below the folder; columns file, speaker, emotion[, session]"
    )
    licence: str = "not known; ask the owner of the recordings"
    note: str = (
        "every emotion is kept; anger, happiness, sadness and the like join the four classes"
    )
    place: str = ""  # of the table, for messages
    rows: tuple[Row, ...] = ()
    published = {}

    @cached_property
    def classes(self) -> Mapping[str, str]:
        return classes_of(row.emotion for row in self.rows)

    def read(self, root: Path) -> Listing:
        if not self.rows:
            raise InputError(
                "--corpus=csv: the labels are missing; pass --labels=labels.csv, a table with the "
                "columns file, speaker, emotion and optionally session"
            )
        folder = scan(root)
        paths = [folder.below(path) for path in folder.recordings]
        how, found = self._match(folder, paths)
        recorded = {row.file for row in found.values()}
        rest = [row.file for row in self.rows if row.file not in recorded]
        shares = (
            f"{len(found)} of {len(self.rows)} labels have a recording, "
            f"{len(found)} of {len(paths)} recordings a label"
        )
        unlabelled = next((path for path in paths if path not in found), paths[0])
        beside = _beside((rest or [self.rows[0].file])[0], unlabelled)
        share = len(found) / max(len(self.rows), len(paths))
        if share < _LEAST:
            raise InputError(
                f"{self.place}: only {shares}, matched by {how} ({beside}); look at the names, and "
                "give a table and a folder of the same recordings"
            )

        def describe(path: Path) -> Utterance | str:
            row = found.get(folder.below(path))
            if row is None:
                return f"not named in {self.title}"
            return Utterance(row.file, row.speaker, row.session, row.emotion, path)

        unread = _unread(rest, folder)
        unrecorded = set(rest) - set(unread)
        listing = list_utterances(folder, self.title, describe, unrecorded, unread)
        return listing._replace(
            matched=f"{shares}; matched by {how}",
            warning="" if share >= _ENOUGH else f"only {shares}; look at the names ({beside})",
        )

    def _match(self, folder: Folder, paths: Sequence[str]) -> tuple[str, dict[str, Row]]:
        """The first way by which any names agree, and by it the label of each recording."""
        files = _below(folder.root, [row.file for row in self.rows])
        # Objects, as one long name would widen the texts of a whole array.
        sides = [Labels("", np.array(names, dtype=object), None, {}) for names in (paths, files)]
        way = way_to_join(*sides)
        if way is None:
            what, unread = "recording", _unread([row.file for row in self.rows], folder)
            why = f": {_beside(self.rows[0].file, paths[0])}; name both alike, or say which "
            why += "column has the names with --columns=file=..."
            if unread:
                what = ".wav or .flac file"
                why = f" ({_name(unread[0])}: neither .wav nor .flac); convert what it names"
            where = f"below {shown(folder.root)}"
            raise InputError(f"{self.place}: no label is of a {what} {where}{why}")
        how = "path below the folder" if way.how == "name" else way.how
        alike: dict[str, list[str]] = {}
        for path in paths:
            alike.setdefault(way.key(path), []).append(path)
        found: dict[str, Row] = {}
        for row, file in zip(self.rows, files, strict=True):
            path, *others = alike.get(way.key(file)) or [""]
            first = found.setdefault(path, row) if path else row
            if not others and first is row:
                continue
            what = (
                f"may be {_name(path)} or {_name(others[0])}"
                if others
                else (f"and {_name(first.file)} in line {first.line} may both be {_name(path)}")
            )
            raise InputError(
                f"{self.place}: line {row.line}: file {_name(row.file)} {what}, matched by {how}; "
                f"write the path{'' if others else 's'} below the folder"
            )
        return how, found


def csv_corpus(labels: Path, named: Mapping[str, str] | None = None) -> TableCorpus:
    """The corpus that the table of labels at that path describes; see `parse_labels`.

    Raises:
        InputError: the table cannot be read.
    """
    labels, place, content = Path(labels), shown(labels), read_bytes(labels)
    text = decode(content, place)
    kind = "text" if content[:2] in UTF_16 else kind_of(labels, "a table of labels")
    if kind != "text":
        raise InputError(f"{place}: is {_NO_TEXT[kind]}; save the table as CSV")
    rows = parse_labels(text, place, named)
    return TableCorpus(title=shown(labels.name), place=place, rows=rows)


def _below(root: Path, files: Iterable[str]) -> list[str]:
    """Paths in the folder below it; all others as they are."""
    roots = {os.path.abspath(root), os.path.realpath(root)}
    starts = [Path(start).as_posix().rstrip("/") + "/" for start in sorted(roots)]
    below = []
    for file in files:
        path = posixpath.normpath(file)
        below.append(next((path[len(s) :] for s in starts if path.startswith(s)), file))
    return below


def _unread(files: Iterable[str], folder: Folder) -> list[str]:
    """Names of the table that stand for recordings of a kind that is not read."""
    there = {path.name for path in folder.others}
    there |= {path.stem for path in folder.others if path.suffix.lower() in OTHER_SUFFIXES}
    paths = map(PurePosixPath, files)
    unread = [path for path in paths if path.suffix.lower() in OTHER_SUFFIXES or path.name in there]
    return list(map(str, unread))


def _beside(label: str, path: str) -> str:
    return f"labels say {_name(label)}, the folder has {_name(path)}"


def _name(file: str) -> str:
    return quoted(file, _SHOWN)
