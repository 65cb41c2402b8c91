"""What every set of synthetic rows of a fold is measured with: its z-space, SVMs and FID nets.

None of it depends on the model, so it is computed once per corpus and fold, and cached.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from aegan.data.corpus import Corpus
from aegan.data.folds import Fold, Standardiser
from aegan.metrics.cache import Values, cached
from aegan.metrics.fid import LAYER, FidNet, FidProtocol, train_net
from aegan.metrics.svm import FittedSvm, SvmProtocol, tune_and_fit

Place = tuple[Corpus, Fold, Standardiser]


class FoldSpace(NamedTuple):
    """The real rows of a fold as z-scores of its set-1."""

    set1_z: np.ndarray  # (n1, dim) float32
    labels1: np.ndarray  # (n1,) int32
    set2_z: np.ndarray  # (n2, dim) float32
    labels2: np.ndarray  # (n2,) int32


class FoldTools(NamedTuple):
    """The FID nets and the SVMs on real rows of a fold."""

    nets: tuple[FidNet, ...]
    svm_set1: FittedSvm
    svm_set2: FittedSvm


def fold_space(corpus: Corpus, fold: Fold, standardiser: Standardiser) -> FoldSpace:
    """The z-space of a fold."""
    set1_z, set2_z = (standardiser.to_z(corpus.features[r]) for r in (fold.train, fold.valid))
    return FoldSpace(set1_z, corpus.labels[fold.train], set2_z, corpus.labels[fold.valid])


def of_fold(
    place: Place, cache_dir: Path | None, make: Callable[[], Values], **parts: object
) -> Values:
    """What ``make`` gives, cached by the corpus, rows and clip of a fold and by the parts."""
    corpus, fold, standardiser = place
    return cached(
        cache_dir,
        make,
        corpus=corpus.hash,
        train=fold.train,
        valid=fold.valid,
        clip=float(standardiser.clip),
        **parts,
    )


def _svm_on(
    part: Literal["train", "valid"],
    corpus: Corpus,
    fold: Fold,
    standardiser: Standardiser,
    protocol: SvmProtocol,
    cache_dir: Path | None,
) -> FittedSvm:
    """The tuned SVM of set-1 or of set-2, in the z-space of set-1."""

    def make() -> Values:
        rows = getattr(fold, part)
        z = standardiser.to_z(corpus.features[rows])
        return vars(tune_and_fit(z, corpus.labels[rows], protocol))

    place = (corpus, fold, standardiser)
    parts = {"item": f"svm {part}", "svm": asdict(protocol)}
    return FittedSvm(**of_fold(place, cache_dir, make, **parts))


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
        nets = [train_net(z, corpus.labels, protocol, seed) for seed in protocol.net_seeds]
        arrays = [array for net in nets for layer in net for array in layer]
        return {str(place): array for place, array in enumerate(arrays)}

    place = (corpus, fold, standardiser)
    arrays = of_fold(place, cache_dir, make, item="fid nets", fid=asdict(protocol))
    flat = [arrays[str(place)] for place in range(len(arrays))]
    layers = list(zip(flat[::2], flat[1::2], strict=True))
    return tuple(tuple(layers[i : i + LAYER]) for i in range(0, len(layers), LAYER))
