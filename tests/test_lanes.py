"""Folds x seeds in one vmapped call: equal to each alone, reproducible, independent."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from builders import initial, small_run, trained
from helpers import copy, same_bits, strict_jax

from aegan.training import lanes

LANES = range(6)


@pytest.fixture(autouse=True)
def _strict():
    with strict_jax():
        yield


def test_lanes_differ_by_seed_and_by_fold():
    state, _ = trained("m3", 3)
    kernels = np.asarray(state.params["encoder"]["hidden0"]["kernel"])
    for a in LANES:
        for b in range(a):
            assert np.abs(kernels[a] - kernels[b]).max() > 1e-2


def test_same_keys_same_bits_twice():
    run = small_run("m3")
    again = run.train(lanes.init_lanes(run.learner, run.lanes()), 0, 3)
    assert same_bits(again, trained("m3", 3))


def test_lane_keys_depend_on_seed_and_fold_alone_and_differ():
    pairs = [(seed, fold) for seed in range(4) for fold in range(5)]
    data = [tuple(np.asarray(jax.random.key_data(lanes.lane_key(*p))).tolist()) for p in pairs]
    assert len(set(data)) == len(pairs)


def test_index_tables_hold_every_row_of_their_part_and_no_other():
    run = small_run("m3")
    for index, (_, fold_index) in enumerate(run.lane_list):
        lane, fold = run.lane(index), run.folds[fold_index]
        np.testing.assert_array_equal(lane.train[: int(lane.n_train)], fold.train)
        np.testing.assert_array_equal(lane.valid[: int(lane.n_valid)], fold.valid)
        assert set(np.asarray(lane.train).tolist()) == set(fold.train.tolist())
        np.testing.assert_array_equal(lane.mean, run.stats[fold_index].mean)
        np.testing.assert_array_equal(lane.scale, run.stats[fold_index].scale)


def test_one_copy_of_the_corpus_serves_all_lanes():
    run = small_run("m3")
    stacked = run.lanes()
    assert run.table().features.shape == run.corpus.features.shape
    biggest = max(leaf.size for leaf in jax.tree.leaves(stacked) if leaf.dtype == jnp.int32)
    assert biggest == 6 * max(len(fold.train) for fold in run.folds)


@pytest.mark.parametrize("how", ["NaN in the data", "overflow in the networks"])
def test_a_lane_that_diverges_is_marked_and_harms_no_other(how):
    run, sick = small_run("m3"), 2
    stacked, start = run.lanes(), copy(initial("m3"))
    if "NaN" in how:
        stacked = stacked._replace(mean=stacked.mean.at[sick].set(jnp.nan))
    else:
        decoder = jax.tree.map(lambda w: w.at[sick].mul(1e30), start.params["decoder"])
        start = start._replace(params={**start.params, "decoder": decoder})
    state, history = run.train(start, 0, 3, stacked=stacked)
    assert state.diverged.tolist() == [0, 0, 1, 0, 0, 0]
    assert not np.isfinite(history[0, 0, sick]).all()
    good, good_history = trained("m3", 3)
    for index in set(LANES) - {sick}:
        assert same_bits(lanes.lane_of(state, index), lanes.lane_of(good, index)), index
        assert same_bits(history[:, :, index], good_history[:, :, index])


def test_a_lane_that_diverged_is_marked_for_good():
    run, sick = small_run("m3"), 4
    healthy = run.lanes()
    broken = healthy._replace(scale=healthy.scale.at[sick].set(0.0))
    state, _ = run.train(initial("m3"), 0, 1)
    good = lanes.lane_of(state, sick)
    state, _ = run.train(state, 1, 1, stacked=broken)
    assert state.diverged.tolist() == [0, 0, 0, 0, 2, 0]
    # Even if it were to go on from a good state: its epochs are no longer a training.
    state = jax.tree.map(lambda leaf, one: leaf.at[sick].set(one), state, good)
    state = state._replace(diverged=state.diverged.at[sick].set(2))
    state, history = run.train(state, 2, 1)
    assert state.diverged.tolist() == [0, 0, 0, 0, 2, 0]
    whole, whole_history = trained("m3", 3)
    for index in set(LANES) - {sick}:
        assert same_bits(lanes.lane_of(state, index), lanes.lane_of(whole, index))
        assert same_bits(history[0, :, index], whole_history[2, :, index])


@pytest.mark.slow
def test_a_huge_rate_diverges_and_is_marked_in_every_lane():
    run = small_run("m1")
    rules = tuple(replace(rule, rate=1e3) for rule in run.learner.rules)
    run = run._replace(learner=replace(run.learner, rules=rules))
    start = lanes.init_lanes(run.learner, run.lanes())
    state, _ = run.train(start, 0, 3)
    assert (np.asarray(state.diverged) == 1).all()
