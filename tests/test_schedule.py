"""The train step against a plain rendering of section 4.3, and what an epoch is made of."""

from __future__ import annotations

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import (
    UPDATED,
    initial,
    paper_loss,
    random_params,
    rows_and_labels,
    same_bits,
    small_run,
    strict_jax,
    tiny_learner,
    tiny_schedule,
    trained,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from aegan.learning import schedule
from aegan.learning.schedule import LaneState, epoch_order, loss_names, train_step
from aegan.models.declarations import MODELS
from aegan.models.priors import NormalPrior, draw
from aegan.sampling import rows as sampling
from aegan.training import lanes

RATE = 0.02
BATCH = 4


@pytest.fixture(autouse=True)
def _strict():
    with strict_jax():
        yield


def state_of(learner, seed=0):
    params = jax.tree.map(jnp.asarray, random_params(learner, seed))
    return LaneState(params, learner.init_optimisers(params), jnp.int32(0))


def plain_batch(learner, plan, params, key, x, y, update_d2):
    """Section 4.3 for one batch: five losses, five gradients, plain SGD, one after the other."""
    keys = jax.random.split(key, 3)
    first = draw(plan.prior, keys[0], *y.shape)
    second = draw(plan.prior, keys[1], *y.shape)
    fresh = draw(plan.prior, keys[2], *y.shape) if plan.fresh_z else second
    draws = {"code_discriminator": first, "feature_discriminator": second, "generator": fresh}
    for step in learner.model.steps:
        if step == "feature_discriminator" and not update_d2:
            continue
        z = draws.get(step, first)
        own = {name: params[name] for name in params if name in UPDATED[step]}

        def loss(own, step=step, z=z, params=params):
            return paper_loss(step, {**params, **own}, x, y, *z, learner)

        grads = jax.grad(loss)(own)
        params = {**params, **jax.tree.map(lambda w, g: w - RATE * g, own, grads)}
    return params


@pytest.mark.parametrize(
    ("name", "update_d2", "fresh_z"),
    [
        ("m1", True, False),
        ("m2", True, False),
        ("m3", True, False),
        ("m3", False, False),
        ("m3", True, True),
    ],
)
def test_a_train_step_is_the_steps_in_the_papers_order(name, update_d2, fresh_z):
    learner = tiny_learner(name, rate=RATE)
    plan = tiny_schedule(name, fresh_z=fresh_z)
    state = state_of(learner)
    x, y = rows_and_labels(0, BATCH)
    after, values = jax.jit(lambda s, k: train_step(learner, plan, s, k, x, y, update_d2))(
        state, jax.random.key(3)
    )
    expected = jax.jit(lambda p, k: plain_batch(learner, plan, p, k, x, y, update_d2))(
        state.params, jax.random.key(3)
    )
    for start, new, want in zip(
        *map(jax.tree.leaves, (state.params, after.params, expected)), strict=True
    ):
        np.testing.assert_allclose(new - start, want - start, rtol=1e-3, atol=1e-6)
    assert len(values) == len(loss_names(learner.model))
    for loss, value in zip(loss_names(learner.model), values, strict=True):
        assert np.isnan(value) == (loss == "feature_discriminator" and not update_d2)


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("m1", "reconstruction code_discriminator encoder_adversarial"),
        (
            "m2",
            "reconstruction code_discriminator encoder_adversarial feature_discriminator "
            "generator_adversarial",
        ),
        (
            "m3",
            "reconstruction code_discriminator encoder_adversarial feature_discriminator "
            "generator_adversarial information",
        ),
    ],
)
def test_loss_names(name, names):
    assert " ".join(loss_names(MODELS[name])) == names


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
        column = loss_names(run.learner.model).index("feature_discriminator")
        assert np.isnan(history[0, 0, :, column]).all() == (epoch % 2 == 1)
        assert np.isfinite(np.delete(history[0, 0], column, axis=1)).all()
        assert np.isfinite(history[0, 1]).all()
        state = after


def vmapped_step(name, lane_count, batched_flag):
    """vmap of the train step over lanes, with the flag shared by the lanes or not, and inputs."""
    learner, plan = tiny_learner(name), tiny_schedule(name)
    state = jax.eval_shape(
        lambda keys: jax.vmap(lambda k: schedule.init_state(learner, k))(keys),
        jax.random.split(jax.random.key(0), lane_count),
    )
    x, y = rows_and_labels(0, BATCH)
    flag = jnp.ones(lane_count, bool) if batched_flag else jnp.bool_(True)
    step = jax.vmap(
        lambda s, k, u: train_step(learner, plan, s, k, x, y, u),
        in_axes=(0, 0, 0 if batched_flag else None),
    )
    return step, (state, jax.random.split(jax.random.key(1), lane_count), flag)


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


def test_step_4_is_one_loop_for_all_lanes_under_vmap():
    """With a predicate for each lane all of them would train D2, and the results be selected."""
    kernel = (3, 16, 9)  # (lanes, features + classes, first layer of D2)
    for batched, predicate in ((False, ()), (True, (3,))):
        step, arguments = vmapped_step("m2", 3, batched_flag=batched)
        assert loops(jax.make_jaxpr(step)(*arguments).jaxpr, kernel) == [predicate]


def test_the_compiled_program_leaves_step_4_out():
    step, arguments = vmapped_step("m2", 3, batched_flag=False)
    program = jax.jit(step).lower(*arguments).compile().as_text().splitlines()
    assert sum(" while(" in line and "f32[3,16,9]" in line for line in program) == 1


def test_all_lanes_share_the_flag_in_the_whole_program():
    run = small_run("m3")
    stacked, table = run.lanes(), run.table()
    state = jax.eval_shape(lambda: lanes.init_lanes(run.learner, stacked))
    jaxpr = jax.make_jaxpr(lanes.epochs, static_argnums=(0, 1, 7))(
        run.learner, run.schedule, table, stacked, state, jnp.int32(0), jnp.int32(2), 4
    ).jaxpr
    # The epochs, and step 4.
    assert loops(jaxpr, (6, 16, 9)) == [(), ()]


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
    run = small_run("m3")
    lane = run.lane(1)
    state = lanes.lane_of(initial("m3"), 1)
    learner, plan = run.learner, run.schedule
    order_key, batch_key = jax.random.split(jax.random.fold_in(lane.key, 1))
    slots = plan.batches * plan.batch_size
    order = epoch_order(order_key, lane.n_train, lane.train.shape[0], slots)
    rows = np.asarray(lane.train)[np.asarray(order)].reshape(plan.batches, plan.batch_size)
    features, labels = run.corpus.features, run.corpus.labels
    z = run.stats[1].to_z(features) * np.float32(plan.gain)
    step = jax.jit(lambda *arguments: train_step(learner, plan, *arguments, True))
    values = []
    for i in range(plan.batches):
        one_hot = np.eye(4, dtype=np.float32)[labels[rows[i]]]
        state, losses = step(state, jax.random.fold_in(batch_key, i), z[rows[i]], one_hot)
        values.append(losses)
    after, history = run.train(initial("m3"), 0, 1)
    for a, b in zip(*map(jax.tree.leaves, (lanes.lane_of(after, 1), state)), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-4 * max(1e-3, np.abs(b).max()))
    np.testing.assert_allclose(history[0, 0, 1], np.mean(values, axis=0), rtol=1e-4)


def test_chunks_of_calls_equal_one_call_bit_for_bit():
    run, whole = small_run("m3"), trained("m3", 4)
    for cuts in ((1, 1, 1, 1), (3, 1), (2, 2)):
        state, done, parts = initial("m3"), 0, []
        for count in cuts:
            state, history = run.train(state, done, count)
            done += count
            parts.append(history)
        assert same_bits(state, whole[0])
        assert same_bits(np.concatenate(parts), whole[1])


def test_training_space_is_the_standardiser_times_the_gain():
    run = small_run("m3")
    lane = run.lane(2)
    x = schedule.training_space(jnp.asarray(run.corpus.features), lane, run.schedule)
    expected = run.stats[2].to_z(run.corpus.features) * 0.2
    np.testing.assert_allclose(x, expected, rtol=1e-6, atol=1e-6)
    assert np.abs(x).max() <= 0.2 * 10 * (1 + 1e-6)


def test_validation_losses_are_means_over_the_held_out_rows():
    """Against numpy for what needs no draw; padding must not count."""
    run, (state, history) = small_run("m3"), trained("m3", 3)
    lane = 1
    params = jax.tree.map(np.float64, lanes.lane_of(state, lane).params)
    fold = run.folds[lane]
    x = np.float64(run.stats[lane].to_z(run.corpus.features[fold.valid])) * 0.2
    labels = np.eye(4)[run.corpus.labels[fold.valid]]

    def forward(p, x):
        for name in ("hidden0", "hidden1"):
            x = np.maximum(x @ p[name]["kernel"] + p[name]["bias"], 0)
        return x @ p["output"]["kernel"] + p["output"]["bias"]

    codes = forward(params["encoder"], x)
    error = ((forward(params["decoder"], codes) - x) ** 2).sum(axis=1).mean()
    logits = forward(params["code_discriminator"], np.hstack([codes, labels]))
    names = loss_names(run.learner.model)
    held_out = dict(zip(names, history[2, 1, lane], strict=True))
    assert held_out["reconstruction"] == pytest.approx(error, rel=1e-4)
    assert held_out["encoder_adversarial"] == pytest.approx(
        np.log1p(np.exp(logits)).mean(), rel=1e-4
    )


# --- keys ------------------------------------------------------------------------------------


def test_sampling_draws_from_no_key_that_training_used(monkeypatch):
    """A stream of keys for each purpose: synthetic rows must not repeat an epoch's randomness."""
    run = small_run("m3")
    lane, state = run.lane(0), lanes.lane_of(initial("m3"), 0)
    plan = tiny_schedule("m3", batches=1, batch_size=2)
    used = set()

    def note(key):
        used.add(tuple(np.asarray(jax.random.key_data(key)).tolist()))

    def order(key, *_):
        note(key)
        return jnp.zeros(2, jnp.int32)

    def step(learner, plan, state, key, x, labels, update_d2):
        note(key)
        return state, jnp.zeros(len(loss_names(learner.model)))

    monkeypatch.setattr(schedule, "epoch_order", order)
    monkeypatch.setattr(schedule, "train_step", step)
    monkeypatch.setattr(schedule.jnp, "isfinite", lambda leaf: jnp.ones((), bool))
    with jax.disable_jit():
        for epoch in range(100):
            schedule.train_epoch(run.learner, plan, run.table(), lane, state, jnp.int32(epoch))
    assert len(used) == 2 * 100

    sampled = []

    def block(nets, prior, params, key, label):
        sampled.append(tuple(np.asarray(jax.random.key_data(key)).tolist()))
        return np.zeros((sampling.BLOCK, 1), np.float32), np.zeros(sampling.BLOCK, np.int32)

    monkeypatch.setattr(sampling, "_block", block)
    for seed in range(3):  # of the draw
        key = sampling.sampling_key(lanes.lane_key(0, 0), seed)
        list(
            sampling.training_space_blocks(
                run.learner.nets, NormalPrior(3), {}, key, 5 * sampling.BLOCK
            )
        )
    assert len(set(sampled)) == 15
    assert not used & set(sampled)
