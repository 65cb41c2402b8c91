"""The verdict's rule, case by case."""

from __future__ import annotations

import pytest

from aegan.metrics.intervals import summarise
from aegan.metrics.verdict import RULE, judge

FOLDS = 4
CLASSES = ("angry", "happy", "neutral", "sad")
# What real rows score, per fold the same but for a little spread.
REAL = {
    "trts_set1": 0.97,
    "trts_set2": 0.48,
    "tstr_set1": 0.97,
    "tstr_set2": 0.55,
    "real_to_real": 0.55,
    "fid": 0.0,
    "fid_real": 1.6,
    "fid_over_floor": 0.0,
    "variance_ratio": 1.0,
    "nn_distance": 1.0,
    "copies": 0.0,
}
CLASS_MEAN = REAL | {"variance_ratio": 0.003, "trts_set2": 0.8, "fid_over_floor": 160.0}


def lanes(**status):
    found = [{"seed": 0, "fold": fold, "status": "ok"} for fold in range(FOLDS)]
    for key, value in status.items():
        found[int(key[1:])]["status"] = value
    return found


def summaries(values, records):
    spread = (-0.01, 0.0, 0.01, 0.0)
    return {
        name: summarise(
            [
                None if value is None or lane["status"] == "diverged" else value + s
                for s, lane in zip(spread, records, strict=True)
            ],
            records,
        )
        for name, value in values.items()
    }


def verdict(records=None, per_class=None, **changes):
    records = records or lanes()
    values = REAL | changes
    ratios = dict.fromkeys(CLASSES, values["variance_ratio"]) | (per_class or {})
    references = {
        "real": summaries(REAL, lanes()),
        "class_mean": summaries(CLASS_MEAN, lanes()),
    }
    found = judge(summaries(values, records), references, {"variance_ratio": ratios}, records)
    assert set(found) == {"word", "reasons", "rule"} and found["rule"] == RULE
    assert found["reasons"] and all(isinstance(reason, str) for reason in found["reasons"])
    return found


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({}, "faithful"),
        ({"tstr_set2": 0.52, "fid_over_floor": 5.0, "variance_ratio": 0.8}, "faithful"),
        ({"variance_ratio": 0.003, "trts_set2": 0.8}, "collapsed"),
        ({"per_class": {"sad": 0.009}}, "collapsed"),
        ({"per_class": {"sad": 0.011}}, "faithful"),
        ({"per_class": {"sad": 0.0}}, "collapsed"),
        ({"copies": 0.8}, "copying"),
        ({"copies": 0.8, "variance_ratio": 0.3}, "copying"),
        ({"copies": 0.05}, "faithful"),
        ({"variance_ratio": 0.2, "trts_set2": 0.7}, "prototype-like"),
        ({"variance_ratio": 0.2, "trts_set2": 0.45}, "prototype-like"),
        ({"trts_set2": 0.65}, "prototype-like"),
        ({"trts_set2": 0.3}, "off the data"),
        ({"trts_set2": 0.3, "variance_ratio": 0.36}, "off the data"),
        ({"variance_ratio": 2.0}, "off the data"),
        ({"tstr_set2": 0.45}, "off the data"),
        ({"fid_over_floor": 60.0}, "off the data"),
        ({"fid_over_floor": -1.0}, "faithful"),
    ],
)
def test_word(changes, word):
    assert verdict(**changes)["word"] == word


def test_reasons_name_the_figures():
    reasons = " ".join(verdict(variance_ratio=0.21, trts_set2=0.71)["reasons"])
    assert "0.21" in reasons and "0.710" in reasons and "0.480" in reasons
    reasons = " ".join(verdict(tstr_set2=0.44, fid_over_floor=80.0)["reasons"])
    assert "0.80" in reasons and "0.50" in reasons


@pytest.mark.parametrize(
    ("status", "folds", "word", "reason"),
    [
        ("collapsed", 2, "collapsed", "2 of 4 lanes collapsed"),
        ("collapsed", 1, "faithful", "1 of 4 lanes collapsed"),
        ("diverged", 1, "faithful", "1 of 4 lanes diverged"),
        ("diverged", 3, "faithful", "3 of 4 lanes diverged"),
        ("diverged", 4, "diverged", "4 of 4 lanes diverged; none has a value"),
    ],
)
def test_lanes_count(status, folds, word, reason):
    found = verdict(lanes(**{f"f{fold}": status for fold in range(folds)}))
    assert found["word"] == word and reason in found["reasons"]


def test_missing_classes_are_named():
    records = lanes()
    records[1]["classes_missing"] = ["sad"]
    found = verdict(records)
    assert found["word"] == "collapsed" and "sad" in found["reasons"][0]


def test_nothing_to_judge():
    nothing = dict.fromkeys(REAL)
    found = verdict(per_class=dict.fromkeys(CLASSES), **nothing)
    assert found["word"] == "no verdict"


def test_one_fold_has_no_interval():
    record = [{"seed": 0, "fold": 0, "status": "ok"}]
    one = {name: summarise([value], record) for name, value in REAL.items()}
    references = {"real": one, "class_mean": one}
    high = one | {"trts_set2": summarise([0.7], record)}
    ratios = {"variance_ratio": dict.fromkeys(CLASSES, 1.0)}
    assert judge(high, references, ratios, record)["word"] == "prototype-like"
    assert judge(one, references, ratios, record)["word"] == "faithful"
