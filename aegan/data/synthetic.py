"""Synthetic tables: Parquet in the corpus' own units, with a passport in the file's metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from aegan.errors import InputError
from aegan.files import replacing


@dataclass(frozen=True, eq=False)
class SyntheticTable:
    """Rows of a generator and what they are."""

    features: np.ndarray  # (rows, features) float32, raw units of the corpus
    labels: np.ndarray  # (rows,) int32, index into classes
    classes: tuple[str, ...]
    feature_names: tuple[str, ...]
    passport: dict[str, Any]  # synthetic, model, config hash, seed, fold, corpus hash, ...


def write_synthetic(
    path: Path,
    features: np.ndarray,
    labels: np.ndarray,
    classes: Sequence[str],
    feature_names: Sequence[str],
    passport: Mapping[str, Any],
) -> None:
    """Writes rows (n, features), their labels (n,) and the passport; whole or not at all.

    Every passport entry becomes an entry of the Parquet key-value metadata (JSON; strings as they
    are), and so does ``synthetic=true``, which no reader can miss.
    """
    columns = [pa.array(column) for column in np.ascontiguousarray(features.T)]
    emotion = pa.DictionaryArray.from_arrays(pa.array(labels, pa.int32()), pa.array(list(classes)))
    metadata = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in passport.items()
    } | {"synthetic": "true", "classes": json.dumps(list(classes))}
    table = pa.table([emotion.cast(pa.string()), *columns], names=["emotion", *feature_names])
    with replacing(path) as temporary:
        pq.write_table(table.replace_schema_metadata(metadata), temporary, compression="zstd")


def read_synthetic(path: Path) -> SyntheticTable:
    """Reads what ``write_synthetic`` wrote; ``InputError`` for anything else."""
    try:
        table = pq.read_table(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run the train stage first") from None
    except pa.ArrowInvalid:
        raise InputError(f"{path}: not a Parquet file; run the train stage again") from None
    metadata = {k.decode(): v.decode() for k, v in (table.schema.metadata or {}).items()}
    if metadata.get("synthetic") != "true" or "emotion" not in table.column_names:
        raise InputError(f"{path}: not a synthetic table of aegan (no synthetic=true in it)")
    classes = tuple(json.loads(metadata.pop("classes")))
    names = tuple(name for name in table.column_names if name != "emotion")
    features = np.empty((table.num_rows, len(names)), np.float32)
    for i, name in enumerate(names):
        features[:, i] = table.column(name).to_numpy()
    index = {name: i for i, name in enumerate(classes)}
    labels = np.array([index[name] for name in table.column("emotion").to_pylist()], np.int32)
    return SyntheticTable(features, labels, classes, names, metadata)
