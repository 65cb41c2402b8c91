"""Parquet and Feather: frames of pandas, audformat and opensmile, and our own tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from aegan.data.parquet import Columnar, is_numeric, is_text, open_feather, open_parquet, reason
from aegan.errors import InputError
from aegan.tables.roles import KEYS, Columns, Options, assign, no_feature

_FOREIGN = ("pandas", "ARROW:schema")  # metadata that is not the file's own
_OPENERS = {"parquet": open_parquet, "feather": open_feather}


def read_columnar(path: Path, kind: str, options: Options) -> Columns:
    """The columns of a file of the kind "parquet" or "feather".

    Raises:
        InputError: a file that is not whole, columns that are neither numbers nor labels, a cell
            that is missing or beyond float32.
    """
    notes = []
    with _opened(path, kind) as file:
        header = _header(file, notes)
        roles = assign(file.place, header, options)
        for position, name in list(roles.features.items()):
            if file.is_index(header[position]):
                notes.append(f"column '{name}' left out: it is the index of pandas")
                roles.texts[position] = ""
                del roles.features[position]
                continue
            kind = file.schema.field(position).type
            if not is_numeric(kind):
                raise no_feature(file.place, f"column '{name}' is {kind}", name)

        def refuse(row: int, position: int, value: float | None) -> NoReturn:
            missing = value is None or np.isnan(value)
            raise InputError(
                f"{file.place}: row {row} (counted from 0), column '{header[position]}': the value "
                f"is {'missing' if missing else 'infinite or beyond float32'} ({value}); mend it, "
                "or take the row or the column out"
            )

        return Columns(
            place=file.place,
            roles=roles,
            texts={r: _texts(file, i, header[i]) for i, r in roles.texts.items() if r},
            features=file.matrix(list(roles.features), refuse if options.finite else None),
            row_name=row_name,
            metadata={k: v for k, v in file.metadata.items() if k not in _FOREIGN},
            notes=[*notes, *roles.notes],
        )


def read_texts(
    path: Path, kind: str, choose: Callable[[list[str]], Mapping[str, int]]
) -> dict[str, list[str]]:
    """Columns of text: ``choose`` has the names of all and gives the positions of those wanted."""
    with _opened(path, kind) as file:
        header = _header(file, [])
        return {role: _texts(file, i, header[i]) for role, i in choose(header).items()}


def row_name(row: int) -> str:
    """What messages call a row."""
    return f"row {row} (counted from 0)"


@contextmanager
def _opened(path: Path, kind: str) -> Iterator[Columnar]:
    """Errors of pyarrow over a damaged file as ours; it raises many kinds of them."""
    try:
        with closing(_OPENERS[kind](path)) as file:
            yield file
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"{path}: cannot be read as {kind.capitalize()} ({reason(error)}); write it again"
        ) from error


def _header(file: Columnar, notes: list[str]) -> list[str]:
    """Names of the columns, with "file" for an index without a name that must be the keys."""
    header = list(file.schema.names)
    index = [name for name in header if name.startswith("__index_level_")]
    for name in index:
        position = header.index(name)
        has_key = any(other.lower() in KEYS for other in header)
        if has_key or len(index) > 1 or not is_text(file.schema.field(position).type):
            continue
        notes.append("the index has no name; its text is taken as the names of the recordings")
        header[position] = "file"
    return header


def _texts(file: Columnar, position: int, name: str) -> list[str]:
    column = file.column(position)
    if pa.types.is_duration(column.type):
        nanoseconds = column.cast(pa.duration("ns")).cast(pa.int64())
        column = pc.divide(nanoseconds.cast(pa.float64(), safe=False), 1e9).cast(pa.string())
    elif pa.types.is_floating(column.type):
        whole = column.cast(pa.int64(), safe=False)
        same = pc.all(pc.equal(whole.cast(column.type, safe=False), column)).as_py()
        column = (whole if same else column).cast(pa.string())  # speakers 1.0 of pandas are 1
    return file.texts(name, column)
