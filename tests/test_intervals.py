"""Summaries over folds, by hand and against scipy."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from aegan.metrics.intervals import difference, summarise


def lanes_of(folds, seeds=(0,)):
    return [{"seed": seed, "fold": fold} for seed in seeds for fold in range(folds)]


def test_by_hand():
    found = summarise([1.0, 2.0, 3.0], lanes_of(3))
    assert found["per_lane"] == [1, 2, 3]
    assert (found["mean"], found["sd"]) == (2, 1)
    reach = 4.302652729911275 / math.sqrt(3)  # t(2 degrees, 0.975)
    assert found["ci95"] == pytest.approx([2 - reach, 2 + reach])


def test_equals_scipys_t_interval():
    values = np.random.default_rng(0).uniform(size=5)
    found = summarise(values.tolist(), lanes_of(5))
    wanted = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert found["ci95"] == pytest.approx(list(wanted))


def test_seeds_are_averaged_inside_a_fold():
    found = summarise([1.0, 3.0, 3.0, 5.0], lanes_of(2, seeds=(0, 1)))
    assert found["mean"] == 3  # folds 2 and 4
    assert found["sd"] == pytest.approx(math.sqrt(2))
    alone = summarise([2.0, 4.0], lanes_of(2))
    assert found["ci95"] == alone["ci95"]


@given(
    values=st.lists(st.floats(0, 1), min_size=3, max_size=3),
    copies=st.integers(1, 4),
)
def test_repeating_a_seed_changes_nothing(values, copies):
    once = summarise(values, lanes_of(3))
    many = summarise(values * copies, lanes_of(3, seeds=range(copies)))
    assert many["mean"] == pytest.approx(once["mean"])
    assert many["sd"] == pytest.approx(once["sd"])


def test_lanes_without_a_value():
    found = summarise([1.0, None, float("nan"), 3.0], lanes_of(4))
    assert found["per_lane"] == [1, None, None, 3]
    assert (found["mean"], found["sd"]) == (2, pytest.approx(math.sqrt(2)))
    json.dumps(found, allow_nan=False)
    missing = summarise([1.0, 2.0, None, 4.0], lanes_of(2, seeds=(0, 1)))
    assert missing["mean"] == 2  # fold 0: 1; fold 1: mean of 2 and 4


def test_too_few_folds():
    assert summarise([0.5, 0.7], lanes_of(1, seeds=(0, 1))) == {
        "per_lane": [0.5, 0.7],
        "mean": 0.6,
        "sd": None,
        "ci95": None,
    }
    assert summarise([None], lanes_of(1))["mean"] is None
    assert summarise([], [])["mean"] is None


def test_difference_is_paired():
    found = difference([0.5, 0.6, None], [0.4, 0.5, 0.6], lanes_of(3))
    assert found["mean"] == pytest.approx(0.1) and found["sd"] == pytest.approx(0, abs=1e-12)
    assert found["per_lane"][2] is None


def test_lengths_must_agree():
    with pytest.raises(ValueError):
        summarise([1.0], lanes_of(2))
