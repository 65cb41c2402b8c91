"""Feature tables to Parquet, CSV or ARFF, row block by row block."""

from __future__ import annotations

import csv
import io
import json
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq

from aegan.data.contract import FeatureContract
from aegan.data.corpus import MARK
from aegan.errors import InputError
from aegan.system.files import replacing
from aegan.tables.roles import PASSPORT
from aegan.tables.text import SUFFIXES, is_metadata_key, write_one_line

NUMERIC_LABELS = ("duration_s", MARK)

_ROW_GROUP = 16384  # rows held in memory and written together: 104 MB of 1582 features
_TEXT_ROWS = 1024  # rows turned into text together


@contextmanager
def table_writer(
    path: Path,
    labels: Sequence[str],
    contract: FeatureContract,
    metadata: Mapping[str, str],
    finite: bool = True,
) -> Iterator[TableWriter]:
    """Writes a table of the format that the suffix of ``path`` names; whole or not at all.

    Blocks may be of any size; no more than one row group (16384 rows) is held. ``labels`` names
    the columns before the features; all are text except ``duration_s`` (seconds). The contract's
    set and hash go into the metadata: key-value entries in Parquet, ``% key: value`` lines on top
    in ARFF. CSV has no place for them: where they say ``synthetic: true``, every row has them in a
    column ``passport``, else they are lost. ``classes`` (a JSON list) makes ``emotion`` a nominal
    attribute in ARFF. Cells that are not finite are refused, in Parquet only if ``finite``.

    Raises:
        InputError: another suffix, doubled columns, a block of other columns, a cell that is not
            finite, text that the format cannot hold, or a file that cannot be written.
    """
    path = Path(path)
    opened = _SINKS.get(path.suffix.lower())
    if opened is None:
        raise InputError(f"{path}: no such format; end the name in {', '.join(SUFFIXES)}")
    if path.is_dir():
        raise InputError(f"{path}: is a directory; give the path of a file")
    if not contract.names:
        raise InputError(f"{path}: no feature columns; a table needs at least one")
    _check_doubled(path, (*labels, *contract.names))
    entries = {str(key): str(value) for key, value in metadata.items()} | contract.to_metadata()
    table = _Table(path, tuple(labels), contract.names, entries)
    passed = None
    try:
        with replacing(path) as temporary, opened(table, temporary) as write:
            writer = TableWriter(table, write, finite or opened is not _parquet)
            try:
                yield writer
            except OSError as error:  # of the caller's block: says nothing of this file
                passed = error
                raise
            writer.flush()
    except OSError as error:
        if error is passed:
            raise
        reason = error.strerror or str(error).splitlines()[0]
        raise InputError(
            f"{path}: cannot be written ({reason}); make room, or give another path"
        ) from error


class _Table(NamedTuple):
    path: Path  # of the finished table
    labels: tuple[str, ...]
    names: tuple[str, ...]  # of the features
    entries: Mapping[str, str]  # metadata


# Writes label columns (rows,), features (dim, rows) and has the number of the first row.
_Write = Callable[[dict[str, pa.Array], np.ndarray, int], None]


class TableWriter:
    """Takes blocks of rows in their order, checks them and gathers them to row groups."""

    def __init__(self, table: _Table, write: _Write, finite: bool) -> None:
        self._path, self._labels, self._names, _ = table
        self._write, self._finite = write, finite
        self._rows = 0  # taken so far
        self._held = 0
        self._features: np.ndarray | None = None  # (dim, row group): columns lie together
        self._texts: dict[str, list[pa.Array]] = {name: [] for name in self._labels}

    def write(self, labels: Mapping[str, Sequence[str]], features: np.ndarray) -> None:
        """Appends rows: label columns (rows,), features (rows, dim) float32."""
        features = np.asarray(features)
        texts = {name: self._label(name, labels.get(name), len(features)) for name in self._labels}
        for name in labels:
            if name not in texts:
                raise InputError(f"{self._path}: the rows have a label column '{name}' too many")
        if features.ndim != 2 or features.shape[1] != len(self._names):
            raise InputError(
                f"{self._path}: rows of {features.shape[1:]} features for {len(self._names)}; "
                "write rows of the features that the table was opened with"
            )
        if self._features is None:
            self._features = np.empty((len(self._names), _ROW_GROUP), np.float32)
        start = 0
        while start < len(features):
            part = slice(start, start + _ROW_GROUP - self._held)
            block = self._block(features[part])
            start += len(block)
            self._features[:, self._held : self._held + len(block)] = block.T
            for name, text in texts.items():
                self._texts[name].append(text[part])
            self._held += len(block)
            self._rows += len(block)
            if self._held == _ROW_GROUP:
                self.flush()

    def flush(self) -> None:
        """Writes what is held."""
        if self._held:
            columns = {name: pa.concat_arrays(parts) for name, parts in self._texts.items()}
            self._write(columns, self._features[:, : self._held], self._rows - self._held)
        self._texts = {name: [] for name in self._labels}
        self._held = 0

    def _label(self, name: str, values: Sequence[str] | None, rows: int) -> pa.Array:
        place = f"{self._path}: label column '{name}'"
        if values is None:
            raise InputError(f"{place} is missing from the rows; give all of {self._labels}")
        if len(values) != rows:
            raise InputError(f"{place} has {len(values)} values for {rows} rows; give one per row")
        try:
            if name not in NUMERIC_LABELS:
                return pa.array([str(value) for value in values], pa.string())
            with np.errstate(over="ignore"):
                numbers = np.asarray(values).astype(np.float32)
            if not np.isinf(numbers).any():  # a synthetic row has no duration
                return pa.array(numbers)
            raise ValueError
        except ValueError as error:
            what = "a number" if name in NUMERIC_LABELS else "text that UTF-8 can hold"
            raise InputError(f"{place} has a value that is not {what}; mend or drop it") from error

    def _block(self, given: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):  # refused below
            block = given.astype(np.float32, copy=False)
        if not self._finite or np.isfinite(block).all():
            return block
        row, column = np.argwhere(~np.isfinite(block))[0]
        raise InputError(
            f"{self._path}: column '{self._names[column]}', row {self._rows + row} (counted from "
            f"0): the value {given[row, column]} is not a finite float32; mend it or drop the row"
        )


@contextmanager
def _parquet(table: _Table, temporary: Path) -> Iterator[_Write]:
    """Row groups of Parquet. Byte-stream split with zstd: 10 % smaller than plain, as quick."""
    kinds = dict.fromkeys(table.labels, pa.string()) | dict.fromkeys(table.names, pa.float32())
    schema = pa.schema(kinds | {name: pa.float32() for name in NUMERIC_LABELS if name in kinds})
    with pq.ParquetWriter(
        temporary,
        schema.with_metadata(dict(table.entries)),
        compression="zstd",
        use_dictionary=list(table.labels),
        column_encoding=dict.fromkeys(table.names, "BYTE_STREAM_SPLIT"),
        write_statistics=False,  # of 1582 columns a row group they would fill the footer
    ) as writer:

        def write(labels: dict[str, pa.Array], features: np.ndarray, first_row: int) -> None:
            rows = pa.table([*labels.values(), *map(pa.array, features)], schema=schema)
            writer.write_table(rows, row_group_size=_ROW_GROUP)

        yield write


def _csv(table: _Table, temporary: Path) -> AbstractContextManager[_Write]:
    """RFC 4180 with a header; text in quotes, numbers as short as they read back."""
    columns, passport = [*table.labels, *table.names], []

    def quoted(name: str, text: str, row: int = 0) -> str:
        return '"' + text.replace('"', '""') + '"'

    if table.entries.get("synthetic") == "true" and MARK not in table.labels:
        columns.insert(len(table.labels), PASSPORT)
        _check_doubled(table.path, columns)
        ordered = sorted(table.entries.items(), key=lambda item: item[0] != "synthetic")
        pairs = (f"{_key(table, k)}={shlex.quote(write_one_line(v))}" for k, v in ordered)
        passport = [quoted(PASSPORT, " ".join(pairs))]
    head = io.StringIO()
    csv.writer(head, lineterminator="\n").writerow(columns)
    return _text(table, temporary, columns, head.getvalue(), quoted, passport)


def _arff(table: _Table, temporary: Path) -> AbstractContextManager[_Write]:
    """ARFF as Weka and liac-arff read it: text in single quotes, metadata as comments on top."""
    path, labels, names, entries = table
    try:
        classes = json.loads(entries.get("classes", "[]")) if "emotion" in labels else []
        if not all(isinstance(name, str) for name in classes) or not isinstance(classes, list):
            classes = []
    except (TypeError, ValueError, RecursionError):  # a file's own, which may hold anything
        classes = []
    kinds = dict.fromkeys(labels, "string") | dict.fromkeys(names, "numeric")
    kinds |= {name: "numeric" for name in NUMERIC_LABELS if name in kinds}
    if classes:
        kinds["emotion"] = "{" + ",".join(map(_arff_word, classes)) + "}"
    head = [f"% {_key(table, key)}: {write_one_line(value)}" for key, value in entries.items()]
    head += [f"@relation {_arff_word(path.stem)}", ""]
    head += [f"@attribute {_arff_word(name)} {kind}" for name, kind in kinds.items()]

    def quoted(name: str, text: str, row: int) -> str:
        if name != "emotion" or not classes:
            return _arff_quoted(text)
        if text in classes:
            return _arff_word(text)
        raise InputError(
            f"{path}: emotion '{text}' at row {row} or after is not one of the classes "
            f"{', '.join(classes)}"
        )

    return _text(table, temporary, kinds, "\n".join([*head, "", "@data", ""]), quoted)


def _arff_quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _arff_word(text: str) -> str:
    """A name or class, in quotes where it needs them."""
    plain = text and text != "?" and all(c.isalnum() or c in "_-.[]()+/:" for c in text)
    return text if plain else _arff_quoted(text)


_SINKS = dict(zip(SUFFIXES, (_parquet, _csv, _arff), strict=True))


@contextmanager
def _text(
    table: _Table,
    temporary: Path,
    columns: Iterable[str],
    head: str,
    quoted: Callable[[str, str, int], str],
    last: Sequence[str] = (),
) -> Iterator[_Write]:
    """A file with ``head``, then a line per row: ``quoted`` labels, ``last`` and the features."""

    def check(what: str, text: str) -> None:
        if any(c in text for c in "\n\r\0"):
            raise InputError(
                f"{table.path}: {what} {text!r} has a line break; take it out, or write Parquet"
            )

    def cells(name: str, column: pa.Array, first_row: int) -> list[str]:
        texts = column.cast(pa.string()).to_pylist()
        if name in NUMERIC_LABELS:
            return texts
        for row, text in enumerate(texts, first_row):
            check(f"column '{name}', row {row} (counted from 0), value", text)
        return [quoted(name, text, first_row) for text in texts]

    for name in columns:
        check("the name of column", name)
    with temporary.open("wb") as file:
        file.write(head.encode())

        def write(labels: dict[str, pa.Array], features: np.ndarray, first_row: int) -> None:
            columns = [cells(name, column, first_row) for name, column in labels.items()]
            columns += [[text] * features.shape[1] for text in (*last, "")]
            rows = list(zip(*columns, strict=True))
            for start in range(0, features.shape[1], _TEXT_ROWS):
                part = slice(start, start + _TEXT_ROWS)
                numbers = pa.table(list(map(pa.array, features[:, part])), names=table.names)
                lines = pa.BufferOutputStream()
                pcsv.write_csv(numbers, lines, pcsv.WriteOptions(include_header=False))
                lines = lines.getvalue().to_pybytes().splitlines()
                for texts, line in zip(rows[part], lines, strict=True):
                    file.write(",".join(texts).encode() + line + b"\n")

        yield write


def _check_doubled(path: Path, columns: Sequence[str]) -> None:
    for name, count in Counter(columns).items():
        if count > 1:
            raise InputError(f"{path}: column '{name}' is there {count} times; rename or drop one")


def _key(table: _Table, key: str) -> str:
    if is_metadata_key(key):
        return key
    raise InputError(
        f"{table.path}: the metadata key {key!r} is no plain word; rename it, or write Parquet"
    )
