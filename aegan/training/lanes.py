"""Folds x seeds as lanes of one vmapped, compiled training run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from aegan.data.corpus import Corpus
from aegan.data.folds import Fold, Standardiser
from aegan.learning import schedule
from aegan.learning.schedule import Lane, LaneState, Table
from aegan.learning.steps import Learner
from aegan.models.model import Params


def lane_key(seed: int, fold: int) -> jax.Array:
    """The key from which everything random in a lane follows; depends on nothing else."""
    return jax.random.fold_in(jax.random.key(seed), fold)


def make_table(corpus: Corpus) -> Table:
    """The corpus on the device."""
    return Table(jnp.asarray(corpus.features), jnp.asarray(corpus.labels))


def make_lanes(
    folds: Sequence[Fold],
    standardisers: Sequence[Standardiser],
    lanes: Sequence[tuple[int, int]],
    largest_train: int,
    largest_valid: int,
    given: Mapping[int, Params] | None = None,
) -> Lane:
    """Stacks the lanes (seed, fold): every leaf of the result has a leading axis of lanes.

    The largest parts are those of all folds of the corpus, so that a fold trained alone sees the
    same batches. Nothing need be held out. ``given`` is what each fold's rows give the model.
    """
    by_index = {fold.index: (fold, stats) for fold, stats in zip(folds, standardisers, strict=True)}
    block = min(schedule.VALIDATION_BATCH, max(largest_valid, 1))
    valid_width = max(-(-largest_valid // block), 1) * block

    def padded(rows: np.ndarray, width: int) -> np.ndarray:
        first = rows[0] if len(rows) else 0
        filled = np.concatenate([rows, np.full(width - len(rows), first)])
        return filled.astype(np.int32)

    def one(seed: int, fold_index: int) -> Lane:
        fold, stats = by_index[fold_index]
        return Lane(
            key=lane_key(seed, fold_index),
            train=padded(fold.train, largest_train),
            n_train=np.int32(len(fold.train)),
            valid=padded(fold.valid, valid_width),
            n_valid=np.int32(len(fold.valid)),
            mean=stats.mean,
            scale=stats.scale,
            given=(given or {}).get(fold_index, {}),
        )

    def stacked(*leaves: Any) -> jax.Array:
        if isinstance(leaves[0], jax.Array):
            return jnp.stack(leaves)
        return jnp.asarray(np.stack(leaves))  # which needs no program

    return jax.tree.map(stacked, *(one(s, f) for s, f in lanes))


def plain_keys(lanes: Lane) -> Lane:
    """Lanes whose keys are plain numbers: neither processes nor hosts pass typed ones on."""
    return lanes._replace(key=jax.random.key_data(lanes.key))


def typed_keys(lanes: Lane) -> Lane:
    """The inverse of ``plain_keys``."""
    return lanes._replace(key=jax.random.wrap_key_data(jnp.asarray(lanes.key)))


@partial(jax.jit, static_argnums=0)
def init_lanes(learner: Learner, lanes: Lane) -> LaneState:
    """States of all lanes before the first batch."""
    return jax.vmap(partial(schedule.init_state, learner))(lanes.key, lanes.given)


def epochs(
    learner: Learner,
    table: Table,
    lanes: Lane,
    state: LaneState,
    first: jax.Array,
    count: jax.Array,
    capacity: int,
) -> tuple[LaneState, jax.Array]:
    """Trains all lanes for ``count`` epochs, the first being number ``first`` (from 0).

    Returns the states and the losses, (capacity, 2, lanes, losses): training and validation for
    each epoch, 0 beyond ``count``. One compilation serves every count up to ``capacity``.
    """
    train = jax.vmap(partial(schedule.train_epoch, learner), in_axes=(None, 0, 0, None))
    validate = jax.vmap(partial(schedule.validation_losses, learner), in_axes=(None, 0, 0, None))

    def epoch(i: jax.Array, carry: tuple[LaneState, jax.Array]) -> tuple[LaneState, jax.Array]:
        state, history = carry
        state, trained = train(table, lanes, state, first + i)
        held_out = validate(table, lanes, state, first + i)
        return state, history.at[i].set(jnp.stack([trained, held_out]))

    shape = (capacity, 2, lanes.n_train.shape[0], len(learner.model.losses()))
    return jax.lax.fori_loop(0, count, epoch, (state, jnp.zeros(shape, jnp.float32)))


def compiler_options() -> dict[str, str | bool]:
    """How XLA compiles the epochs on this machine's devices."""
    if jax.default_backend() != "cpu":
        return {}
    return {
        # XLA gives products to YNNPACK, whose are at half of Eigen's speed on some of the layers
        # here (jax 0.10) or on a single thread. This leaves them to Eigen.
        "xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_REDUCE",
        # By default XLA copies weights that a step both reads and updates. This looks closer, and
        # finds that all reads come first.
        "xla_cpu_copy_insertion_use_region_analysis": True,
    }


@cache
def compiled_epochs() -> Callable[..., tuple[LaneState, jax.Array]]:
    """``epochs``, compiled. Not at import: what it is compiled for is not known then."""
    options = compiler_options()
    return jax.jit(epochs, static_argnums=(0, 6), donate_argnums=3, compiler_options=options)


def run_epochs(*arguments: Any) -> tuple[LaneState, jax.Array]:
    """``epochs``, compiled; the state given to it is gone afterwards. Not to be traced itself."""
    return compiled_epochs()(*arguments)


def lane_of(tree: LaneState | Lane, index: int) -> LaneState | Lane:
    """One lane of stacked lanes or states."""
    return jax.tree.map(lambda leaf: leaf[index], tree)
