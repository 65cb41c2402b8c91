"""Anybody's own corpus: a folder of recordings and a table of labels, CSV or TSV.

The table has a header with the columns ``file`` (the path below the folder), ``speaker`` and
``emotion``, and optionally ``session``; other columns are not read.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from aegan.corpora.interface import CorpusReader, Listing, Utterance
from aegan.corpora.listing import list_utterances, quoted, read_text, scan, shown
from aegan.errors import InputError

COLUMNS = ("file", "speaker", "emotion")
OPTIONAL_COLUMNS = ("session",)

_MOST_COLUMNS = 1000  # both bound the memory that a wrong file takes
_MOST_ROWS = 1_000_000

# Names that can only mean one of the four classes; every other emotion is a class of its own.
_FOUR_CLASSES = {
    "anger": "angry",
    "angry": "angry",
    "happiness": "happy",
    "happy": "happy",
    "neutral": "neutral",
    "sad": "sad",
    "sadness": "sad",
}


class Row(NamedTuple):
    """One labelled recording."""

    file: str  # path below the folder, with "/"
    speaker: str
    emotion: str
    session: str | None
    line: int  # of the table, from 1


def parse_labels(text: str, place: str) -> tuple[Row, ...]:
    """The rows of a table of labels, separated by comma, semicolon or tab.

    Raises:
        InputError: a column is missing or doubled, a row has too few or too many cells, a cell is
            empty or not plain text, a file is not below the folder or there twice, or no rows.
    """
    table = _cells(text, place)
    _, header = next(table, (1, []))
    columns = _columns(header, place)
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


def _columns(header: list[str], place: str) -> dict[str, int]:
    """Position of each known column."""
    names = [name.lower() for name in header]
    for name, count in Counter(names).items():
        if count > 1 and name in COLUMNS + OPTIONAL_COLUMNS:
            raise InputError(f"{place}: column '{name}' is there {count} times; rename or drop one")
    for name in COLUMNS:
        if name not in names:
            raise InputError(
                f"{place}: column '{name}' is missing, the first line is "
                f"{quoted(' | '.join(header))}; a table of labels needs file, speaker and emotion"
            )
    return {name: names.index(name) for name in COLUMNS + OPTIONAL_COLUMNS if name in names}


def _path(file: str, where: str) -> str:
    """A path below the folder, with "/" on every system."""
    path = PurePosixPath(file.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or path.name == "" or file[1:3] in (":\\", ":/"):
        raise InputError(
            f"{where}: file {quoted(file)} is not a path below the folder of the recordings; "
            "write it as 'folder/name.wav'"
        )
    return str(path)


def csv_corpus(labels: Path) -> CorpusReader:
    """The corpus that a table of labels describes.

    Utterances have the table's path as their ``file``, as base names repeat in many folders, and
    its speakers and sessions as they are written. Its own emotions are all kept: "anger" and the
    like are one of the four classes, every other is a class of its own.

    Raises:
        InputError: the table cannot be read (see `parse_labels`).
    """
    rows = {row.file: row for row in parse_labels(read_text(labels), shown(labels))}
    name = shown(Path(labels).name)

    def read(root: Path) -> Listing:
        folder = scan(root)

        def below(path: Path) -> str:
            return path.relative_to(folder.root).as_posix()

        def describe(path: Path) -> Utterance | str:
            row = rows.get(below(path))
            if row is None:
                return f"not named in {name}"
            return Utterance(row.file, row.speaker, row.session, row.emotion, path)

        unrecorded = sorted(rows.keys() - set(map(below, folder.recordings)))
        return list_utterances(folder, name, describe, unrecorded)

    emotions = sorted({row.emotion for row in rows.values()})
    return replace(
        CSV,
        title=name,
        classes={emotion: _FOUR_CLASSES.get(emotion.lower(), emotion) for emotion in emotions},
        read=read,
    )


def _needs_labels(root: Path) -> Listing:
    raise InputError(
        "--corpus=csv: the labels are missing; pass --labels=labels.csv, a table with the columns "
        "file, speaker, emotion and optionally session"
    )


CSV = CorpusReader(
    name="csv",
    title="anybody's own, by a table of labels (--labels=labels.csv)",
    language="any",
    layout="recordings anywhere below the folder; columns file, speaker, emotion[, session]",
    licence="not known; ask the owner of the recordings",
    classes={},
    published={},
    read=_needs_labels,
    note="every emotion is kept; anger, happiness, sadness and the like join the four classes",
)
