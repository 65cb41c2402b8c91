"""openSMILE's and Weka's ARFF, with the attribute types that their readers refuse."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from aegan.data.names import cut
from aegan.errors import InputError
from aegan.tables.roles import Columns, Options, assign, no_feature
from aegan.tables.rows import MAX_COLUMNS, TRUTH, decode, lines_of, read_rows, split_named
from aegan.tables.text import read_one_line

_ATTRIBUTE = re.compile(
    rb"""@attribute\s+(?:'([^'\\]*(?:\\.[^'\\]*)*)'|"([^"\\]*(?:\\.[^"\\]*)*)"|([^\s'"{]\S*))"""
    rb"""\s+(\S.*)""",
    re.IGNORECASE,
)
_CELL = re.compile(
    rb"""\s*'([^'\\]*(?:\\.[^'\\]*)*)'\s*|\s*"([^"\\]*(?:\\.[^"\\]*)*)"\s*|([^,'"]*)""", re.DOTALL
)
_PLAIN = re.compile(rb"""(?:[^,'"]*+,)++""")  # cells without quotes
_UNQUOTED = re.compile(  # up to a comment or the end
    rb"""(?:[^'"%]++|'(?:[^'\\]|\\.)*+'|"(?:[^"\\]|\\.)*+")*+""", re.DOTALL
)
_METADATA = re.compile(rb"%\s*([A-Za-z_][\w.\-]*): *(\S.*)")
_LONGEST_ATTRIBUTE = 1 << 16  # bytes
_NUMERIC = ("numeric", "real", "integer")


class Attribute(NamedTuple):
    """A line of the header."""

    name: str
    kind: str  # "numeric", "string", "nominal", or openSMILE's "unknown", which is no ARFF
    values: tuple[str, ...]  # of a nominal one


def read_arff(path: Path, options: Options) -> Columns:
    """The columns of an ARFF file.

    Raises:
        InputError: a header or a row that cannot be understood, sparse rows, text where a feature
            should be.
    """
    lines = lines_of(path)
    attributes, metadata = _read_header(path, lines)
    names = [attribute.name for attribute in attributes]
    declared = {i: a.values for i, a in enumerate(attributes) if a.values}
    roles = assign(str(path), names, options, {a.name: a.kind for a in attributes})
    # Text that is no label is left out if it says nothing, which the rows must tell.
    doubtful = {i: name for i, name in roles.features.items() if attributes[i].kind != "numeric"}
    for i in doubtful:
        roles.texts[i] = f"doubtful {roles.features.pop(i)}"
    if not roles.features:
        name, kind, _ = attributes[min(doubtful)]
        raise InputError(f"{path}: no numeric attribute ('{name}' is {kind})")

    def rows() -> Iterator[tuple[int, bytes]]:
        for number, line in lines:
            start = line.lstrip()[:1]
            if start == b"{":
                raise InputError(
                    f"{path}: line {number} is sparse ARFF; write plain rows (in Weka: the filter "
                    "SparseToNonSparse)"
                )
            if start not in (b"", b"%"):
                yield number, line

    columns = read_rows(path, names, roles, _split, rows(), metadata, [], declared, options.finite)
    for i, name in sorted(doubtful.items()):
        if set(columns.texts.pop(f"doubtful {name}")) - {"", "?"}:
            raise no_feature(str(path), f"attribute '{name}' is {attributes[i].kind}", name)
        columns.notes.append(f"attribute '{name}' left out: it is empty")
    return columns


def _read_header(
    path: Path, lines: Iterator[tuple[int, bytes]]
) -> tuple[list[Attribute], dict[str, str]]:
    """The attributes, and metadata; the next of ``lines`` is the first row."""
    attributes: list[Attribute] = []
    metadata: dict[str, str] = {}
    for number, line in lines:
        line = line.strip()
        word = line[:10].lower()
        if word.startswith(b"%"):
            match = None if attributes else _METADATA.fullmatch(line)
            if match:
                metadata[decode(match[1])] = read_one_line(decode(match[2]))
        elif word.startswith(b"@data"):
            if not attributes:
                raise InputError(f"{path}: no @attribute line before @data; not a table")
            return attributes, metadata
        elif word == b"@attribute":
            attribute = _attribute(line) if len(line) < _LONGEST_ATTRIBUTE else None
            if attribute is None:
                raise InputError(
                    f"{path}: line {number} is not '@attribute name type' ({decode(line[:60])!r}); "
                    "mend it"
                )
            attributes.append(attribute)
            if len(attributes) > MAX_COLUMNS:
                raise InputError(f"{path}: more than {MAX_COLUMNS} attributes; not a feature table")
        elif line and not word.startswith(b"@relation"):
            raise InputError(
                f"{path}: line {number} is neither @attribute nor @data ({decode(line[:60])!r}); "
                "mend it"
            )
    raise InputError(f"{path}: no @data line; the file is not whole")


@lru_cache(maxsize=8192)  # the files of a folder mostly have one header
def _attribute(line: bytes) -> Attribute | None:
    match = _ATTRIBUTE.fullmatch(_without_comment(line).strip())
    if match is None:
        return None
    single, double, plain, kind = match.groups()
    quoted = double if single is None else single
    name = plain if quoted is None else _unescape(quoted)
    word, values = cut(decode(kind).split()[0].lower()), ()
    if kind.startswith(b"{"):
        word = "nominal"
        values = tuple(decode(cell.strip()) for cell in _cells(kind.strip(b"{} \t"))[0])
    truth = bool(values) and all(value.encode() in TRUTH for value in values)
    return Attribute(decode(name).strip(), "numeric" if word in _NUMERIC or truth else word, values)


def _without_comment(line: bytes) -> bytes:
    """The line up to Weka's %, which begins a comment wherever it stands outside of quotes."""
    if b"%" not in line:
        return line
    end = _UNQUOTED.match(line).end()
    return line[:end] if line[end : end + 1] == b"%" else line


def _split(line: bytes, count: int) -> list[bytes]:
    """ARFF: text in single or double quotes, with backslashes."""
    for text in (_without_comment(line), line):
        cells, whole = _cells(text)
        if whole and len(cells) == count:
            return cells
    # Old versions of openSMILE escape nothing in the name.
    named = split_named(line.strip(), b",")
    if named and len(named) == count and not any(b"'" in cell for cell in named[1:]):
        return named
    return cells if whole or len(cells) != count else []


def _cells(line: bytes) -> tuple[list[bytes], bool]:
    """The cells, and whether they are all of the line."""
    if b"'" not in line and b'"' not in line:
        return line.split(b","), True
    cells, position = [], 0
    while True:
        if run := _PLAIN.match(line, position):
            cells += run[0][:-1].split(b",")
            position = run.end()
        match = _CELL.match(line, position)
        single, double, plain = match.groups()
        quoted = double if single is None else single
        cells.append(plain.strip() if quoted is None else _unescape(quoted))
        position = match.end() + 1
        if line[match.end() : position] != b",":
            return cells, match.end() == len(line)


def _unescape(quoted: bytes) -> bytes:
    return re.sub(rb"\\(.)", rb"\1", quoted, flags=re.DOTALL) if b"\\" in quoted else quoted
