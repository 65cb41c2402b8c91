"""openSMILE's and Weka's ARFF, with the attribute types that their readers refuse."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from aegan.data.names import cut
from aegan.errors import InputError
from aegan.tables.roles import Columns, Options, assign, no_feature
from aegan.tables.rows import MAX_COLUMNS, decode, lines_of, read_rows
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
_METADATA = re.compile(rb"%\s*([A-Za-z_][\w.\-]*): *(\S.*)")
_LONGEST_ATTRIBUTE = 1 << 16  # bytes
_NUMERIC = ("numeric", "real", "integer")


def read_arff(path: Path, options: Options) -> Columns:
    """The columns of an ARFF file.

    Raises:
        InputError: a header or a row that cannot be understood, sparse rows, text where a feature
            should be.
    """
    lines = lines_of(path)
    kinds, metadata = _read_header(path, lines)
    names = [name for name, _ in kinds]
    roles = assign(str(path), names, options, dict(kinds))
    # Text that is no label is left out if it says nothing, which the rows must tell.
    doubtful = {i: name for i, name in roles.features.items() if kinds[i][1] != "numeric"}
    for i in doubtful:
        roles.texts[i] = f"doubtful {roles.features.pop(i)}"
    if not roles.features:
        name, kind = kinds[min(doubtful)]
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

    columns = read_rows(path, names, roles, _split, rows(), metadata, [])
    for i, name in sorted(doubtful.items()):
        if set(columns.texts.pop(f"doubtful {name}")) - {"", "?"}:
            raise no_feature(str(path), f"attribute '{name}' is {kinds[i][1]}", name)
        columns.notes.append(f"attribute '{name}' left out: it is empty")
    return columns


def _read_header(
    path: Path, lines: Iterator[tuple[int, bytes]]
) -> tuple[list[tuple[str, str]], dict[str, str]]:
    """Name and kind of the attributes, and metadata; the next of ``lines`` is the first row."""
    attributes: list[tuple[str, str]] = []
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
def _attribute(line: bytes) -> tuple[str, str] | None:
    """Name and kind: "numeric", "string", "nominal", or openSMILE's "unknown", which is no ARFF."""
    match = _ATTRIBUTE.fullmatch(line)
    if match is None:
        return None
    single, double, plain, kind = match.groups()
    quoted = double if single is None else single
    name = plain if quoted is None else _unescape(quoted)
    word = cut(decode(kind).split()[0].lower())
    if kind.startswith(b"{"):
        word = "nominal"
    return decode(name).strip(), "numeric" if word in _NUMERIC else word


def _split(line: bytes, count: int) -> list[bytes]:
    """ARFF: text in single or double quotes, with backslashes."""
    if b"'" not in line and b'"' not in line:
        return line.split(b",")
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
            break
    if match.end() == len(line):
        return cells
    # Old versions of openSMILE escape nothing in the name.
    name, *rest = line.rsplit(b",", count - 1)
    if name[:1] == name[-1:] == b"'" and len(name) > 1 and not any(b"'" in cell for cell in rest):
        return [name[1:-1], *rest]
    return cells if len(cells) != count else []


def _unescape(quoted: bytes) -> bytes:
    return re.sub(rb"\\(.)", rb"\1", quoted, flags=re.DOTALL) if b"\\" in quoted else quoted
