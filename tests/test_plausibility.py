"""Rules from openSMILE names: real rows keep them, broken rows are counted, projection mends."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegan.data.corpus import read_corpus
from aegan.data.plausibility import breaches, project, rules_of

CONTOUR = {  # of the values 1, 2, 3, 4, 10
    "maxPos": 4.0,
    "minPos": 0.0,
    "amean": 4.0,
    "stddev": 3.162,
    "linregerrA": 1.2,
    "linregerrQ": 2.4,
    "skewness": 1.14,
    "kurtosis": 2.8,
    "quartile1": 2.0,
    "quartile2": 3.0,
    "quartile3": 4.0,
    "iqr1-2": 1.0,
    "iqr2-3": 1.0,
    "iqr1-3": 2.0,
    "percentile1.0": 1.0,
    "percentile99.0": 10.0,
    "pctlrange0-1": 9.0,
    "upleveltime75": 0.2,
    "upleveltime90": 0.2,
}
NAMES = [f"mfcc_sma[3]_{name}" for name in CONTOUR]
NAMES += ["F0final__Turn_numOnsets", "F0final__Turn_duration", "my_own_feature"]
GOOD = np.array([[*CONTOUR.values(), 3.0, 1.5, -7.0]], np.float32)


def changed(**values):
    row = GOOD.copy()
    for name, value in values.items():
        column = next(i for i, n in enumerate(NAMES) if n.endswith(f"_{name.replace('__', '-')}"))
        row[0, column] = value
    return row


def broken(row):
    return {b.rule for b in breaches(rules_of(NAMES), row)[:-1] if b.rows}


def test_a_worked_contour_keeps_every_rule():
    assert broken(GOOD) == set()
    assert len(rules_of(NAMES)) == 8
    np.testing.assert_array_equal(project(NAMES, GOOD), GOOD)


@pytest.mark.parametrize(
    ("row", "rule", "mended"),
    [
        # An end that moves takes its ranges along.
        (changed(quartile1=3.5), "quartiles and percentiles in order", {"quartile1": 3.0}),
        (changed(amean=12.0), "mean between the extremes", {"amean": 10.0}),
        (changed(amean=0.5), "mean between the extremes", {"amean": 1.0}),
        (changed(stddev=-1.0), "ranges and deviations at least 0", {"stddev": 0.0}),
        (changed(iqr1__3=2.5), "ranges are the distance of their ends", {"iqr1-3": 2.0}),
        (changed(upleveltime75=1.5), "up-level times in [0, 1], 90 % at most 75 %", {}),
        (changed(upleveltime90=0.5), "up-level times in [0, 1], 90 % at most 75 %", {}),
        (changed(upleveltime90=-0.5), "up-level times in [0, 1], 90 % at most 75 %", {}),
        (changed(maxPos=-3.0), "positions of extremes at least 0", {"maxPos": 0.0}),
        (changed(duration=0.0), "duration above 0, onsets at least 0", {"duration": 0.01}),
        (changed(numOnsets=-1.0), "duration above 0, onsets at least 0", {"numOnsets": 0.0}),
        (changed(kurtosis=1.5), "kurtosis at least skewness squared + 1", {"kurtosis": 2.2996}),
    ],
)
def test_each_rule_is_broken_by_its_own_fault_and_mended(row, rule, mended):
    assert rule in broken(row)
    assert broken(row) <= {rule, "ranges are the distance of their ends"}
    fixed = project(NAMES, row)
    assert broken(fixed) == set()
    for name, value in mended.items():
        column = next(i for i, n in enumerate(NAMES) if n.endswith(f"_{name}"))
        assert fixed[0, column] == pytest.approx(value, rel=1e-4)
    assert fixed[0, -1] == -7.0  # a column of no rule is left alone


def test_a_contour_that_does_not_move_is_plausible():
    """openSMILE writes 0 for the moments of a constant contour."""
    flat = {name: 5.0 for name in CONTOUR if "quartile" in name or "percentile" in name}
    flat |= {"amean": 5.0}
    row = np.array([[*(flat.get(name, 0.0) for name in CONTOUR), 0.0, 1.0, 0.0]], np.float32)
    assert broken(row) == set()
    np.testing.assert_array_equal(project(NAMES, row), row)


def test_shares_are_counted_over_rows_and_places():
    rows = np.concatenate([GOOD, GOOD, changed(quartile1=3.5), changed(maxPos=-1.0)])
    found = {b.rule: b for b in breaches(rules_of(NAMES), rows)}
    order = found["quartiles and percentiles in order"]
    assert (order.checks, order.rows, order.places) == (4, 0.25, 1 / 16)
    assert found["any rule"].rows == 0.5
    assert found["any rule"].checks == sum(rule.checks for rule in rules_of(NAMES))


@settings(max_examples=100)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-3, 1.0, 1e4]))
def test_projection_keeps_every_rule_and_changes_nothing_twice(seed, size):
    rng = np.random.default_rng(seed)
    rows = (size * rng.standard_cauchy((20, len(NAMES)))).clip(-1e6, 1e6).astype(np.float32)
    fixed = project(NAMES, rows)
    assert fixed.dtype == np.float32 and breaches(rules_of(NAMES), fixed)[-1].rows == 0
    np.testing.assert_array_equal(project(NAMES, fixed), fixed)


def test_min_and_max_are_the_extremes_where_a_set_has_them():
    names = ["a_max", "a_min", "a_range", "a_amean"]
    rows = np.array([[3, 1, 2, 2], [3, 1, 2, 5], [3, 1, 1, 2]], np.float32)
    found = {b.rule: b.rows for b in breaches(rules_of(names), rows)}
    third = pytest.approx(1 / 3)
    assert found["mean between the extremes"] == third
    assert found["ranges are the distance of their ends"] == third
    np.testing.assert_array_equal(project(names, rows)[1:], [[3, 1, 2, 3], [3, 1, 2, 2]])


def test_other_names_have_no_rules():
    names = [f"sim_{i:04d}" for i in range(5)]
    rows = -np.ones((3, 5), np.float32)
    assert rules_of(names) == () and breaches((), rows) == ()
    np.testing.assert_array_equal(project(names, rows), rows)


@pytest.mark.parametrize("name", ["nemo", "ravdess"])
def test_no_real_row_breaks_a_rule(shared_data, name):
    corpus = read_corpus(shared_data / f"{name}.parquet")
    rules = rules_of(corpus.feature_names)
    assert sum(rule.checks for rule in rules) == 1862
    assert [b.places for b in breaches(rules, corpus.features)] == [0.0] * 9
    moved = project(corpus.feature_names, corpus.features)
    np.testing.assert_allclose(moved, corpus.features, rtol=1e-6)
