"""Feature files of any kind, told by their content."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from aegan.data.cells import LFS, POINTER
from aegan.data.contract import check_same
from aegan.errors import InputError
from aegan.tables.arff import read_arff
from aegan.tables.columnar import read_columnar
from aegan.tables.delimited import read_delimited
from aegan.tables.roles import Columns, Options
from aegan.tables.table import NO_NAME, FeatureTable, assemble, contract_of
from aegan.tables.text import listed

_HEAD = 4096  # bytes that tell what a file is
_FOLDER_SUFFIXES = (".csv", ".arff")
_TOLD = ((b"PAR1", "parquet"), (b"ARROW1", "feather"))
_REFUSED = (
    (b"\x1f\x8b", "is compressed; unpack it first"),
    (b"BZh", "is compressed; unpack it first"),
    (b"\xfd7zXZ", "is compressed; unpack it first"),
    (b"PK\x03\x04", "is a ZIP file or a spreadsheet; save the table as CSV"),
    (b"\xd0\xcf\x11\xe0", "is a spreadsheet; save the table as CSV"),
    (b"\x89HDF", "is HDF5; write the frame with to_parquet or to_csv"),
    (b"\x93NUMPY", "is an array without names of columns; write a table with to_parquet"),
    (b"FEA1", "is Feather of version 1; write it again with to_feather or to_parquet"),
    (b"\xff\xfe", "is text in UTF-16; save it as UTF-8"),
    (b"\xfe\xff", "is text in UTF-16; save it as UTF-8"),
    (LFS, POINTER),
)


def read_table(path: str | Path, options: Options | None = None) -> FeatureTable:
    """Reads a feature file, or every .csv and .arff file of a folder.

    Parquet, Feather, CSV and TSV (SMILExtract's, audformat's, pandas', our own) and ARFF are told
    by their content. In a folder, a file with one row without a name is named by its own stem.
    ``options`` has the columns that the user names or leaves out.

    Raises:
        InputError: for anything that would have to be guessed; the message names file, line and
            column.
    """
    path, options = Path(path), options or Options()
    return assemble((_read_folder if path.is_dir() else _read_columns)(path, options))


def kind_of(path: Path, wanted: str = "a feature file") -> str:
    """ "parquet", "feather", "arff" or "text", by the first bytes; ``wanted`` is for the message.

    Raises:
        InputError: a file that is not there, empty, or of a kind that is not read.
    """
    with reading(path):
        try:
            with path.open("rb") as file:
                head = file.read(_HEAD)
        except FileNotFoundError:
            raise InputError(f"{path}: no such file; give the path of {wanted}") from None
    for start, kind in _TOLD:
        if head.startswith(start):
            return kind
    for start, why in _REFUSED:
        if head.startswith(start):
            raise InputError(f"{path}: {why}")
    suffix = path.suffix.lower()
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    for wrong, why in (
        (
            (head[:1] == b"\x80" and head[1:2] <= b"\x05") or suffix in (".pkl", ".pickle"),
            "is a pickle, and a pickle can run code when it is read; save the frame with "
            "to_parquet or to_csv",
        ),
        (not text, "is empty; write it again"),
        (b"\0" in head, "is neither text nor a table of a known kind; write Parquet"),
        (text.startswith(b"<"), "is a web page or XML, not a table; download the file itself"),
    ):
        if wrong:
            raise InputError(f"{path}: {why}")
    arff = text.startswith((b"@", b"%")) and suffix != ".csv"
    return "arff" if arff or suffix == ".arff" or text[:9].lower() == b"@relation" else "text"


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Errors of a file that is there and cannot be read, as ours."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); see to that") from error


def _read_columns(path: Path, options: Options) -> Columns:
    kind = kind_of(path)
    with reading(path):
        if kind in ("parquet", "feather"):
            return read_columnar(path, kind, options)
        return read_arff(path, options) if kind == "arff" else read_delimited(path, options)


def _read_folder(folder: Path, options: Options) -> Columns:
    """The rows of all files; these are given up one by one, to hold hardly more than a copy."""
    with reading(folder):
        names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    paths = [folder / name for name in names if Path(name).suffix.lower() in _FOLDER_SUFFIXES]
    if not paths:
        raise InputError(f"{folder}: no .csv or .arff file in it; give a feature file")
    parts: list[Columns | None] = []
    rows, notes, contract = [], Counter(), None
    for path in paths:
        part = _read_columns(path, options)
        files = part.texts.get("file", [""])
        if len(part.features) == 1 and files[0].lower() in NO_NAME:
            part.texts["file"] = [path.stem]
        found, _ = contract_of(part)
        contract = contract or found
        check_same(part.place, found, paths[0].name, contract)
        parts.append(part)
        name, apart = paths[0].name, "keep them in folders of their own"
        labels, others = sorted(part.texts), sorted(parts[0].texts)
        if labels != others:
            raise InputError(
                f"{path}: has {listed(labels)} beside the features, but {name} has "
                f"{listed(others)}; {apart}"
            )
        if part.metadata.get("synthetic") != parts[0].metadata.get("synthetic"):
            raise InputError(
                f"{path}: one of it and {name} is synthetic, the other is not; {apart}"
            )
        notes.update(part.notes)
        rows += [f"{path.name} {part.row_name(row)}" for row in range(len(part.features))]
    first = parts[0]
    common = set.intersection(*(set(part.metadata.items()) for part in parts))
    texts = {role: [cell for part in parts for cell in part.texts[role]] for role in first.texts}
    features = np.empty((len(rows), len(first.names)), np.float32)
    start = 0
    for i, part in enumerate(parts):
        features[start : start + len(part.features)] = part.features
        start += len(part.features)
        parts[i] = None
    said = [f"{note} (in {count} files)" if count > 1 else note for note, count in notes.items()]
    return replace(
        first,
        place=str(folder),
        texts=texts,
        features=features,
        row_name=rows.__getitem__,
        metadata={key: text for key, text in first.metadata.items() if (key, text) in common},
        notes=[f"{len(paths)} files", *said],
    )
