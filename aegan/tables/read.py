"""Feature files of any kind, told by their content."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

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
    (b"version https://git-lfs", "is a pointer of Git LFS; fetch the file itself with git lfs"),
)


def read_table(path: str | Path, options: Options | None = None) -> FeatureTable:
    """Reads a feature file, or every .csv and .arff file of a folder.

    Parquet, Feather, CSV and TSV (SMILExtract's, audformat's, pandas', our own) and ARFF are told
    by their content. In a folder, a file with one row without a name is named by its own stem.

    Args:
        path: a file or a folder.
        options: columns that the user names or leaves out.

    Raises:
        InputError: for anything that would have to be guessed; the message names file, line and
            column.
    """
    path, options = Path(path), options or Options()
    if path.is_dir():
        return _read_folder(path, options)
    return assemble(_read_columns(path, options))


def kind_of(path: Path, wanted: str = "a feature file") -> str:
    """ "parquet", "feather", "arff" or "text", by the first bytes of a file.

    Args:
        path: of the file.
        wanted: what the file should be, for the message where it is not there.

    Raises:
        InputError: a file that is not there, empty, or of a kind that is not read.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; give the path of {wanted}") from None
    except OSError as error:
        raise unreadable(path, error) from error
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(b"ARROW1"):
        return "feather"
    for start, why in _REFUSED:
        if head.startswith(start):
            raise InputError(f"{path}: {why}")
    pickled = head[:1] == b"\x80" and head[1:2] <= b"\x05"
    if pickled or path.suffix.lower() in (".pkl", ".pickle"):
        raise InputError(
            f"{path}: is a pickle, and a pickle can run code when it is read; save the frame with "
            "to_parquet or to_csv"
        )
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text:
        raise InputError(f"{path}: is empty; write it again")
    if b"\0" in head:
        raise InputError(f"{path}: is neither text nor a table of a known kind; write Parquet")
    if text.startswith(b"<"):
        raise InputError(f"{path}: is a web page or XML, not a table; download the file itself")
    if text.startswith((b"@", b"%")) and path.suffix.lower() != ".csv":
        return "arff"
    if path.suffix.lower() == ".arff" or text[:9].lower() == b"@relation":
        return "arff"
    return "text"


def unreadable(path: Path, error: OSError) -> InputError:
    """The error of a file that is there and cannot be read."""
    return InputError(f"{path}: cannot be read ({error.strerror}); see to that")


def _read_columns(path: Path, options: Options) -> Columns:
    kind = kind_of(path)
    try:
        if kind in ("parquet", "feather"):
            return read_columnar(path, kind, options)
        return read_arff(path, options) if kind == "arff" else read_delimited(path, options)
    except OSError as error:
        raise unreadable(path, error) from error


def _read_folder(folder: Path, options: Options) -> FeatureTable:
    try:
        names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except OSError as error:
        raise unreadable(folder, error) from error
    paths = [folder / name for name in names if Path(name).suffix.lower() in _FOLDER_SUFFIXES]
    if not paths:
        raise InputError(f"{folder}: no .csv or .arff file in it; give a feature file")
    parts, notes, contract = [], Counter(), None
    for path in paths:
        part = _read_columns(path, options)
        files = part.texts.get("file", [""])
        if len(part.features) == 1 and files[0].lower() in NO_NAME:
            part.texts["file"] = [path.stem]
        found, _ = contract_of(part)
        contract = contract or found
        check_same(part.place, found, paths[0].name, contract)
        _check_alike(part, (parts or [part])[0])
        notes.update(part.notes)
        parts.append(part)
    said = [f"{note} (in {count} files)" if count > 1 else note for note, count in notes.items()]
    return assemble(_stack(str(folder), parts, [f"{len(paths)} files", *said]))


def _check_alike(part: Columns, first: Columns) -> None:
    """Refuses a file with other labels than the first, or another origin."""
    name, apart = Path(first.place).name, "keep them in folders of their own"
    if set(part.texts) != set(first.texts):
        raise InputError(
            f"{part.place}: has {listed(sorted(part.texts))} beside the features, but {name} has "
            f"{listed(sorted(first.texts))}; {apart}"
        )
    if part.metadata.get("synthetic") != first.metadata.get("synthetic"):
        raise InputError(
            f"{part.place}: one of it and {name} is synthetic, the other is not; {apart}"
        )


def _stack(place: str, parts: list[Columns | None], notes: list[str]) -> Columns:
    """The rows of all files; the files are given up one by one, to hold hardly more than a copy."""
    first = parts[0]
    common = set.intersection(*(set(part.metadata.items()) for part in parts))
    rows = [
        f"{Path(part.place).name} {part.row_name(row)}"
        for part in parts
        for row in range(len(part.features))
    ]
    texts = {role: [cell for part in parts for cell in part.texts[role]] for role in first.texts}
    features = np.empty((len(rows), len(first.names)), np.float32)
    start = 0
    for i, part in enumerate(parts):
        features[start : start + len(part.features)] = part.features
        start += len(part.features)
        parts[i] = None
    return replace(
        first,
        place=place,
        texts=texts,
        features=features,
        row_name=rows.__getitem__,
        metadata={key: text for key, text in first.metadata.items() if (key, text) in common},
        notes=notes,
    )
