"""The one form that every reader of feature files gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from aegan.data.contract import FeatureContract


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """Rows of features with the keys and labels that stood beside them; row i is one segment."""

    source: str  # the file's path, for messages
    files: np.ndarray  # (rows,) str: instance name, or path of the recording
    times: np.ndarray | None  # (rows, 2) float64: start and end in seconds; end NaN: to the end
    labels: Mapping[str, np.ndarray]  # "speaker", "emotion", ...: (rows,) str, "" where empty
    features: np.ndarray  # (rows, dim) float32
    contract: FeatureContract
    metadata: Mapping[str, str] = field(default_factory=dict)  # of the file: corpus, licence, ...
    notes: tuple[str, ...] = ()  # what the reader left out or changed, in words
