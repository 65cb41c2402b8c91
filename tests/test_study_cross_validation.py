"""Tables 2 to 4 of the paper, paired differences by hand, and what the loss curves say."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from aegan.metrics.intervals import corrected_estimate, estimate, fold_means
from aegan.report.paper import cross_corpus_figures, paper_figures
from aegan.study.cross_validation.tasks import losses_of
from aegan.study.study import differences

LANES = [{"seed": s, "fold": f, "status": "ok"} for s in (0, 1) for f in (0, 1, 2)]


def test_the_figures_of_the_paper():
    shares = {"trts_set1": 0.8841, "tstr_set1": 0.4991, "trts_set2": 0.7475, "tstr_set2": 0.4696}
    assert paper_figures("m2") == {**shares, "fid": 13.24, "source": "Tables 2 and 3, IEMOCAP"}
    assert paper_figures("M1")["trts_set1"] == 0.8560 and paper_figures("m1")["fid"] == 14.52
    assert paper_figures("m3")["tstr_set2"] == 0.5158 and paper_figures("m3")["fid"] == 33.99
    across = {"trts": 0.4852, "tstr": 0.383, "fid": 15.91}
    across["source"] = "Table 4, IEMOCAP to MSP-IMPROV"
    assert cross_corpus_figures("M1") == across
    assert cross_corpus_figures("m2")["trts"] == 0.496 and cross_corpus_figures("m2")["fid"] == 15.6
    assert cross_corpus_figures("m3")["tstr"] == 0.3772
    assert paper_figures("m4") is cross_corpus_figures("m4") is None


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


def losses(train, valid, folds=(0,)):
    """losses.parquet of lanes of seed 0 whose only loss is the reconstruction."""
    frames = []
    for fold in folds:
        for split, curve in (("train", train), ("valid", valid)):
            frame = pd.DataFrame({"seed": 0, "fold": fold, "epoch": range(1, len(curve) + 1)})
            frames.append(frame.assign(split=split, reconstruction=curve))
    return pd.concat(frames)


def test_a_curve_that_stands_still_has_converged():
    train = np.array([10, 8, 6, 4, 2, 2, 2, 2, 2, 2])
    found = losses_of(losses(train, train + 1), LANES[:1])["reconstruction"]
    wanted = {"convergence": 0.0, "training": 2.0, "validation": 3.0}
    assert found == wanted | {"correlation": pytest.approx(1.0)}


def test_a_curve_that_falls_has_not_and_a_flat_one_has_no_correlation():
    train = [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]
    found = losses_of(losses(train, [5.0] * 10), LANES[:1])["reconstruction"]
    assert found["convergence"] == pytest.approx((3.5 - 1.5) / 3.5)
    assert found["correlation"] is None


def test_a_diverged_lane_is_left_out():
    table = losses([2.0] * 10, [3.0] * 10, folds=(0, 1))
    table.loc[table["fold"] == 1, "reconstruction"] = 1e9
    lanes = [LANES[0], {**LANES[1], "status": "diverged"}]
    assert losses_of(table, lanes)["reconstruction"]["training"] == 2.0
    everyone = [{**lane, "status": "diverged"} for lane in lanes]
    assert losses_of(table, everyone)["reconstruction"]["training"] is None
