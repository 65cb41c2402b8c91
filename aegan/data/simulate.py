"""A simulated corpus of the paper's shape, for runs without real data.

It stands in for IEMOCAP's layout only: ten speakers in five sessions and the class proportions of
section 4.1.1. Its figures say nothing about speech. Names of features and files start with `sim_`.
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

_ROWS_AT_ONCE = 512
# Shape of the model, see `simulated_corpus`; calibrated together with its keyword arguments.
_DECAY = 0.3  # factor k has the deviation k^-_DECAY
_SPREAD = 0.8  # log-deviation of a cluster's spread from factor to factor
_TAIL = 4.0  # degrees of freedom of the heavy-tailed radius of a row
_NOISE = 0.6  # deviation of a feature's own noise; its share of the factors has 1
_REACH = 6.0  # deviations at which a feature is cut off before it is bent


def simulated_corpus(
    rows: int = 2000,
    dim: int = 1582,
    seed: int = 0,
    *,
    separation: float = 0.39,
    speaker_shift: float = 0.7,
    interaction: float = 0.3,
    cluster_distance: float = 0.8,
    clusters: int = 3,
    factors: int = 24,
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
        separation: distance of the classes, in deviations of a factor as all that follow. At the
            default a linear SVM reaches a UAR of about 0.57 leave-one-session-out.
        speaker_shift: a speaker's own shift, the same in all classes.
        interaction: a class's shift that holds for one speaker only.
        cluster_distance: shift of a cluster from the centre of its class.
        clusters: equally frequent clusters per class.
        factors: rank of the structure that features share, at least the number of classes.

    Raises:
        InputError: too few rows or features.
    """
    if rows < MIN_ROWS:
        raise InputError(
            f"--config.data.simulated_rows={rows}: a simulated corpus needs {MIN_ROWS} or more"
        )
    if dim < MIN_DIM:
        raise InputError(
            f"--config.data.simulated_features={dim}: a simulated corpus needs {MIN_DIM} or more"
        )
    rng = np.random.default_rng(seed)
    labels, speakers = _layout(rows)
    model = _Model(separation, speaker_shift, interaction, cluster_distance, clusters, factors)
    scores = _factor_scores(rng, labels, speakers, model)
    classes = tuple(CLASS_SIZES)
    speaker_names = np.array(SPEAKERS)[speakers]
    counters: dict[tuple[int, int], int] = {}
    files = []
    for label, speaker in zip(labels.tolist(), speakers.tolist(), strict=True):
        counters[label, speaker] = number = counters.get((label, speaker), 0) + 1
        files.append(f"sim_{SPEAKERS[speaker]}_{classes[label]}_{number:04d}")
    return Corpus(
        name="simulated",
        features=_features(rng, scores, dim),
        labels=labels,
        classes=classes,
        speakers=speaker_names,
        sessions=np.array([name[:5] for name in speaker_names]),
        files=np.array(files),
        contract=FeatureContract(
            tuple(f"sim_{column:04d}" for column in range(1, dim + 1)), "simulated"
        ),
        simulated=True,
    )


class _Model(NamedTuple):
    separation: float
    speaker_shift: float
    interaction: float
    cluster_distance: float
    clusters: int
    factors: int


def _layout(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Label and speaker number per row, ordered by speaker and class; speakers differ by one row
    per class at most."""
    shares = np.array(list(CLASS_SIZES.values())) * rows / sum(CLASS_SIZES.values())
    sizes = np.floor(shares).astype(int)
    largest_remainder = np.argsort(sizes - shares, kind="stable")
    sizes[largest_remainder[: rows - sizes.sum()]] += 1
    labels = np.repeat(np.arange(len(sizes)), sizes)
    speakers = np.arange(rows) % len(SPEAKERS)
    order = np.lexsort((labels, speakers))
    return labels[order].astype(np.int32), speakers[order]


def _factor_scores(
    rng: np.random.Generator, labels: np.ndarray, speakers: np.ndarray, model: _Model
) -> np.ndarray:
    """(rows, factors) scores u of the model in `simulated_corpus`."""
    n_classes, n_speakers = len(CLASS_SIZES), len(SPEAKERS)
    shape = (n_classes, model.clusters, model.factors)
    # Orthogonal centres of one length: every seed's classes are equally far apart.
    directions, _ = np.linalg.qr(rng.standard_normal((model.factors, n_classes)))
    centre = model.separation * np.sqrt(model.factors) * directions.T
    offset = model.cluster_distance * rng.standard_normal(shape)
    offset -= offset.mean(axis=1, keepdims=True)  # clusters move no class mean
    spread = np.exp(_SPREAD * rng.standard_normal(shape))
    shift = model.speaker_shift * rng.standard_normal((n_speakers, model.factors))
    effect = model.interaction * rng.standard_normal((n_classes, n_speakers, model.factors))
    cluster = rng.integers(model.clusters, size=len(labels))
    radius = np.sqrt(_TAIL / rng.chisquare(_TAIL, size=(len(labels), 1)))
    noise = rng.standard_normal((len(labels), model.factors))
    spectrum = (1.0 + np.arange(model.factors)) ** -_DECAY
    return spectrum * (
        centre[labels]
        + offset[labels, cluster]
        + shift[speakers]
        + effect[labels, speakers]
        + radius * spread[labels, cluster] * noise
    )


def _features(rng: np.random.Generator, scores: np.ndarray, dim: int) -> np.ndarray:
    """(rows, dim) float32 raw features from (rows, factors) scores."""
    mixture = rng.standard_normal((scores.shape[1], dim))
    # Sums run in numpy's own loops, not in BLAS, whose bits depend on the number of threads.
    mixture /= np.sqrt(np.einsum("f,fd->d", scores.var(axis=0), mixture**2))
    bend = rng.integers(4, size=dim)
    right, both = bend == 0, bend == 1
    scale = 10.0 ** rng.uniform(-5, 4, size=dim)
    offset = scale * rng.standard_normal(dim) * 10.0 ** rng.uniform(-1, 2, size=dim)
    constant = rng.integers(dim)
    features = np.empty((len(scores), dim), dtype=np.float32)
    for start in range(0, len(scores), _ROWS_AT_ONCE):
        part = scores[start : start + _ROWS_AT_ONCE]
        x = np.einsum("if,fd->id", part, mixture)
        x += _NOISE * rng.standard_normal(x.shape)
        np.clip(x, -_REACH, _REACH, out=x)
        x[:, right] = np.exp(0.7 * x[:, right])
        x[:, both] = np.sinh(x[:, both])
        features[start : start + len(x)] = offset + scale * x
    features[:, constant] = offset[constant]
    return features
