"""A corpus of utterances: one row of acoustic features each, with its labels, read from Parquet.

A table has the label columns `file` (unique), `speaker` and `emotion`, optionally `session`, `fold`
and `duration_s`; every other column is one numeric feature, in the order of the table. The file's
key-value metadata may name the feature set (see `contract.py`) and the licence.
"""

from __future__ import annotations

import hashlib
import json
import os
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

from aegan.data.contract import FeatureContract
from aegan.data.names import flaw
from aegan.data.parquet import Columnar, is_numeric, open_parquet, reason
from aegan.errors import InputError

REQUIRED_COLUMNS = ("file", "speaker", "emotion")
OPTIONAL_COLUMNS = ("session", "fold", "duration_s")
LABEL_COLUMNS = REQUIRED_COLUMNS + OPTIONAL_COLUMNS


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
    }


def read_corpus(
    path: str | Path, classes: tuple[str, ...] = (), section: str = "config.data"
) -> Corpus:
    """Read a feature table; the corpus takes the stem of the file as its name.

    Args:
        path: a Parquet file, laid out as the module's docstring says.
        classes: the emotions to expect; empty takes those of the table. Any other emotion in the
            table is an error: rows are never dropped in silence.
        section: of the config that names the classes, for the messages.

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
        with closing(_open(path)) as table:
            metadata = table.metadata
            if metadata.get("synthetic") == "true":
                raise InputError(f"{path}: holds synthetic rows; give the table of a real corpus")
            features = _check_columns(path, table)
            contract = FeatureContract.from_metadata(str(path), features.values(), metadata)
            labels = {
                name: _label_column(path, table, name)
                for name in ("file", "speaker", "emotion", "session", "fold")
                if name in table.schema.names
            }
            classes, codes = _encode(path, labels["emotion"], labels["file"], classes, section)
            values = _read_features(path, table, features, labels["file"])
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(
            f"{path}: cannot be read as Parquet ({reason(error)}); write it again"
        ) from error
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
    )


def _open(path: Path) -> Columnar:
    if path.is_dir():
        raise InputError(f"{path}: is a directory; give the path of one Parquet file")
    if not path.exists():
        raise InputError(f"{path}: no such file; give the path of a Parquet feature table")
    try:
        return open_parquet(path)
    except PermissionError as error:
        raise InputError(f"{path}: may not be read; change its permissions") from error
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: is not a whole Parquet file ({reason(error)}); "
            "`python -m experiments.convert` makes one of CSV, ARFF and other tables"
        ) from error


def _check_columns(path: Path, table: Columnar) -> dict[int, str]:
    """Check the columns' names and types; returns the features' names by their position."""
    counts = Counter(table.schema.names)
    for name in REQUIRED_COLUMNS:
        if name not in counts:
            raise InputError(
                f"{path}: column '{name}' is missing; a table needs {_listing(REQUIRED_COLUMNS)}"
            )
    for name, count in counts.items():
        if wrong := flaw(name):
            raise InputError(f"{path}: the name of a column {wrong}")
        if count > 1:
            raise InputError(f"{path}: column '{name}' is there {count} times; rename or drop one")
    features = {i: n for i, n in enumerate(table.schema.names) if n not in LABEL_COLUMNS}
    for position, name in features.items():
        kind = table.schema.field(position).type
        if table.is_index(name):
            raise InputError(
                f"{path}: column '{name}' is a pandas index, not a feature; "
                "write the table with to_parquet(index=False)"
            )
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
    return features


def _label_column(path: Path, table: Columnar, name: str) -> np.ndarray:
    """(rows,) str, none of them empty, of `file` none twice."""
    values = table.texts(name, table.column(table.schema.names.index(name)))
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
    path: Path, emotions: np.ndarray, files: np.ndarray, wanted: Iterable[str], section: str
) -> tuple[tuple[str, ...], np.ndarray]:
    """The classes in alphabetical order and every row's index into them."""
    present, labels = np.unique(emotions, return_inverse=True)
    classes = tuple(sorted(set(wanted))) or tuple(present.tolist())
    for name in classes:
        if name not in present:
            raise InputError(
                f"{path}: no row has the emotion '{name}', there are {_listing(present)}; add "
                f"rows, or name the table's own with --{section}.classes"
            )
    for row in np.flatnonzero(~np.isin(emotions, classes))[:1]:
        raise InputError(
            f"{path}: emotion '{emotions[row]}' in row {row} (counted from 0, file "
            f"'{files[row]}') is not one of {_listing(classes)}; drop such rows or map them with "
            f"experiments.convert --emotions, or name all with --{section}.classes"
        )
    if len(classes) < 2:
        raise InputError(
            f"{path}: the only emotion is '{classes[0]}'; a table needs at least two of them"
        )
    return classes, labels.astype(np.int32)


def _read_features(
    path: Path, table: Columnar, names: Mapping[int, str], files: np.ndarray
) -> np.ndarray:

    def refuse(row: int, position: int, value: float | None) -> NoReturn:
        if value is None or np.isnan(value):
            why = "the value is missing (NaN); fill it in or drop the row"
        elif np.isinf(value):
            why = "the value is infinite; mend it or drop the row"
        else:
            why = f"{value:g} is beyond float32; rescale the column or drop the row"
        place = f"row {row} (counted from 0, file '{files[row]}')"
        raise InputError(f"{path}: column '{names[position]}', {place}: {why}")

    return table.matrix(list(names), refuse)


def _listing(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
