"""openSMILE's and Weka's ARFF, with the attribute types that their readers refuse."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from aegan.errors import InputError
from aegan.tables.assemble import DECLARED, WORDS, Columns, Target
from aegan.tables.roles import Options, assign
from aegan.tables.rows import MAX_COLUMNS, Arff, Lines, RowParser, decode, most_rows, unescape
from aegan.tables.text import cut, read_one_line

_ATTRIBUTE = re.compile(
    rb"""@attribute\s+(?:'([^'\\]*(?:\\.[^'\\]*)*)'|"([^"\\]*(?:\\.[^"\\]*)*)"|([^\s'"{]\S*))"""
    rb"""\s+(\S.*)""",
    re.IGNORECASE,
)
_METADATA = re.compile(rb"%\s*([A-Za-z_][\w.\-]*): *(\S.*)")
_LONGEST_ATTRIBUTE = 1 << 16  # bytes
_NUMERIC = ("numeric", "real", "integer")


class _Attribute(NamedTuple):
    name: str
    kind: str  # "numeric", "string", "nominal", or openSMILE's "unknown", which is no ARFF


def read_arff(path: Path, options: Options) -> Columns:
    """The columns of an ARFF file.

    Raises:
        InputError: a header or a row that cannot be understood, sparse rows, text where a feature
            should be.
    """
    place = str(path)
    with Lines(path) as lines:
        rows = iter(lines)
        attributes, metadata = _read_header(lines, rows)
        names = [attribute.name for attribute in attributes]
        roles = assign(place, names, options)
        kinds = {attribute.name: attribute.kind for attribute in attributes}
        notes = list(roles.notes)
        texts = dict(roles.texts)
        # Text that is no label is left out if it says nothing, which the rows must tell.
        doubtful = {i for i, name in roles.features.items() if kinds[name] != "numeric"}
        texts |= dict.fromkeys(doubtful, "")
        if len(texts) == len(names):
            first = names[min(doubtful)]
            raise InputError(f"{place}: no numeric attribute ('{first}' is {kinds[first]})")
        capacity = most_rows(path, len(names), len(names) - len(texts))
        parser = RowParser(path, names, list(texts), Arff(len(names)), capacity)
        for line in rows:
            start = line.lstrip()[:1]
            if start in (b"", b"%"):
                continue
            if start == b"{":
                raise InputError(
                    f"{place}: line {lines.number} is sparse ARFF; write plain rows (in Weka: "
                    "the filter SparseToNonSparse)"
                )
            parser.add(lines.number, line)
        grid = parser.finish()
    for i in sorted(doubtful):
        if any(cell not in ("", "?") for cell in grid.texts[i]):
            raise InputError(
                f"{place}: attribute '{names[i]}' is {kinds[names[i]]}, not a feature; take it out "
                f"with --leave_out={names[i]}, or say what it is with --columns"
            )
        notes.append(f"attribute '{names[i]}' left out: it is empty")
    targets = [
        Target(role, name, DECLARED if kinds[name] in ("string", "nominal") else WORDS)
        for role, name in roles.targets.items()
    ]
    return Columns(
        place=place,
        texts={role: grid.texts[i] for i, role in texts.items() if role},
        features=grid.numbers,
        names=tuple(name for i, name in roles.features.items() if i not in doubtful),
        row_name=grid.row_name(),
        targets=targets,
        changed=bool(options.leave_out),
        metadata=metadata,
        notes=notes,
    )


def _read_header(lines: Lines, rows: Iterator[bytes]) -> tuple[list[_Attribute], dict[str, str]]:
    """Attributes and metadata; the next line of ``rows`` is the first of the data."""
    attributes: list[_Attribute] = []
    metadata: dict[str, str] = {}
    for line in rows:
        line = line.strip()
        word = line[:10].lower()
        if word.startswith(b"%"):
            match = None if attributes else _METADATA.fullmatch(line)
            if match:
                metadata[decode(match[1])] = read_one_line(decode(match[2]))
        elif word.startswith(b"@data"):
            if not attributes:
                raise InputError(f"{lines.path}: no @attribute line before @data; not a table")
            return attributes, metadata
        elif word == b"@attribute":
            attribute = _attribute(line) if len(line) < _LONGEST_ATTRIBUTE else None
            if attribute is None:
                raise InputError(
                    f"{lines.path}: line {lines.number} is not '@attribute name type' "
                    f"({decode(line[:60])!r}); mend it"
                )
            attributes.append(attribute)
            if len(attributes) > MAX_COLUMNS:
                raise InputError(
                    f"{lines.path}: more than {MAX_COLUMNS} attributes; not a feature table"
                )
        elif line and not word.startswith(b"@relation"):
            raise InputError(
                f"{lines.path}: line {lines.number} is neither @attribute nor @data "
                f"({decode(line[:60])!r}); mend it"
            )
    raise InputError(f"{lines.path}: no @data line; the file is not whole")


@lru_cache(maxsize=8192)  # the files of a folder mostly have one header
def _attribute(line: bytes) -> _Attribute | None:
    match = _ATTRIBUTE.fullmatch(line)
    if match is None:
        return None
    name = next(group for group in match.group(1, 2, 3) if group is not None)
    if match[3] is None:
        name = unescape(name)
    kind = cut(decode(match[4]).split()[0].lower())
    if match[4].startswith(b"{"):
        kind = "nominal"
    elif kind in _NUMERIC:
        kind = "numeric"
    return _Attribute(decode(name).strip(), kind)
