"""Intervals over folds, speakers and replicates: by hand, against scipy, by brute force."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from scipy import stats

from aegan.metrics.intervals import (
    HeldOut,
    _resample,
    by_speaker,
    contrast,
    over_speakers,
    summarise,
)


def summary(values, folds, seeds=1):
    """Of values of seed 0, then seed 1, ...; it has no NaN."""
    found = summarise(values, [{"fold": fold} for _ in range(seeds) for fold in range(folds)])
    json.dumps(found, allow_nan=False)
    return found


def test_a_value_is_of_one_lane():
    with pytest.raises(ValueError):
        summary([1.0], 2)


def test_the_interval_over_folds_is_scipys():
    values = np.random.default_rng(0).uniform(size=5)
    wanted = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert summary(values.tolist(), 5)["ci95"] == pytest.approx(list(wanted))


def test_seeds_are_averaged_inside_a_fold():
    found = summary([1.0, 3.0, 3.0, 5.0], 2, seeds=2)  # folds 2 and 4
    assert found["ci95"] == summary([2.0, 4.0], 2)["ci95"]
    assert found["ci95"] == summary([2.0, 4.0] * 3, 2, seeds=3)["ci95"]


@pytest.mark.parametrize(
    ("values", "folds", "seeds", "mean", "sd"),
    [
        ([1.0, 2.0, 3.0], 3, 1, 2, 1),
        ([1.0, 3.0, 3.0, 5.0], 2, 2, 3, math.sqrt(2)),
        ([1.0, None, float("nan"), 3.0], 4, 1, 2, math.sqrt(2)),
        ([1.0, 2.0, None, 4.0], 2, 2, 2, math.sqrt(2)),  # fold 0: 1; fold 1: mean of 2 and 4
        ([0.5, 0.7], 1, 2, 0.6, None),
        ([None], 1, 1, None, None),
        ([], 0, 1, None, None),
    ],
)
def test_mean_and_deviation_over_folds(values, folds, seeds, mean, sd):
    found = summary(values, folds, seeds)
    assert found["per_lane"] == [None if v is None or math.isnan(v) else v for v in values]
    assert found["mean"] == (mean if mean is None else pytest.approx(mean))
    assert found["sd"] == (sd if sd is None else pytest.approx(sd))
    assert (found["ci95"] is None) == (sd is None)


def test_further_splits_make_no_interval_narrower():
    lanes = [{"fold": fold, "split": fold // 3} for fold in range(6)]
    found = summarise([1.0, 2.0, 3.0, 1.0, 2.0, 3.0], lanes)
    assert (found["mean"], found["sd"]) == (2, 1)
    assert found["ci95"] == pytest.approx(summary([1.0, 2.0, 3.0], 3)["ci95"])
    wider = summarise([1.0, 2.0, 3.0, 0.0, 2.0, 4.0], lanes)
    assert wider["sd"] == pytest.approx(math.sqrt((1 + 4) / 2))
    assert summarise([1.0] + [None] * 4 + [3.0], lanes)["ci95"] is None


# Folds 0 and 1 test speakers a and b, each alone; fold 2, of another split, tests both.
TESTED = {
    0: HeldOut(("a",), np.array([[4, 2]])),
    1: HeldOut(("b",), np.array([[4, 2]])),
    2: HeldOut(("a", "b"), np.array([[4, 2], [4, 2]])),
}
OF_FOLDS = [{"fold": 0}, {"fold": 1}, {"fold": 2}]
RIGHT = [np.array([[4, 1]]), np.array([[2, 1]]), np.array([[4, 2], [0, 0]])]


def test_over_speakers_by_hand():
    found = over_speakers(RIGHT, OF_FOLDS, TESTED)
    # Recalls 1 and 1/2; 1/2 and 1/2; 4/8 and 2/4.
    assert found["mean"] == pytest.approx((0.75 + 0.5 + 0.5) / 3)
    # Drawn are a and b, a twice, b twice. Of a alone fold 0 has 0.75 with twice its weight, fold 2
    # has 1 with its own; of b alone fold 1 has 0.5, fold 2 has 0.
    draws = _resample(("speaker",) * 2)[0]
    values = {2.0: (2 * 0.75 + 1) / 3, 1.0: found["mean"], 0.0: (2 * 0.5 + 0) / 3}
    spread = np.var([values[a] for a in draws[:, 0].tolist()])
    reach = stats.t.ppf(0.975, 1) * math.sqrt(2 * spread)
    assert found["ci95"] == pytest.approx([found["mean"] - reach, found["mean"] + reach])


def test_over_speakers_pairs_and_averages_seeds():
    noise = np.random.default_rng(0).uniform(size=(2, 2))
    other = [values + 0.5 for values in RIGHT]
    less = [b - a for a, b in zip(RIGHT, other, strict=True)]
    found = over_speakers(less, OF_FOLDS, TESTED)
    assert found["mean"] == pytest.approx((0.5 / 4 + 0.5 / 2) / 2)
    assert found["ci95"] == pytest.approx([found["mean"]] * 2)  # every speaker gains as much
    both = [*RIGHT[:2], RIGHT[2] + noise, *RIGHT[:2], RIGHT[2] - noise]
    assert over_speakers(both, OF_FOLDS * 2, TESTED) == over_speakers(RIGHT, OF_FOLDS, TESTED)
    # A fold without a value is left out, one speaker has no interval, no lane has no mean.
    assert over_speakers([RIGHT[0], None, None], OF_FOLDS, TESTED) == {"mean": 0.75, "ci95": None}
    assert over_speakers([None] * 3, OF_FOLDS, TESTED) == {"mean": None, "ci95": None}


# Two replicates that test the same two speakers, two classes.
COUNTS = np.array(
    [
        [[[3, 1], [0, 2]], [[1, 1], [1, 1]]],
        [[[2, 2], [1, 1]], [[2, 0], [0, 2]]],
    ]
)


def test_counts_by_speaker():
    truth = np.array([0, 0, 1, 1, 0])
    predicted = np.array([0, 1, 1, 0, 0])
    speakers = np.array(["b", "a", "a", "b", "b"])
    counts = by_speaker(truth, predicted, speakers, np.array(["a", "b", "c"]), 2)
    assert counts.tolist() == [[[0, 1], [0, 1]], [[2, 0], [1, 0]], [[0, 0], [0, 0]]]


def test_hand_worked_means():
    found = contrast([(1, COUNTS)], [0, 0])
    # Replicate 0: recalls 4/6 and 3/4. Replicate 1: 4/6 and 3/4.
    assert found["values"] == pytest.approx([(4 / 6 + 3 / 4) / 2] * 2)
    assert found["mean"] == pytest.approx((8 / 12 + 6 / 8) / 2)
    assert contrast([(1, COUNTS)], [0, 0], "accuracy")["mean"] == pytest.approx(14 / 20)


def test_the_interval_of_one_class_is_that_of_a_mean():
    """Equal rows per speaker: recall is a mean over speakers, whose t interval is known."""
    share = np.array([2, 5, 9, 4, 7, 8]) / 10
    counts = np.zeros((1, 6, 2, 2))
    counts[0, :, 0, 0], counts[0, :, 0, 1] = 10 * share, 10 - 10 * share
    wanted = stats.t.interval(0.95, 5, share.mean(), stats.sem(share))
    assert contrast([(1, counts)], [0])["ci95"] == pytest.approx(wanted, abs=0.02)
    # Every speaker alike, six replicates that differ: the same with replicates for speakers.
    found = contrast([(1, np.repeat(counts.swapaxes(0, 1), 3, axis=1))], [0] * 6)
    assert found["ci95"] == pytest.approx(wanted, abs=0.02)
    # Two folds of three replicates each, apart by a constant that the replicates do not vary by.
    folds = np.zeros((6, 4, 2, 2))
    for place in range(6):
        tested = slice(0, 2) if place < 3 else slice(2, 4)
        folds[place, tested, 0] = [2 * place, 40 - 2 * place]
    alone = contrast([(1, folds)], range(6))["ci95"]
    grouped = contrast([(1, folds)], [0, 0, 0, 1, 1, 1])["ci95"]
    # Speakers: 4 means 2/40, 2/40, 8/40, 8/40. Replicates: (0, 2, 4)/40 and (6, 8, 10)/40, mean of
    # two folds of variance 4/1600 each, over 3.
    of_speakers = stats.t.ppf(0.975, 3) ** 2 * (2 * 3**2 * 2 / 40**2 / 3) / 4
    of_replicates = stats.t.ppf(0.975, 4) ** 2 * (4 / 1600 / 3) / 2
    for found, squares in ((alone, of_speakers), (grouped, of_speakers + of_replicates)):
        assert (found[1] - found[0]) / 2 == pytest.approx(np.sqrt(squares), rel=0.05)


def mean_recall(truth, predicted):
    return np.mean([(predicted[truth == label] == label).mean() for label in set(truth.tolist())])


SCORES = [("uar", mean_recall), ("accuracy", lambda truth, predicted: (truth == predicted).mean())]


@pytest.mark.parametrize(("measure", "score"), SCORES)
@pytest.mark.parametrize("groups", [(0, 0, 0), (0, 1, 0)])
def test_resamples_are_those_of_repeated_rows(measure, score, groups):
    """Against lists of rows, each repeated as often as its speaker or its replicate is drawn."""
    counts = np.random.default_rng(1).integers(1, 4, size=(3, 6, 3, 3))
    if any(groups):  # a fold's speakers are tested by its replicates
        counts[np.arange(6)[None, :] % 2 != np.array(groups)[:, None]] = 0

    def scored(speakers, replicates):
        copies = counts * speakers[None, :, None, None] * replicates[:, None, None, None]
        cells = np.repeat(np.arange(counts.size), copies.astype(int).ravel())
        *_, truth, predicted = np.unravel_index(cells, counts.shape)
        return score(truth, predicted)

    (speakers, *_), (replicates, *_) = _resample(("speaker",) * 6), _resample(groups)
    of_speakers = np.var([scored(drawn, np.ones(3)) for drawn in speakers])
    of_replicates = np.var([scored(np.ones(6), drawn) for drawn in replicates])
    size = 3 if len(set(groups)) == 1 else 2  # replicates that are resampled
    freedom = size - 1
    squares = of_speakers * 6 / 5 * stats.t.ppf(0.975, 5) ** 2
    squares += of_replicates * size / freedom * stats.t.ppf(0.975, freedom) ** 2
    found = contrast([(1, counts)], groups, measure)
    assert (found["ci95"][1] - found["ci95"][0]) / 2 == pytest.approx(np.sqrt(squares))
    assert sum(found["ci95"]) / 2 == pytest.approx(found["mean"])


def test_differences_are_paired():
    same = {"mean": 0.0, "ci95": [0.0, 0.0], "values": [0.0, 0.0]}
    assert contrast([(1, COUNTS), (-1, COUNTS)], [0, 0]) == same
    assert contrast([(w, COUNTS) for w in (1, -1, -1, 1)], [0, 0]) == same
    rng = np.random.default_rng(0)
    base = rng.integers(5, 20, size=(3, 12, 2, 2))
    better = base.copy()
    better[:, :, 0, 0] += 2  # in every speaker and replicate
    apart = contrast([(1, better)], [0] * 3)["ci95"][0] - contrast([(1, base)], [0] * 3)["mean"]
    paired = contrast([(1, better), (-1, base)], [0] * 3)
    assert paired["ci95"][0] > 0 > apart


def test_replicates_are_drawn_among_those_that_test_the_same_speakers():
    weights, scale, freedom = _resample((0, 1, 0, 2, 0))
    assert (weights[:, [0, 2, 4]].sum(axis=1) == 3).all()
    assert (weights[:, [1, 3]] == 1).all()
    assert set(weights[:, 0]) == {0, 1, 2, 3}
    assert (scale, freedom) == (3 / 2, 2)
    assert _resample((0, 1, 2))[2] == 0


def test_a_replicate_without_rows_counts_in_no_term():
    broken = COUNTS.copy()
    broken[1] = 0
    found = contrast([(1, COUNTS), (-1, broken)], [0, 0])
    assert found == {"mean": 0.0, "ci95": [0.0, 0.0], "values": [0.0, None]}
    assert contrast([(1, broken)], [0, 0])["ci95"] == contrast([(1, COUNTS[:1])], [0])["ci95"]
    more = np.concatenate([np.zeros((2, 3, 2, 2)), COUNTS, np.zeros((2, 9, 2, 2))], axis=1)
    assert contrast([(1, more)], [0, 0]) == contrast([(1, COUNTS)], [0, 0])  # nor do speakers
    nothing = contrast([(1, 0 * COUNTS)], [0, 0])
    assert nothing == {"mean": None, "ci95": None, "values": [None, None]}


def test_a_class_of_one_speaker_and_a_single_speaker():
    counts = np.zeros((1, 4, 2, 2))
    counts[0, :, 0] = [[2, 2], [3, 1], [4, 0], [1, 3]]
    counts[0, 0, 1] = [0, 4]  # resamples without speaker 0 lack the class
    found = contrast([(1, counts)], [0])
    assert found["mean"] == pytest.approx((10 / 16 + 1) / 2)
    assert found["ci95"][0] < found["mean"] - 0.1
    assert contrast([(1, counts[:, :1])], [0])["ci95"] is None
    json.dumps(found, allow_nan=False)
    assert found == contrast([(1, counts)], [0])


# Deviations of speakers, replicates and both together.
@pytest.mark.parametrize("sds", [(0.1, 0.03, 0.0), (0.02, 0.08, 0.0), (0.03, 0.03, 0.05)])
@pytest.mark.parametrize("speakers", [8, 24])
def test_the_interval_covers_the_truth(speakers, sds):
    """Speakers differ, replicates differ: 95 % intervals hold the true recall, wide or not."""
    rng = np.random.default_rng(3)
    shapes = ((1, speakers, 2), (5, 1, 2), (5, speakers, 2))
    covered, widths = 0, []
    for _ in range(200):
        effects = [sd * rng.standard_normal(s) for sd, s in zip(sds, shapes, strict=True)]
        right = rng.binomial(20, np.clip(0.6 + sum(effects), 0, 1))
        counts = np.zeros((5, speakers, 2, 2))
        for label in range(2):
            counts[:, :, label, label] = right[:, :, label]
            counts[:, :, label, 1 - label] = 20 - right[:, :, label]
        low, high = contrast([(1, counts)], [0] * 5)["ci95"]
        covered += low <= 0.6 <= high
        widths.append(high - low)
    assert covered / 200 > 0.93
    # The deviation of the mean: of effects and of rows, each over all that it is a mean of.
    sizes = [np.prod(shape) for shape in shapes]
    variance = sum(sd**2 / size for sd, size in zip(sds, sizes, strict=True))
    exact = np.sqrt(variance + 0.24 / (20 * 5 * 2 * speakers))
    assert np.mean(widths) < 2 * 2.8 * exact * 1.2
