"""Feature tables to Parquet, CSV or ARFF, row block by row block."""

from __future__ import annotations

import csv
import io
import json
import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq

from aegan.data.contract import FeatureContract
from aegan.errors import InputError
from aegan.system.files import replacing
from aegan.tables.text import is_metadata_key, write_one_line

SUFFIXES = (".parquet", ".csv", ".arff")
PASSPORT = "passport"  # the column of a CSV file that says what its synthetic rows are
NUMERIC_LABELS = ("duration_s",)

_ROW_GROUP = 16384  # rows held in memory and written together: 104 MB of 1582 features
_TEXT_ROWS = 1024  # rows turned into text together


class TableWriter(Protocol):
    """Takes blocks of rows in their order."""

    def write(self, labels: Mapping[str, Sequence[str]], features: np.ndarray) -> None:
        """Appends rows: label columns (rows,), features (rows, dim) float32."""


@contextmanager
def table_writer(
    path: Path,
    labels: Sequence[str],
    contract: FeatureContract,
    metadata: Mapping[str, str],
    finite: bool = True,
) -> Iterator[TableWriter]:
    """Writes a table of the format that the suffix of ``path`` names; whole or not at all.

    Blocks may be of any size; no more than one row group (16384 rows) is held.

    Args:
        path: a ``.parquet``, ``.csv`` or ``.arff`` file; one that is there is replaced.
        labels: names of the label columns, which come before the features. All are text except
            ``duration_s`` (seconds).
        contract: names the features; its set and hash go into the metadata.
        metadata: of the file, as text: key-value entries in Parquet, ``% key: value`` lines on top
            in ARFF. CSV has no place for them: where they say ``synthetic: true``, every row has
            them in a column ``passport``, else they are lost. ``classes`` (a JSON list) makes
            ``emotion`` a nominal attribute in ARFF.
        finite: refuse cells that are not finite (text formats always do).

    Raises:
        InputError: another suffix, doubled columns, a block of other columns, a cell that is not
            finite, text that the format cannot hold, or a file that cannot be written.
    """
    path = Path(path)
    open_sink = _SINKS.get(path.suffix.lower())
    if open_sink is None:
        raise InputError(f"{path}: no such format; end the name in {', '.join(SUFFIXES)}")
    if path.is_dir():
        raise InputError(f"{path}: is a directory; give the path of a file")
    labels = tuple(labels)
    if not contract.names:
        raise InputError(f"{path}: no feature columns; a table needs at least one")
    _check_doubled(path, (*labels, *contract.names))
    entries = {str(key): str(value) for key, value in metadata.items()} | contract.to_metadata()
    with _blaming(path), replacing(path) as temporary:
        sink = open_sink(_Target(path, temporary, labels, contract.names, entries))
        finite = finite or open_sink is not _ParquetSink
        writer = _BlockWriter(path, labels, contract.names, sink, finite)
        try:
            with _passing_on():
                yield writer
            writer.flush()
            sink.close()
        except BaseException:
            with suppress(Exception):  # the file is thrown away
                sink.close()
            raise


class _Passed(Exception):
    """An error of the block that writes, which says nothing of the file written."""


@contextmanager
def _passing_on() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _Passed from error


@contextmanager
def _blaming(path: Path) -> Iterator[None]:
    """Errors of writing in one line, those of the caller's block as they are."""
    try:
        yield
    except _Passed as passed:
        raise passed.__cause__ from None
    except OSError as error:
        reason = error.strerror or str(error).splitlines()[0]
        raise InputError(
            f"{path}: cannot be written ({reason}); make room, or give another path"
        ) from error


def passport_text(entries: Mapping[str, str]) -> str:
    """Metadata as ``synthetic=true model=M2 ...``, values with spaces in quotes (as in a shell)."""
    ordered = sorted(entries.items(), key=lambda item: item[0] != "synthetic")
    return " ".join(f"{key}={shlex.quote(write_one_line(value))}" for key, value in ordered)


def _check_doubled(path: Path, columns: Sequence[str]) -> None:
    for name, count in Counter(columns).items():
        if count > 1:
            raise InputError(f"{path}: column '{name}' is there {count} times; rename or drop one")


class _BlockWriter:
    """Checks blocks and gathers them to row groups."""

    def __init__(
        self, path: Path, labels: tuple[str, ...], names: tuple[str, ...], sink, finite: bool
    ) -> None:
        self._path = path
        self._finite = finite
        self._labels = labels
        self._names = names
        self._sink = sink
        self._rows = 0  # taken so far
        self._held = 0
        self._features: np.ndarray | None = None  # (dim, row group): columns lie together
        self._texts: dict[str, list] = {name: [] for name in labels}

    def write(self, labels: Mapping[str, Sequence[str]], features: np.ndarray) -> None:
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
        for start in range(0, len(features), _ROW_GROUP):
            part = slice(start, start + _ROW_GROUP)
            with np.errstate(over="ignore"):  # reported below, with its place
                block = features[part].astype(np.float32, copy=False)
            self._check_finite(block, features[part])
            self._take({name: text[part] for name, text in texts.items()}, block)

    def flush(self) -> None:
        """Writes what is held."""
        if not self._held:
            return
        columns = {
            name: pa.concat_arrays([part for part in parts if len(part)])
            for name, parts in self._texts.items()
        }
        self._sink.write(columns, self._features[:, : self._held], self._rows - self._held)
        self._texts = {name: [] for name in self._labels}
        self._held = 0

    def _take(self, texts: dict[str, pa.Array], block: np.ndarray) -> None:
        if self._features is None:
            self._features = np.empty((len(self._names), _ROW_GROUP), np.float32)
        start = 0
        while start < len(block):
            part = slice(start, start + _ROW_GROUP - self._held)
            count = len(block[part])
            self._features[:, self._held : self._held + count] = block[part].T
            for name, text in texts.items():
                self._texts[name].append(text[part])
            self._held += count
            self._rows += count
            start += count
            if self._held == _ROW_GROUP:
                self.flush()

    def _label(self, name: str, values: Sequence[str] | None, rows: int) -> pa.Array:
        place = f"{self._path}: label column '{name}'"
        if values is None:
            raise InputError(f"{place} is missing from the rows; give all of {self._labels}")
        if len(values) != rows:
            raise InputError(f"{place} has {len(values)} values for {rows} rows; give one per row")
        try:
            if name in NUMERIC_LABELS:
                with np.errstate(over="ignore"):
                    numbers = np.asarray(values).astype(np.float32)
                if not np.isfinite(numbers).all():
                    raise ValueError
                return pa.array(numbers)
            texts = pa.array([str(value) for value in values], pa.string())
        except ValueError as error:
            what = "a number" if name in NUMERIC_LABELS else "text that UTF-8 can hold"
            raise InputError(f"{place} has a value that is not {what}; mend or drop it") from error
        return texts

    def _check_finite(self, block: np.ndarray, given: np.ndarray) -> None:
        if not self._finite or np.isfinite(block).all():
            return
        row, column = np.argwhere(~np.isfinite(block))[0]
        raise InputError(
            f"{self._path}: column '{self._names[column]}', row {self._rows + row} (counted from "
            f"0): the value {given[row, column]} is not a finite float32; mend it or drop the row"
        )


class _Target(NamedTuple):
    """What a sink writes, and to where."""

    path: Path  # of the finished table, for messages
    temporary: Path  # that is written
    labels: tuple[str, ...]
    names: tuple[str, ...]  # of the features
    entries: Mapping[str, str]  # metadata


class _ParquetSink:
    """Row groups of Parquet. Byte-stream split with zstd: 10 % smaller than plain, as quick."""

    def __init__(self, target: _Target) -> None:
        path, temporary, labels, names, entries = target
        fields = [
            (name, pa.float32() if name in NUMERIC_LABELS else pa.string()) for name in labels
        ]
        self._schema = pa.schema([*fields, *((name, pa.float32()) for name in names)])
        self._writer = pq.ParquetWriter(
            temporary,
            self._schema.with_metadata(dict(entries)),
            compression="zstd",
            use_dictionary=list(labels),
            column_encoding=dict.fromkeys(names, "BYTE_STREAM_SPLIT"),
            write_statistics=False,  # of 1582 columns a row group they would fill the footer
        )

    def write(self, labels: dict[str, pa.Array], features: np.ndarray, first_row: int) -> None:
        columns = [*labels.values(), *map(pa.array, features)]
        table = pa.table(columns, schema=self._schema)
        self._writer.write_table(table, row_group_size=_ROW_GROUP)

    def close(self) -> None:
        self._writer.close()


class _CsvSink:
    """RFC 4180 with a header; text in quotes, numbers as short as they read back."""

    def __init__(self, target: _Target) -> None:
        path, temporary, labels, names, entries = target
        self._path = path
        synthetic = entries.get("synthetic") == "true"
        if synthetic:
            _check_keys(path, entries)
        self._passport = pa.scalar(passport_text(entries)) if synthetic else None
        self._header = (*labels, *((PASSPORT,) if synthetic else ()), *names)
        _check_doubled(path, self._header)
        for name in self._header:
            _check_one_line(path, "the name of column", name)
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(self._header)
        self._file = temporary.open("wb")
        self._file.write(line.getvalue().encode())

    def write(self, labels: dict[str, pa.Array], features: np.ndarray, first_row: int) -> None:
        _check_cells(self._path, labels, first_row)
        columns = list(labels.values())
        if self._passport is not None:
            columns.append(pa.repeat(self._passport, features.shape[1]))
        table = pa.table([*columns, *map(pa.array, features)], names=list(self._header))
        pcsv.write_csv(table, self._file, pcsv.WriteOptions(include_header=False))

    def close(self) -> None:
        self._file.close()


class _ArffSink:
    """ARFF as Weka and liac-arff read it: text in single quotes, metadata as comments on top."""

    def __init__(self, target: _Target) -> None:
        path, temporary, labels, names, entries = target
        self._path = path
        self._classes = _classes(entries) if "emotion" in labels else ()
        for name in (*labels, *names):
            _check_one_line(path, "the name of column", name)
        _check_keys(path, entries)
        lines = [f"% {key}: {write_one_line(value)}" for key, value in entries.items()]
        lines += [f"@relation {_arff_word(path.stem)}", ""]
        for name in labels:
            kind = "numeric" if name in NUMERIC_LABELS else "string"
            if name == "emotion" and self._classes:
                kind = "{" + ",".join(map(_arff_word, self._classes)) + "}"
            lines.append(f"@attribute {_arff_word(name)} {kind}")
        lines += [f"@attribute {_arff_word(name)} numeric" for name in names]
        self._file = temporary.open("wb")
        self._file.write("\n".join([*lines, "", "@data", ""]).encode())

    def write(self, labels: dict[str, pa.Array], features: np.ndarray, first_row: int) -> None:
        _check_cells(self._path, labels, first_row)
        columns = []
        for name, column in labels.items():
            if name in NUMERIC_LABELS:
                columns.append(column.cast(pa.string()).to_pylist())
            elif name == "emotion" and self._classes:
                columns.append([self._nominal(value, first_row) for value in column.to_pylist()])
            else:
                columns.append([_arff_quoted(value) for value in column.to_pylist()])
        rows = list(zip(*columns, strict=True)) or [()] * features.shape[1]
        for start in range(0, features.shape[1], _TEXT_ROWS):
            part = slice(start, start + _TEXT_ROWS)
            numbers = _number_lines(features[:, part])
            for texts, line in zip(rows[part], numbers, strict=True):
                self._file.write(",".join([*texts, ""]).encode() + line + b"\n")

    def _nominal(self, value: str, first_row: int) -> str:
        if value not in self._classes:
            raise InputError(
                f"{self._path}: emotion '{value}' at row {first_row} or after is not one of the "
                f"classes {', '.join(self._classes)}"
            )
        return _arff_word(value)

    def close(self) -> None:
        self._file.close()


_SINKS: dict[str, Callable] = dict(zip(SUFFIXES, (_ParquetSink, _CsvSink, _ArffSink), strict=True))


def _classes(entries: Mapping[str, str]) -> tuple[str, ...]:
    """The classes that the metadata tell, none where they do not."""
    try:
        classes = json.loads(entries.get("classes", "[]"))
    except (ValueError, RecursionError):  # a file's own, which may hold anything
        return ()
    if isinstance(classes, list) and all(isinstance(name, str) for name in classes):
        return tuple(classes)
    return ()


def _number_lines(features: np.ndarray) -> list[bytes]:
    """Features (dim, rows) as one comma-separated line per row."""
    table = pa.table(list(map(pa.array, features)), names=[""] * len(features))
    text = pa.BufferOutputStream()
    pcsv.write_csv(table, text, pcsv.WriteOptions(include_header=False))
    return text.getvalue().to_pybytes().splitlines()


def _arff_quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _arff_word(text: str) -> str:
    """A name or class, in quotes where it needs them."""
    plain = text and text != "?" and all(c.isalnum() or c in "_-.[]()+/:" for c in text)
    return text if plain else _arff_quoted(text)


def _check_cells(path: Path, labels: dict[str, pa.Array], first_row: int) -> None:
    for name, column in labels.items():
        if name in NUMERIC_LABELS:
            continue
        for row, value in enumerate(column.to_pylist(), first_row):
            _check_one_line(path, f"column '{name}', row {row} (counted from 0), value", value)


def _check_keys(path: Path, entries: Mapping[str, str]) -> None:
    for key in entries:
        if not is_metadata_key(key):
            raise InputError(
                f"{path}: the metadata key {key!r} is no plain word; rename it, or write Parquet"
            )


def _check_one_line(path: Path, what: str, text: str) -> None:
    if any(c in text for c in "\n\r\0"):
        raise InputError(f"{path}: {what} {text!r} has a line break; take it out, or write Parquet")
