"""Synthetic rows from trained parameters, in the raw units of the corpus."""

from __future__ import annotations

from functools import partial

import jax
import numpy as np

from aegan.data.corpus import Corpus
from aegan.data.folds import Fold, Standardiser
from aegan.models import networks as n
from aegan.models.priors import Prior, draw
from aegan.training.schedule import SAMPLING

BLOCK = 2048  # rows per call: bounds memory; a row does not depend on how many are asked for


@partial(jax.jit, static_argnums=(0, 1))
def _block(nets: n.Networks, prior: Prior, params: n.Params, key: jax.Array) -> tuple:
    z = draw(prior, key, BLOCK, nets.sizes.classes)
    return n.generate(nets, params, z), z.labels.argmax(axis=1)


def sample_training_space(
    nets: n.Networks, prior: Prior, params: n.Params, key: jax.Array, rows: int
) -> tuple[np.ndarray, np.ndarray]:
    """``rows`` synthetic rows (rows, features) with labels (rows,), classes drawn uniformly.

    The first k rows are the same whatever ``rows`` is.
    """
    key = jax.random.fold_in(key, SAMPLING)
    blocks = [
        jax.device_get(_block(nets, prior, params, jax.random.fold_in(key, i)))
        for i in range(-(-rows // BLOCK))
    ]
    features = np.concatenate([f for f, _ in blocks])[:rows]
    return features, np.concatenate([y for _, y in blocks])[:rows].astype(np.int32)


def to_raw_units(
    features: np.ndarray, gain: float, stats: Standardiser, corpus: Corpus, fold: Fold
) -> np.ndarray:
    """Training space (rows, features) -> raw units; a column constant in training stays so."""
    raw = stats.to_raw(features / np.float32(gain))
    training = corpus.features[fold.train]
    constant = training.min(axis=0) == training.max(axis=0)
    raw[:, constant] = training[0, constant]
    return raw


def sample_lane(
    nets: n.Networks,
    prior: Prior,
    params: n.Params,
    key: jax.Array,
    rows: int,
    gain: float,
    stats: Standardiser,
    corpus: Corpus,
    fold: Fold,
) -> tuple[np.ndarray, np.ndarray]:
    """Synthetic rows of one lane: raw features (rows, features) float32, labels (rows,) int32."""
    features, labels = sample_training_space(nets, prior, params, key, rows)
    return to_raw_units(features, gain, stats, corpus, fold), labels
