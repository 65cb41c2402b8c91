"""Rows of text files: lines of bounded length, cells of text, and numbers read in bulk."""

from __future__ import annotations

import csv
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv

from aegan.errors import InputError
from aegan.tables.text import flaw

MAX_LINE = 16 << 20  # bytes; a row of 100,000 features has about 1.3 MB
MAX_COLUMNS = 100_000

_CHUNK = 8 << 20  # bytes of text whose numbers are read together
_FEW = 8  # rows up to which Python is quicker than a bulk reader
# Possessive, so that no run of digits is tried in more than one way.
_NUMBER = re.compile(rb"[+-]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][+-]?\d++)?")
_NOT_FINITE = re.compile(rb"[+-]?(nan|inf|infinity)", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(rb"[+-]?\d++,\d++(?:[eE][+-]?\d++)?")


class Lines:
    """The lines of a file, without their ends; ``number`` is that of the last one, from 1."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.number = 0
        self._file = path.open("rb")

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[bytes]:
        while line := self._file.readline(MAX_LINE + 1):
            self.number += 1
            if len(line) > MAX_LINE:
                raise InputError(
                    f"{self.path}: line {self.number} is longer than {MAX_LINE >> 20} MB; "
                    "write one line per row"
                )
            if self.number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            yield line.rstrip(b"\r\n")


def most_rows(path: Path, columns: int, numeric: int) -> int:
    """An upper bound of the rows of a text file: its lines, and what its size leaves room for."""
    count = 1
    with path.open("rb") as file:
        while block := file.read(_CHUNK):
            count += block.count(b"\n")
    # Every cell has a separator or line end, every number a digit.
    return min(count, path.stat().st_size // (columns + numeric) + 1)


def decode(cell: bytes) -> str:
    """Text in UTF-8, or else in Latin-1."""
    try:
        return cell.decode()
    except UnicodeDecodeError:
        return cell.decode("latin-1")


class Dialect(ABC):
    """How a line is cut into cells; the subclasses say which quotes it has."""

    quotes: tuple[bytes, ...]
    sep: bytes
    _quoted: re.Pattern  # a cell, its text without quotes in the group "plain"

    @abstractmethod
    def split(self, line: bytes) -> list[bytes]:
        """All cells of a line; any other number of them than it should have if it is broken."""

    def text(self, match: re.Match) -> bytes:
        """The text of a cell that the pattern found."""
        return match["plain"]

    def lead(self, line: bytes, count: int) -> list[bytes] | None:
        """The first cells and the rest of the line; None where that takes ``split``."""
        if not any(quote in line for quote in self.quotes):
            return line.split(self.sep, count)
        cells, position = [], 0
        for _ in range(count):
            match = self._quoted.match(line, position)
            if match is None or line[match.end() : match.end() + 1] != self.sep:
                return None
            cells.append(self.text(match))
            position = match.end() + 1
        return [*cells, line[position:]]

    def cell(self, cell: bytes) -> bytes | None:
        """The text of one cell, None if it is not one."""
        match = self._quoted.fullmatch(cell)
        return match and self.text(match)


class Csv(Dialect):
    """RFC 4180, with some separator."""

    quotes = (b'"',)

    def __init__(self, sep: bytes) -> None:
        self.sep = sep
        plain = rb'[^"' + re.escape(sep) + rb"]*"
        self._quoted = re.compile(rb' *"([^"]*(?:""[^"]*)*)" *|(?P<plain>' + plain + rb")")

    def text(self, match: re.Match) -> bytes:
        return match[1].replace(b'""', b'"') if match["plain"] is None else match["plain"]

    def split(self, line: bytes) -> list[bytes]:
        if line.count(b'"') % 2:  # a cell that goes on in the next line
            return []
        try:
            reader = csv.reader(
                [line.decode("latin-1")], delimiter=self.sep.decode(), skipinitialspace=True
            )
            cells = next(reader, [])
        except csv.Error:
            return []
        return [cell.encode("latin-1") for cell in cells]  # byte for byte


class Smile(Dialect):
    """SMILExtract's CSV: a name in single quotes, which escape nothing in it, then numbers."""

    quotes = ()

    def __init__(self, sep: bytes, columns: int) -> None:
        self.sep = sep
        self._columns = columns

    def lead(self, line: bytes, count: int) -> list[bytes] | None:
        if line.count(self.sep) != self._columns - 1:
            return None
        name, *rest = line.split(self.sep, count)
        return [_bare(name), *rest]

    def split(self, line: bytes) -> list[bytes]:
        # Only numbers follow the name: what they leave over is the name, separators and all.
        name, *rest = line.rsplit(self.sep, self._columns - 1)
        return [_bare(name), *rest]

    def cell(self, cell: bytes) -> bytes:
        return cell


def _bare(name: bytes) -> bytes:
    name = name.strip()
    for quote in (b"'", b'"'):
        if len(name) > 1 and name[:1] == name[-1:] == quote:
            return name[1:-1]
    return name


class Arff(Dialect):
    """ARFF: text in single or double quotes, with backslashes."""

    quotes = (b"'", b'"')
    sep = b","
    _quoted = re.compile(
        rb"""\s*'([^'\\]*(?:\\.[^'\\]*)*)'\s*|\s*"([^"\\]*(?:\\.[^"\\]*)*)"\s*"""
        rb"""|(?P<plain>[^,'"]*)""",
        re.DOTALL,
    )

    def __init__(self, columns: int) -> None:
        self._columns = columns

    def text(self, match: re.Match) -> bytes:
        if match["plain"] is not None:
            return match["plain"].strip()
        return unescape(match[2] if match[1] is None else match[1])

    def split(self, line: bytes) -> list[bytes]:
        cells, position = [], 0
        while match := self._quoted.match(line, position):
            cells.append(self.text(match))
            position = match.end() + 1
            if line[match.end() : position] != b",":
                break
        if len(cells) == self._columns and match and match.end() == len(line):
            return cells
        # Old versions of openSMILE escape nothing in the name.
        name, *rest = line.rsplit(b",", self._columns - 1)
        is_name = name[:1] == name[-1:] == b"'" and len(name) > 1
        return [name[1:-1], *rest] if is_name and not any(b"'" in cell for cell in rest) else cells


def unescape(quoted: bytes) -> bytes:
    """What stands between the quotes of an ARFF text."""
    return re.sub(rb"\\(.)", rb"\1", quoted, flags=re.DOTALL) if b"\\" in quoted else quoted


class Grid(NamedTuple):
    """Cells of a file."""

    texts: dict[int, list[str]]  # of every text column, by its position
    numbers: np.ndarray  # (rows, numeric columns) float32, all finite
    lines: np.ndarray  # (rows,) line numbers

    def row_name(self) -> Callable[[int], str]:
        """Names a row by its line; holds the line numbers only."""
        lines = self.lines
        return lambda row: f"line {lines[row]}"


class RowParser:
    """Reads rows whose text and numeric columns are known.

    Text columns at the edges of a line are cut off and the numbers between them read in bulk. What
    cannot be read so is read cell by cell, which also finds the place of an error.
    """

    def __init__(
        self,
        path: Path,
        columns: Sequence[str],
        texts: Sequence[int],
        dialect: Dialect,
        capacity: int,
    ) -> None:
        """``texts`` are the positions of text columns; ``capacity`` is the most rows expected."""
        self._path = path
        self._columns = columns
        self._dialect = dialect
        self._texts = sorted(texts)
        self._numeric = sorted(set(range(len(columns))) - set(texts))
        first, last = self._numeric[0], self._numeric[-1]
        self._lead, self._trail = first, len(columns) - 1 - last
        self._edges = last - first + 1 == len(self._numeric)  # no text between the numbers
        self._numbers = np.empty((capacity, len(self._numeric)), np.float32)
        self._read = 0  # rows whose numbers are read
        self._cells: list[list[str]] = [[] for _ in texts]
        self._known: dict[bytes, str] = {}
        self._line_numbers: list[int] = []
        self._held: list[bytes] = []  # numbers of the rows that are not read yet
        self._held_size = 0

    def add(self, number: int, line: bytes) -> None:
        """Takes line ``number`` (from 1)."""
        texts, numbers = self._cut(line) or self._cut_slowly(number, line)
        for position, cells, cell in zip(self._texts, self._cells, texts, strict=True):
            cells.append(self._text(number, position, cell.strip()))
        self._line_numbers.append(number)
        self._held.append(numbers)
        self._held_size += len(numbers)
        if self._held_size > _CHUNK:
            self._read_held()

    def finish(self) -> Grid:
        """All that was taken."""
        self._read_held()
        numbers = self._numbers[: self._read]
        if 2 * self._read < len(self._numbers):  # little of much: give the rest back
            numbers = numbers.copy()
        return Grid(
            dict(zip(self._texts, self._cells, strict=True)),
            numbers,
            np.array(self._line_numbers, np.int64),
        )

    def _text(self, number: int, position: int, cell: bytes) -> str:
        if cell in self._known:
            return self._known[cell]
        text = decode(cell)
        wrong = flaw(text)
        if wrong and self._columns[position].lower() != "passport":
            raise InputError(f"{self._place(number, position)} {wrong}")
        if position > 0:  # labels recur, names (which mostly come first) do not
            self._known[cell] = text
        return text

    def _cut(self, line: bytes) -> tuple[list[bytes], bytes] | None:
        """Text cells and the numbers between them, or None where that takes a closer look."""
        parts = self._dialect.lead(line, self._lead) if self._edges else None
        if parts is None or len(parts) != self._lead + 1:
            return None
        *texts, numbers = parts
        if self._trail:
            numbers, *tail = numbers.rsplit(self._dialect.sep, self._trail)
            texts += [self._dialect.cell(cell) for cell in tail]
        right = len(texts) == len(self._texts) and None not in texts
        if not right or numbers.count(self._dialect.sep) != len(self._numeric) - 1:
            return None
        if any(quote in numbers for quote in self._dialect.quotes):
            return None
        return texts, numbers

    def _cut_slowly(self, number: int, line: bytes) -> tuple[list[bytes], bytes]:
        cells = self._dialect.split(line)
        if len(cells) != len(self._columns):
            raise InputError(
                f"{self._path}: line {number} has {max(len(cells), 1)} cells for "
                f"{len(self._columns)} columns; mend the line or take it out"
            )
        for position in self._numeric:
            if self._dialect.sep in cells[position]:
                self._refuse(number, position, cells[position])
        numbers = self._dialect.sep.join(cells[position] for position in self._numeric)
        return [cells[position] for position in self._texts], numbers

    def _read_held(self) -> None:
        rows, dim = len(self._held), len(self._numeric)
        if not rows:
            return
        end = self._read + rows
        if end > len(self._numbers):
            raise InputError(f"{self._path}: grew while it was read; read it once it is whole")
        block = self._numbers[self._read : end]
        columns = self._in_bulk() if rows > _FEW else None
        if columns is None:
            for i, numbers in enumerate(self._held):
                block[i] = self._one_by_one(self._line_numbers[self._read + i], numbers)
        else:
            for i in range(dim):
                block[:, i] = columns[i]
        if not np.isfinite(block).all():
            row, column = np.argwhere(~np.isfinite(block))[0]
            cell = self._held[row].split(self._dialect.sep)[column]
            self._refuse(self._line_numbers[self._read + row], self._numeric[column], cell)
        self._read = end
        self._held, self._held_size = [], 0

    def _in_bulk(self) -> list[np.ndarray] | None:
        """The numbers held, column by column; None where a cell is not plainly a number."""
        text = b"\n".join(self._held)
        if b"\r" in text or b'"' in text:
            return None
        names = list(map(str, range(len(self._numeric))))
        try:
            table = pcsv.read_csv(
                pa.py_buffer(text),
                pcsv.ReadOptions(column_names=names, block_size=len(text) + 1),
                pcsv.ParseOptions(
                    delimiter=self._dialect.sep.decode(), quote_char=False, ignore_empty_lines=False
                ),
                pcsv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.float32()), null_values=[]
                ),
            )
        except pa.ArrowInvalid:
            return None
        if table.num_rows != len(self._held):
            return None
        return [column.to_numpy() for column in table.columns]

    def _one_by_one(self, number: int, numbers: bytes) -> np.ndarray:
        cells = numbers.split(self._dialect.sep)
        values = np.empty(len(cells))
        for i, cell in enumerate(cells):
            cell = cell.strip()
            if not _NUMBER.fullmatch(cell):
                self._refuse(number, self._numeric[i], cell)
            values[i] = float(cell)
        with np.errstate(over="ignore"):  # the caller refuses infinity
            return values.astype(np.float32)

    def _refuse(self, number: int, position: int, cell: bytes) -> None:
        place = self._place(number, position)
        cell = cell.strip()
        shown = decode(cell[:40])
        if cell in (b"", b"?") or _NOT_FINITE.fullmatch(cell):
            raise InputError(
                f"{place}: the value is missing or infinite ({shown!r}); "
                "mend it, or take the row or the column out"
            )
        if _NUMBER.fullmatch(cell):
            raise InputError(f"{place}: {shown} is beyond float32; rescale or take out the column")
        if _DECIMAL_COMMA.fullmatch(cell):
            raise InputError(f"{place}: {shown!r} has a decimal comma; write decimal points")
        raise InputError(f"{place}: {shown!r} is not a number; mend it, or take the column out")

    def _place(self, number: int, position: int) -> str:
        return f"{self._path}: line {number}, column '{self._columns[position]}'"
