"""The train step against a plain rendering of section 4.3, and what an epoch is made of."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from builders import initial, small_run, trained
from helpers import (
    pairs,
    random_params,
    rows_and_labels,
    same_bits,
    strict_jax,
    tiny_learner,
    tiny_model,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import UPDATED, paper_loss

from aegan.learning import schedule
from aegan.learning.schedule import LaneState, epoch_order, train_step
from aegan.learning.steps import AVERAGE
from aegan.models.model import Labelled
from aegan.models.priors import random_labels
from aegan.sampling import rows as sampling
from aegan.training import lanes

RATE = 0.02
BATCH = 4


@pytest.fixture(autouse=True)
def _strict():
    with strict_jax():
        yield


def names_of(learner):
    return [loss.name for loss in learner.model.losses()]


def plain_batch(learner, params, key, x, y, epoch):
    """Section 4.3 for one batch: five losses, five gradients, plain SGD, one after the other."""
    model, draws = learner.model, []
    for own in jax.random.split(key, 3):
        labels, own = random_labels(own, *y.shape)
        draws.append((model.prior.sample(own, labels), labels))
    first, second, fresh = draws
    draws = {"code_discriminator": first, "feature_discriminator": second}
    draws["generator"] = fresh if learner.fresh_z else second
    for step in (step.name for step in model.steps):
        if step == "feature_discriminator" and epoch % 2:
            continue
        own = {name: params[name] for name in params if name in UPDATED[step]}

        def loss(own, step=step, params=params):
            return paper_loss(step, {**params, **own}, x, y, *draws.get(step, first), model)

        grads = jax.grad(loss)(own)
        params = {**params, **jax.tree.map(lambda w, g: w - RATE * g, own, grads)}
    return params


@pytest.mark.parametrize(
    ("name", "epoch", "fresh_z"),
    [
        ("m1", 0, False),
        ("m2", 0, False),
        ("m3", 0, False),
        ("m3", 1, False),
        ("m3", 2, True),
    ],
)
def test_a_train_step_is_the_steps_in_the_papers_order(name, epoch, fresh_z):
    learner = tiny_learner(name, rate=RATE, fresh_z=fresh_z)
    params = jax.tree.map(jnp.asarray, random_params(learner))
    state = LaneState(params, learner.init_optimisers(params), jnp.int32(0))
    x, y = rows_and_labels(0, BATCH)
    step = partial(train_step, learner, batch=Labelled(x, y), epoch=epoch)
    after, values = jax.jit(step)(state, jax.random.key(3))
    plain = jax.jit(partial(plain_batch, learner, x=x, y=y, epoch=epoch))
    expected = plain(params, jax.random.key(3))
    for start, new, want in zip(
        *map(jax.tree.leaves, (params, after.params, expected)), strict=True
    ):
        np.testing.assert_allclose(new - start, want - start, rtol=1e-3, atol=1e-6)
    for loss, value in zip(names_of(learner), values, strict=True):
        assert (value == 0) == (loss == "feature_discriminator" and epoch == 1)


# --- D2 in every second epoch --------------------------------------------------------------


def test_d2_sits_out_every_second_epoch_and_the_generators_do_not():
    """Two generator epochs for one of D2: epochs 0 and 2 train D2, epochs 1 and 3 do not."""
    run, state = small_run("m3"), initial("m3")
    for epoch in range(4):
        after, history = run.train(state, epoch, 1)
        for network in state.params:
            still = same_bits(state.params[network], after.params[network])
            assert still == (network == "feature_discriminator" and epoch % 2 == 1)
        before, later = (s.opt_states["feature_discriminator"] for s in (state, after))
        assert same_bits(before, later) == (epoch % 2 == 1)
        column = names_of(run.learner).index("feature_discriminator")
        assert (history[0, 0, :, column] == 0).all() == (epoch % 2 == 1)
        assert np.isfinite(np.delete(history[0, 0], column, axis=1)).all()
        assert np.isfinite(history[0, 1]).all()
        state = after


def loops(jaxpr, shape):
    """Shapes of the predicates of the while loops that carry an array of that shape."""
    found = []
    for eqn in jaxpr.eqns:
        if eqn.primitive.name == "while" and any(out.aval.shape == shape for out in eqn.outvars):
            found.append(eqn.params["cond_jaxpr"].out_avals[0].shape)
        for inner in jax.tree.leaves(
            list(eqn.params.values()), is_leaf=lambda p: hasattr(p, "eqns") or hasattr(p, "jaxpr")
        ):
            inner = getattr(inner, "jaxpr", inner)
            if hasattr(inner, "eqns"):
                found += loops(inner, shape)
    return found


def test_step_4_is_one_loop_for_all_lanes_and_left_out_of_the_compiled_program():
    """With a predicate for each lane all of them would train D2, and the results be selected."""
    run = small_run("m3")
    arguments = (run.table(), run.lanes(), run.like(), jnp.int32(0), jnp.int32(2))
    epochs = partial(lanes.epochs, run.learner, capacity=4)
    kernel = (6, 16, 9)  # (lanes, features + classes, first layer of D2)
    # Loops over epochs and over step 4, and compiled also that over batches.
    assert loops(jax.make_jaxpr(epochs)(*arguments).jaxpr, kernel) == [(), ()]
    program = jax.jit(epochs).lower(*arguments).compile().as_text().splitlines()
    assert sum(" while(" in line and "f32[6,16,9]" in line for line in program) == 3
    step = partial(train_step, run.learner, batch=Labelled(*rows_and_labels(0, 8)))
    each = jax.vmap(lambda state, key, epoch: step(state, key, epoch=epoch))
    keys = jax.random.split(jax.random.key(1), 6)
    found = loops(jax.make_jaxpr(each)(run.like(), keys, jnp.ones(6, int)).jaxpr, kernel)
    assert found == [(6,)], "epochs of their own would not be noticed"


# --- the order of rows -----------------------------------------------------------------------

PADDED, SLOTS = 37, 40


@lru_cache
def compiled_order():
    return jax.jit(lambda key, n: epoch_order(key, n, PADDED, SLOTS))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31 - 1), n_rows=st.integers(1, PADDED))
def test_an_epoch_covers_every_row_about_equally_often(seed, n_rows):
    order = np.asarray(compiled_order()(jax.random.key(seed), jnp.int32(n_rows)))
    assert sorted(order[:n_rows]) == list(range(n_rows))
    counts = np.bincount(order, minlength=n_rows)
    assert len(counts) == n_rows  # never a padded row
    assert counts.min() == SLOTS // n_rows and counts.max() == -(-SLOTS // n_rows)


def test_orders_are_random_and_reproducible():
    one, again, other = (
        np.asarray(compiled_order()(jax.random.key(seed), jnp.int32(PADDED))) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, again)
    assert (one != other).mean() > 0.8
    firsts = [int(compiled_order()(jax.random.key(seed), jnp.int32(4))[0]) for seed in range(400)]
    assert np.abs(np.bincount(firsts, minlength=4) - 100).max() < 5 * np.sqrt(400 * 3 / 16)


# --- an epoch, a run -----------------------------------------------------------------------


def test_a_scanned_epoch_equals_a_loop_over_batches():
    run, lane = small_run("m3"), small_run("m3").lane(1)
    state, learner = lanes.lane_of(initial("m3"), 1), run.learner
    order_key, batch_key = jax.random.split(jax.random.fold_in(lane.key, 1))
    slots = learner.batches * learner.batch_size
    order = epoch_order(order_key, lane.n_train, lane.train.shape[0], slots)
    rows = np.asarray(lane.train)[np.asarray(order)].reshape(learner.batches, learner.batch_size)
    z = run.stats[1].to_z(run.corpus.features) * np.float32(learner.gain)
    step = jax.jit(partial(train_step, learner, epoch=0))
    values = []
    for i, own in enumerate(rows):
        batch = Labelled(z[own], np.eye(4, dtype=np.float32)[run.corpus.labels[own]])
        state, losses = step(state, jax.random.fold_in(batch_key, i), batch)
        values.append(losses)
    after, history = run.train(initial("m3"), 0, 1)
    for a, b in pairs(lanes.lane_of(after, 1), state):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-4 * max(1e-3, np.abs(b).max()))
    np.testing.assert_allclose(history[0, 0, 1], np.mean(values, axis=0), rtol=1e-4)


def test_rows_come_from_the_mean_of_the_last_weights():
    """A plain mean of the decoder's weights after each update from the first that counts."""
    run, lane = small_run("m1"), small_run("m1").lane(1)
    plain, first = run.learner, run.learner.batches + 2
    run = run._replace(learner=replace(plain, average_from=first))
    start = lanes.init_lanes(run.learner, run.lanes())
    step, seen = jax.jit(partial(train_step, plain)), []
    state = lanes.lane_of(initial("m1"), 1)
    assert state.weights == state.params and AVERAGE not in state.opt_states
    for epoch in range(2):
        order_key, batch_key = jax.random.split(jax.random.fold_in(lane.key, epoch + 1))
        slots = plain.batches * plain.batch_size
        order = epoch_order(order_key, lane.n_train, lane.train.shape[0], slots)
        for i, own in enumerate(lane.train[order].reshape(plain.batches, plain.batch_size)):
            batch = schedule.labelled(plain, run.table(), lane, own)
            state, _ = step(state, jax.random.fold_in(batch_key, i), batch, np.int32(epoch))
            seen.append(jax.device_get(state.params["decoder"]))
    wanted = jax.tree.map(lambda *w: np.mean(np.float64(w), axis=0), *seen[first:])
    early, _ = run.train(start, 0, 1)
    assert same_bits(early.weights, early.params), "before the first that counts: the last weights"
    after = lanes.lane_of(run.train(early, 1, 1)[0], 1)
    leaves = (after.weights["decoder"], wanted, after.params["decoder"], seen[-1])
    for found, mean, trained_on, last in zip(*map(jax.tree.leaves, leaves), strict=True):
        np.testing.assert_allclose(found, mean, rtol=0, atol=1e-5)
        np.testing.assert_allclose(trained_on, last, rtol=0, atol=1e-5)  # goes on from the last
        assert np.abs(mean - last).max() > 1e-4, "no difference, no test"
    assert after.weights["encoder"] is after.params["encoder"]


def test_training_space_is_the_standardiser_times_the_gain():
    run = small_run("m3")
    rows = jnp.arange(len(run.corpus.labels))
    x = schedule.labelled(run.learner, run.table(), run.lane(2), rows).values
    expected = run.stats[2].to_z(run.corpus.features) * 0.2
    np.testing.assert_allclose(x, expected, rtol=1e-6, atol=1e-6)
    assert np.abs(x).max() <= 0.2 * 10 * (1 + 1e-6)


def test_validation_losses_are_means_over_the_held_out_rows():
    """For what needs no draw; padding must not count."""
    run, (state, history) = small_run("m3"), trained("m3", 3)
    lane = 1
    params = jax.tree.map(np.float64, lanes.lane_of(state, lane).params)
    fold, names = run.folds[lane], names_of(run.learner)
    x = np.float64(run.stats[lane].to_z(run.corpus.features[fold.valid])) * 0.2
    labels = np.eye(4)[run.corpus.labels[fold.valid]]
    held_out = dict(zip(names, history[2, 1, lane], strict=True))
    for step, loss in (("autoencoder", "reconstruction"), ("encoder", "encoder_adversarial")):
        expected = paper_loss(step, params, x, labels, None, None, run.learner.model)
        assert held_out[loss] == pytest.approx(float(expected), rel=1e-4)


# --- keys ------------------------------------------------------------------------------------


def test_sampling_draws_from_no_key_that_training_used(monkeypatch):
    """A stream of keys for each purpose: synthetic rows must not repeat an epoch's randomness."""
    run = small_run("m3")
    learner = replace(run.learner, batches=1, batch_size=2)
    lane, state = run.lane(0), lanes.lane_of(initial("m3"), 0)
    used, sampled = set(), []

    def numbers(key):
        return tuple(np.asarray(jax.random.key_data(key)).tolist())

    def order(key, *_):
        used.add(numbers(key))
        return jnp.zeros(2, jnp.int32)

    def step(learner, state, key, batch, epoch):
        used.add(numbers(key))
        return state, jnp.zeros(len(learner.model.losses()))

    monkeypatch.setattr(schedule, "epoch_order", order)
    monkeypatch.setattr(schedule, "train_step", step)
    monkeypatch.setattr(schedule.jnp, "isfinite", lambda leaf: jnp.ones((), bool))
    with jax.disable_jit():
        for epoch in range(100):
            schedule.train_epoch(learner, run.table(), lane, state, jnp.int32(epoch))
    assert len(used) == 2 * 100

    def block(model, params, key, label):
        sampled.append(numbers(key))
        return np.zeros((sampling.BLOCK, 1), np.float32), np.zeros(sampling.BLOCK, np.int32)

    monkeypatch.setattr(sampling, "_block", block)
    for seed in range(3):  # of the draw
        key = sampling.sampling_key(lanes.lane_key(0, 0), seed)
        list(sampling.training_space_blocks(tiny_model("m3"), {}, key, 5 * sampling.BLOCK))
    assert len(set(sampled)) == 15
    assert not used & set(sampled)
