"""What every set of synthetic rows of a fold is measured with: its z-space, SVMs and FID nets.

None of it depends on the model, so it is computed once per corpus and fold, and cached.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from aegan.data.corpus import Corpus
from aegan.data.folds import Fold, Standardiser
from aegan.metrics.cache import Item, cache_key, load, store
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


def svm_on_set1(
    corpus: Corpus,
    fold: Fold,
    standardiser: Standardiser,
    protocol: SvmProtocol,
    cache_dir: Path | None,
) -> FittedSvm:
    """The tuned SVM of set-1."""
    return _real_svm("set1", fold.train, corpus, fold, standardiser, protocol, cache_dir)


def svm_on_set2(
    corpus: Corpus,
    fold: Fold,
    standardiser: Standardiser,
    protocol: SvmProtocol,
    cache_dir: Path | None,
) -> FittedSvm:
    """The tuned SVM of set-2, in the z-space of set-1."""
    return _real_svm("set2", fold.valid, corpus, fold, standardiser, protocol, cache_dir)


def fid_nets(
    corpus: Corpus,
    fold: Fold,
    standardiser: Standardiser,
    protocol: FidProtocol,
    cache_dir: Path | None,
) -> tuple[FidNet, ...]:
    """The FID nets of a fold: trained on the whole corpus, as in the paper, one per seed."""
    key = fold_key(corpus, fold, standardiser, item="fid nets", fid=asdict(protocol))
    item = load(cache_dir, key)
    if item is not None:
        return tuple(
            FidNet(
                tuple(item.arrays[f"weight{s}_{layer}"] for layer in range(LAYER)),
                tuple(item.arrays[f"bias{s}_{layer}"] for layer in range(LAYER)),
            )
            for s in range(len(protocol.net_seeds))
        )
    features_z = standardiser.to_z(corpus.features)
    nets = tuple(
        train_net(features_z, corpus.labels, protocol, seed) for seed in protocol.net_seeds
    )
    arrays = {
        f"{kind}{s}_{layer}": array
        for s, net in enumerate(nets)
        for kind, layers in (("weight", net.weights), ("bias", net.biases))
        for layer, array in enumerate(layers)
    }
    store(cache_dir, key, {}, arrays)
    return nets


def _real_svm(
    name: str,
    rows: np.ndarray,
    corpus: Corpus,
    fold: Fold,
    standardiser: Standardiser,
    protocol: SvmProtocol,
    cache_dir: Path | None,
) -> FittedSvm:
    key = fold_key(corpus, fold, standardiser, item=f"svm {name}", svm=asdict(protocol))
    item = load(cache_dir, key)
    if item is not None:
        return _svm_of(item)
    fitted = tune_and_fit(standardiser.to_z(corpus.features[rows]), corpus.labels[rows], protocol)
    values = {field.name: getattr(fitted, field.name) for field in fields(fitted)}
    arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
    meta = {name: value for name, value in values.items() if name not in arrays}
    store(cache_dir, key, meta, arrays)
    return fitted


def _svm_of(item: Item) -> FittedSvm:
    meta = dict(item.meta, inner_scores=tuple(item.meta["inner_scores"]))
    return FittedSvm(**meta, **item.arrays)
