"""Folds of a corpus, and standardisation by the statistics of chosen rows alone."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import NamedTuple

import numpy as np

from aegan.data.corpus import Corpus
from aegan.errors import InputError

# A float32 column whose deviation is below this share of its mean holds rounding noise only.
_ROUNDING_NOISE = 4 * float(np.finfo(np.float32).eps)
ALL = 0  # for a number of folds: nothing is held out
_ATTEMPTS = 200  # at another cutting
_CELLS_AT_ONCE = 2**21  # float64 work space of the statistics: 16 MiB


@dataclass(frozen=True, eq=False)
class Fold:
    """One split of a corpus into the paper's set-1 and set-2."""

    index: int
    train: np.ndarray  # (n_train,) int32, sorted row numbers: set-1
    valid: np.ndarray  # (n_valid,) int32, sorted row numbers: set-2
    held_out: tuple[str, ...]  # the speakers of `valid`, sorted
    name: str  # "session Ses01", "speakers A, B", "fold 1" or "all rows"
    split: int = 0  # number of the cutting that it belongs to
    scaled: np.ndarray | None = None  # rows whose statistics make z-scores; None: `train`


def all_rows(rows: int) -> Fold:
    """The fold that trains on every row and holds nothing out."""
    everything = np.arange(rows, dtype=np.int32)
    return Fold(0, everything, everything[:0], (), "all rows")


def make_folds(
    corpus: Corpus, n_folds: int, section: str = "config.data", splits: int = 1
) -> tuple[Fold, ...]:
    """Cut a corpus into folds (section 4.1.1: leave one session out).

    With a column `fold`, its folds; else one per session; else `n_folds` folds of whole speakers,
    balanced by class. The same for every order of the rows. Whether they share a speaker is for
    `audit.py` to say. Messages name the `section` of the config. ALL for `n_folds` holds nothing
    out.

    More ``splits`` are further cuttings by speaker, at random and each another; the first one is
    what it is alone. Fold f of split s has the number s * n_folds + f.

    Raises:
        InputError: fewer than two sessions or folds, fewer speakers than folds, a class without a
            row in a training part, or no so many cuttings. A class may be absent from a validation
            part.
    """
    if n_folds == ALL and splits == 1:
        return (all_rows(len(corpus.labels)),)
    if n_folds == ALL:
        raise InputError(
            f"--{section}.splits={splits}: with --{section}.folds=all there is nothing to split; "
            "leave out one of the two"
        )
    cuts: list[np.ndarray] = []  # per split the number of the fold that holds each row out
    for column, values in (("fold", corpus.fold_names), ("session", corpus.sessions)):
        if values is not None:
            names, fold_of_row = np.unique(values, return_inverse=True)
            if len(names) < 2:
                raise InputError(
                    f"corpus '{corpus.name}': column '{column}' has one value only; "
                    "drop the column to get folds by speaker"
                )
            if splits > 1:
                raise InputError(
                    f"--{section}.splits={splits}: the column '{column}' of corpus "
                    f"'{corpus.name}' cuts it in one way; drop the column or pass "
                    f"--{section}.splits=1"
                )
            cuts, titles = [fold_of_row], [f"{column} {name}" for name in names]
            break
    else:
        cuts, titles = [_speaker_folds(corpus, n_folds, section)], [None] * n_folds
        while len(cuts) < splits:
            cuts.append(_another_cut(corpus, n_folds, cuts, section))
    folds = []
    for (split, cut), (number, title) in product(enumerate(cuts), enumerate(titles)):
        index = split * len(titles) + number
        train, valid = (np.flatnonzero((cut == number) == part) for part in (False, True))
        held_out = tuple(np.unique(corpus.speakers[valid]).tolist())
        title = title or f"speakers {', '.join(held_out)}"
        for label in np.setdiff1d(np.arange(len(corpus.classes)), corpus.labels[train])[:1]:
            raise InputError(
                f"corpus '{corpus.name}': class '{corpus.classes[label]}' has no training row in "
                f"fold {index} ({title}); add rows of other speakers or leave the class out of the "
                "table"
            )
        rows = train.astype(np.int32), valid.astype(np.int32)
        folds.append(Fold(index, *rows, held_out, title, split))
    return tuple(folds)


def _another_cut(
    corpus: Corpus, n_folds: int, known: Sequence[np.ndarray], section: str
) -> np.ndarray:
    """A cutting other than the ``known`` ones, in which no class is held out as a whole.

    Speakers come in random order, each to the fold that has the fewest rows so far.
    """
    names, speaker_of_row, sizes = np.unique(
        corpus.speakers, return_inverse=True, return_counts=True
    )
    by_class = np.zeros((len(names), len(corpus.classes)), np.int64)
    np.add.at(by_class, (speaker_of_row, corpus.labels), 1)

    def parts(fold_of_row: np.ndarray) -> set[frozenset[int]]:
        return {frozenset(speaker_of_row[fold_of_row == fold].tolist()) for fold in range(n_folds)}

    before = [parts(cut) for cut in known]
    for attempt in range(_ATTEMPTS):
        rng = np.random.default_rng([len(known), attempt])
        fold_of, rows = np.empty(len(names), np.int64), np.zeros(n_folds, np.int64)
        for speaker in rng.permutation(len(names)):
            fold_of[speaker] = rows.argmin()
            rows[fold_of[speaker]] += sizes[speaker]
        held = np.stack([by_class[fold_of == fold].sum(axis=0) for fold in range(n_folds)])
        cut = fold_of[speaker_of_row]
        if (held < by_class.sum(axis=0)).all() and parts(cut) not in before:
            return cut
    raise InputError(
        f"corpus '{corpus.name}': found only {len(known)} cutting(s) of {len(names)} speakers into "
        f"{n_folds} folds; pass --{section}.splits={len(known)}"
    )


def _speaker_folds(corpus: Corpus, n_folds: int, section: str) -> np.ndarray:
    """The fold that holds out each row: whole speakers, classes balanced over the folds."""
    place, n_speakers = f"corpus '{corpus.name}'", len(np.unique(corpus.speakers))
    for wrong, message in (
        (n_folds < 2, f"--{section}.folds={n_folds}: at least 2 folds are needed"),
        (
            n_speakers < 2,
            f"{place}: all rows are of one speaker, and a fold holds speakers out; add other "
            "speakers",
        ),
        (
            n_speakers < n_folds,
            f"{place}: {n_speakers} speaker(s) are fewer than {n_folds} folds; pass "
            f"--{section}.folds={n_speakers} or add speakers",
        ),
        (
            np.bincount(corpus.labels).max() < n_folds,
            f"{place}: no class has a row for each of {n_folds} folds; lower --{section}.folds or "
            "add rows",
        ),
    ):
        if wrong:
            raise InputError(message)
    from sklearn.model_selection import StratifiedGroupKFold  # takes a second to import

    order = np.argsort(corpus.files)  # the splitter may look at the order of rows
    splitter = StratifiedGroupKFold(n_splits=n_folds, shuffle=False)
    fold_of_row = np.empty(len(order), dtype=np.int32)
    with warnings.catch_warnings():
        # It warns of a class with fewer rows than folds; what matters is checked in `make_folds`.
        warnings.simplefilter("ignore", UserWarning)
        splits = splitter.split(np.zeros(len(order)), corpus.labels[order], corpus.speakers[order])
        for index, (_, valid) in enumerate(splits):
            fold_of_row[order[valid]] = index
    return fold_of_row


class Standardiser(NamedTuple):
    """z = clip((x - mean) / scale); the one feature space of networks, SVMs and FID."""

    mean: np.ndarray  # (dim,) float32, raw units
    scale: np.ndarray  # (dim,) float32, > 0: standard deviations, guarded for constant columns
    clip: float  # in standard deviations

    def to_z(self, features: np.ndarray) -> np.ndarray:
        """(n, dim) raw features to (n, dim) float32 z-scores within +-clip."""
        with np.errstate(over="ignore"):  # an overflow is an infinity, which the clip bounds
            z = np.subtract(features, self.mean, dtype=np.float32)
            z /= self.scale
        return np.clip(z, -self.clip, self.clip, out=z)

    def to_raw(self, z: np.ndarray) -> np.ndarray:
        """(n, dim) z-scores to (n, dim) float32 raw features."""
        features = np.multiply(z, self.scale, dtype=np.float32)
        features += self.mean
        return features


def standardiser_of(features: np.ndarray, fold: Fold, clip: float) -> Standardiser:
    """Statistics of the rows that a fold is standardised by."""
    return fit_standardiser(features, fold.train if fold.scaled is None else fold.scaled, clip)


def fit_standardiser(features: np.ndarray, rows: np.ndarray, clip: float = 10.0) -> Standardiser:
    """Mean and population deviation of `rows` of `features` (rows, dim), and of no other row.

    In a constant column z is exactly 0 for `rows`, and next to 0 in one that varies by rounding
    noise only.
    """
    rows = np.asarray(rows)
    step = max(1, _CELLS_AT_ONCE // features.shape[1])

    def blocks() -> Iterator[np.ndarray]:
        """The chosen rows as float64 copies of bounded size."""
        for start in range(0, len(rows), step):
            yield features[rows[start : start + step]].astype(np.float64)

    low, high, total = np.inf, -np.inf, 0.0
    for block in blocks():
        total = total + block.sum(axis=0)
        low, high = np.minimum(low, block.min(axis=0)), np.maximum(high, block.max(axis=0))
    mean, squares = total / len(rows), 0.0
    for block in blocks():
        block -= mean
        squares = squares + np.einsum("ij,ij->j", block, block)
    scale = np.sqrt(squares / len(rows))
    tiny = float(np.finfo(np.float32).tiny)  # below it a float32 is denormal, and XLA makes it 0
    noise = scale <= np.maximum(_ROUNDING_NOISE * np.abs(mean), tiny)
    scale = np.where(noise, np.maximum(1.0, np.abs(mean)), scale)
    scale, mean = np.where(low == high, 1.0, scale), np.where(low == high, low, mean)
    return Standardiser(mean.astype(np.float32), scale.astype(np.float32), float(clip))


def speaker_standardised(corpus: Corpus, section: str = "config.data") -> Corpus:
    """The corpus with every speaker brought to the corpus-wide mean and deviation, per feature.

    x -> (x - m_speaker) / s_speaker * S + M, from all rows of a speaker without their labels. It
    is transductive: the statistics of held-out speakers come from their own validation rows, so a
    report has to state it. A feature that is constant within a speaker becomes M.

    Raises:
        InputError: for a speaker with a single row, which has no deviation.
    """
    everyone = fit_standardiser(corpus.features, np.arange(len(corpus.features)), clip=np.inf)
    features = np.empty_like(corpus.features)
    speakers, speaker_of_row = np.unique(corpus.speakers, return_inverse=True)
    for index, speaker in enumerate(speakers):
        rows = np.flatnonzero(speaker_of_row == index)
        if len(rows) < 2:
            raise InputError(
                f"corpus '{corpus.name}': speaker '{speaker}' has a single row (file "
                f"'{corpus.files[rows[0]]}'), too few for statistics of its own; add rows or pass "
                f"--{section}.statistics=fold"
            )
        own = fit_standardiser(corpus.features, rows, clip=np.inf)
        features[rows] = everyone.to_raw(own.to_z(corpus.features[rows]))
    return replace(corpus, features=features)
