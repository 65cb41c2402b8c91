"""The classifiers beside the SVM: they learn, the same twice, and stand whatever they are given."""

from __future__ import annotations

import numpy as np
import pytest

from aegan.errors import InputError
from aegan.metrics.classifiers import OTHERS, learn
from aegan.run.config import read_config, that_counts
from aegan.run.plan import make_plan
from aegan.run.programs import load


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 2, 3], [80, 20, 40])
    return (2 * rng.standard_normal((4, 12))[labels] + rng.standard_normal((140, 12))), labels


@pytest.mark.parametrize("name", OTHERS)
def test_learns_twice_the_same(name, rows, monkeypatch):
    monkeypatch.setattr("aegan.metrics.classifiers.UPDATES", 60)
    features, labels = rows
    first, again = (learn(name, features[::2], labels[::2])(features[1::2]) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    recalls = [np.mean(first[labels[1::2] == label] == label) for label in (0, 2, 3)]
    assert min(recalls) > 0.8


@pytest.mark.parametrize("name", OTHERS)
def test_one_class_is_all_it_knows(name, rows):
    assert learn(name, rows[0][:5], np.full(5, 2))(rows[0][:3]).tolist() == [2, 2, 2]


def test_rare_classes_weigh_as_much():
    """Two classes that lie in one another: the frequent one does not take every row."""
    rng = np.random.default_rng(0)
    features, labels = rng.standard_normal((400, 3)), np.arange(400) % 10 == 0
    features[labels] += 0.5
    assert 0.2 < learn("logistic", features, labels)(features).mean() < 0.8


def test_a_config_names_them():
    config = load("m1", "quick")
    config.data.simulated_rows, config.data.simulated_features = 120, 8
    before = make_plan(config)
    assert before.protocol.classifiers == ("svm",)
    config.metrics.classifiers = ("forest,svm",)  # as on the command line
    assert make_plan(config).protocol.classifiers == ("forest", "svm")
    for wrong in ((), ("svm", "svm"), ("tree",)):
        config.metrics.classifiers = wrong
        with pytest.raises(InputError, match="classifiers=.* must be different names of svm, log"):
            read_config(config)
    # Fields that joined later leave the hash of a run as it was.
    kept = that_counts(before.config.written)
    assert "classifiers" not in kept["metrics"] and "splits" not in kept["data"]
    assert that_counts({"data": {"splits": 4}}) == {"data": {"splits": 4}}
