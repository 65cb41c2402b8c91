"""Feature tables to Parquet, CSV or ARFF, row block by row block."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np

from aegan.data.contract import FeatureContract

SUFFIXES = (".parquet", ".csv", ".arff")


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
) -> Iterator[TableWriter]:
    """Writes a table of the format that the suffix of ``path`` names; whole or not at all."""
    raise NotImplementedError
    yield
