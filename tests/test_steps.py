"""One contract for every step of every model, against losses written down independently.

A step changes the networks that section 4.3 names and no other bit; its change is that of plain
SGD (with momentum) on the gradient of the step's loss.
"""

from __future__ import annotations

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import (
    CASES,
    UPDATED,
    d1,
    d2,
    mlp,
    paper_loss,
    prior_side,
    random_params,
    rows_and_labels,
    same_bits,
    strict_jax,
    synthetic_rows,
    tiny_learner,
)

from aegan.learning import steps
from aegan.models import networks as n
from aegan.models.declarations import MODELS
from aegan.models.priors import Draw

BATCH = 4
RATE = 0.01


@pytest.fixture(autouse=True)
def _strict():
    with strict_jax():
        yield


def take(learner, step, params, opt_state, x, y, z):
    """One update through the library: parameters, optimiser state, losses."""
    if step == "autoencoder":
        return steps.update_autoencoder(learner, params, opt_state, x)
    if step in ("code_discriminator", "encoder"):
        encoded = steps.encoder_forward(learner, params, x)
        if step == "encoder":
            return steps.update_encoder(learner, params, opt_state, encoded, y)
        drawn = n.prior_codes(learner.nets, params, z)
        return steps.update_code_discriminator(
            learner, params, opt_state, encoded.output, y, drawn, z.labels
        )
    generated = steps.generator_forward(learner, params, z)
    if step == "generator":
        return steps.update_generator(learner, params, opt_state, generated, z.labels)
    return steps.update_feature_discriminator(
        learner, params, opt_state, generated.output, z.labels, x, y
    )


@lru_cache
def library(learner, which):
    """The steps ``which``, each from its own (parameters, optimiser state), in one compilation."""

    def all_steps(starts, *batch):
        return {step: take(learner, step, *starts[step], *batch) for step in which}

    return jax.jit(all_steps)


@lru_cache
def independent(learner, which):
    """Loss and gradient of the steps ``which`` as section 4.3 has them, for the same starts."""

    def one(step, params, x, y, z):
        own = {name: params[name] for name in params if name in UPDATED[step]}

        def loss(own):
            return paper_loss(step, {**params, **own}, x, y, *z, learner)

        return jax.value_and_grad(loss)(own)

    return jax.jit(lambda starts, *b: {step: one(step, starts[step][0], *b) for step in which})


def start(learner, seed=0):
    """Parameters, (parameters, optimiser state) for every step, and a batch."""
    params = random_params(learner, seed)
    x, y = rows_and_labels(seed, BATCH)
    rng = np.random.default_rng(100 + seed)
    labels = np.eye(4, dtype=np.float32)[rng.integers(0, 4, BATCH)]
    z = rng.normal(size=(BATCH, learner.nets.sizes.latent)).astype(np.float32)
    states = learner.init_optimisers(params)
    return params, {s: (params, states[s]) for s in states}, (x, y, Draw(z, labels))


@lru_cache
def contract(name):
    """Two updates in a row of every step of a model, by the library and independently."""
    learner = tiny_learner(name, rate=RATE, momentum=0.9)
    params, starts, batch = start(learner)
    which = learner.model.steps
    with strict_jax():
        expected = independent(learner, which)(starts, *batch)
        once = library(learner, which)(starts, *batch)
        middle = {step: once[step][:2] for step in which}
        expected_then = independent(learner, which)(middle, *batch)
        twice = library(learner, which)(middle, *batch)
    return learner, params, batch, (once, twice), (expected, expected_then)


def assert_moved_by(before, after, change):
    """``after - before`` is ``change`` in every leaf, to the rounding of the parameters."""
    for b, a, c in zip(*map(jax.tree.leaves, (before, after, change)), strict=True):
        moved = np.asarray(a, np.float64) - np.asarray(b, np.float64)
        np.testing.assert_allclose(moved, c, rtol=2e-4, atol=3e-7)


def assert_is_sgd(before, after, grads):
    change = jax.tree.map(lambda g: -RATE * np.float64(g), grads)
    assert_moved_by({k: before[k] for k in grads}, {k: after[k] for k in grads}, change)


def largest(tree):
    return max(float(np.abs(leaf).max()) for leaf in jax.tree.leaves(tree))


@pytest.mark.parametrize(("name", "step"), CASES)
def test_a_step_changes_its_networks_and_no_other(name, step):
    learner, params, _, (once, _), _ = contract(name)
    after = once[step][0]
    expected = UPDATED[step] & set(params)
    assert set(learner.model.updated_by(step)) == expected
    assert set(after) == set(params)
    for network in params:
        changed = not same_bits(params[network], after[network])
        assert changed == (network in expected), network


@pytest.mark.parametrize(("name", "step"), CASES)
def test_an_update_is_sgd_with_momentum_on_the_independent_gradient(name, step):
    """v <- 0.9 v + g, w <- w - rate v, twice."""
    _, params, _, (once, twice), (first, second) = contract(name)
    (value, grads), (value_then, grads_then) = first[step], second[step]
    assert largest(grads) > 1e-2
    assert_is_sgd(params, once[step][0], grads)
    velocity = jax.tree.map(lambda v, g: 0.9 * v + g, grads, grads_then)
    assert_is_sgd(once[step][0], twice[step][0], velocity)
    for taken, expected in ((once[step], value), (twice[step], value_then)):
        assert sum(jax.tree.leaves(taken[2])) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize(("name", "step"), CASES)
def test_a_step_lowers_its_own_loss(name, step):
    *_, (first, second) = contract(name)
    assert second[step][0] < first[step][0]


@pytest.mark.parametrize("name", MODELS)
def test_every_step_has_an_optimiser_state_of_its_own_networks(name):
    learner, params, *_ = contract(name)
    states = learner.init_optimisers(params)
    assert tuple(states) == learner.model.steps
    for step, state in states.items():
        own = {k: params[k] for k in params if k in UPDATED[step]}
        traces = [leaf.shape for leaf in jax.tree.leaves(state)]
        assert traces == [leaf.shape for leaf in jax.tree.leaves(own)]


@pytest.mark.parametrize("name", MODELS)
def test_d1_calls_encoded_rows_1_and_the_prior_0(name):
    _, params, (x, y, z), (once, _), _ = contract(name)

    def encoded(p):
        return float(d1(p, mlp(p["encoder"], x), y).mean())

    def drawn(p):
        return float(d1(p, prior_side(p, *z), z.labels).mean())

    after = once["code_discriminator"][0]
    assert encoded(after) - drawn(after) > encoded(params) - drawn(params) + 1e-5
    assert encoded(once["encoder"][0]) < encoded(params) - 1e-5  # towards the prior's 0


@pytest.mark.parametrize("name", ["m2", "m3"])
def test_d2_calls_synthetic_rows_1_and_real_ones_0(name):
    _, params, (x, y, z), (once, _), _ = contract(name)

    def synthetic(p):
        return float(d2(p, synthetic_rows(p, *z), z.labels).mean())

    def real(p):
        return float(d2(p, x, y).mean())

    after = once["feature_discriminator"][0]
    assert synthetic(after) - real(after) > synthetic(params) - real(params) + 1e-5
    if name == "m2":  # M3's step 5 has Q as well
        assert synthetic(once["generator"][0]) < synthetic(params) - 1e-5


def one_update(learner, step):
    params, starts, batch = start(learner)
    (after, _, values) = library(learner, (step,))(starts, *batch)[step]
    return params, after, values, independent(learner, (step,))(starts, *batch)[step][1]


def test_reduction_by_mean_is_the_sum_over_the_features():
    params, after, value, grads = one_update(
        tiny_learner("m1", rate=RATE, reduction="mean"), "autoencoder"
    )
    assert_is_sgd(params, after, grads)
    _, _, _, (once, _), (by_sum, _) = contract("m1")
    np.testing.assert_allclose(
        grads["decoder"]["output"]["bias"],
        by_sum["autoencoder"][1]["decoder"]["output"]["bias"] / 12,
        rtol=1e-4,
    )
    assert float(value) == pytest.approx(float(once["autoencoder"][2]) / 12, rel=1e-5)


@pytest.mark.parametrize(("weight", "sees_label"), [(0.0, True), (2.5, True), (1.0, False)])
def test_step_5_of_m3_is_minus_lambda_q(weight, sees_label):
    learner = tiny_learner("m3", rate=RATE, information_weight=weight, aux_sees_label=sees_label)
    params, after, values, grads = one_update(learner, "generator")
    assert_is_sgd(params, after, grads)
    assert same_bits(params["auxiliary"], after["auxiliary"]) == (weight == 0)
    assert same_bits(params["feature_discriminator"], after["feature_discriminator"])
    if sees_label:  # reported before lambda
        np.testing.assert_allclose(values, contract("m3")[3][0]["generator"][2], rtol=1e-6)


@pytest.mark.parametrize("sees_label", [True, False])
def test_aux_sees_the_label_or_reads_the_rows_alone(sees_label):
    """exp(-cost) over the four labels of one row is a distribution only where AUX is blind."""
    learner = tiny_learner("m3", aux_sees_label=sees_label)
    params = random_params(learner)
    x, y = rows_and_labels(0, BATCH)

    @jax.jit
    @jax.vmap
    def costs(labels):
        return steps.generator_losses(learner, params, params["auxiliary"], x, labels)[1]

    total = np.exp(-costs(np.stack([np.roll(y, k, axis=1) for k in range(4)]))).sum(axis=0)
    assert (np.abs(total - 1).max() < 1e-5) == (not sees_label)


@pytest.mark.parametrize("name", MODELS)
def test_shared_passes_give_the_naive_gradient_after_the_discriminator_moved(name):
    """Steps 3 and 5 reuse the pass of before steps 2 and 4, but look at the new D1 and D2."""
    learner = tiny_learner(name, rate=RATE)
    params, starts, (x, y, z) = start(learner)
    pairs = [("code_discriminator", "encoder"), ("feature_discriminator", "generator")]
    pairs = pairs[: 1 if name == "m1" else 2]

    @jax.jit
    def both(params):
        out = {}
        encoded = steps.encoder_forward(learner, params, x)
        drawn = n.prior_codes(learner.nets, params, z)
        moved, _, _ = steps.update_code_discriminator(
            learner, params, starts["code_discriminator"][1], encoded.output, y, drawn, z.labels
        )
        after, _, _ = steps.update_encoder(learner, moved, starts["encoder"][1], encoded, y)
        out["encoder"] = moved, after
        if name != "m1":
            generated = steps.generator_forward(learner, params, z)
            moved, _, _ = steps.update_feature_discriminator(
                learner,
                params,
                starts["feature_discriminator"][1],
                generated.output,
                z.labels,
                x,
                y,
            )
            after, _, _ = steps.update_generator(
                learner, moved, starts["generator"][1], generated, z.labels
            )
            out["generator"] = moved, after
        return out

    # The independent gradient does not depend on the rule, so the compiled one of the contract.
    twin, _, _, _, (stale, _) = contract(name)
    taken = both(params)
    at = {step: (taken[step][0] if step in taken else params, None) for step in twin.model.steps}
    at = {step: (p, starts[step][1]) for step, (p, _) in at.items()}
    naive = independent(twin, twin.model.steps)(at, x, y, z)
    for _, step in pairs:
        moved, after = taken[step]
        assert_is_sgd(moved, after, naive[step][1])
        difference = jax.tree.map(lambda a, b: a - b, naive[step][1], stale[step][1])
        assert largest(difference) > 1e-4, "a step that looks at the old discriminator passes too"


def three_updates(rule):
    """A parameter of 1 under the constant gradient 2."""
    optimiser, w = rule.transform(), jnp.array([1.0])
    state, path = optimiser.init(w), []
    for _ in range(3):
        update, state = optimiser.update(jnp.array([2.0]), state, w)
        w = w + update
        path.append(float(w[0]))
    return path


def test_rules_by_hand():
    assert three_updates(steps.StepRule(0.1)) == pytest.approx([0.8, 0.6, 0.4])
    # v = 2, 3, 3.5
    assert three_updates(steps.StepRule(0.1, momentum=0.5)) == pytest.approx([0.8, 0.5, 0.15])
    # Adam under a constant gradient moves by the rate.
    adam = steps.StepRule(0.1, momentum=0.5, optimiser="adam")
    assert three_updates(adam) == pytest.approx([0.9, 0.8, 0.7], rel=1e-5)
