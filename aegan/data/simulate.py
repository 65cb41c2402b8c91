"""Simulated corpora of the paper's shape, for runs without real data.

They stand in for the layouts of IEMOCAP and MSP-IMPROV only: ten speakers in five sessions, twelve
in six, and the class proportions of sections 4.1.1 and 4.1.2. Their figures say nothing about
speech. Names of features and files start with `sim_`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from aegan.data.contract import FeatureContract
from aegan.data.corpus import Corpus
from aegan.errors import InputError

# Utterances per class in the paper's IEMOCAP subset, excited counted as happy.
CLASS_SIZES = {"angry": 1103, "happy": 1636, "neutral": 1708, "sad": 1083}
SPEAKERS = tuple(f"Ses{session:02d}{sex}" for session in range(1, 6) for sex in "FM")
MIN_ROWS = 40
MIN_DIM = 8
# The same of MSP-IMPROV. Sessions take turns, so that six rows of a class reach all of them.
TARGET_CLASS_SIZES = {"angry": 792, "happy": 2644, "neutral": 3477, "sad": 885}
TARGET_SPEAKERS = tuple(f"Tgt{session:02d}{sex}" for sex in "FM" for session in range(1, 7))
TARGET_MIN_ROWS = 60

_ROWS_AT_ONCE = 512
# Shape of the model, see `simulated_corpus`; calibrated together with its keyword arguments.
_DECAY = 0.3  # factor k has the deviation k^-_DECAY
_SPREAD = 0.8  # log-deviation of a cluster's spread from factor to factor
_TAIL = 4.0  # degrees of freedom of the heavy-tailed radius of a row
_NOISE = 0.6  # deviation of a feature's own noise; its share of the factors has 1
_REACH = 6.0  # deviations at which a feature is cut off before it is bent
_TARGET_STREAM = 1  # beside the seed: the target's random numbers are none of the source's


class Model(NamedTuple):
    """The factor model of `simulated_corpus`; lengths are in deviations of a factor."""

    separation: float = 0.39  # of the classes: a linear SVM's UAR is 0.57 leave-one-session-out
    speaker_shift: float = 0.7  # a speaker's own, the same in all classes
    interaction: float = 0.3  # a class's shift that holds for one speaker only
    cluster_distance: float = 0.8  # shift of a cluster from the centre of its class
    clusters: int = 3  # per class, equally frequent
    factors: int = 24  # rank of what features share, at least the number of classes


class Shift(NamedTuple):
    """How far `simulated_target` lies from its source."""

    separation: float = 0.7  # distance of the classes, over that in the source
    common: float = 1.0  # shift of all rows, in deviations of a factor
    interaction: float = 0.25  # a class's shift that holds in this corpus only, likewise
    offset: float = 0.7  # deviation of a channel's offset, in units of the source's feature
    gain: float = 0.3  # log-deviation of a channel's gain


MODEL = Model()
SHIFT = Shift()


class _Classes(NamedTuple):
    """Where classes and their clusters lie, in deviations of a factor."""

    centre: np.ndarray  # (classes, factors)
    offset: np.ndarray  # (classes, clusters, factors)
    spread: np.ndarray  # (classes, clusters, factors)


class _Columns(NamedTuple):
    """How features follow from the factors."""

    mixture: np.ndarray  # (factors, dim)
    bend: np.ndarray  # (dim,) 0: long right tail, 1: two long tails, else straight
    scale: np.ndarray  # (dim,)
    offset: np.ndarray  # (dim,)
    constant: int  # a column


def simulated_corpus(
    rows: int = 2000,
    dim: int = 1582,
    seed: int = 0,
    model: Model = MODEL,
    section: str = "config.data",
) -> Corpus:
    """Draw a corpus from a factor model with clusters inside classes; a seed fixes every value.

    A row of class c, speaker s and cluster q has the factor scores

        u = spectrum * (separation * centre[c] + cluster_distance * offset[c, q]
            + speaker_shift * shift[s] + interaction * effect[c, s] + r * spread[c, q] * e)

    with e ~ N(0, I), a heavy-tailed r per row, a decaying `spectrum`, and a `spread` that differs
    from factor to factor in every cluster: a class is neither Gaussian nor the same in every
    speaker, so that the moments of a class do not tell all that its rows tell. Features mix the
    scores and add noise; a quarter of them is then bent to a long right tail, a quarter to two
    long tails; scales and offsets spread over many orders of magnitude; one column is constant.

    Args:
        rows: at least 40; class sizes follow IEMOCAP's proportions.
        dim: features, at least 8.
        seed: of the world (centres, mixtures, scales) and of the rows.
        model: lengths and numbers of the above.
        section: of the config that the sizes are from, for the messages.

    Raises:
        InputError: too few rows or features.
    """
    rng = np.random.default_rng(seed)
    labels, speakers, _, scores, columns = _source(rng, rows, dim, model, section)
    return _corpus("simulated", _features(rng, scores, columns), labels, SPEAKERS, speakers)


def simulated_target(
    rows: int = sum(TARGET_CLASS_SIZES.values()),
    *,
    source_rows: int,
    dim: int = 1582,
    seed: int = 0,
    shift: Shift = SHIFT,
) -> Corpus:
    """Draw the corpus beside ``simulated_corpus(source_rows, dim, seed)``: another of its world.

    Classes, clusters and the way features mix the factors are the source's; speakers and rows are
    new. The corpus is shifted as a whole: its factors, its classes against each other, and each
    feature by a channel of its own, x -> gain * x + offset. Standardisation by the target's own
    statistics undoes the channel and most of the common shift, but not that of the classes.

    Args:
        rows: at least 60; class sizes follow MSP-IMPROV's proportions (section 4.1.2).
        source_rows: of the source, as ``dim`` and ``seed``: its features depend on all three.
        dim: features.
        seed: of the source; the rows of the target follow from it, too.
        shift: how far the target lies from the source.

    Raises:
        InputError: too few rows or features.
    """
    _check("config.target.simulated_rows", rows, TARGET_MIN_ROWS, "target")
    *_, classes, _, columns = _source(
        np.random.default_rng(seed), source_rows, dim, MODEL, "config.source"
    )

    rng = np.random.default_rng([seed, _TARGET_STREAM])
    common = shift.common * rng.standard_normal(MODEL.factors)
    own = shift.interaction * rng.standard_normal(classes.centre.shape)
    classes = classes._replace(centre=shift.separation * classes.centre + common + own)
    gain = np.exp(shift.gain * rng.standard_normal(dim))
    offset = columns.offset + columns.scale * shift.offset * rng.standard_normal(dim)
    offset[columns.constant] = columns.offset[columns.constant]
    columns = columns._replace(scale=gain * columns.scale, offset=offset)

    labels, speakers = _layout(rows, TARGET_CLASS_SIZES, len(TARGET_SPEAKERS))
    features = _features(rng, _factor_scores(rng, labels, speakers, classes, MODEL), columns)
    return _corpus("simulated target", features, labels, TARGET_SPEAKERS, speakers)


def _check(field: str, value: int, least: int, what: str) -> None:
    if value < least:
        raise InputError(f"--{field}={value}: a simulated {what} needs {least} or more")


def _layout(
    rows: int, class_sizes: dict[str, int], n_speakers: int
) -> tuple[np.ndarray, np.ndarray]:
    """Labels (rows,) int32 and speakers (rows,) int, ordered by speaker and class.

    Speakers differ by one row per class at most.
    """
    shares = np.array(list(class_sizes.values())) * rows / sum(class_sizes.values())
    sizes = np.floor(shares).astype(int)
    largest_remainder = np.argsort(sizes - shares, kind="stable")
    sizes[largest_remainder[: rows - sizes.sum()]] += 1
    labels = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    speakers = np.arange(rows) % n_speakers
    order = np.lexsort((labels, speakers))
    return labels[order], speakers[order]


def _source(
    rng: np.random.Generator, rows: int, dim: int, model: Model, section: str
) -> tuple[np.ndarray, np.ndarray, _Classes, np.ndarray, _Columns]:
    """Labels, speakers, classes, scores (rows, factors) and columns; then ``rng`` is at features.

    In the columns the factors give a feature the deviation 1.
    """
    _check(f"{section}.simulated_rows", rows, MIN_ROWS, "corpus")
    _check(f"{section}.simulated_features", dim, MIN_DIM, "corpus")
    labels, speakers = _layout(rows, CLASS_SIZES, len(SPEAKERS))
    shape = (len(CLASS_SIZES), model.clusters, model.factors)
    # Orthogonal centres of one length: every seed's classes are equally far apart.
    directions, _ = np.linalg.qr(rng.standard_normal((model.factors, len(CLASS_SIZES))))
    centre = model.separation * np.sqrt(model.factors) * directions.T
    offset = model.cluster_distance * rng.standard_normal(shape)
    offset -= offset.mean(axis=1, keepdims=True)  # clusters move no class mean
    classes = _Classes(centre, offset, np.exp(_SPREAD * rng.standard_normal(shape)))
    scores = _factor_scores(rng, labels, speakers, classes, model)

    mixture = rng.standard_normal((model.factors, dim))
    # Sums run in numpy's own loops, not in BLAS, whose bits depend on the number of threads.
    mixture /= np.sqrt(np.einsum("f,fd->d", scores.var(axis=0), mixture**2))
    bend = rng.integers(4, size=dim)
    scale = 10.0 ** rng.uniform(-5, 4, size=dim)
    offset = scale * rng.standard_normal(dim) * 10.0 ** rng.uniform(-1, 2, size=dim)
    columns = _Columns(mixture, bend, scale, offset, int(rng.integers(dim)))
    return labels, speakers, classes, scores, columns


def _factor_scores(
    rng: np.random.Generator,
    labels: np.ndarray,
    speakers: np.ndarray,
    classes: _Classes,
    model: Model,
) -> np.ndarray:
    """(rows, factors) scores u of the model in `simulated_corpus`, with speakers of their own."""
    n_classes, n_speakers = len(classes.centre), speakers.max() + 1
    shift = model.speaker_shift * rng.standard_normal((n_speakers, model.factors))
    effect = model.interaction * rng.standard_normal((n_classes, n_speakers, model.factors))
    cluster = rng.integers(model.clusters, size=len(labels))
    radius = np.sqrt(_TAIL / rng.chisquare(_TAIL, size=(len(labels), 1)))
    noise = rng.standard_normal((len(labels), model.factors))
    spectrum = (1.0 + np.arange(model.factors)) ** -_DECAY
    return spectrum * (
        classes.centre[labels]
        + classes.offset[labels, cluster]
        + shift[speakers]
        + effect[labels, speakers]
        + radius * classes.spread[labels, cluster] * noise
    )


def _features(rng: np.random.Generator, scores: np.ndarray, columns: _Columns) -> np.ndarray:
    """(rows, dim) float32 raw features from (rows, factors) scores."""
    right, both = columns.bend == 0, columns.bend == 1
    features = np.empty((len(scores), len(columns.scale)), dtype=np.float32)
    for start in range(0, len(scores), _ROWS_AT_ONCE):
        x = np.einsum("if,fd->id", scores[start : start + _ROWS_AT_ONCE], columns.mixture)
        x += _NOISE * rng.standard_normal(x.shape)
        np.clip(x, -_REACH, _REACH, out=x)
        x[:, right] = np.exp(0.7 * x[:, right])
        x[:, both] = np.sinh(x[:, both])
        features[start : start + len(x)] = columns.offset + columns.scale * x
    features[:, columns.constant] = columns.offset[columns.constant]
    return features


def _corpus(
    name: str,
    features: np.ndarray,
    labels: np.ndarray,
    names: tuple[str, ...],
    speakers: np.ndarray,
) -> Corpus:
    """Rows with their labels; a session is the first five letters of a speaker."""
    classes = tuple(CLASS_SIZES)
    place = speakers * len(classes) + labels  # rising
    number = np.arange(len(place)) - np.searchsorted(place, place) + 1
    files = [
        f"sim_{names[speaker]}_{classes[label]}_{count:04d}"
        for speaker, label, count in zip(speakers, labels, number, strict=True)
    ]
    columns = range(1, features.shape[1] + 1)
    return Corpus(
        name=name,
        features=features,
        labels=labels,
        classes=classes,
        speakers=np.array(names)[speakers],
        sessions=np.array([names[speaker][:5] for speaker in speakers]),
        files=np.array(files),
        contract=FeatureContract(tuple(f"sim_{column:04d}" for column in columns), "simulated"),
        simulated=True,
    )
