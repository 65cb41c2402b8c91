"""The five-step schedule: one train step per batch, scanned over an epoch, for one lane.

A lane is one generator, trained on one fold with one seed. Everything here is written for a single
lane; ``aegan.training.lanes`` vmaps it over folds and seeds. Epochs are counted from 0 by a
counter that is the same for all lanes, so that a step left out is really left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from aegan.learning import losses, steps
from aegan.learning.steps import Learner
from aegan.models import declarations as d
from aegan.models import networks as n
from aegan.models.priors import Prior, draw

# Names of the losses, the columns of losses.parquet, in the order of a step's output.
RECONSTRUCTION = "reconstruction"
CODE_DISCRIMINATOR = "code_discriminator"
ENCODER_ADVERSARIAL = "encoder_adversarial"
FEATURE_DISCRIMINATOR = "feature_discriminator"
GENERATOR_ADVERSARIAL = "generator_adversarial"
INFORMATION = "information"

# Streams of random numbers under a lane's key, one for each use: training folds in the number of
# its epoch, from 1, and the others what no epoch is numbered.
INIT = 0
VALIDATION = 2**32 - 2
SAMPLING = 2**32 - 1

VALIDATION_BATCH = 256  # rows per forward pass; only bounds memory


def loss_names(model: d.Model) -> tuple[str, ...]:
    """The losses that a model has."""
    names = (RECONSTRUCTION, CODE_DISCRIMINATOR, ENCODER_ADVERSARIAL)
    if d.GENERATOR in model.steps:
        names += (FEATURE_DISCRIMINATOR, GENERATOR_ADVERSARIAL)
    return names + ((INFORMATION,) if n.AUXILIARY in model.networks else ())


@dataclass(frozen=True)
class Schedule:
    """Everything static that training needs besides the learner; hashable."""

    prior: Prior
    batch_size: int
    batches: int  # per epoch, the same for every fold: from the largest training part
    d2_every: int  # D2 trains in one epoch of every `d2_every`: 2 in the paper
    fresh_z: bool  # step 5 draws a z of its own instead of reusing step 4's
    gain: float  # training space = gain * clipped z-score
    clip: float


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


class LaneState(NamedTuple):
    """What training changes."""

    params: n.Params
    opt_states: dict[str, Any]  # step -> its optimiser state
    diverged: jax.Array  # () int32: 0, or the number of the epoch (from 1) that went wrong


def init_state(learner: Learner, key: jax.Array) -> LaneState:
    """State before the first batch."""
    params = n.init_params(learner.nets, jax.random.fold_in(key, INIT))
    return LaneState(params, learner.init_optimisers(params), jnp.int32(0))


def training_space(features: jax.Array, lane: Lane, schedule: Schedule) -> jax.Array:
    """Raw rows (n, features) -> gain * clip((x - mean) / scale)."""
    z = (features - lane.mean[None]) / lane.scale[None]
    return schedule.gain * jnp.clip(z, -schedule.clip, schedule.clip)


def train_step(
    learner: Learner,
    schedule: Schedule,
    state: LaneState,
    key: jax.Array,
    x: jax.Array,
    labels: jax.Array,
    update_d2: jax.Array | bool,
) -> tuple[LaneState, jax.Array]:
    """All the steps of the model on one batch, in the paper's order.

    Args:
      learner: the model and its step rules.
      schedule: the prior, the batch's geometry and the schedule.
      state: of one lane.
      key: of this batch.
      x: (batch, features), training space.
      labels: (batch, classes), one-hot.
      update_d2: whether step 4 runs; must not be batched over lanes.

    Returns:
      The state after, and the losses in the order of ``loss_names``.
    """
    model = learner.model
    params, opt = state.params, dict(state.opt_states)
    keys = jax.random.split(key, 3)

    params, opt[d.AUTOENCODER], reconstruction = steps.update_autoencoder(
        learner, params, opt[d.AUTOENCODER], x
    )

    prior_draw = draw(schedule.prior, keys[0], *labels.shape)
    encoded = steps.encoder_forward(learner, params, x)  # one pass for steps 2 and 3
    drawn = n.prior_codes(learner.nets, params, prior_draw)
    params, opt[d.CODE_DISCRIMINATOR], d1_loss = steps.update_code_discriminator(
        learner,
        params,
        opt[d.CODE_DISCRIMINATOR],
        encoded.output,
        labels,
        drawn,
        prior_draw.labels,
    )
    params, opt[d.ENCODER], encoder_loss = steps.update_encoder(
        learner, params, opt[d.ENCODER], encoded, labels
    )
    values = [reconstruction, d1_loss, encoder_loss]

    if d.GENERATOR in model.steps:
        z = draw(schedule.prior, keys[1], *labels.shape)
        generated = steps.generator_forward(learner, params, z)  # one pass for steps 4 and 5

        def step_4(_: jax.Array, carry: tuple[Any, Any, jax.Array]) -> tuple[Any, Any, jax.Array]:
            d2, opt_state, _ = carry
            after, opt_state, value = steps.update_feature_discriminator(
                learner,
                {**params, n.FEATURE_DISCRIMINATOR: d2},
                opt_state,
                generated.output,
                z.labels,
                x,
                labels,
            )
            return after[n.FEATURE_DISCRIMINATOR], opt_state, value

        # A loop of one turn or of none: unlike lax.cond it updates D2 where it lies, without a
        # copy. NaN is the loss where D2 did not look.
        turns = jnp.asarray(update_d2, jnp.int32)
        idle = params[n.FEATURE_DISCRIMINATOR], opt[d.FEATURE_DISCRIMINATOR], jnp.float32(jnp.nan)
        d2, opt[d.FEATURE_DISCRIMINATOR], d2_loss = jax.lax.fori_loop(0, turns, step_4, idle)
        params = {**params, n.FEATURE_DISCRIMINATOR: d2}

        if schedule.fresh_z:
            z = draw(schedule.prior, keys[2], *labels.shape)
            generated = steps.generator_forward(learner, params, z)
        params, opt[d.GENERATOR], generator_values = steps.update_generator(
            learner, params, opt[d.GENERATOR], generated, z.labels
        )
        values += [d2_loss, *generator_values]

    return LaneState(params, opt, state.diverged), jnp.stack(values)


def epoch_order(key: jax.Array, n_rows: jax.Array, padded: int, slots: int) -> jax.Array:
    """Which row of the training part fills which slot of an epoch: (slots,) int32.

    A random permutation of the ``n_rows`` real entries of a table padded to ``padded``; where a
    smaller fold has fewer rows than slots, the permutation starts again from its beginning.
    """
    noise = jnp.where(jnp.arange(padded) < n_rows, jax.random.uniform(key, (padded,)), jnp.inf)
    return jnp.argsort(noise)[jnp.arange(slots) % n_rows]


def train_epoch(
    learner: Learner,
    schedule: Schedule,
    table: Table,
    lane: Lane,
    state: LaneState,
    epoch: jax.Array,
) -> tuple[LaneState, jax.Array]:
    """One epoch of one lane; returns the state and the mean of each loss over the batches.

    A lane that meets a non-finite loss or parameter is marked, once and for all. Its state means
    nothing from then on: ``aegan.training.loop`` gets back the one before the epoch.
    """
    classes = learner.nets.sizes.classes
    order_key, batch_key = jax.random.split(jax.random.fold_in(lane.key, epoch + 1))
    order = epoch_order(
        order_key, lane.n_train, lane.train.shape[0], schedule.batches * schedule.batch_size
    )
    rows = lane.train[order].reshape(schedule.batches, schedule.batch_size)
    update_d2 = epoch % schedule.d2_every == 0

    def batch(state: LaneState, inputs: tuple[jax.Array, jax.Array]) -> tuple[LaneState, jax.Array]:
        index, batch_rows = inputs
        x = training_space(table.features[batch_rows], lane, schedule)
        labels = jax.nn.one_hot(table.labels[batch_rows], classes)
        key = jax.random.fold_in(batch_key, index)
        return train_step(learner, schedule, state, key, x, labels, update_d2)

    after, values = jax.lax.scan(batch, state, (jnp.arange(schedule.batches), rows))
    epoch_losses = values.mean(axis=0)

    # D2's column is NaN by design in the epochs it sits out.
    counted = jnp.array([name != FEATURE_DISCRIMINATOR for name in loss_names(learner.model)])
    counted |= update_d2
    healthy = jnp.all(jnp.isfinite(epoch_losses) | ~counted)
    for leaf in jax.tree.leaves(after.params):
        healthy &= jnp.all(jnp.isfinite(leaf))
    failed = jnp.where(healthy, 0, epoch.astype(jnp.int32) + 1)
    diverged = jnp.where(state.diverged == 0, failed, state.diverged)
    return after._replace(diverged=diverged), epoch_losses


def validation_losses(
    learner: Learner,
    schedule: Schedule,
    table: Table,
    lane: Lane,
    state: LaneState,
    epoch: jax.Array,
) -> jax.Array:
    """The losses over a lane's held-out rows, in the order of ``loss_names``; nothing learns.

    NaN where no row is held out.
    """
    params, nets = state.params, learner.nets
    blocks = lane.valid.reshape(-1, min(VALIDATION_BATCH, lane.valid.shape[0]))
    block_key = jax.random.fold_in(jax.random.fold_in(lane.key, VALIDATION), epoch)

    def block(total: jax.Array, inputs: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        index, rows = inputs
        x = training_space(table.features[rows], lane, schedule)
        labels = jax.nn.one_hot(table.labels[rows], nets.sizes.classes)
        z = draw(schedule.prior, jax.random.fold_in(block_key, index), *labels.shape)
        codes = n.encode(nets, params, x)
        d1 = params[n.CODE_DISCRIMINATOR]
        encoded = n.code_logits(nets, d1, codes, labels)
        drawn = n.code_logits(nets, d1, n.prior_codes(nets, params, z), z.labels)
        values = [
            losses.reconstruction(x, n.decode(nets, params, codes), learner.reduction),
            losses.code_discriminator(encoded, drawn),
            losses.encoder_adversarial(encoded),
        ]
        if d.GENERATOR in learner.model.steps:
            synthetic = n.generate(nets, params, z)
            d2 = params[n.FEATURE_DISCRIMINATOR]
            fake = n.feature_logits(nets, d2, synthetic, z.labels)
            real = n.feature_logits(nets, d2, x, labels)
            values.append(losses.feature_discriminator(fake, real))
            terms = steps.generator_losses(
                learner, params, params.get(n.AUXILIARY), synthetic, z.labels
            )
            values += [term for term in terms if term is not None]
        position = index * blocks.shape[1] + jnp.arange(blocks.shape[1])
        counts = position < lane.n_valid
        return total + jnp.where(counts[None], jnp.stack(values), 0.0).sum(axis=1), None

    start = jnp.zeros(len(loss_names(learner.model)))
    total, _ = jax.lax.scan(block, start, (jnp.arange(blocks.shape[0]), blocks))
    return total / lane.n_valid
