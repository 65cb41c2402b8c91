"""What every set of synthetic rows of a fold is measured with: its z-space, SVMs and FID nets.

None of it depends on the model, so it is computed once per corpus and fold and kept in a file, an
``.npz`` of arrays plus one JSON text, read without pickle. Its name is the sha256 of everything it
depends on, so a stale file is never read; an unreadable one counts as absent.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from aegan.data.corpus import Corpus
from aegan.data.folds import Fold, Standardiser
from aegan.errors import InputError
from aegan.metrics.device import settings_of
from aegan.metrics.fid import LAYER, FidNet, FidProtocol, train_nets
from aegan.metrics.svm import FittedSvm, SvmProtocol, tune_and_fit
from aegan.system.files import read_npz, whole, write_npz
from aegan.system.screen import warn_once

FORMAT = 4  # raise when the meaning of a stored item changes
_LIBRARIES = ("numpy", "scipy", "scikit-learn", "imbalanced-learn")
_JSON = "meta_json"
_KEY = "cache_key"  # in the JSON text: the name of the file it was written as

Place = tuple[Corpus, Fold, Standardiser]
Values = dict[str, Any]  # arrays and JSON values


class FoldSpace(NamedTuple):
    """The real rows of a fold as z-scores of its set-1."""

    set1_z: np.ndarray  # (n1, dim) float32
    labels1: np.ndarray  # (n1,) int32
    speakers1: np.ndarray  # (n1,) str
    set2_z: np.ndarray  # (n2, dim) float32
    labels2: np.ndarray  # (n2,) int32
    speakers2: np.ndarray  # (n2,) str

    @property
    def set1(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What a trivial generator takes: rows, labels, speakers."""
        return self.set1_z, self.labels1, self.speakers1


class FoldTools(NamedTuple):
    """The FID nets and the SVMs on real rows of a fold."""

    nets: tuple[FidNet, ...]
    svm_set1: FittedSvm
    svm_set2: FittedSvm | None  # None where nothing is held out


def fold_space(corpus: Corpus, fold: Fold, standardiser: Standardiser) -> FoldSpace:
    """The z-space of a fold."""
    parts = (
        (standardiser.to_z(corpus.features[rows]), corpus.labels[rows], corpus.speakers[rows])
        for rows in (fold.train, fold.valid)
    )
    return FoldSpace(*(column for part in parts for column in part))


def cached(
    place: Place, directory: Path | None, make: Callable[[], Values], **parts: object
) -> Values:
    """What ``make`` gives of a place; from its file where there is a whole one, else stored.

    ``parts`` are JSON values: what it depends on beside the place and the libraries.
    """
    if directory is None:
        return make()
    corpus, fold, standardiser = place
    parts |= {"corpus": corpus.hash, "clip": float(standardiser.clip), "cache_format": FORMAT}
    parts["libraries"] = [version(name) for name in _LIBRARIES]
    if fold.scaled is not None:
        parts["scaled"] = hashlib.sha256(fold.scaled.tobytes()).hexdigest()
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode())
    for rows in (fold.train, fold.valid):
        digest.update(f"{rows.dtype.str}{rows.shape}".encode() + rows.tobytes())
    path = directory / f"{digest.hexdigest()}.npz"
    try:
        with whole(path):
            arrays = read_npz(path)
            others = json.loads(str(arrays.pop(_JSON)))
            if others.pop(_KEY) != path.stem:
                raise ValueError("the item of another key")
            return others | arrays
    except (FileNotFoundError, InputError):
        values = make()
    arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
    others = {name: value for name, value in values.items() if name not in arrays}
    others[_KEY] = path.stem
    try:
        write_npz(path, arrays | {_JSON: np.array(json.dumps(others, sort_keys=True))})
    except InputError as error:
        warn_once(str(error))
    return values


def _svm_on(
    part: Literal["train", "valid"],
    corpus: Corpus,
    fold: Fold,
    standardiser: Standardiser,
    protocol: SvmProtocol,
    cache_dir: Path | None,
) -> FittedSvm | None:
    """The tuned SVM of set-1 or of set-2, in the z-space of set-1; None of a set without rows."""
    if not len(getattr(fold, part)):
        return None

    def make() -> Values:
        rows = getattr(fold, part)
        z = standardiser.to_z(corpus.features[rows])
        return vars(tune_and_fit(z, corpus.labels[rows], protocol))

    place = (corpus, fold, standardiser)
    parts = {"item": f"svm {part}", "svm": settings_of(protocol)}
    return FittedSvm(**cached(place, cache_dir, make, **parts))


svm_on_set1 = partial(_svm_on, "train")
svm_on_set2 = partial(_svm_on, "valid")


def fid_nets(
    corpus: Corpus,
    fold: Fold,
    standardiser: Standardiser,
    protocol: FidProtocol,
    cache_dir: Path | None,
) -> tuple[FidNet, ...]:
    """The FID nets of a fold: trained on the whole corpus, as in the paper, one per seed."""

    def make() -> Values:
        z = standardiser.to_z(corpus.features)
        nets = train_nets(z, corpus.labels, protocol)
        arrays = [array for net in nets for layer in net for array in layer]
        return {str(place): array for place, array in enumerate(arrays)}

    place = (corpus, fold, standardiser)
    arrays = cached(place, cache_dir, make, item="fid nets", fid=settings_of(protocol))
    flat = [arrays[str(place)] for place in range(len(arrays))]
    layers = list(zip(flat[::2], flat[1::2], strict=True))
    return tuple(tuple(layers[i : i + LAYER]) for i in range(0, len(layers), LAYER))
