"""Parquet and Feather: frames of pandas, audformat and opensmile, and our own tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from aegan.errors import InputError
from aegan.tables.assemble import Columns, targets_of
from aegan.tables.roles import KEYS, PASSPORT, Options, Roles, assign
from aegan.tables.text import flaw

_COLUMNS_AT_ONCE = 64  # bounds the memory used beside the matrix


class Open(NamedTuple):
    """A file whose columns can be fetched."""

    schema: pa.Schema
    rows: int
    fetch: Callable[[Sequence[int]], pa.Table]  # positions of columns -> these columns


def read_columnar(path: Path, kind: str, options: Options) -> Columns:
    """The columns of a file of the kind "parquet" or "feather".

    Raises:
        InputError: a file that is not whole, columns that are neither numbers nor labels, a cell
            that is missing or beyond float32.
    """
    with _opened(path, kind) as file:
        return _read(str(path), file, options)


def read_texts(
    path: Path, kind: str, choose: Callable[[list[str]], Mapping[str, int]]
) -> dict[str, list[str]]:
    """Columns of text: ``choose`` has the names of all and gives the positions of those wanted."""
    with _opened(path, kind) as file:
        header = _header(str(path), file.schema, [])
        return {
            role: _texts(str(path), header[position], file.fetch([position]).column(0))
            for role, position in choose(header).items()
        }


@contextmanager
def _opened(path: Path, kind: str) -> Iterator[Open]:
    with _one_line(path, kind.capitalize()), ExitStack() as stack:
        opener = _open_parquet if kind == "parquet" else _open_feather
        yield opener(path, stack)


def _open_parquet(path: Path, stack: ExitStack) -> Open:
    file = stack.enter_context(pq.ParquetFile(path))
    schema = file.schema_arrow

    def fetch(positions: Sequence[int]) -> pa.Table:
        names = [schema.names[i] for i in positions]
        # Selected once more: the name "a" also fetches a column called "a.b".
        return file.read(columns=names).select(names)

    return Open(schema, file.metadata.num_rows, fetch)


def _open_feather(path: Path, stack: ExitStack) -> Open:
    source = stack.enter_context(pa.memory_map(str(path)))
    with pa.ipc.open_file(source) as file:
        schema = file.schema

    def fetch(positions: Sequence[int]) -> pa.Table:
        chosen = pa.ipc.IpcReadOptions(included_fields=list(positions))
        with pa.ipc.open_file(source, options=chosen) as file:
            table = file.read_all()
        table.validate(full=True)  # a damaged file may point outside of itself
        return table.select([schema.names[i] for i in positions])

    return Open(schema, fetch([0]).num_rows if len(schema) else 0, fetch)


@contextmanager
def _one_line(path: Path, kind: str) -> Iterator[None]:
    """Errors of pyarrow over a damaged file as ours; it raises many kinds of them."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else "damaged"
        raise InputError(f"{path}: cannot be read as {kind} ({reason}); write it again") from error


def _read(place: str, file: Open, options: Options) -> Columns:
    schema, notes = file.schema, []
    metadata = _metadata(schema)
    header = _header(place, schema, notes)
    roles = assign(place, header, options)
    _check_types(place, schema, roles)
    texts = {}
    for position, role in roles.texts.items():
        if role:
            column = file.fetch([position]).column(0)
            texts[role] = _texts(place, header[position], column)
    return Columns(
        place=place,
        texts=texts,
        features=_features(place, file, roles),
        names=tuple(roles.features.values()),
        row_name=lambda row: f"row {row} (counted from 0)",
        targets=targets_of(roles),
        changed=bool(options.leave_out),
        metadata=metadata,
        notes=(*notes, *roles.notes),
    )


def _metadata(schema: pa.Schema) -> dict[str, str]:
    """Key-value entries of the file, without those of pandas and Arrow."""
    entries = {
        key.decode(errors="replace"): value.decode(errors="replace")
        for key, value in (schema.metadata or {}).items()
    }
    return {key: value for key, value in entries.items() if key not in ("pandas", "ARROW:schema")}


def _header(place: str, schema: pa.Schema, notes: list[str]) -> list[str]:
    """Names of the columns, with "file" for an index without a name that must be the keys."""
    header = list(schema.names)
    index = [name for name in header if name.startswith("__index_level_")]
    for name in index:
        position = header.index(name)
        has_key = any(other.lower() in KEYS for other in header)
        if has_key or len(index) > 1 or not _is_text(schema.field(position).type):
            _refuse_index(place, name)
        notes.append("the index has no name; its text is taken as the names of the recordings")
        header[position] = "file"
    return header


def _refuse_index(place: str, name: str) -> NoReturn:
    raise InputError(
        f"{place}: column '{name}' is an index of pandas, not a feature; write the table with "
        "index=False, or name the levels file, start, end"
    )


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or kind == pa.string_view()


def _check_types(place: str, schema: pa.Schema, roles: Roles) -> None:
    index = (schema.pandas_metadata or {}).get("index_columns", [])
    for position, name in roles.features.items():
        if name in index:  # a row number would be learned as a feature
            _refuse_index(place, name)
        kind = schema.field(position).type
        if not (pa.types.is_floating(kind) or pa.types.is_integer(kind)):
            raise InputError(
                f"{place}: column '{name}' is {kind}, not a feature; take it out with "
                f"--leave_out={name}, or say what it is with --columns"
            )


def _texts(place: str, name: str, column: pa.ChunkedArray) -> list[str]:
    """Cells of a label, key or time as text; "" where there is none."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
        column = pc.cast(column, kind)
    if pa.types.is_duration(kind):
        nanoseconds = pc.cast(pc.cast(column, pa.duration("ns")), pa.int64())
        column = pc.divide(pc.cast(nanoseconds, pa.float64(), safe=False), 1e9)
    elif pa.types.is_floating(kind):
        whole = pc.cast(column, pa.int64(), safe=False)
        same = pc.all(pc.equal(pc.cast(whole, kind, safe=False), column)).as_py()
        column = whole if same else column  # speakers 1.0, 2.0 of pandas are 1, 2
    elif not (_is_text(kind) or pa.types.is_integer(kind)):
        raise InputError(f"{place}: column '{name}' is {kind}, not text; store it as strings")
    texts = [(text or "").strip() for text in pc.cast(column, pa.string()).to_pylist()]
    for row, text in enumerate(texts):
        wrong = flaw(text)
        if wrong and name.lower() != PASSPORT:
            raise InputError(f"{place}: row {row} (counted from 0), column '{name}' {wrong}")
    return texts


def _features(place: str, file: Open, roles: Roles) -> np.ndarray:
    """(rows, dim) float32, in small groups of columns into a matrix made once."""
    positions = list(roles.features)
    features = np.empty((file.rows, len(positions)), np.float32)
    for start in range(0, len(positions), _COLUMNS_AT_ONCE):
        group = positions[start : start + _COLUMNS_AT_ONCE]
        columns = file.fetch(group)
        block = features[:, start : start + len(group)]
        with np.errstate(over="ignore"):  # reported below, with its place
            for offset in range(len(group)):
                block[:, offset] = columns.column(offset).to_numpy()
        if not np.isfinite(block).all():
            offset, row = np.argwhere(~np.isfinite(block.T))[0]
            value = columns.column(int(offset))[int(row)].as_py()
            why = "missing" if value is None or np.isnan(value) else "infinite or beyond float32"
            raise InputError(
                f"{place}: row {row} (counted from 0), column '{roles.features[group[offset]]}': "
                f"the value is {why} ({value}); mend it, or take the row or the column out"
            )
    return features
