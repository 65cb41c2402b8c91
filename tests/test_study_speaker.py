"""Adaptation to a speaker known by a few unlabelled rows: methods, shares, report."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from aegan.data.folds import Fold
from aegan.metrics.svm import SvmProtocol, uar
from aegan.study.speaker import methods, report, tasks
from aegan.study.speaker.methods import Seen
from aegan.study.speaker.tasks import Settings

PROTOCOL = SvmProtocol(c_grid=(1e-3, 1e-2), inner_folds=2)


@pytest.fixture(scope="module")
def voices():
    """Speakers far apart, in classes that are not: training rows, and rows of six others."""
    rng = np.random.default_rng(0)
    s, c, _ = (a.ravel() for a in np.mgrid[:14, :3, :10])
    offsets, means = rng.normal(0, 2, (14, 40)), rng.normal(0, 0.4, (3, 40))
    z = (means[c] + offsets[s] + rng.normal(size=(len(s), 40))).astype("f4")
    seen = s < 8
    others = [(z[s == k], c[s == k]) for k in range(8, 14)]
    return Seen(z[seen], c[seen], s[seen], 3, PROTOCOL), others


def score(classify, others, known):
    """Mean UAR over the speakers, of each of whom ``known(rows)`` are known."""
    found = []
    for rows, labels in others:
        counts = np.zeros((3, 3), int)
        np.add.at(counts, (labels, classify(rows, known(rows))), 1)
        found.append(uar(counts))
    return np.mean(found)


def test_knowing_the_speaker_helps_and_with_a_single_row_too(voices):
    seen, others = voices
    _, nobody, offsets = methods.new_speakers(seen, 600, 0)
    adapted = methods.shifted(seen.svm(*nobody), offsets)
    none = score(methods.nothing(seen), others, lambda rows: rows)
    for classify in (adapted, methods.revoiced(seen, offsets)):
        assert score(classify, others, lambda rows: rows[::3]) > none + 0.1
    one = [
        score(classify, others, lambda rows: rows[:1]) for classify in (adapted, methods.mean(seen))
    ]
    assert one[0] >= one[1] and one[0] > none


def test_iterative_normalisation_finds_the_neutral_rows():
    # Neutral (class 0) at 0, the other class at +4; the speaker lies 1 higher.
    rng = np.random.default_rng(0)
    labels, speakers = np.tile([0, 1], 40), np.arange(80) // 20
    z = (4.0 * labels[:, None] + rng.normal(0, 0.1, (80, 5))).astype("f4")
    classify = methods.iterative(Seen(z, labels, speakers, 2, PROTOCOL), neutral=0)
    known = np.float32([[1.0] * 5, [5.0] * 5])
    np.testing.assert_array_equal(classify(known + 0.1, known), [0, 1])


def test_a_share_keeps_two_rows_of_every_cell():
    speakers, labels = np.repeat(["a", "b"], 20), np.tile([0, 1], 20)
    study = SimpleNamespace(source=SimpleNamespace(speakers=speakers, labels=labels))
    fold = Fold(0, np.arange(40), np.arange(0), (), "")
    for percent, rows in ((10, 2), (50, 5), (100, 10)):
        kept = tasks.share(study, fold, percent)
        cells = {(s, c) for s, c in zip(speakers, labels, strict=True)}
        for s, c in cells:
            assert np.sum((speakers[kept] == s) & (labels[kept] == c)) == rows
    np.testing.assert_array_equal(tasks.share(study, fold, 50), tasks.share(study, fold, 50))


@pytest.fixture
def found():
    """Results of two folds of two speakers each, of whom the adapted classifier errs on none."""
    settings = Settings(known=(1, 5), percents=(100,), rows=100)
    names = ["a", "b", "c", "d"]
    folds = [Fold(k, *[np.arange(0)] * 2, tuple(names[2 * k : 2 * k + 2]), "") for k in (0, 1)]
    study = SimpleNamespace(
        settings=lambda name: settings,
        folds=folds,
        source=SimpleNamespace(speakers=np.array(names), classes=("calm", "sad")),
    )
    wrong, right = [[3, 1], [2, 2]], [[4, 0], [0, 4]]

    def of(fold):
        speakers = fold.held_out
        return {
            "none": dict.fromkeys(speakers, wrong),
            "m5": dict.fromkeys(speakers, right),
        }

    records = {
        tasks.task_name(100, f.index): {"counts": {k: of(f) for k in ("1", "5")}} for f in folds
    }
    return tasks.results(study, records)


def test_gains_are_paired_with_intervals_over_speakers(found):
    of = found["percents"]["100"]["5"]
    assert of["none"]["uar"]["mean"] == pytest.approx((3 / 4 + 2 / 4) / 2)
    assert of["m5"]["gain"]["mean"] == pytest.approx(1 - 0.625)
    low, high = of["m5"]["gain"]["ci95"]
    assert low == pytest.approx(high)  # all speakers alike


def test_the_report_shows_every_share_and_method(found, tmp_path):
    results = {
        "experiments": {"speaker": found},
        "source": {"name": "mine", "simulated": False, "classes": ["calm", "sad"]},
        "config": {"models": ["m5"]},
        "versions": {},
    }
    (section,) = report.sections(results, tmp_path)
    assert "Adaptation" in section.title
    lines = "\n".join(report.summary(results))
    assert "M5 for the speaker" in lines and "k=5" in lines
    (words,) = report.in_short(results)
    assert "5 unlabelled rows" in words and "100.0 %" in words and "62.5 %" in words
