"""Simulated corpora of the paper's shape, for runs without real data.

They have the layouts of IEMOCAP and MSP-IMPROV (sections 4.1.1 and 4.1.2); their figures say
nothing about speech. Names of features and files start with `sim_`.
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


class _World(NamedTuple):
    """Where classes lie, in deviations of a factor, and how features follow from the factors."""

    centre: np.ndarray  # (classes, factors)
    clusters: np.ndarray  # (classes, clusters, factors): their distance from the centre
    spread: np.ndarray  # (classes, clusters, factors)
    mixture: np.ndarray | None = None  # (factors, dim)
    bend: np.ndarray | None = None  # (dim,) 0: long right tail, 1: two long tails, else straight
    scale: np.ndarray | None = None  # (dim,)
    offset: np.ndarray | None = None  # (dim,)
    constant: int = 0  # a column


class _Layout(NamedTuple):
    labels: np.ndarray  # (rows,) int32
    speakers: np.ndarray  # (rows,) int, rising
    names: tuple[str, ...]  # of the speakers


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
    speaker. Features mix the scores and add noise; a quarter of them is then bent to a long right
    tail, a quarter to two; scales and offsets spread over many orders of magnitude; one column is
    constant. Class sizes follow IEMOCAP's. Messages name the ``section`` of the config.

    Raises:
        InputError: fewer than 40 rows or 8 features (``dim``).

    >>> import aegan
    >>> corpus = aegan.simulated_corpus(rows=60, dim=8)
    >>> sorted({str(name) for name in corpus.to_frame()["emotion"]})
    ['angry', 'happy', 'neutral', 'sad']
    """
    rng = np.random.default_rng(seed)
    layout, scores, world = _source(rng, rows, dim, model, section)
    return _corpus("simulated", rng, layout, scores, world)


def simulated_target(
    rows: int = sum(TARGET_CLASS_SIZES.values()),
    *,
    source_rows: int,
    dim: int = 1582,
    seed: int = 0,
    shift: Shift = SHIFT,
) -> Corpus:
    """Draw the corpus beside ``simulated_corpus(source_rows, dim, seed)``: another of its world.

    Classes, clusters and mixtures are the source's; speakers and rows are new. Shifted are the
    factors, the classes against each other, and each feature by a channel, x -> gain * x + offset.
    The target's own statistics undo the channel and most of the common shift, but not that of the
    classes. Class sizes follow MSP-IMPROV's.

    Raises:
        InputError: fewer than 60 rows, or a source that cannot be.
    """
    _check("config.target.simulated_rows", rows, TARGET_MIN_ROWS, "target")
    *_, world = _source(np.random.default_rng(seed), source_rows, dim, MODEL, "config.source")

    rng = np.random.default_rng([seed, _TARGET_STREAM])
    common = shift.common * rng.standard_normal(MODEL.factors)
    own = shift.interaction * rng.standard_normal(world.centre.shape)
    gain = np.exp(shift.gain * rng.standard_normal(dim))
    offset = world.offset + world.scale * shift.offset * rng.standard_normal(dim)
    offset[world.constant] = world.offset[world.constant]
    centre = shift.separation * world.centre + common + own
    world = world._replace(centre=centre, scale=gain * world.scale, offset=offset)
    layout = _layout(rows, TARGET_CLASS_SIZES, TARGET_SPEAKERS)
    scores = _factor_scores(rng, layout, world, MODEL)
    return _corpus("simulated target", rng, layout, scores, world)


def _check(field: str, value: int, least: int, what: str) -> None:
    if value < least:
        raise InputError(f"--{field}={value}: a simulated {what} needs {least} or more")


def _layout(rows: int, class_sizes: dict[str, int], names: tuple[str, ...]) -> _Layout:
    """Rows ordered by speaker and class; speakers differ by one row per class at most."""
    shares = np.array(list(class_sizes.values())) * rows / sum(class_sizes.values())
    sizes = np.floor(shares).astype(int)
    largest_remainder = np.argsort(sizes - shares, kind="stable")
    sizes[largest_remainder[: rows - sizes.sum()]] += 1
    labels = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    speakers = np.arange(rows) % len(names)
    order = np.lexsort((labels, speakers))
    return _Layout(labels[order], speakers[order], names)


def _source(
    rng: np.random.Generator, rows: int, dim: int, model: Model, section: str
) -> tuple[_Layout, np.ndarray, _World]:
    """With the scores (rows, factors), of which the world makes features of deviation 1."""
    _check(f"{section}.simulated_rows", rows, MIN_ROWS, "corpus")
    _check(f"{section}.simulated_features", dim, MIN_DIM, "corpus")
    layout = _layout(rows, CLASS_SIZES, SPEAKERS)
    shape = (len(CLASS_SIZES), model.clusters, model.factors)
    # Orthogonal centres of one length: every seed's classes are equally far apart.
    directions, _ = np.linalg.qr(rng.standard_normal((model.factors, len(CLASS_SIZES))))
    centre = model.separation * np.sqrt(model.factors) * directions.T
    clusters = model.cluster_distance * rng.standard_normal(shape)
    clusters -= clusters.mean(axis=1, keepdims=True)  # they move no class mean
    world = _World(centre, clusters, np.exp(_SPREAD * rng.standard_normal(shape)))
    scores = _factor_scores(rng, layout, world, model)

    mixture = rng.standard_normal((model.factors, dim))
    # Sums run in numpy's own loops, not in BLAS, whose bits depend on the number of threads.
    mixture /= np.sqrt(np.einsum("f,fd->d", scores.var(axis=0), mixture**2))
    bend = rng.integers(4, size=dim)
    scale = 10.0 ** rng.uniform(-5, 4, size=dim)
    offset = scale * rng.standard_normal(dim) * 10.0 ** rng.uniform(-1, 2, size=dim)
    return layout, scores, _World(*world[:3], mixture, bend, scale, offset, int(rng.integers(dim)))


def _factor_scores(
    rng: np.random.Generator, layout: _Layout, world: _World, model: Model
) -> np.ndarray:
    """(rows, factors) scores u of the model in `simulated_corpus`, with speakers of their own."""
    labels, speakers, names = layout
    shape = (len(world.centre), len(names), model.factors)
    shift = model.speaker_shift * rng.standard_normal(shape[1:])
    effect = model.interaction * rng.standard_normal(shape)
    cluster = rng.integers(model.clusters, size=len(labels))
    radius = np.sqrt(_TAIL / rng.chisquare(_TAIL, size=(len(labels), 1)))
    noise = rng.standard_normal((len(labels), model.factors))
    spectrum = (1.0 + np.arange(model.factors)) ** -_DECAY
    return spectrum * (
        world.centre[labels]
        + world.clusters[labels, cluster]
        + shift[speakers]
        + effect[labels, speakers]
        + radius * world.spread[labels, cluster] * noise
    )


def _corpus(
    name: str, rng: np.random.Generator, layout: _Layout, scores: np.ndarray, world: _World
) -> Corpus:
    """Features of scores (rows, factors); a session is the first five letters of a speaker."""
    dim = len(world.scale)
    features = np.empty((len(scores), dim), dtype=np.float32)
    for start in range(0, len(scores), _ROWS_AT_ONCE):
        x = np.einsum("if,fd->id", scores[start : start + _ROWS_AT_ONCE], world.mixture)
        x += _NOISE * rng.standard_normal(x.shape)
        np.clip(x, -_REACH, _REACH, out=x)
        for bend, tail in enumerate((lambda x: np.exp(0.7 * x), np.sinh)):
            x[:, world.bend == bend] = tail(x[:, world.bend == bend])
        features[start : start + len(x)] = world.offset + world.scale * x
    features[:, world.constant] = world.offset[world.constant]
    classes = tuple(CLASS_SIZES)
    speakers = np.array(layout.names)[layout.speakers]
    place = layout.speakers * len(classes) + layout.labels  # rising
    number = np.arange(len(place)) - np.searchsorted(place, place) + 1
    places = zip(speakers, np.array(classes)[layout.labels], number, strict=True)
    return Corpus(
        name=name,
        features=features,
        labels=layout.labels,
        classes=classes,
        speakers=speakers,
        sessions=np.array([speaker[:5] for speaker in speakers]),
        files=np.array([f"sim_{speaker}_{emotion}_{n:04d}" for speaker, emotion, n in places]),
        contract=FeatureContract(tuple(f"sim_{i + 1:04d}" for i in range(dim)), "simulated"),
        simulated=True,
    )
