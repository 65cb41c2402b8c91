"""One contract for every step of every model, against losses written down independently.

A step changes the networks that section 4.3 names and no other bit; its change is that of plain
SGD (with momentum) on the gradient of the step's loss.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import (
    CASES,
    NAMES,
    TRAINED,
    pairs,
    random_params,
    rows_and_labels,
    same_bits,
    strict_jax,
    tiny_learner,
)
from oracle import UPDATED, paper_loss

from aegan.learning.schedule import LaneState, train_step
from aegan.learning.steps import StepRule, update_alone
from aegan.models.model import MODELS, Labelled
from aegan.models.priors import random_labels

BATCH = 4
RATE = 0.01
KEY = jax.random.key(11)


@pytest.fixture(autouse=True)
def _strict():
    with strict_jax():
        yield


def steps_of(learner):
    return tuple(step.name for step in learner.model.steps)


@lru_cache
def library(learner, which):
    """The steps ``which``, each from its own (parameters, optimiser state), in one compilation."""
    return jax.jit(
        lambda starts, *batch: {
            step: update_alone(learner, step, *starts[step], *batch) for step in which
        }
    )


@lru_cache
def independent(learner, which):
    """Loss and gradient of the steps ``which`` as section 4.3 has them, for the same starts."""
    model = learner.model

    def one(step, params, key, x, y):
        own = {name: params[name] for name in params if name in UPDATED[step]}
        # Steps 4 and 5 share a draw, which is not that of step 2.
        stream = 0 if step == "code_discriminator" else 1
        z_labels, key = random_labels(jax.random.split(key, 2)[stream], *y.shape)
        z = model.prior.sample(key, z_labels)

        def loss(own):
            return paper_loss(step, {**params, **own}, x, y, z, z_labels, model)

        return jax.value_and_grad(loss)(own)

    def all_steps(starts, *batch):
        return {step: one(step, starts[step][0], *batch) for step in which}

    return jax.jit(all_steps)


def start(learner, seed=0):
    """Parameters, (parameters, optimiser state) for every step, and key, rows and labels."""
    params = random_params(learner, seed)
    states = learner.init_optimisers(params)
    batch = (jax.random.clone(KEY), *rows_and_labels(seed, BATCH))
    return params, {step: (params, states[step]) for step in states}, batch


@lru_cache
def contract(name):
    """Two updates in a row of every step of a model, by the library and independently."""
    learner = tiny_learner(name, rate=RATE, momentum=0.9)
    params, starts, batch = start(learner)
    which = steps_of(learner)
    with strict_jax(), jax.debug_key_reuse(False):  # of purpose: all see the same draws
        expected = independent(learner, which)(starts, *batch)
        once = library(learner, which)(starts, *batch)
        middle = {step: once[step][:2] for step in which}
        expected_then = independent(learner, which)(middle, *batch)
        twice = library(learner, which)(middle, *batch)
    return learner, params, (once, twice), (expected, expected_then)


def assert_is_sgd(before, after, grads):
    """``after`` is ``before`` less the rate times the gradient, to the parameters' rounding."""
    trees = ({k: tree[k] for k in grads} for tree in (before, after))
    for b, a, g in zip(*map(jax.tree.leaves, (*trees, grads)), strict=True):
        moved = np.asarray(a, np.float64) - np.asarray(b, np.float64)
        np.testing.assert_allclose(moved, -RATE * np.float64(g), rtol=2e-4, atol=3e-7)


def largest(tree):
    return max(float(np.abs(leaf).max()) for leaf in jax.tree.leaves(tree))


def changed(before, after):
    """Networks whose bits differ."""
    assert set(after) == set(before)
    return {network for network in before if not same_bits(before[network], after[network])}


@pytest.mark.parametrize(("name", "step"), CASES)
def test_a_step_changes_its_networks_and_no_other(name, step):
    _, params, (once, _), _ = contract(name)
    (declared,) = (one for one in MODELS[name].steps if one.name == step)
    assert changed(params, once[step][0]) == set(declared.learns) == UPDATED[step] & set(params)


@pytest.mark.parametrize(("name", "step"), CASES)
def test_an_update_is_sgd_with_momentum_on_the_independent_gradient(name, step):
    """v <- 0.9 v + g, w <- w - rate v, twice; and the loss is lower then."""
    _, params, (once, twice), (first, second) = contract(name)
    (value, grads), (value_then, grads_then) = first[step], second[step]
    assert largest(grads) > 1e-2
    assert_is_sgd(params, once[step][0], grads)
    velocity = jax.tree.map(lambda v, g: 0.9 * v + g, grads, grads_then)
    assert_is_sgd(once[step][0], twice[step][0], velocity)
    for taken, expected in ((once[step], value), (twice[step], value_then)):
        assert sum(jax.tree.leaves(taken[2])) == pytest.approx(float(expected), rel=1e-5)
    assert value_then < value


@pytest.mark.parametrize("name", NAMES)
def test_every_step_has_an_optimiser_state_of_its_own_networks(name):
    learner = tiny_learner(name, momentum=0.9)
    params = random_params(learner)
    states = learner.init_optimisers(params)
    assert tuple(states) == steps_of(learner)
    for step in learner.model.steps:
        own = {network: params[network] for network in step.learns}
        traces = [leaf.shape for leaf in jax.tree.leaves(states[step.name])]
        assert traces == [leaf.shape for leaf in jax.tree.leaves(own)]


@pytest.mark.parametrize(
    ("name", "step", "change"),
    [
        ("m1", "autoencoder", {"reduction": "mean"}),
        ("m3", "generator", {"information_weight": 0.0}),
        ("m3", "generator", {"information_weight": 2.5}),
        ("m3", "generator", {"aux_sees_label": False}),
        ("m4", "generator", {"information_weight": 0.0}),
        ("m4", "generator", {"aux_sees_label": True}),
    ],
)
def test_what_a_config_changes_of_a_step(name, step, change):
    learner = tiny_learner(name, rate=RATE, **change)
    params, starts, batch = start(learner)
    with jax.debug_key_reuse(False):
        after, _, values = library(learner, (step,))(starts, *batch)[step]
        value, grads = independent(learner, (step,))(starts, *batch)[step]
    assert_is_sgd(params, after, grads)
    _, _, (once, _), (unchanged, _) = contract(name)
    weight = change.get("information_weight", 1.0)
    assert values[0] + weight * sum(values[1:]) == pytest.approx(float(value), rel=1e-5)
    assert ("auxiliary" in changed(params, after)) == (name != "m1" and weight != 0)
    if "reduction" in change:  # the sum over the features, divided by their number
        assert float(value) == pytest.approx(float(unchanged[step][0]) / 12, rel=1e-5)
    elif "aux_sees_label" not in change:  # reported before lambda
        np.testing.assert_allclose(values, once[step][2], rtol=1e-6)


# --- one after the other -------------------------------------------------------------------------


def close_to(tree, other, size):
    """Whether leaves differ by rounding alone, beside changes of that size."""
    return all(np.abs(np.asarray(a) - b).max() <= 1e-5 * size for a, b in pairs(tree, other))


@pytest.mark.parametrize("name", TRAINED)
def test_steps_alone_one_after_the_other_are_the_train_step(name):
    """Every step by a rule of its own, so that no state or rate can stand in for another.

    The train step reuses the passes of before steps 2 and 4 in steps 3 and 5, which must look at
    the new D1 and D2 all the same.
    """
    learner = tiny_learner(name)
    rules = [StepRule(0.05 + 0.01 * i, 0.9 - 0.1 * i) for i in range(len(learner.rules))]
    learner = replace(learner, rules=tuple(rules))
    model, params = learner.model, jax.tree.map(jnp.asarray, random_params(learner))
    key, x, y = jax.random.clone(KEY), *rows_and_labels(0, BATCH)
    states = learner.init_optimisers(params)
    judges = {"encoder": "code_discriminator", "generator": "feature_discriminator"}

    def take(step, params, state):
        return update_alone(learner, step, params, state, jax.random.clone(key), x, y)

    @jax.jit
    def alone(params, states):
        """Parameters after each step, and after some with their judge as it was at first."""
        first, states, path, blind, losses = params, dict(states), [params], {}, ()
        for step in steps_of(learner):
            if step in judges:
                past = {**params, judges[step]: first[judges[step]]}
                blind[step], *_ = take(step, past, states[step])
            params, states[step], values = take(step, params, states[step])
            path.append(params)
            losses += values
        return path, states, losses, blind

    path, after, losses, blind = alone(params, states)
    for step, rule, before, later in zip(model.steps, rules, path[:-1], path[1:], strict=True):
        assert changed(before, later) == set(step.learns)
        own = ({network: tree[network] for network in step.learns} for tree in (before, later))
        for b, a, trace in zip(*map(jax.tree.leaves, (*own, after[step.name])), strict=True):
            np.testing.assert_allclose(a, b - rule.rate * trace, rtol=1e-5, atol=1e-6)
    whole, values = jax.jit(lambda s: train_step(learner, s, key, Labelled(x, y), 0))(
        LaneState(params, states, jnp.int32(0))
    )
    moved = largest(jax.tree.map(lambda a, b: a - b, path[-1], params))
    assert moved > 1e-2
    assert close_to(whole.params, path[-1], moved)
    assert close_to(whole.opt_states, after, largest(after))
    np.testing.assert_allclose(values, losses, rtol=1e-5)
    learns = {step.name: step.learns for step in model.steps}
    for step, made in blind.items():
        later = path[steps_of(learner).index(step) + 1]
        seen = {network: later[network] for network in later if network in learns[step]}
        assert not close_to({n: made[n] for n in seen}, seen, 100 * moved), step


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
    assert three_updates(StepRule(0.1)) == pytest.approx([0.8, 0.6, 0.4])
    # v = 2, 3, 3.5
    assert three_updates(StepRule(0.1, momentum=0.5)) == pytest.approx([0.8, 0.5, 0.15])
    # Adam under a constant gradient moves by the rate.
    adam = StepRule(0.1, momentum=0.5, optimiser="adam")
    assert three_updates(adam) == pytest.approx([0.9, 0.8, 0.7], rel=1e-5)
