"""Tables 2 and 3: paired differences by hand, and what the loss curves say."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from aegan.metrics.intervals import corrected_estimate, estimate, fold_means
from aegan.study.cross_validation.tasks import losses_of
from aegan.study.study import differences

LANES = [{"seed": s, "fold": f, "status": "ok"} for s in (0, 1) for f in (0, 1, 2)]


def test_seeds_are_averaged_inside_a_fold():
    assert fold_means([1, 2, 3, 3, 4, 5], LANES) == [2, 3, 4]
    assert fold_means([1, None, 3, None, None, 5], LANES) == [1, None, 4]


def test_estimate_is_the_t_interval_of_scipy():
    values = [0.3, 0.5, 0.45, 0.61]
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    found = estimate(values)
    assert found["mean"] == pytest.approx(np.mean(values))
    assert found["ci95"] == pytest.approx([low, high])
    assert estimate([0.3, None])["ci95"] is None
    assert estimate([None, math.nan]) == {"mean": None, "ci95": None, "values": [None, None]}


def test_the_corrected_interval_is_wider_by_the_shared_training_rows():
    """Nadeau and Bengio: with five folds, 1/5 + 1/4 in place of 1/5."""
    values = [0.1, 0.2, 0.15, 0.05, 0.3]
    plain, corrected = estimate(values), corrected_estimate(values, 0.25)
    ratio = np.ptp(corrected["ci95"]) / np.ptp(plain["ci95"])
    assert ratio == pytest.approx(math.sqrt((1 / 5 + 1 / 4) / (1 / 5)))
    assert corrected["mean"] == plain["mean"]


def test_pairs_with_a_hole_have_no_difference():
    assert differences([1, None, 3], [0.5, 1, None]) == [0.5, None, None]


def losses(train, valid, **lane):
    """losses.parquet of lanes whose only loss is the reconstruction."""
    frames = []
    for seed, fold in lane.get("lanes", [(0, 0)]):
        for split, curve in (("train", train), ("valid", valid)):
            frame = pd.DataFrame({"reconstruction": curve})
            frame.insert(0, "seed", seed)
            frame.insert(1, "fold", fold)
            frame.insert(2, "epoch", np.arange(1, len(curve) + 1))
            frame.insert(3, "split", split)
            frames.append(frame)
    return pd.concat(frames)


def test_a_curve_that_stands_still_has_converged():
    train = [10, 8, 6, 4, 2, 2, 2, 2, 2, 2]
    valid = [11, 9, 7, 5, 3, 3, 3, 3, 3, 3]
    found = losses_of(losses(train, valid), LANES[:1])["reconstruction"]
    assert found == {
        "convergence": 0.0,
        "training": 2.0,
        "validation": 3.0,
        "correlation": pytest.approx(1.0),
    }


def test_a_curve_that_falls_has_not_and_a_flat_one_has_no_correlation():
    train = [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]
    found = losses_of(losses(train, [5.0] * 10), LANES[:1])["reconstruction"]
    assert found["convergence"] == pytest.approx((3.5 - 1.5) / 3.5)
    assert found["correlation"] is None


def test_a_diverged_lane_is_left_out():
    table = losses([2.0] * 10, [3.0] * 10, lanes=[(0, 0), (0, 1)])
    table.loc[table["fold"] == 1, "reconstruction"] = 1e9
    lanes = [LANES[0], {**LANES[1], "status": "diverged"}]
    assert losses_of(table, lanes)["reconstruction"]["training"] == 2.0
    everyone = [{**lane, "status": "diverged"} for lane in lanes]
    assert losses_of(table, everyone)["reconstruction"]["training"] is None
