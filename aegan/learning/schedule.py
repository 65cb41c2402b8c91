"""The five-step schedule: one train step per batch, scanned over an epoch, for one lane.

A lane is one generator, trained on one fold with one seed. Everything here is written for a single
lane; ``aegan.training.lanes`` vmaps it over folds and seeds. Epochs are counted from 0 by a
counter that is the same for all lanes, so that a step left out is really left out.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from aegan.learning.steps import AVERAGE, Learner, all_steps
from aegan.models.model import Labelled, Params

# Streams of random numbers under a lane's key, one for each use: training folds in the number of
# its epoch, from 1, and the others what no epoch is numbered.
INIT = 0
VALIDATION = 2**32 - 2
SAMPLING = 2**32 - 1

VALIDATION_BATCH = 256  # rows per forward pass; only bounds memory


class Table(NamedTuple):
    """The corpus on the device, one copy for all lanes."""

    features: jax.Array  # (rows, features) float32, raw units
    labels: jax.Array  # (rows,) int32


class Lane(NamedTuple):
    """What one lane trains on: row numbers into the table and its fold's statistics."""

    key: jax.Array  # () typed key
    train: jax.Array  # (largest training part,) int32, padded
    n_train: jax.Array  # () int32
    valid: jax.Array  # (padded validation part,) int32
    n_valid: jax.Array  # () int32
    mean: jax.Array  # (features,), of the training part alone
    scale: jax.Array  # (features,)
    given: Params  # what the lane's rows give the model in closed form, if anything


class LaneState(NamedTuple):
    """What training changes."""

    params: Params
    opt_states: dict[str, Any]  # step -> its optimiser state; perhaps AVERAGE -> mean weights
    diverged: jax.Array  # () int32: 0, or the number of the epoch (from 1) that went wrong

    @property
    def weights(self) -> Params:
        """The parameters that rows are made with: averaged ones where there are any."""
        return {**self.params, **self.opt_states.get(AVERAGE, {})}


def init_state(learner: Learner, key: jax.Array, given: Params | None = None) -> LaneState:
    """State before the first batch."""
    params = learner.model.init_params(jax.random.fold_in(key, INIT)) | (given or {})
    return LaneState(params, learner.init_optimisers(params), jnp.int32(0))


def labelled(learner: Learner, table: Table, lane: Lane, rows: jax.Array) -> Labelled:
    """Rows of the table, by their numbers, in training space: gain * clip((x - mean) / scale)."""
    z = (table.features[rows] - lane.mean[None]) / lane.scale[None]
    labels = jax.nn.one_hot(table.labels[rows], learner.model.classes)
    return Labelled(learner.gain * jnp.clip(z, -learner.clip, learner.clip), labels)


def train_step(
    learner: Learner, state: LaneState, key: jax.Array, batch: Labelled, epoch: jax.Array | int
) -> tuple[LaneState, jax.Array]:
    """All the steps of the model on one lane's batch, in the paper's order.

    ``key`` is the batch's, its rows are (batch, features) in training space, and a step that idles
    in the epoch, counted from 0, does nothing. Returns the state after, and the losses (losses,)
    in the order of the model's.
    """
    params, opts = state.params, state.opt_states
    params, opt_states, losses = all_steps(learner, params, opts, key, batch, epoch)
    return LaneState(params, opt_states, state.diverged), jnp.stack(losses)


def averaged(learner: Learner, state: LaneState, update: jax.Array) -> LaneState:
    """The state with the weights after an update, numbered from 0, taken into their average."""
    if learner.average_from is None:
        return state
    before = update - learner.average_from  # how many are in the average
    share = 1 / jnp.maximum(before + 1, 1)
    average = state.opt_states[AVERAGE]

    def mean(old: jax.Array, new: jax.Array) -> jax.Array:
        return jnp.where(before > 0, old + share * (new - old), new)

    now = {name: state.params[name] for name in average}
    made = {**state.opt_states, AVERAGE: jax.tree.map(mean, average, now)}
    return state._replace(opt_states=made)


def epoch_order(key: jax.Array, n_rows: jax.Array, padded: int, slots: int) -> jax.Array:
    """Which of ``n_rows`` rows, padded to ``padded``, fills which slot of an epoch: (slots,) int32.

    A random permutation, which starts again where a smaller fold has fewer rows than slots.
    """
    noise = jnp.where(jnp.arange(padded) < n_rows, jax.random.uniform(key, (padded,)), jnp.inf)
    return jnp.argsort(noise)[jnp.arange(slots) % n_rows]


def idle(learner: Learner, epoch: jax.Array) -> jax.Array:
    """Which losses (losses,) an epoch does not have, since their step idles."""
    pairs = zip(learner.model.steps, learner.rules, strict=True)
    every = [rule.every if step.idles else 1 for step, rule in pairs for _ in step.losses]
    return epoch % jnp.array(every) != 0


def train_epoch(
    learner: Learner, table: Table, lane: Lane, state: LaneState, epoch: jax.Array
) -> tuple[LaneState, jax.Array]:
    """One epoch of one lane; returns the state and the mean of each loss over the batches.

    A lane that meets a non-finite loss or parameter is marked, once and for all. Its state means
    nothing from then on: ``aegan.training.loop`` gets back the one before the epoch.
    """
    order_key, batch_key = jax.random.split(jax.random.fold_in(lane.key, epoch + 1))
    slots = learner.batches * learner.batch_size
    order = epoch_order(order_key, lane.n_train, lane.train.shape[0], slots)
    rows = lane.train[order].reshape(learner.batches, learner.batch_size)

    def batch(state: LaneState, inputs: tuple[jax.Array, jax.Array]) -> tuple[LaneState, jax.Array]:
        index, batch_rows = inputs
        key = jax.random.fold_in(batch_key, index)
        real = labelled(learner, table, lane, batch_rows)
        state, losses = train_step(learner, state, key, real, epoch)
        return averaged(learner, state, epoch * learner.batches + index), losses

    after, values = jax.lax.scan(batch, state, (jnp.arange(learner.batches), rows))
    epoch_losses = values.mean(axis=0)

    healthy = jnp.all(jnp.isfinite(epoch_losses) | idle(learner, epoch))
    for leaf in jax.tree.leaves(after.params):
        healthy &= jnp.all(jnp.isfinite(leaf))
    failed = jnp.where(healthy, 0, epoch.astype(jnp.int32) + 1)
    diverged = jnp.where(state.diverged == 0, failed, state.diverged)
    return after._replace(diverged=diverged), epoch_losses


def validation_losses(
    learner: Learner, table: Table, lane: Lane, state: LaneState, epoch: jax.Array
) -> jax.Array:
    """The model's losses over a lane's held-out rows; 0 if there are none; nothing learns."""
    model, params = learner.model, state.params
    blocks = lane.valid.reshape(-1, min(VALIDATION_BATCH, lane.valid.shape[0]))
    block_key = jax.random.fold_in(jax.random.fold_in(lane.key, VALIDATION), epoch)

    def block(total: jax.Array, inputs: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        index, rows = inputs
        batch, key = labelled(learner, table, lane, rows), jax.random.fold_in(block_key, index)
        passes = dict.fromkeys(which for step in model.steps for which in step.sees)
        # One key for all of them: D1 and D2 look at the same draws.
        made = {w: w.run(model, params, jax.random.clone(key), batch) for w in passes}
        values: list[jax.Array] = []
        for step in model.steps:
            values += step.loss(model, params, batch, *(made[which] for which in step.sees))
        position = index * blocks.shape[1] + jnp.arange(blocks.shape[1])
        counts = position < lane.n_valid
        return total + jnp.where(counts[None], jnp.stack(values), 0.0).sum(axis=1), None

    start = jnp.zeros(len(model.losses()))
    total, _ = jax.lax.scan(block, start, (jnp.arange(blocks.shape[0]), blocks))
    return total / jnp.maximum(lane.n_valid, 1)
