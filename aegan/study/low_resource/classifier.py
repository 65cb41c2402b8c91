"""The neural classifier of the low-resource study (section 5.2.2, Fig. 6).

The paper names no architecture, optimiser or length of training. This is its FID net, 64-64-64-64
ReLU, trained by Adam for a fixed number of updates, the same for every training set: with epochs
instead, a set with more rows would also get more updates, and synthetic rows would seem to help
by that alone.

One program serves a whole grid: training sets are padded to one size and their number of rows is
an argument, not a shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import jax
import numpy as np
import optax

from aegan.models.networks import MLP
from aegan.run.schema import at_least, positive, widths

Params = Any  # of an MLP, as Flax keeps them

_CHUNK = 4096  # rows predicted at once


@dataclass(frozen=True)
class ClassifierProtocol:
    """What is fixed about every classifier of a study."""

    hidden: Annotated[tuple[int, ...], widths] = (64, 64, 64, 64)  # ReLU after each
    batch_size: Annotated[int, at_least(1)] = 64  # rows per update, drawn with replacement
    updates: Annotated[int, at_least(1)] = 1000  # of Adam, however many training rows
    rate: Annotated[float, positive] = 1e-3  # of Adam


@partial(jax.jit, static_argnums=(0, 1))
def train_classifier(
    protocol: ClassifierProtocol,
    classes: int,
    features: jax.Array | np.ndarray,
    labels: jax.Array | np.ndarray,
    rows: int,
    key: jax.Array,
    first: int = 0,
) -> Params:
    """Trains a classifier on ``rows`` rows of a padded table, from its row ``first`` on.

    Args:
        protocol: what is fixed.
        classes: number of classes, the width of the output.
        features: (padded, dim) float32 z-scores; other rows have no influence.
        labels: (padded,) int32.
        rows: of the training set, 1 to padded.
        key: of the initial parameters and of the batches; the former do not depend on the rows.
        first: of the rows.
    """
    net = MLP(protocol.hidden, classes)
    optimiser = optax.adam(protocol.rate)
    init_key, batch_key = jax.random.split(key)
    drawn = jax.random.randint(batch_key, (protocol.updates, protocol.batch_size), 0, rows)
    batches = first + drawn

    def loss(params: Params, x: jax.Array, y: jax.Array) -> jax.Array:
        logits = net.apply(params, x)
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

    def update(state: tuple, batch: jax.Array) -> tuple[tuple, None]:
        params, opt_state = state
        gradient = jax.grad(loss)(params, features[batch], labels[batch])
        changes, opt_state = optimiser.update(gradient, opt_state, params)
        return (optax.apply_updates(params, changes), opt_state), None

    # Full float32 on a GPU, too: the nets are small, and a study should not hang on its device.
    with jax.default_matmul_precision("float32"):
        params = net.init(init_key, features[:1])
        (params, _), _ = jax.lax.scan(update, (params, optimiser.init(params)), batches)
    return params


def train_classifiers(
    protocol: ClassifierProtocol,
    classes: int,
    features: jax.Array | np.ndarray,
    labels: jax.Array | np.ndarray,
    rows: np.ndarray,
    key: jax.Array,
    first: np.ndarray,
) -> Params:
    """``train_classifier`` for each of (k,) ``rows`` and ``first`` at once, equal up to rounding.

    For a GPU or TPU, which one such net leaves idle. Parameters are stacked, (k, ...).
    """
    train = partial(train_classifier, protocol, classes, features, labels)
    return jax.vmap(train, (0, None, 0))(rows, key, first)


def classify(params: Params, features: np.ndarray) -> np.ndarray:
    """Labels (n,) int32 that a trained classifier gives to z-scored ``features`` (n, dim)."""
    layers = jax.device_get(params)["params"]
    labels = []
    for start in range(0, len(features), _CHUNK):
        x = np.asarray(features[start : start + _CHUNK], np.float32)
        for i in range(len(layers) - 1):
            x = np.maximum(x @ layers[f"hidden{i}"]["kernel"] + layers[f"hidden{i}"]["bias"], 0)
        logits = x @ layers["output"]["kernel"] + layers["output"]["bias"]
        labels.append(logits.argmax(axis=1))
    return np.concatenate(labels or [[]]).astype(np.int32)
