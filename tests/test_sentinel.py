"""The sentinel: collapse and convergence on constructed cases."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from aegan.metrics.verdict import COLLAPSED_RATIO
from aegan.run.sentinel import check_collapse, convergence

CLASSES = ("angry", "happy", "neutral", "sad")
LABELS = np.arange(400) % 4
CENTRES = 6.0 * np.eye(4, 10)


def real_rows(seed=0):
    return CENTRES[LABELS] + np.random.default_rng(seed).normal(size=(400, 10))


def check(rows, labels=LABELS):
    return check_collapse(np.float32(rows), labels, np.float32(real_rows()), LABELS, CLASSES)


def test_rows_like_the_real_ones_are_healthy():
    found = check(real_rows(seed=1))
    assert found.reason is None
    assert found.classes_missing == () and found.non_finite_rows == 0
    assert found.variance_ratio == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(("shrink", "collapsed"), [(0.05, True), (0.5, False)])
def test_narrow_classes_are_a_collapse(shrink, collapsed):
    """Variance ratios 0.0025 and 0.25, by construction."""
    means = np.stack([real_rows()[LABELS == c].mean(axis=0) for c in range(4)])
    found = check(means[LABELS] + shrink * (real_rows() - means[LABELS]))
    assert found.variance_ratio == pytest.approx(shrink**2, rel=1e-4)
    assert (found.variance_ratio < COLLAPSED_RATIO) == collapsed
    assert ("variance ratio 0.0025" in (found.reason or "")) == collapsed


def test_one_class_everywhere_misses_the_others():
    found = check(np.broadcast_to(CENTRES[1], (400, 10)) + real_rows(1) - CENTRES[LABELS])
    assert found.classes_missing == ("angry", "neutral", "sad")
    assert found.reason == "no rows that look like angry, neutral, sad"


def test_a_class_is_missing_if_its_rows_carry_the_wrong_label():
    swapped = np.where(LABELS == 2, 3, np.where(LABELS == 3, 2, LABELS))
    assert check(real_rows(1), swapped).classes_missing == ("neutral", "sad")


def test_a_class_that_was_never_drawn_is_missing():
    rows = LABELS != 0
    assert check(real_rows(1)[rows], LABELS[rows]).classes_missing == ("angry",)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_rows_that_are_not_finite_are_counted(bad):
    rows = real_rows(1)
    rows[3, 2] = rows[5, 0] = rows[5, 1] = bad
    found = check(rows)
    assert found.non_finite_rows == 2
    assert found.reason == "2 synthetic rows are not finite"


def test_a_standstill_is_converged():
    assert convergence(np.full((50, 3), 2.0)) == 0.0


def test_the_measure_is_the_largest_relative_change_of_the_last_fifths():
    losses = np.ones((20, 2))
    losses[12:16, 1] = 4.0
    losses[16:, 1] = 3.0  # from 4 to 3: a quarter
    losses[16:, 0] = 1.1
    assert convergence(losses) == pytest.approx(0.25)


def test_losses_that_still_fall_are_not_converged():
    falling = np.exp(-np.arange(50) / 10)[:, None]
    # Each fifth is 10 epochs: the mean falls by 1 - 1/e.
    assert convergence(falling) == pytest.approx(1 - np.exp(-1), rel=1e-6)


@pytest.mark.parametrize(("epochs", "measured"), [(0, False), (3, False), (4, True), (9, True)])
def test_short_trainings_have_no_measure(epochs, measured):
    assert (convergence(np.ones((epochs, 2))) is not None) == measured


def test_epochs_in_which_d2_sat_out_do_not_count():
    losses = np.ones((20, 2))
    losses[1::2, 1] = np.nan
    assert convergence(losses) == 0.0


def test_a_loss_that_is_never_finite_gives_none():
    losses = np.ones((20, 1))
    losses[17] = np.inf
    assert convergence(losses) is None


def test_a_d2_that_sits_out_a_whole_window_gives_none_without_a_warning():
    losses = np.ones((10, 2))
    losses[np.arange(10) % 5 != 0, 1] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert convergence(losses) is None
