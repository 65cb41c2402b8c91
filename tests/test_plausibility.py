"""Rules from openSMILE names: real rows keep them, broken rows are counted, projection mends."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegan.data.corpus import read_corpus
from aegan.data.plausibility import breaches, confirmed, project, rules_of

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


ALL = tuple(rule.name for rule in rules_of(NAMES))


def broken(row):
    return {b.rule for b in breaches(rules_of(NAMES), row)[:-1] if b.rows}


def test_a_worked_contour_keeps_every_rule():
    assert broken(GOOD) == set()
    assert len(rules_of(NAMES)) == 8
    np.testing.assert_array_equal(project(NAMES, GOOD, ALL), GOOD)


@pytest.mark.parametrize(
    ("row", "rule", "mended"),
    [
        # An end that moves takes its ranges along.
        (changed(quartile1=3.5), "quantiles in order", {"quartile1": 3.0}),
        (changed(amean=12.0), "mean between percentiles 1 and 99", {"amean": 10.0}),
        (changed(amean=0.5), "mean between percentiles 1 and 99", {"amean": 1.0}),
        (changed(stddev=-1.0), "ranges and deviations at least 0", {"stddev": 0.0}),
        (changed(iqr1__3=2.5), "ranges are the distance of their ends", {"iqr1-3": 2.0}),
        (changed(upleveltime75=1.5), "up-level times in [0, 1], falling", {}),
        (changed(upleveltime90=0.5), "up-level times in [0, 1], falling", {}),
        (changed(upleveltime90=-0.5), "up-level times in [0, 1], falling", {}),
        (changed(maxPos=-3.0), "positions of extremes at least 0", {"maxPos": 0.0}),
        (changed(duration=0.0), "duration above 0, onsets at least 0", {"duration": 0.01}),
        (changed(numOnsets=-1.0), "duration above 0, onsets at least 0", {"numOnsets": 0.0}),
        (changed(kurtosis=1.5), "kurtosis at least skewness squared + 1", {"kurtosis": 2.2996}),
    ],
)
def test_each_rule_is_broken_by_its_own_fault_and_mended(row, rule, mended):
    assert rule in broken(row)
    assert broken(row) <= {rule, "ranges are the distance of their ends"}
    fixed = project(NAMES, row, ALL)
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
    np.testing.assert_array_equal(project(NAMES, row, ALL), row)


def test_shares_are_counted_over_rows_and_places():
    rows = np.concatenate([GOOD, GOOD, changed(quartile1=3.5), changed(maxPos=-1.0)])
    found = {b.rule: b for b in breaches(rules_of(NAMES), rows)}
    order = found["quantiles in order"]
    assert (order.checks, order.rows, order.places) == (4, 0.25, 1 / 16)
    assert found["any rule"].rows == 0.5
    assert found["any rule"].checks == sum(rule.checks for rule in rules_of(NAMES))


def contour(*functionals):
    return [f"pcm_RMSenergy_sma_{name}" for name in functionals]


SETS = {  # what the functionals of some sets are called
    "IS10": NAMES,
    "IS09": contour("max", "min", "range", "maxPos", "minPos", "amean", "stddev", "kurtosis"),
    "emobase": contour("max", "min", "range", "amean", "quartile1", "quartile2", "quartile3")
    + contour("iqr1-2", "iqr2-3", "iqr1-3", "skewness", "kurtosis", "linregerrQ")[:5],
    "ComParE": contour("range", "percentile1.0", "percentile99.0", "pctlrange0-1", "quartile1")
    + contour("quartile2", "quartile3", "upleveltime25", "upleveltime50", "upleveltime75")
    + contour("upleveltime90"),
    "eGeMAPS": [f"loudness_sma3_{name}" for name in ("amean", "stddevNorm", "percentile20.0")]
    + [f"loudness_sma3_{name}" for name in ("percentile50.0", "percentile80.0", "pctlrange0-2")],
    "IS12": contour("amean", "percentile1.0", "percentile99.0"),
}


@pytest.mark.parametrize("name", SETS)
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), size=st.sampled_from([1e-3, 1.0, 1e4, 3e19]))
def test_projection_keeps_every_rule_and_changes_nothing_twice(name, seed, size):
    names = SETS[name]
    rng = np.random.default_rng(seed)
    largest = 3e38
    rows = (size * rng.standard_cauchy((20, len(names)))).clip(-largest, largest)
    rules = [rule.name for rule in rules_of(names)]
    fixed = project(names, rows.astype(np.float32), rules)
    assert fixed.dtype == np.float32 and np.isfinite(fixed).all()
    if size < 1e19:  # beyond, a square or a distance is no float32
        assert breaches(rules_of(names), fixed)[-1].rows == 0
        np.testing.assert_array_equal(project(names, fixed, rules), fixed)


def test_min_and_max_are_the_extremes_where_a_set_has_them():
    names = contour("max", "min", "range", "amean")
    rows = np.array([[3, 1, 2, 2], [3, 1, 2, 5], [3, 1, 1, 2], [1, 3, 2, 2]], np.float32)
    found = {b.rule: b.rows for b in breaches(rules_of(names), rows)}
    assert found == {
        "quantiles in order": 0.25,
        "mean between minimum and maximum": 0.5,
        "ranges and deviations at least 0": 0.0,
        "ranges are the distance of their ends": 0.5,
        "any rule": 0.75,
    }
    mended = project(names, rows, list(found))
    np.testing.assert_array_equal(mended[1:], [[3, 1, 2, 3], [3, 1, 2, 2], [3, 1, 2, 2]])


@pytest.mark.parametrize(
    ("rule", "rounding", "breach"),
    [
        ("quantiles in order", {"quartile1": 3 + 3e-5}, {"quartile1": 3 + 12e-5}),
        (
            "ranges are the distance of their ends",
            {"pctlrange0__1": 9 + 1e-4},
            {"pctlrange0__1": 9 + 4e-4},
        ),
        (
            "kurtosis at least skewness squared + 1",
            {"kurtosis": 0.9995 * (1.14**2 + 1)},
            {"kurtosis": 0.998 * (1.14**2 + 1)},
        ),
    ],
)
def test_rounding_is_no_breach_and_little_more_is(rule, rounding, breach):
    """Relative to the sizes compared, |a| + |b|."""
    assert rule not in broken(changed(**rounding))
    assert rule in broken(changed(**breach))


def test_only_rules_that_training_rows_keep_are_confirmed_and_projected():
    """A recording that is mostly silent: its mean may lie outside its percentiles."""
    silent = changed(amean=0.5)
    assert confirmed(NAMES, np.repeat(GOOD, 2000, axis=0)) == ALL
    rows = np.concatenate([np.repeat(GOOD, 90, axis=0), np.repeat(silent, 10, axis=0)])
    kept = confirmed(NAMES, rows)
    assert set(ALL) - set(kept) == {"mean between percentiles 1 and 99"}
    np.testing.assert_array_equal(project(NAMES, rows, kept), rows)
    once = np.concatenate([np.repeat(GOOD, 1999, axis=0), silent])
    assert confirmed(NAMES, once) == ALL  # one in a thousand is let pass


def test_other_names_have_no_rules():
    """The excess kurtosis of other packages is below 1, and a duration may be anything."""
    names = ["mfcc1_skewness", "mfcc1_kurtosis", "speech_duration", "loud_min", "sim_0001"]
    rows = -np.ones((3, 5), np.float32)
    assert rules_of(names) == () and breaches((), rows) == ()
    np.testing.assert_array_equal(project(names, rows, ()), rows)


@pytest.mark.parametrize("name", ["nemo", "ravdess"])
def test_no_real_row_breaks_a_rule(shared_data, name):
    corpus = read_corpus(shared_data / f"{name}.parquet")
    rules = rules_of(corpus.feature_names)
    assert sum(rule.checks for rule in rules) == 1862
    assert [b.places for b in breaches(rules, corpus.features)] == [0.0] * 9
    assert confirmed(corpus.feature_names, corpus.features) == tuple(r.name for r in rules)
    moved = project(corpus.feature_names, corpus.features, [rule.name for rule in rules])
    np.testing.assert_allclose(moved, corpus.features, rtol=1e-6)
