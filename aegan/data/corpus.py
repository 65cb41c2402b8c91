"""A corpus of utterances: one row of acoustic features each, with its labels, read from Parquet.

A table has the label columns `file` (unique), `speaker` and `emotion`, optionally `session`, `fold`
and `duration_s`; every other column is one numeric feature, in the order of the table. The file's
key-value metadata may name the feature set (see `contract.py`) and the licence.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NoReturn

import numpy as np
import pandas as pd
import pyarrow as pa

from aegan.data.cells import (
    LFS,
    POINTER,
    is_nameless,
    note_of_row_numbers,
    notes_of_speakers,
    regression,
    row_numbers,
)
from aegan.data.contract import FeatureContract
from aegan.data.emotions import classes_of, note_of_classes
from aegan.data.missing import mended
from aegan.data.names import flaw
from aegan.data.parquet import Columnar, is_numeric, open_parquet, reason
from aegan.errors import InputError

REQUIRED_COLUMNS = ("file", "speaker", "emotion")
OPTIONAL_COLUMNS = ("session", "fold", "duration_s")
LABEL_COLUMNS = REQUIRED_COLUMNS + OPTIONAL_COLUMNS
PASSPORT = "passport"  # a column that says in words of synthetic rows what they are
MARK = "synthetic"  # a column that is not 0 in synthetic rows, which stand among real ones


@dataclass(frozen=True, eq=False)
class Corpus:
    """Rows of features with their labels; row i of every array is the same utterance."""

    name: str  # stem of the table's file name, or "simulated"
    features: np.ndarray  # (rows, dim) float32, raw units of the corpus
    labels: np.ndarray  # (rows,) int32, index into `classes`
    classes: tuple[str, ...]  # alphabetical
    speakers: np.ndarray  # (rows,) str
    sessions: np.ndarray | None  # (rows,) str, None where the table has no such column
    files: np.ndarray  # (rows,) str, unique
    contract: FeatureContract  # of the columns of `features`
    simulated: bool
    licence: str = ""  # as the table states it
    fold_names: np.ndarray | None = None  # (rows,) str: the table's own folds, None without them
    notes: tuple[str, ...] = ()  # what the reader left out or changed, in words

    def to_frame(self) -> pd.DataFrame:
        """The rows as a table: file, speaker, emotion, then the features."""
        emotions = np.array(self.classes)[self.labels]
        labels = {"file": self.files, "speaker": self.speakers, "emotion": emotions}
        features = pd.DataFrame(self.features, columns=list(self.feature_names))
        return pd.concat([pd.DataFrame(labels), features], axis=1)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """(dim,) in the order of the table."""
        return self.contract.names

    @cached_property
    def hash(self) -> str:
        """First 16 hex digits of the SHA-256 of features, labels and contract, in row order."""
        digest = hashlib.sha256()
        digest.update(repr((self.features.shape, self.contract.hash)).encode())
        digest.update(np.ascontiguousarray(self.features, dtype="<f4"))
        digest.update(np.ascontiguousarray(self.labels, dtype="<i4"))
        digest.update(json.dumps(self.classes).encode())
        for column in (self.speakers, self.sessions, self.fold_names, self.files):
            digest.update(json.dumps(None if column is None else column.tolist()).encode())
        return digest.hexdigest()[:16]


def describe(corpus: Corpus) -> dict:
    """What a report says of a corpus, as plain JSON values."""
    counts = np.bincount(corpus.labels, minlength=len(corpus.classes))
    return {
        "name": corpus.name,
        "simulated": corpus.simulated,
        "rows": int(corpus.features.shape[0]),
        "features": int(corpus.features.shape[1]),
        "classes": dict(zip(corpus.classes, counts.tolist(), strict=True)),
        "speakers": len(np.unique(corpus.speakers)),
        "sessions": None if corpus.sessions is None else len(np.unique(corpus.sessions)),
        "hash": corpus.hash,
        "feature_set": corpus.contract.feature_set,
        "feature_hash": corpus.contract.hash,
        "notes": list(corpus.notes),
    }


def read_corpus(
    path: str | Path,
    classes: tuple[str, ...] = (),
    section: str = "config.data",
    strict: bool = False,
    missing: str = "refuse",
) -> Corpus:
    """Read a feature table; the corpus takes the stem of the file as its name.

    Args:
        path: a Parquet file, laid out as the module's docstring says.
        classes: the emotions to take, a note says of how many rows of others; empty takes all of
            the table. "Anger", "anger" and "angry" are one class, called as it is here.
        section: of the config that names the classes, for the messages.
        strict: refuse a table that has other emotions.
        missing: what to do about cells without a number: refuse them, or a way of `missing.py`.

    Raises:
        InputError: for anything that would have to be guessed (a file that is missing or not
            Parquet, a column that is missing, doubled or not numeric, an empty label, an unknown
            emotion, a doubled `file`, a cell that is missing, infinite or beyond float32, no
            rows, no features, fewer than two classes). Row numbers count from 0.

    >>> import aegan, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     aegan.simulated_corpus(rows=60, dim=8).to_frame().to_parquet(f"{folder}/mine.parquet")
    ...     corpus = aegan.read_corpus(f"{folder}/mine.parquet")
    >>> corpus.features.shape, corpus.classes
    ((60, 8), ('angry', 'happy', 'neutral', 'sad'))
    """
    path = Path(os.path.expanduser(path))
    try:
        with closing(open_table(path)) as table:
            metadata = table.metadata
            if metadata.get("synthetic") == "true":
                raise InputError(f"{path}: holds synthetic rows; give the table of a real corpus")
            features, notes = _check_columns(path, table)
            synthetic = _synthetic(path, table)
            contract = _contract(path, table, features)
            labels = {
                name: _label_column(path, table, name)
                for name in ("file", "speaker", "emotion", "session", "fold")
                if name in table.schema.names
            }
            classes, codes = _encode(path, labels, classes, f"--{section}.classes", notes, strict)
            values = _read_features(path, table, features, labels["file"], missing)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(
            f"{path}: cannot be read as Parquet ({reason(error)}); write it again"
        ) from error
    if numbers := row_numbers(contract.names, values):
        notes.append(note_of_row_numbers(contract.names[i] for i in numbers))
        values = np.delete(values, numbers, axis=1)
        contract = FeatureContract.of(np.delete(contract.names, numbers).tolist())
    for name in filter(is_nameless, contract.names):
        raise InputError(f"{path}: column '{name}' has no name of its own; name it or drop it")
    if not contract.names:
        raise InputError(f"{path}: no feature columns but the number of the row; add features")
    notes += filter(None, [synthetic])
    keep = codes >= 0
    if not keep.all():
        values, codes = values[keep], codes[keep]
        labels = {name: column[keep] for name, column in labels.items()}
    if missing != "refuse":
        names, speakers = contract.names, labels["speaker"]
        values, rows, columns, note = mended(str(path), values, names, speakers, missing)
        codes, labels = codes[rows], {name: column[rows] for name, column in labels.items()}
        notes += filter(None, [note])
        if not columns.all():
            contract = FeatureContract.of(np.array(names)[columns].tolist())
    notes += filter(None, [metadata.get("missing")])
    notes += notes_of_speakers(labels["speaker"])
    return Corpus(
        name=path.stem,
        features=values,
        labels=codes,
        classes=classes,
        speakers=labels["speaker"],
        sessions=labels.get("session"),
        files=labels["file"],
        contract=contract,
        simulated=False,
        licence=metadata.get("licence", ""),
        fold_names=labels.get("fold"),
        notes=tuple(notes),
    )


def open_table(path: Path) -> Columnar:
    """Opens a Parquet table of anybody's; ``InputError`` for anything else."""
    if path.is_dir():
        raise InputError(f"{path}: is a directory; give the path of one Parquet file")
    if not path.exists():
        raise InputError(f"{path}: no such file; give the path of a Parquet feature table")
    try:
        with path.open("rb") as file:
            if file.read(len(LFS)) == LFS:
                raise InputError(f"{path}: {POINTER}")
        return open_parquet(path)
    except PermissionError as error:
        raise InputError(f"{path}: may not be read; change its permissions") from error
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: is not a whole Parquet file ({reason(error)}); `python -m "
            f"experiments.convert --in={shlex.quote(str(path))} --out=table.parquet` makes one of "
            "CSV, ARFF and others"
        ) from error


def _check_columns(path: Path, table: Columnar) -> tuple[dict[int, str], list[str]]:
    """Check the columns' names and types; the features' names by their position, and notes."""
    names = table.schema.names
    counts = Counter(names)
    for name in REQUIRED_COLUMNS:
        if name not in counts or (name == "file" and "start" in counts):
            why = "its rows are segments" if name in counts else f"column '{name}' is missing"
            raise InputError(
                f"{path}: {why}; a table needs {_listing(REQUIRED_COLUMNS)}, which `python -m "
                f"experiments.convert --in={shlex.quote(str(path))} --out=table.parquet` makes of "
                "the tables of opensmile, audformat and others"
            )
    for name, count in counts.items():
        if wrong := flaw(name):
            raise InputError(f"{path}: the name of a column {wrong}")
        if count > 1:
            raise InputError(f"{path}: column '{name}' is there {count} times; rename or drop one")
    index = [name for name in names if table.is_index(name) and name not in LABEL_COLUMNS]
    features = {
        i: n for i, n in enumerate(names) if n not in (*LABEL_COLUMNS, MARK, PASSPORT, *index)
    }
    for position, name in features.items():
        kind = table.schema.field(position).type
        if not is_numeric(kind):
            raise InputError(
                f"{path}: column '{name}' is not numeric (it is {kind}); make it numbers or drop it"
            )
    if not features:
        raise InputError(
            f"{path}: no feature columns; add numeric ones beside {_listing(LABEL_COLUMNS)}"
        )
    if table.rows == 0:
        raise InputError(f"{path}: no rows; a table needs one row per utterance")
    return features, [f"column '{name}' left out: it is the index of pandas" for name in index]


def _contract(path: Path, table: Columnar, features: Mapping[int, str]) -> FeatureContract:
    """The contract of the features, which may be without an index that the file's hash counts."""
    named = FeatureContract.of(features.values(), table.metadata.get("feature_set", ""))
    index = any(table.is_index(name) for name in table.schema.names)
    if index and table.metadata.get("feature_hash", named.hash) != named.hash:
        return FeatureContract.of(features.values())
    return FeatureContract.from_metadata(str(path), features.values(), table.metadata)


def _synthetic(path: Path, table: Columnar) -> str:
    """What to say of rows that `synthetic` or `passport` marks; "" if there are none."""
    names, marked = table.schema.names, np.zeros(table.rows, bool)
    if PASSPORT in names:
        texts = table.texts(PASSPORT, table.column(names.index(PASSPORT)))
        marked |= np.array([text != "" for text in texts])
    if MARK in names:
        if not is_numeric(table.schema.field(names.index(MARK)).type):
            raise InputError(
                f"{path}: column '{MARK}' is not numeric; write 1 for synthetic rows, else 0"
            )
        marked |= table.matrix([names.index(MARK)])[:, 0] > 0  # of rows without a mark: NaN
    if marked.all():
        raise InputError(f"{path}: holds synthetic rows; give the table of a real corpus")
    return f"{marked.sum()} rows are synthetic, as the table says" * bool(marked.any())


def _label_column(path: Path, table: Columnar, name: str) -> np.ndarray:
    """(rows,) str, none of them empty, of `file` none twice."""
    column = table.column(table.schema.names.index(name))
    if name == "emotion" and pa.types.is_floating(column.type):
        numbers = column.to_numpy()
        for number in numbers[np.isfinite(numbers) & (numbers != np.floor(numbers))][:1]:
            raise InputError(f"{path}: column 'emotion' {regression(f'{number:g}')}")
    values = table.texts(name, column)
    if "" in values:
        raise InputError(
            f"{path}: column '{name}' is empty in row {values.index('')} (counted from 0); "
            "fill it in or drop the row"
        )
    doubled = [(v, n) for v, n in Counter(values).items() if n > 1] if name == "file" else ()
    for value, count in doubled[:1]:
        raise InputError(
            f"{path}: column 'file' has {len(doubled)} value(s) more than once, first '{value}' "
            f"({count} times); keep one row per file"
        )
    return np.array(values, dtype=str)


def _encode(
    path: Path,
    labels: Mapping[str, np.ndarray],
    wanted: Iterable[str],
    flag: str,
    notes: list[str],
    strict: bool,
) -> tuple[tuple[str, ...], np.ndarray]:
    """The classes in alphabetical order and every row's index into them, -1 for other emotions."""
    emotions, files = labels["emotion"], labels["file"]
    own, rows = np.unique(emotions, return_inverse=True)
    called = classes_of(own.tolist(), wanted, by_four=False)
    for name, alike in classes_of(wanted).items():
        if alike != name and alike in wanted:
            raise InputError(
                f"{path}: {flag}: '{name}' and '{alike}' are one class; name one of them"
            )
    classes = tuple(sorted(set(wanted))) or tuple(sorted(set(called.values())))
    for name in classes:
        if name not in called.values():
            raise InputError(
                f"{path}: no row has the emotion '{name}', there are {_listing(own)}; add "
                f"rows, or name the table's own with {flag}"
            )
    codes = {name: code for code, name in enumerate(classes)}
    found = np.array([codes.get(called[name], -1) for name in own.tolist()], np.int32)[rows]
    left = Counter(emotions[found < 0].tolist())
    if left and strict:
        row = np.flatnonzero(found < 0)[0]
        raise InputError(
            f"{path}: emotion '{emotions[row]}' in row {row} (counted from 0, file "
            f"'{files[row]}') is not one of {_listing(classes)}; drop such rows or map them with "
            f"experiments.convert --emotions, or name the classes to take with {flag}"
        )
    if left:
        counts = ", ".join(f"{name} {count}" for name, count in sorted(left.items()))
        notes.append(
            f"{left.total()} rows of other emotions left out: {counts}; {flag} says otherwise"
        )
    notes += filter(None, [note_of_classes({n: c for n, c in called.items() if c in classes})])
    if len(classes) < 2:
        raise InputError(
            f"{path}: the only emotion is '{classes[0]}'; a table needs at least two of them"
        )
    return classes, found


def _read_features(
    path: Path, table: Columnar, names: Mapping[int, str], files: np.ndarray, missing: str
) -> np.ndarray:

    def refuse(row: int, position: int, value: float | None) -> NoReturn:
        if value is None or np.isnan(value):
            why = "the value is missing (NaN); fill it in, drop it, or see config.data.missing"
        elif np.isinf(value):
            why = "the value is infinite; mend it or drop the row"
        else:
            why = f"{value:g} is beyond float32; rescale the column or drop the row"
        place = f"row {row} (counted from 0, file '{files[row]}')"
        raise InputError(f"{path}: column '{names[position]}', {place}: {why}")

    return table.matrix(list(names), refuse if missing == "refuse" else None)


def _listing(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
