"""What every set of synthetic rows of a fold is measured with: its z-space, SVMs and FID nets.

None of it depends on the model, so it is computed once per corpus and fold, and cached.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from aegan.data.corpus import Corpus
from aegan.data.folds import Fold, Standardiser
from aegan.metrics.cache import Item, cache_key, cached
from aegan.metrics.fid import LAYER, FidNet, FidProtocol, train_net
from aegan.metrics.svm import FittedSvm, SvmProtocol, tune_and_fit


@dataclass(frozen=True, eq=False)
class FoldSpace:
    """The z-space of a fold and its real rows in it."""

    set1_z: np.ndarray  # (n1, dim) float32
    labels1: np.ndarray  # (n1,) int32
    set2_z: np.ndarray  # (n2, dim) float32
    labels2: np.ndarray  # (n2,) int32


@dataclass(frozen=True, eq=False)
class FoldTools:
    """The SVMs on real rows and the FID nets of a fold."""

    svm_set1: FittedSvm
    svm_set2: FittedSvm
    nets: tuple[FidNet, ...]


def fold_space(corpus: Corpus, fold: Fold, standardiser: Standardiser) -> FoldSpace:
    """The real rows of a fold as z-scores of its set-1."""
    return FoldSpace(
        standardiser.to_z(corpus.features[fold.train]),
        corpus.labels[fold.train],
        standardiser.to_z(corpus.features[fold.valid]),
        corpus.labels[fold.valid],
    )


def fold_key(corpus: Corpus, fold: Fold, standardiser: Standardiser, **parts: object) -> str:
    """Cache key of an item of a fold: the corpus, the rows of set-1 and set-2, the clip, parts."""
    return cache_key(
        corpus=corpus.hash,
        train=np.asarray(fold.train),
        valid=np.asarray(fold.valid),
        clip=float(standardiser.clip),
        **parts,
    )


def svm_on(
    part: Literal["set1", "set2"],
    corpus: Corpus,
    fold: Fold,
    standardiser: Standardiser,
    protocol: SvmProtocol,
    cache_dir: Path | None,
) -> FittedSvm:
    """The tuned SVM of set-1 or of set-2, in the z-space of set-1."""

    def make() -> Item:
        rows = fold.train if part == "set1" else fold.valid
        z, labels = standardiser.to_z(corpus.features[rows]), corpus.labels[rows]
        values = vars(tune_and_fit(z, labels, protocol))
        arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
        return Item({name: values[name] for name in values.keys() - arrays.keys()}, arrays)

    key = fold_key(corpus, fold, standardiser, item=f"svm {part}", svm=asdict(protocol))
    item = cached(cache_dir, key, make)
    scores = tuple(item.meta["inner_scores"])
    return FittedSvm(**item.meta | {"inner_scores": scores}, **item.arrays)


svm_on_set1 = partial(svm_on, "set1")
svm_on_set2 = partial(svm_on, "set2")


def fid_nets(
    corpus: Corpus,
    fold: Fold,
    standardiser: Standardiser,
    protocol: FidProtocol,
    cache_dir: Path | None,
) -> tuple[FidNet, ...]:
    """The FID nets of a fold: trained on the whole corpus, as in the paper, one per seed."""

    def make() -> Item:
        z = standardiser.to_z(corpus.features)
        nets = [train_net(z, corpus.labels, protocol, seed) for seed in protocol.net_seeds]
        return Item(
            {},
            {
                f"{kind}{number}_{layer}": array
                for number, net in enumerate(nets)
                for kind, arrays in net._asdict().items()
                for layer, array in enumerate(arrays)
            },
        )

    key = fold_key(corpus, fold, standardiser, item="fid nets", fid=asdict(protocol))
    arrays = cached(cache_dir, key, make).arrays
    return tuple(
        FidNet(
            *(
                tuple(arrays[f"{kind}{number}_{layer}"] for layer in range(LAYER))
                for kind in FidNet._fields
            )
        )
        for number in range(len(protocol.net_seeds))
    )
