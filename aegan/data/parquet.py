"""Parquet written so that damage shows, and the columns of Parquet and Feather files.

Pages carry checksums, and the metadata a digest of what the footer says of them. Columns are
fetched in small groups, so the peak of memory is what is made of them and little more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from aegan.data.cells import known
from aegan.data.names import flaw
from aegan.errors import InputError
from aegan.system.files import digest, replacing, whole

_COLUMNS_AT_ONCE = 64
_ANY_TEXT = ("passport",)  # columns whose text is no name
_SEAL = "aegan_digest"  # key of the metadata


class Columnar(NamedTuple):
    """An open file; ``close`` ends it (see `contextlib.closing`)."""

    place: str  # the file, for messages
    schema: pa.Schema
    rows: int
    fetch: Callable[[Sequence[int]], pa.Table]  # positions of columns -> these columns
    close: Callable[[], None]

    @property
    def metadata(self) -> dict[str, str]:
        """Key-value entries of the file as text."""
        entries = (self.schema.metadata or {}).items()
        texts = {k.decode(errors="replace"): v.decode(errors="replace") for k, v in entries}
        texts.pop(_SEAL, None)
        return texts

    def is_index(self, name: str) -> bool:
        """Whether pandas wrote the column beside the features: it would be learned as one."""
        try:
            return name in (self.schema.pandas_metadata or {}).get("index_columns", [])
        except (AttributeError, TypeError, ValueError):
            what = "the metadata of pandas in it are damaged; write it again with to_parquet"
            raise InputError(f"{self.place}: {what}") from None

    def column(self, position: int) -> pa.ChunkedArray:
        """One column, its categories as what they stand for."""
        column = self.fetch([position]).column(0)
        categories = pa.types.is_dictionary(column.type)
        return column.cast(column.type.value_type) if categories else column

    def texts(self, name: str, column: pa.ChunkedArray) -> list[str]:
        """Cells of text or whole numbers, without spaces around them; "" where there is nothing.

        ``InputError``: a column of other things, or a text that is no name.
        """
        kind = column.type
        if pa.types.is_floating(kind):  # speakers 1.0 of pandas are 1
            integers = pc.cast(column, pa.int64(), safe=False)
            if pc.all(pc.equal(pc.cast(integers, kind, safe=False), column)).as_py() is not False:
                column, kind = integers, integers.type
        if not (is_text(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
            raise InputError(
                f"{self.place}: column '{name}' is {column.type}, not text; store it as strings"
            )
        cells = pc.cast(column, pa.string()).to_pylist()
        texts = [known((text or "").strip()) for text in cells]
        for row, text in enumerate(texts):
            if name.lower() not in _ANY_TEXT and (wrong := flaw(text)):
                where = f"row {row} (counted from 0), column '{name}'"
                raise InputError(f"{self.place}: {where} {wrong}")
        return texts

    def matrix(
        self,
        positions: Sequence[int],
        refuse: Callable[[int, int, float | None], NoReturn] | None = None,
    ) -> np.ndarray:
        """Numeric columns as (rows, columns) float32.

        ``refuse`` raises the error of a cell that is missing or not finite as float32, by its row,
        its position and its value; without it such cells stay.
        """
        matrix = np.empty((self.rows, len(positions)), np.float32)
        for start in range(0, len(positions), _COLUMNS_AT_ONCE):
            group = positions[start : start + _COLUMNS_AT_ONCE]
            columns = self.fetch(group)
            block = matrix[:, start : start + len(group)]
            with np.errstate(over="ignore"):  # refused below
                for offset in range(len(group)):
                    column = columns.column(offset)
                    if pa.types.is_boolean(column.type):
                        column = column.cast(pa.int8())
                    block[:, offset] = column.to_numpy()
            if refuse and not np.isfinite(block).all():
                offset, row = np.argwhere(~np.isfinite(block.T))[0].tolist()
                refuse(row, group[offset], columns.column(offset)[row].as_py())
        return matrix


def is_text(kind: pa.DataType) -> bool:
    """Whether cells are text, or categories of text."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return kind in (pa.string(), pa.large_string(), pa.string_view())


def is_numeric(kind: pa.DataType) -> bool:
    """Whether cells can be a feature."""
    return pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)


def reason(error: Exception) -> str:
    """What pyarrow says of a damaged file, in one line."""
    return next(iter(str(error).strip().splitlines()), "damaged")[:200]


@contextmanager
def parquet_writer(path: Path, schema: pa.Schema, **options: Any) -> Iterator[pq.ParquetWriter]:
    """A `pyarrow.parquet.ParquetWriter` whose file ``open_parquet`` can check."""
    with pq.ParquetWriter(path, schema, write_page_checksum=True, **options) as writer:
        yield writer
        writer.add_key_value_metadata({_SEAL: _seal(schema, schema.metadata)})


def write_frame(path: Path, frame: pd.DataFrame) -> None:
    """Writes a frame without its index, whole or not at all."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    with replacing(path) as temporary, parquet_writer(temporary, table.schema) as writer:
        writer.write_table(table)


def read_frame(path: Path, mend: str) -> pd.DataFrame:
    """Reads what ``write_frame`` wrote; ``InputError`` with the ``mend`` if it is not whole."""
    with whole(path, mend):
        return read_table(path).to_pandas()


def read_table(path: Path) -> pa.Table:
    """All columns as they were written; raises as ``open_parquet`` does."""
    with closing(_checked(path)) as file:
        return file.fetch(range(len(file.schema)))


def open_parquet(path: Path) -> Columnar:
    """Opens a Parquet file; raises what pyarrow does, many kinds of errors.

    Columns of lists are a column for each number. What ``parquet_writer`` wrote is checked: its
    footer here, its pages as they are read.
    """
    return _expanded(_checked(path))


def _checked(path: Path) -> Columnar:
    file = pq.ParquetFile(path, page_checksum_verification=True)
    schema = file.schema_arrow
    entries = file.metadata.metadata or {}
    seal = entries.get(_SEAL.encode())
    if seal is not None and seal.decode(errors="replace") != _seal(schema, entries):
        file.close()
        raise ValueError("changed since it was written")

    def fetch(positions: Sequence[int]) -> pa.Table:
        names = [schema.names[i] for i in positions]
        # Selected once more: the name "a" also fetches a column called "a.b".
        table = file.read(columns=names).select(names)
        if len(table) != file.metadata.num_rows:  # by a footer whose seal is for other things
            raise pa.ArrowInvalid("a column of another length than the table")
        return table

    return Columnar(str(path), schema, file.metadata.num_rows, fetch, file.close)


def _seal(schema: pa.Schema, metadata: Mapping[bytes, bytes] | None) -> str:
    """Of names and kinds of columns, and of the metadata, which a footer holds twice."""
    columns = [[field.name, field.type.id] for field in schema]
    return digest([columns, *(_entries(one) for one in (schema.metadata, metadata))])


def _entries(metadata: Mapping[bytes, bytes] | None) -> dict[str, str]:
    """Key-value metadata without what was not given."""
    left = (_SEAL.encode(), b"ARROW:schema")
    texts = {k: v for k, v in (metadata or {}).items() if k not in left}
    return {k.decode("latin-1"): v.decode("latin-1") for k, v in texts.items()}


def open_feather(path: Path) -> Columnar:
    """Opens a Feather file; raises what pyarrow does."""
    source = pa.memory_map(str(path))
    with pa.ipc.open_file(source) as file:
        schema = file.schema

    def fetch(positions: Sequence[int]) -> pa.Table:
        chosen = pa.ipc.IpcReadOptions(included_fields=list(positions))
        with pa.ipc.open_file(source, options=chosen) as file:
            table = file.read_all()
        table.validate(full=True)  # a damaged file may point outside of itself
        return table.select([schema.names[i] for i in positions])

    rows = fetch([0]).num_rows if len(schema) else 0
    return _expanded(Columnar(str(path), schema, rows, fetch, source.close))


def _expanded(file: Columnar) -> Columnar:
    """The file with a column for each number of columns of lists, such as embeddings.

    Raises:
        InputError: lists of several lengths.
    """
    places: list[tuple[int, int | None]] = []  # position in the file, place in the list
    fields: list[pa.Field] = []
    for position, field in enumerate(file.schema):
        kind = field.type
        lists = pa.types.is_list(kind) or pa.types.is_large_list(kind)
        if not (lists or pa.types.is_fixed_size_list(kind)) or not is_numeric(kind.value_type):
            places.append((position, None))
            fields.append(field)
            continue
        lengths = pc.unique(pc.list_value_length(file.fetch([position]).column(0))).to_pylist()
        lengths = [length for length in lengths if length is not None] or [0]
        if len(lengths) > 1 or not lengths[0]:
            raise InputError(
                f"{file.place}: column '{field.name}' has lists of {min(lengths)} to "
                f"{max(lengths)} numbers; write as many for every row"
            )
        places += [(position, place) for place in range(lengths[0])]
        fields += [pa.field(f"{field.name}_{i}", kind.value_type) for i in range(lengths[0])]
    if len(places) == len(file.schema):
        return file

    def fetch(positions: Sequence[int]) -> pa.Table:
        wanted = [places[i] for i in positions]
        real = sorted({position for position, _ in wanted})
        table = file.fetch(real)
        columns = [(table.column(real.index(position)), place) for position, place in wanted]
        columns = [one if i is None else pc.list_element(one, i) for one, i in columns]
        return pa.table(columns, schema=pa.schema([fields[i] for i in positions]))

    schema = pa.schema(fields, file.schema.metadata)
    return Columnar(file.place, schema, file.rows, fetch, file.close)
