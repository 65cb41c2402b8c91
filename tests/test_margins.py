"""Rows moved to margins, ties and point masses of real ones."""

from __future__ import annotations

import numpy as np
import pytest

from aegan.data.plausibility import breaches, confirmed, rules_of
from aegan.data.simulate import simulated_corpus
from aegan.speakers.margins import fit_margins

NAMES = tuple(f"x_sma_{f}" for f in ("percentile1.0", "quartile1", "quartile2", "quartile3"))
NAMES += ("x_sma_iqr1-2", "x_sma_iqr2-3", "x_sma_iqr1-3", "x_sma_skewness", "x_sma_kurtosis")
NAMES += ("level", "count")


def real_rows(n=400, flat=0.2, seed=0):
    """Functionals of one contour, a fifth of it without a voiced frame, and two other columns."""
    rng = np.random.default_rng(seed)
    q = np.cumsum(rng.gamma(2, 1, (n, 4)), axis=1)
    skew = rng.normal(size=n)
    ranges = np.diff(q[:, 1:], axis=1)
    contour = np.column_stack(
        [q, ranges, q[:, 3] - q[:, 1], skew, skew**2 + 1 + rng.gamma(1, 1, n)]
    )
    contour[rng.random(n) < flat] = 0
    return np.column_stack([contour, rng.lognormal(size=n), rng.integers(0, 9, n)]).astype("f4")


def gaussian(rows, n, seed=1):
    """Rows with the mean and covariance of others, and nothing else of them."""
    rng = np.random.default_rng(seed)
    mean, factor = rows.mean(axis=0), (rows - rows.mean(axis=0)) / np.sqrt(len(rows) - 1)
    noise = 1e-3 * rng.standard_normal((n, rows.shape[1]))
    return (mean + rng.standard_normal((n, len(rows))) @ factor + noise).astype(np.float32)


@pytest.fixture(scope="module")
def moved():
    real, labels = real_rows(), np.arange(400) % 2
    margins = fit_margins(NAMES, real, labels, 2, real.std(axis=0))
    linear = gaussian(real, 1000)
    rules = tuple(rule.name for rule in rules_of(NAMES))
    return real, linear, margins.apply(NAMES, rules, linear, np.arange(1000) % 2), margins


def test_rules_are_kept_and_ranges_are_differences(moved):
    real, linear, made, _ = moved
    rules = rules_of(NAMES)
    assert breaches(rules, linear)[-1].rows > 0.5  # what it starts from
    assert breaches(rules, made)[-1].rows == 0
    np.testing.assert_allclose(made[:, 4], made[:, 2] - made[:, 1], rtol=1e-5, atol=1e-5)


def test_margins_are_those_of_real_rows(moved):
    real, _, made, _ = moved
    for column in range(len(NAMES)):
        wanted, found = (np.quantile(x[:, column], [0.1, 0.3, 0.5, 0.7, 0.9]) for x in (real, made))
        np.testing.assert_allclose(found, wanted, atol=0.15 * real[:, column].std())


def test_a_grid_stays_a_grid(moved):
    real, _, made, _ = moved
    assert set(made[:, -1]) == set(real[:, -1])


def test_rows_can_be_put_on_the_grid_alone(moved):
    real, linear, _, margins = moved
    made = margins.on_grid(linear)
    assert set(made[:, -1]) <= set(real[:, -1])
    np.testing.assert_array_equal(made[:, :9], linear[:, :9])
    inside = np.abs(linear[:, -1] - 4) < 4
    assert np.abs(made[inside, -1] - linear[inside, -1]).max() <= 0.5


def test_a_point_mass_comes_in_all_its_columns_at_once_and_as_often(moved):
    real, _, made, margins = moved
    flat = made[:, :9] == 0
    assert (flat.all(axis=1) == flat.any(axis=1)).mean() > 0.99
    assert flat.all(axis=1).mean() == pytest.approx((real[:, :9] == 0).all(axis=1).mean(), abs=0.01)
    assert len(set(margins.masses.event[:9])) == 1 and margins.masses.event[-1] == -1


def test_ranks_stay_where_nothing_is_tied(moved):
    _, linear, made, _ = moved
    for of in (np.arange(0, 1000, 2), np.arange(1, 1000, 2)):  # a class each
        order = np.argsort(linear[of, -2], kind="stable")
        assert (np.diff(made[of, -2][order]) >= 0).all()


def test_nothing_of_a_row_is_kept_but_quantiles(moved):
    real, _, _, margins = moved
    assert (np.diff(margins.columns.values, axis=1)[:, :150] >= 0).all()


def test_names_that_say_nothing_have_margins_all_the_same():
    real = real_rows()
    names = [f"f{i}" for i in range(real.shape[1])]
    labels = np.zeros(len(real), int)
    margins = fit_margins(names, real, labels, 1, real.std(axis=0))
    made = margins.apply(names, (), gaussian(real, 500), np.zeros(500, int))
    assert set(made[:, -1]) == set(real[:, -1])


def test_all_arrays_survive_as_a_tree(moved):
    *_, linear, made, margins = moved[0], moved[1], moved[2], moved[3]
    again = type(margins).of_tree(margins.tree())
    rules = tuple(rule.name for rule in rules_of(NAMES))
    np.testing.assert_array_equal(again.apply(NAMES, rules, linear, np.arange(1000) % 2), made)
    assert again.fits(2, len(NAMES)) and not again.fits(3, len(NAMES))


def test_the_simulated_openSMILE_columns_are_plausible_as_drawn():
    corpus = simulated_corpus(rows=200, dim=1582)
    names, rows, labels = corpus.feature_names, corpus.features, corpus.labels
    rules = confirmed(names, rows)
    margins = fit_margins(names, rows, labels, len(corpus.classes), rows.std(axis=0) + 1e-9)
    made = margins.apply(names, rules, gaussian(rows[:, :], 60), np.arange(60) % 4)
    kept = [b for b in breaches(rules_of(names), made)[:-1] if b.rule in rules]
    assert all(b.rows == 0 for b in kept)
