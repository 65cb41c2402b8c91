"""Fidelity against rows kept back: halves, each measure by hand, against prdc, known answers."""

from __future__ import annotations

import numpy as np
import prdc as oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score

from aegan.metrics.fid import FidProtocol, train_net
from aegan.metrics.fidelity import Bench, halves, kid, membership, prdc, two_sample_auc
from aegan.metrics.intervals import auc_over_speakers
from aegan.metrics.references import GENERATORS

cells = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2)), min_size=1, max_size=60)


@settings(max_examples=60, deadline=None)
@given(cells=cells, seed=st.integers(0, 9))
def test_halves_of_every_cell(cells, seed):
    speakers, labels = (np.array(column) for column in zip(*cells, strict=True))
    parts = halves(labels, speakers.astype(str), seed)
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(len(labels)))
    for groups in ([labels, speakers], [labels], [np.zeros_like(labels)]):
        for group in np.unique(np.stack(groups), axis=1).T:
            inside = np.all(np.stack(groups) == group[:, None], axis=0)
            sizes = [int(inside[part].sum()) for part in parts]
            assert abs(sizes[0] - sizes[1]) <= 1
    for part, again in zip(parts, halves(labels, speakers.astype(str), seed), strict=True):
        np.testing.assert_array_equal(part, again)


def test_single_rows_of_cells_fall_on_either_side():
    labels, speakers = np.zeros(20, int), np.arange(20).astype(str)
    seen = [set(halves(labels, speakers, seed)[0].tolist()) for seed in range(6)]
    assert all(len(part) == 10 for part in seen) and len(set(map(frozenset, seen))) == 6


# On a line: real rows at 0, 1, 3, 7 reach to their nearest: 1, 1, 2, 4.
LINE = np.array([[0.0], [1.0], [3.0], [7.0]])


def test_prdc_by_hand():
    synthetic = np.array([[0.5], [4.0], [20.0]])  # reach: 3.5, 3.5, 16
    found = prdc(LINE, synthetic, k=1)
    assert found["precision"] == pytest.approx(2 / 3)  # 20 is in no ball
    # 0.5 is in the balls of 0 and 1; 4 in those of 3 and 7.
    assert found["density"] == pytest.approx(4 / 3)
    assert found["coverage"] == 1
    assert found["recall"] == 1  # of 0, 1, 3 by 0.5; of 7 by 4
    away = prdc(LINE, synthetic + 100, k=1)
    assert set(away.values()) == {0.0}
    assert set(prdc(LINE, LINE, k=1).values()) == {1.0}  # each row is in its own ball alone


@pytest.mark.parametrize("k", [1, 5])
def test_prdc_is_that_of_the_package(k, monkeypatch):
    monkeypatch.setattr("aegan.metrics.fidelity._CHUNK", 7)
    rng = np.random.default_rng(0)
    real, synthetic = rng.standard_normal((60, 9)), 0.8 * rng.standard_normal((45, 9)) + 0.2
    wanted = oracle.compute_prdc(real, synthetic, k)
    assert prdc(real, synthetic, k) == pytest.approx(wanted)


def test_kid_by_hand_and_by_loops():
    # One unit, kernel (x y + 1)^3: among a 1 (of 0 and 1), among b 27 (of 1 and 2);
    # across 1, 1, 8, 27.
    assert kid(np.array([[0.0], [1.0]]), np.array([[1.0], [2.0]])) == 1 + 27 - 2 * 37 / 4
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal((5, 3)), rng.standard_normal((4, 3)) + 1

    def mean(x, y):
        pairs = [(i, j) for i in range(len(x)) for j in range(len(y)) if x is not y or i != j]
        return np.mean([(x[i] @ y[j] / 3 + 1) ** 3 for i, j in pairs])

    assert kid(a, b) == pytest.approx(mean(a, a) + mean(b, b) - 2 * mean(a, b))
    # Unbiased: over many draws of one distribution its mean is 0.
    draws = [kid(*rng.standard_normal((2, 20, 3))) for _ in range(400)]
    assert abs(np.mean(draws)) < 4 * stats.sem(draws) and min(draws) < 0
    with pytest.raises(ValueError):
        kid(a[:1], b)


def test_auc_over_speakers_by_hand():
    first, second = np.array([3.0, 1.0]), np.array([2.0, 1.0])
    found = auc_over_speakers(first, np.array(["a", "b"]), second, np.array(["a", "b"]))
    assert found["mean"] == (1 + 1 + 0 + 0.5) / 4
    # Drawn a twice: 3 above 2; b twice: 1 and 1; one of each: as it is.
    drawn = np.random.default_rng(2).multinomial(2, [0.5, 0.5], size=2000)[:, 0]
    spread = np.var(np.choose(drawn, [0.5, found["mean"], 1.0]))
    reach = stats.t.ppf(0.975, 1) * np.sqrt(2 * spread)
    assert found["ci95"] == pytest.approx([found["mean"] - reach, found["mean"] + reach])


def test_auc_over_speakers_is_scikit_learns():
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 9, 70), rng.integers(0, 7, 50)
    speakers = [rng.choice(list("abcde"), size=n) for n in (70, 50)]
    found = auc_over_speakers(first, speakers[0], second, speakers[1])
    truth = np.repeat([1, 0], [70, 50])
    assert found["mean"] == pytest.approx(roc_auc_score(truth, np.concatenate([first, second])))
    assert found["ci95"][0] < found["mean"] < found["ci95"][1]
    one = auc_over_speakers(first, np.full(70, "a"), second, np.full(50, "a"))
    assert one == {"mean": found["mean"], "ci95": None}


def test_the_attack_finds_copies_and_nothing_in_fresh_rows():
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((3, 90, 30)).astype(np.float32)
    speakers = np.repeat(list("abcdef"), 15)

    def attack(seen, kept, synthetic):
        return membership(rows[seen], speakers, rows[kept], speakers, rows[synthetic])

    assert attack(0, 1, 0) == {"mean": 1.0, "ci95": [1.0, 1.0]}
    low, high = attack(0, 1, 2)["ci95"]
    assert low < 0.5 < high
    assert attack(1, 0, 0)["mean"] == 0


class Watched(RandomForestClassifier):
    """Keeps what it learnt from and was tested on."""

    def fit(self, rows, labels):
        self.learnt = rows
        return super().fit(rows, labels)

    def predict_proba(self, rows):
        self.tested = rows
        return super().predict_proba(rows)


def test_two_samples_are_judged_on_rows_unseen():
    rng = np.random.default_rng(0)
    real = rng.standard_normal((80, 5))
    copied = real[rng.integers(20, size=80)] + 9  # each many times
    forest = Watched(30, random_state=0)
    assert two_sample_auc(forest, real, copied, 0) == 1
    learnt, tested = ({row.tobytes() for row in rows} for rows in (forest.learnt, forest.tested))
    assert not learnt & tested
    assert len(learnt | tested) == 80 + len(np.unique(copied, axis=0))
    assert 0.3 < two_sample_auc(forest, real, rng.standard_normal((80, 5)), 0) < 0.7
    with pytest.raises(ValueError, match="two different rows"):
        two_sample_auc(forest, real, copied[[0, 0]], 0)


@pytest.fixture(scope="module")
def setting():
    """Six speakers, three classes, 30 correlated columns: half seen, half kept."""
    rng = np.random.default_rng(0)
    labels, speakers = np.arange(360) % 3, np.arange(360) // 3 % 6
    mixing = rng.standard_normal((8, 30))
    rows = rng.standard_normal((360, 8)) @ mixing + 0.5 * rng.standard_normal((360, 30))
    rows += rng.standard_normal((3, 30))[labels] + rng.standard_normal((6, 30))[speakers]
    rows = (rows / rows.std(axis=0)).astype(np.float32)
    names = speakers.astype(str)
    seen, kept = ((rows[p], labels[p], names[p]) for p in halves(labels, names, 0))
    nets = (train_net(rows, labels, FidProtocol(epochs=5), 0),)
    return seen, kept, Bench(seen[:2], kept[:2], nets)


def test_what_each_generator_is_called(setting):
    """Copies leak, means are narrow, seen rows are the floor, a Gaussian is private."""
    seen, kept, bench = setting
    made = {"real": seen[:2]}
    for name in ("smote", "class_gaussian", "class_mean"):
        made[name] = GENERATORS[name](*seen, 180, 0)
    found = {name: bench.measure(*rows) for name, rows in made.items()}
    leak = {
        name: membership(seen[0], seen[2], kept[0], kept[2], rows[0])["mean"]
        for name, rows in made.items()
    }
    assert leak["real"] == 1 > leak["smote"] > 0.75 > 0.65 > leak["class_gaussian"] > 0.4
    assert found["real"]["fid_over_floor"] == found["real"]["frechet_over_floor"] == 0
    assert found["class_mean"]["frechet_over_floor"] > found["class_gaussian"]["frechet_over_floor"]
    assert 0.3 < found["real"]["c2st_forest"] < 0.7 < 0.99 < found["class_mean"]["c2st_forest"]
    assert 0.3 < found["real"]["c2st_logistic"] < 0.7
    assert found["class_mean"]["variance_ratio"] < 0.01 < 0.9 < found["real"]["variance_ratio"]
    assert found["class_mean"]["recall"] == 0 and found["real"]["recall"] > 0.5
    assert abs(found["real"]["kid"]) < abs(found["class_mean"]["kid"])
