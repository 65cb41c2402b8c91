"""Synthetic rows from a trained lane, in the raw units of the corpus."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import count

import jax
import jax.numpy as jnp
import numpy as np

from aegan.learning.schedule import SAMPLING
from aegan.models.model import Model, Params
from aegan.models.priors import random_labels
from aegan.sampling.generator import Generator

BLOCK = 2048  # rows per call: bounds memory; a row does not depend on how many are asked for
_OTHER_DRAWS = 2**32 - 1  # a stream that no block reaches

Rows = tuple[np.ndarray, np.ndarray]  # features (rows, dim) float32, labels (rows,) int32


def sampling_key(lane_key: jax.Array, seed: int = 0) -> jax.Array:
    """The key of a lane's synthetic rows; seed 0 is that of the run's own rows."""
    key = jax.random.fold_in(lane_key, SAMPLING)
    return key if seed == 0 else jax.random.fold_in(jax.random.fold_in(key, _OTHER_DRAWS), seed)


@partial(jax.jit, static_argnums=0)
def _block(model: Model, params: Params, key: jax.Array, label: jax.Array | None) -> tuple:
    labels, key = random_labels(key, BLOCK, model.classes)
    if label is not None:
        labels = jax.nn.one_hot(jnp.full((BLOCK,), label), model.classes)
    return model.generate(params, key, labels), labels.argmax(axis=1)


def training_space_blocks(
    model: Model, params: Params, key: jax.Array, rows: int, label: int | None = None
) -> Iterator[Rows]:
    """Blocks of ``BLOCK`` synthetic rows in training space, enough for ``rows`` of them.

    Classes are drawn uniformly (section 5.1), or all rows are of the class ``label``. A block does
    not depend on how many follow.
    """
    label = None if label is None else jnp.int32(label)
    for i in range(-(-rows // BLOCK)):
        with jax.enable_x64(False):  # rows do not depend on what the caller's jax is set to
            block = _block(model, params, jax.random.fold_in(key, i), label)
        features, labels = jax.device_get(block)
        yield features, labels.astype(np.int32)


def sample_blocks(
    generator: Generator, key: jax.Array, rows: int, label: int | None = None
) -> Iterator[Rows]:
    """``rows`` synthetic rows in raw units, ``BLOCK`` at a time; see ``training_space_blocks``.

    The first k rows are the same whatever ``rows`` is: blocks are made whole, then cut.
    """
    blocks = training_space_blocks(generator.model, generator.params, key, rows, label)
    for start, (features, labels) in zip(count(step=BLOCK), blocks, strict=False):
        raw = generator.to_raw_units(features, labels)
        yield raw[: rows - start], labels[: rows - start]


def sample(generator: Generator, key: jax.Array, rows: int) -> Rows:
    """``rows`` synthetic rows in raw units, all at once."""
    features, labels = zip(*sample_blocks(generator, key, rows), strict=True)
    return np.concatenate(features), np.concatenate(labels)
