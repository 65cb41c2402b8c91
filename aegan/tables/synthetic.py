"""Synthetic tables in the corpus' own units, with a passport that says what they are."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aegan.data.contract import FeatureContract
from aegan.data.corpus import LABEL_COLUMNS, MARK
from aegan.data.parquet import Columnar, open_parquet
from aegan.errors import InputError
from aegan.system.files import whole
from aegan.tables.write import table_writer

ANEW = "run the train stage again, which writes it anew"
COLUMNS = ("file", "speaker", "emotion")  # beside the features
ALL = "all"  # what a passport says of rows of all classes


@dataclass(frozen=True, eq=False)
class SyntheticTable:
    """Rows of a generator and what they are."""

    features: np.ndarray  # (rows, features) float32, raw units of the corpus
    labels: np.ndarray  # (rows,) int32, index into classes
    classes: tuple[str, ...]
    contract: FeatureContract
    passport: dict[str, Any]  # synthetic, model, run_hash, seed, fold, corpus, licence, ...


def _stem(passport: Mapping[str, Any], whose: str = "") -> str:
    """A name that no recording, no speaker and no other draw has."""
    p = passport
    stem = f"synthetic-{p['model']}-{p['run_hash'][:8]}-s{p['seed']}-f{p['fold']}"
    stem += f"-d{p['draw_seed']}" if p.get("draw_seed") else ""
    stem += f"-{p['emotion']}" if p.get("emotion", ALL) != ALL else ""
    stem += "-projected" if p.get("projected") else ""
    return f"{stem}-for-{whose}" if whose else stem


def row_names(passport: Mapping[str, Any], first: int, count: int, whose: str = "") -> list[str]:
    """Names of rows ``first`` to ``first + count - 1`` that no recording and no other draw has."""
    return [f"{_stem(passport, whose)}-{row:07d}" for row in range(first, first + count)]


def write_synthetic(
    path: Path,
    blocks: Iterable[tuple],
    classes: tuple[str, ...],
    contract: FeatureContract,
    passport: Mapping[str, Any],
    finite: bool = True,
    columns: Sequence[str] = COLUMNS,
) -> int:
    """Writes rows block by block (Parquet, CSV or ARFF by the suffix); whole or not at all.

    Blocks are features (rows, dim) float32 in raw units and labels (rows,) int32 into ``classes``,
    and perhaps the name of the speaker that the rows are made for.
    The passport says what the rows are. It stands in the file's metadata (Parquet), comments (ARFF)
    or in a column (CSV), always with ``synthetic=true``. Cells that are not finite are refused; a
    run keeps what a lane gave (Parquet, not ``finite``). ``columns`` before the features may be
    those of a corpus, whose speakers, sessions and folds these rows are none of, and ``synthetic``,
    1 in every row. Returns the number of rows.
    """
    texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in passport.items()}
    texts |= {"classes": json.dumps(list(classes)), **contract.to_metadata()}
    metadata = {"synthetic": "true"} | texts | {"synthetic": "true"}  # no passport may deny it
    names, rows = np.asarray(classes), 0
    numbers = {MARK: 1.0, "duration_s": np.nan}
    with table_writer(path, columns, contract, metadata, finite) as writer:
        for features, labels, *whose in blocks:
            files = row_names(passport, rows, len(labels), *whose)
            of = {"file": files, "emotion": names[labels].tolist()}
            rest = (name for name in columns if name not in of)
            stem = _stem(passport, *whose)
            of |= {name: [numbers.get(name, stem)] * len(labels) for name in rest}
            writer.write(of, features)
            rows += len(labels)
    return rows


def read_passport(path: Path) -> dict[str, str]:
    """The passport of a Parquet table, without its rows.

    Raises:
        InputError: no such file, or not a synthetic table.
    """
    with _opened(path) as file:
        return file.metadata


def belongs(
    place: Path, passport: Mapping[str, Any], lane: Mapping[str, Any], run_hash: str | None
) -> None:
    """``InputError`` if the passport of a file is not that of a lane (seed, fold) of a run."""
    expected = {name: lane[name] for name in ("seed", "fold")}
    expected |= {} if run_hash is None else {"run_hash": run_hash}
    for name, value in expected.items():
        found = passport.get(name)
        if str(found) != str(value):
            what = f"its {name} is {found}, not {value}: it belongs to another lane or run"
            raise InputError(f"{place}: {what}; {ANEW}")


def read_synthetic(path: Path) -> SyntheticTable:
    """Reads a Parquet table that ``write_synthetic`` wrote.

    Raises:
        InputError: anything else, or a damaged one.
    """
    with _opened(path) as file:
        passport = file.metadata
        names = file.schema.names
        classes = tuple(json.loads(passport.pop("classes")))
        if len(set(classes)) < len(classes):
            raise ValueError("a class is there twice")
        features = {i: n for i, n in enumerate(names) if n not in (*LABEL_COLUMNS, MARK)}
        values = file.matrix(list(features))
        emotions = file.column(names.index("emotion")).to_pylist()
        code = {name: i for i, name in enumerate(classes)}
        labels = np.array([code[name] for name in emotions], np.int32)
    contract = FeatureContract.from_metadata(str(path), features.values(), passport)
    return SyntheticTable(values, labels, classes, contract, passport)


@contextmanager
def _opened(path: Path) -> Iterator[Columnar]:
    """A synthetic table; whatever a damaged or foreign one raises, in one line."""
    try:
        with whole(path, ANEW), closing(open_parquet(path)) as file:
            if file.metadata.get("synthetic") != "true" or "emotion" not in file.schema.names:
                what = "not a synthetic table of aegan (no synthetic=true in it)"
                raise InputError(f"{path}: {what}; {ANEW}")
            yield file
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; {ANEW}") from None
