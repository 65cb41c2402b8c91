"""The verdict's rule, case by case."""

from __future__ import annotations

import pytest

from aegan.metrics.intervals import summarise
from aegan.metrics.verdict import RULE, judge

CLASSES = ("angry", "happy", "neutral", "sad")
# What real rows score, per fold the same but for a little spread.
REAL = {"trts_set1": 0.97, "trts_set2": 0.48, "tstr_set1": 0.97, "tstr_set2": 0.55}
REAL |= {"real_to_real": 0.55, "fid": 0.0, "fid_real": 1.6, "fid_over_floor": 0.0}
REAL |= {"variance_ratio": 1.0, "nn_distance": 1.0, "copies": 0.0, "interpolated": 0.01}
CLASS_MEAN = REAL | {"variance_ratio": 0.003, "trts_set2": 0.8, "fid_over_floor": 160.0}


def lanes(*status):
    """Four folds; the first ones with a status."""
    known = [*status, "ok", "ok", "ok", "ok"]
    return [{"seed": 0, "fold": fold, "status": known[fold]} for fold in range(4)]


def summaries(values, records):
    def of_lane(value, lane, spread):
        return None if value is None or lane["status"] == "diverged" else value + spread

    spreads = list(zip(records, (-0.01, 0.0, 0.01, 0.0), strict=False))
    return {
        name: summarise([of_lane(value, *pair) for pair in spreads], records)
        for name, value in values.items()
    }


def verdict(records=None, per_class=None, **changes):
    records = records or lanes()
    values = REAL | changes
    ratios = dict.fromkeys(CLASSES, values["variance_ratio"]) | (per_class or {})
    references = {
        name: summaries(of, records if len(records) == 1 else lanes())
        for name, of in (("real", REAL), ("class_mean", CLASS_MEAN))
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
        ({"copies": 0.05, "interpolated": 0.1}, "faithful"),
        ({"interpolated": 0.12}, "copying"),
        ({"variance_ratio": 0.2, "trts_set2": 0.7}, "prototype-like"),
        ({"variance_ratio": 0.2, "trts_set2": 0.45}, "prototype-like"),
        ({"trts_set2": 0.65}, "prototype-like"),
        # An SVM of others does not know the classes, but learns them from the rows.
        ({"trts_set2": 0.3}, "faithful"),
        ({"trts_set2": 0.3, "variance_ratio": 0.36}, "prototype-like"),
        ({"trts_set2": 0.3, "variance_ratio": 0.36, "tstr_set2": 0.45}, "off the data"),
        ({"variance_ratio": 2.0}, "off the data"),
        ({"tstr_set2": 0.45}, "off the data"),
        ({"tstr_set2": 0.45, "fid_over_floor": 60.0}, "off the data"),
        ({"fid_over_floor": 60.0}, "faithful"),
        ({"fid_over_floor": -1.0}, "faithful"),
    ],
)
def test_word(changes, word):
    assert verdict(**changes)["word"] == word


def test_reasons_name_the_figures():
    for changes, figures in (
        ({"variance_ratio": 0.21, "trts_set2": 0.71}, ("0.21", "71.0 %", "48.0 %")),
        ({"tstr_set2": 0.44, "fid_over_floor": 80.0}, ("0.80", "0.50", "44.0 %")),
    ):
        reasons = " ".join(verdict(**changes)["reasons"])
        assert all(figure in reasons for figure in figures)


@pytest.mark.parametrize(
    ("status", "folds", "word", "count", "more"),
    [
        ("collapsed", 2, "collapsed", "2 of 4", ""),
        ("collapsed", 1, "faithful", "1 of 4", ""),
        ("diverged", 1, "faithful", "1 of 4", ""),
        ("diverged", 3, "faithful", "3 of 4", ""),
        (
            "diverged",
            4,
            "diverged",
            "4 of 4",
            "; none has a value",
        ),
    ],
)
def test_lanes_count(status, folds, word, count, more):
    found = verdict(lanes(*[status] * folds))
    reason = f"{count} trainings (one per fold and seed) {status}{more}"
    assert found["word"] == word and reason in found["reasons"]


def test_the_gap_of_trts_is_paired_by_lane():
    """Folds that differ by more than the gap; one lane has no value."""
    records, real = lanes("diverged"), summaries(REAL, lanes())
    folds = [0.3, 0.9, 0.2, 0.6]
    real["trts_set2"] = summarise(folds, records)
    own = summaries(REAL, records)
    own["trts_set2"] = summarise([None, *(value + 0.15 for value in folds[1:])], records)
    references = {"real": real, "class_mean": summaries(CLASS_MEAN, records)}
    ratios = {"variance_ratio": dict.fromkeys(CLASSES, 1.0)}
    found = judge(own, references, ratios, records)
    assert found["word"] == "prototype-like"


def test_missing_classes_are_named():
    records = lanes()
    records[1]["classes_missing"] = ["sad"]
    found = verdict(records)
    assert found["word"] == "collapsed" and "sad" in found["reasons"][0]


def test_nothing_to_judge():
    found = verdict(per_class=dict.fromkeys(CLASSES), **dict.fromkeys(REAL))
    assert found["word"] == "no verdict"


HELD_OUT = dict.fromkeys(("trts_set2", "tstr_set2", "real_to_real"))


def test_where_nothing_is_held_out_fid_decides():
    found = verdict(**HELD_OUT)
    assert found["word"] == "faithful" and "nothing was held out" in found["reasons"]
    assert verdict(**HELD_OUT, fid_over_floor=20.0)["word"] == "off the data"
    assert verdict(**HELD_OUT, copies=0.5)["word"] == "copying"


# Means of five folds of RAVDESS (EvaluationProtocol with tie=0.01 and 2000 rows).
MEASURED = {
    "class_gaussian": ((0.973, 0.588, 0.989, 0.694), 2.98, 1.001, 0.0, 0.0, "faithful"),
    "smote": ((0.980, 0.600, 0.986, 0.666), 2.34, 0.750, 0.788, 0.861, "copying"),
}


@pytest.mark.parametrize("name", MEASURED)
def test_what_the_references_are_called(name, monkeypatch):
    monkeypatch.setitem(REAL, "trts_set2", 0.573)
    uars, fid, ratio, copies, between, word = MEASURED[name]
    keys = ("trts_set1", "trts_set2", "tstr_set1", "tstr_set2")
    found = dict(zip(keys, uars, strict=True)) | {"real_to_real": 0.687, "variance_ratio": ratio}
    found |= {"fid_over_floor": fid, "copies": copies, "interpolated": between}
    assert verdict(**found)["word"] == word


def test_one_fold_has_no_interval():
    assert verdict(lanes()[:1], trts_set2=0.7)["word"] == "prototype-like"
    assert verdict(lanes()[:1])["word"] == "faithful"
