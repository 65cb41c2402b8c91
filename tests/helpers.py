"""Tiny models and learners, batches for them, and equality of bits, shared by all tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields

import jax
import jax.numpy as jnp
import numpy as np
import own_model  # noqa: F401  M9 is one of the models from here on

from aegan.learning.steps import Learner, StepRule
from aegan.models.model import MODELS, Model, get_model

PAPER = ("m1", "m2", "m3")
NAMES = tuple(MODELS)  # the package's and M9
TRAINED = tuple(name for name in NAMES if MODELS[name].steps)  # M5 is in closed form
CASES = [(name, step.name) for name in (*PAPER, "m4") for step in MODELS[name].steps]

# What a checkpoint belongs to.
META = {
    "features": ["a", "b"],
    "feature_set": "IS10",
    "corpus_hash": "c" * 16,
    "config_hash": "a" * 16,
}


@contextmanager
def strict_jax() -> Iterator[None]:
    """Reused keys and silent rank promotion are errors."""
    with jax.debug_key_reuse(True), jax.numpy_rank_promotion("raise"):
        yield


def tiny_model(name: str, features: int = 12, classes: int = 4, **changes) -> Model:
    """A model of a few hundred parameters."""
    kind = get_model(name)
    known = {field.name for field in fields(kind)}
    widths = {
        "encoder": (8, 6),
        "code_discriminator": (7, 6),
        "feature_discriminator": (9, 7),
        "auxiliary": (5,),
        "code_generator": (6,),
        "latent": 3,
        "speakers": 3,
        "rank": 4,
        "shared_rank": 5,
    }
    own = {field: width for field, width in widths.items() if field in known}
    own |= {"code": 5 if "latent" in known else 2} if "code" in known else {}
    own |= changes
    return kind(features=features, classes=classes, **own)


def tiny_learner(
    name: str,
    *,
    features: int = 12,
    rate: float = 0.1,
    momentum: float = 0.0,
    d2_every: int = 2,
    **changes,
) -> Learner:
    """How a tiny model learns, every step by the same rule; changes of its fields or the model's.

    A batch is of four rows, an epoch of two batches.
    """
    geometry = {"batch_size": 4, "batches": 2, "gain": 0.2, "clip": 10.0, "fresh_z": False}
    geometry["average_from"] = None
    own = {field: changes.pop(field, value) for field, value in geometry.items()}
    model = tiny_model(name, features, **changes)
    rules = (StepRule(rate, momentum, every=d2_every if s.idles else 1) for s in model.steps)
    return Learner(model, tuple(rules), **own)


def random_params(learner: Learner, seed: int = 0):
    """Parameters of a learner with biases that are not zero; no compiling, unlike fresh ones."""
    rng = np.random.default_rng(seed)
    shapes = jax.eval_shape(learner.model.init_params, jax.random.key(0))

    def drawn(leaf):
        if leaf.dtype != np.float32:
            return np.ones(leaf.shape, leaf.dtype)
        return np.float32(0.4 * rng.normal(size=leaf.shape))

    return jax.tree.map(drawn, shapes)


def rows_and_labels(seed: int, n: int, features: int = 12, classes: int = 4):
    """(n, features) rows in training space and (n, classes) one-hot labels."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, features)).astype(np.float32)
    return x, np.eye(classes, dtype=np.float32)[np.arange(n) % classes]


def same_bits(a, b) -> bool:
    """Whether two trees of arrays are equal bit for bit (NaN equal to NaN)."""
    if jax.tree.structure(a) != jax.tree.structure(b):
        return False
    return all(_bytes(x) == _bytes(y) for x, y in zip(*map(jax.tree.leaves, (a, b)), strict=True))


def _bytes(leaf) -> tuple:
    is_key = isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    array = np.asarray(jax.random.key_data(leaf) if is_key else leaf)
    return array.dtype, array.shape, array.tobytes()


def pairs(a, b):
    """The leaves of two trees beside each other."""
    return zip(*map(jax.tree.leaves, (a, b)), strict=True)


def copy(tree):
    """A copy that a donating call cannot take away."""
    return jax.tree.map(jnp.copy, tree)
