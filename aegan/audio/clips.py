"""What comes of a clip: a row of features, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from aegan.data.contract import FeatureContract


class ClipError(Exception):
    """A clip gives no row; the others go on.

    ``lasting`` says that the same bytes will fail again, so that a later run need not try.
    """

    def __init__(self, reason: str, lasting: bool = True) -> None:
        super().__init__(reason)
        self.lasting = lasting


class Row(NamedTuple):
    """The features of a clip."""

    duration_s: float  # length of the audio as it lies in the file
    features: np.ndarray  # (dim,) float32, finite


class Skipped(NamedTuple):
    """A clip without features."""

    reason: str
    lasting: bool  # see ClipError


class FeatureKind(NamedTuple):
    """What the rows of an extractor are."""

    contract: FeatureContract
    extractor: str  # in words, for the table: "opensmile 2.6.0, IS10 functionals, 16000 Hz, mono"
    fingerprint: str  # of all else that the values depend on, say the text of a config


class Extractor(NamedTuple):
    """A way from a path to a row. It is made, and stays, in a worker process."""

    kind: FeatureKind
    extract: Callable[[str], Row]  # raises ClipError
