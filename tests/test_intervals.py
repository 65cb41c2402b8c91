"""Intervals over folds, speakers and replicates: by hand, against scipy, by brute force."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from scipy import stats

from aegan.metrics.intervals import (
    _resample,
    by_speaker,
    contrast,
    difference,
    summarise,
)


def lanes_of(folds, seeds=(0,)):
    return [{"seed": seed, "fold": fold} for seed in seeds for fold in range(folds)]


def test_the_interval_over_folds_is_scipys():
    found = summarise([1.0, 2.0, 3.0], lanes_of(3))
    assert (found["per_lane"], found["mean"], found["sd"]) == ([1, 2, 3], 2, 1)
    values = np.random.default_rng(0).uniform(size=5)
    wanted = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert summarise(values.tolist(), lanes_of(5))["ci95"] == pytest.approx(list(wanted))


def test_seeds_are_averaged_inside_a_fold():
    found = summarise([1.0, 3.0, 3.0, 5.0], lanes_of(2, seeds=(0, 1)))
    assert found["mean"] == 3  # folds 2 and 4
    assert found["sd"] == pytest.approx(math.sqrt(2))
    assert found["ci95"] == summarise([2.0, 4.0], lanes_of(2))["ci95"]
    assert found["ci95"] == summarise([2.0, 4.0] * 3, lanes_of(2, seeds=range(3)))["ci95"]


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
    with pytest.raises(ValueError):
        summarise([1.0], lanes_of(2))


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


def accuracy(truth, predicted):
    return (truth == predicted).mean()


def mean_recall(truth, predicted):
    return np.mean([(predicted[truth == label] == label).mean() for label in set(truth.tolist())])


@pytest.mark.parametrize(("measure", "score"), [("uar", mean_recall), ("accuracy", accuracy)])
@pytest.mark.parametrize("groups", [(0, 0, 0), (0, 1, 0)])
def test_resamples_are_those_of_repeated_rows(measure, score, groups):
    """Against lists of rows, each repeated as often as its speaker or its replicate is drawn."""
    rng = np.random.default_rng(1)
    counts = rng.integers(1, 4, size=(3, 6, 3, 3))
    for place, group in enumerate(groups):  # a fold's speakers are tested by its replicates
        if len(set(groups)) > 1:
            counts[place, np.arange(6) % 2 != group] = 0

    def scored(speakers, replicates):
        copies = counts * speakers[None, :, None, None] * replicates[:, None, None, None]
        cells = np.repeat(np.arange(counts.size), copies.astype(int).ravel())
        *_, truth, predicted = np.unravel_index(cells, counts.shape)
        return score(truth, predicted)

    speakers, replicates = _resample(("speaker",) * 6), _resample(groups)
    of_speakers = np.var([scored(drawn, np.ones(3)) for drawn in speakers.weights])
    of_replicates = np.var([scored(np.ones(6), drawn) for drawn in replicates.weights])
    size = 3 if len(set(groups)) == 1 else 2  # replicates that are resampled
    freedom = size - 1
    squares = of_speakers * 6 / 5 * stats.t.ppf(0.975, 5) ** 2
    squares += of_replicates * size / freedom * stats.t.ppf(0.975, freedom) ** 2
    found = contrast([(1, counts)], groups, measure)
    assert (found["ci95"][1] - found["ci95"][0]) / 2 == pytest.approx(np.sqrt(squares))
    assert sum(found["ci95"]) / 2 == pytest.approx(found["mean"])


def test_differences_are_paired():
    same = contrast([(1, COUNTS), (-1, COUNTS)], [0, 0])
    assert same == {"mean": 0.0, "ci95": [0.0, 0.0], "values": [0.0, 0.0]}
    four = contrast([(1, COUNTS), (-1, COUNTS), (-1, COUNTS), (1, COUNTS)], [0, 0])
    assert four["mean"] == 0.0
    rng = np.random.default_rng(0)
    base = rng.integers(5, 20, size=(3, 12, 2, 2))
    better = base.copy()
    better[:, :, 0, 0] += 2  # in every speaker and replicate
    apart = contrast([(1, better)], [0] * 3)["ci95"][0] - contrast([(1, base)], [0] * 3)["mean"]
    paired = contrast([(1, better), (-1, base)], [0] * 3)
    assert paired["ci95"][0] > 0 > apart


def test_replicates_are_drawn_among_those_that_test_the_same_speakers():
    drawn = _resample((0, 1, 0, 2, 0))
    assert (drawn.weights[:, [0, 2, 4]].sum(axis=1) == 3).all()
    assert (drawn.weights[:, [1, 3]] == 1).all()
    assert set(drawn.weights[:, 0]) == {0, 1, 2, 3}
    assert (drawn.scale, drawn.freedom) == (3 / 2, 2)
    assert _resample((0, 1, 2)).freedom == 0


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
