"""The library: estimators by scikit-learn's contract, and the same figures as the command's."""

from __future__ import annotations

import doctest
import pickle

import numpy as np
import pandas as pd
import pytest
from commands import command
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks
from small_runs import tiny

import aegan
from aegan.system.files import read_json

SMALL = {
    "train.epochs": 3,
    "model.encoder": (8, 6),
    "model.code_discriminator": (8, 6),
    "model.feature_discriminator": (8, 6),
    "model.auxiliary": (5,),
    "model.code_generator": (6,),
}
MODELS = [aegan.M1, aegan.M2, aegan.M3]


@pytest.fixture(scope="module")
def rows():
    """Simulated rows (120, 30) as a DataFrame, with their emotions."""
    frame = aegan.simulated_corpus(rows=120, dim=30).to_frame()
    return frame.drop(columns=["file", "speaker", "emotion"]), frame["emotion"]


@parametrize_with_checks([aegan.M2(overrides=SMALL | {"train.epochs": 1}, random_state=0)])
def test_the_contract_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.parametrize("example", sorted({*aegan.__all__} - {"InputError"}))
def test_examples_of_docstrings(example):
    (found,) = doctest.DocTestFinder(recurse=False).find(getattr(aegan, example), example)
    assert found.examples and doctest.DocTestRunner().run(found).failed == 0


def test_all_that_is_public_can_be_had():
    assert {name for name in aegan.__all__ if hasattr(aegan, name)} == set(aegan.__all__)
    with pytest.raises(AttributeError, match="no attribute 'M9'"):
        aegan.M9  # noqa: B018


@pytest.mark.parametrize("kind", MODELS)
def test_rows_come_back_as_they_went_in(kind, rows):
    X, y = rows
    gan = kind(overrides=SMALL, random_state=0).fit(X, y)
    made, labels = gan.sample(50)
    assert list(made.columns) == list(X.columns) and made.shape == (50, 30)
    assert set(labels) <= set(y) and list(gan.classes_) == sorted(set(y))
    assert gan.n_features_in_ == 30 and gan.status_ in ("ok", "collapsed")
    counted, named = gan.sample(classes={"sad": 2, "angry": 1})
    assert list(named) == ["sad", "sad", "angry"] and len(counted) == 3
    spread = made.to_numpy().mean(axis=0) - X.to_numpy().mean(axis=0)
    assert (np.abs(spread) < 6 * X.to_numpy().std(axis=0)).all()  # in the units of X


def test_labels_and_arrays_of_any_kind(rows):
    X, y = rows[0].to_numpy(), (rows[1] == "sad").to_numpy(int) * 7
    made, labels = aegan.M1(overrides=SMALL, random_state=0).fit(X, y).sample(20)
    assert isinstance(made, np.ndarray) and made.shape == (20, 30)
    assert set(labels) <= {0, 7} and labels.dtype == y.dtype


def test_a_seed_fixes_every_row_and_a_clone_is_not_fitted(rows):
    gan = aegan.M3(overrides=SMALL, random_state=3).fit(*rows)
    again = clone(gan)
    assert not hasattr(again, "generator_") and again.get_params() == gan.get_params()
    pd.testing.assert_frame_equal(again.fit(*rows).sample(30)[0], gan.sample(30)[0])
    assert not gan.sample(30, random_state=1)[0].equals(gan.sample(30)[0])
    other = aegan.M3(overrides=SMALL, random_state=4).fit(*rows)
    assert not other.sample(30)[0].equals(gan.sample(30)[0])
    pd.testing.assert_frame_equal(gan.sample(10)[0], gan.sample(30)[0].head(10))
    assert pickle.loads(pickle.dumps(gan)).sample(5)[0].equals(gan.sample(5)[0])


def test_what_is_saved_is_loaded(rows, tmp_path):
    gan = aegan.M2(overrides=SMALL, random_state=0).fit(*rows)
    gan.save(tmp_path / "gan.npz")
    same = aegan.load(tmp_path / "gan.npz")
    assert type(same) is aegan.M2 and list(same.classes_) == list(gan.classes_)
    pd.testing.assert_frame_equal(same.sample(9)[0], gan.sample(9)[0])


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"train.gian": 0.2}, "no field 'train.gian'"),
        ({"tren.gain": 0.2}, "no field 'tren.gain'"),
        ({"train.gain": -1.0}, "config.train.gain=-1.0: must be above 0"),
        ({"train.gain": "wide"}, "config.train.gain='wide': must be a number"),
    ],
)
def test_a_parameter_that_cannot_be_is_named(overrides, words, rows):
    with pytest.raises(aegan.InputError, match=words):
        aegan.M2(overrides=overrides).fit(*rows)


def test_an_unknown_class_and_a_number_that_cannot_be_are_named(rows):
    gan = aegan.M1(overrides=SMALL, random_state=0).fit(*rows)
    with pytest.raises(aegan.InputError, match="no class 'bored'; there are angry, happy"):
        gan.sample(classes={"bored": 3})
    for given in ({"n": -3}, {"n": 2.5}, {"classes": {"angry": -1}}):
        with pytest.raises((TypeError, ValueError), match="number of rows"):
            gan.sample(**given)


def test_cross_validation_and_its_figures_are_the_commands(tmp_path):
    done = command(tmp_path, *tiny("m1", tmp_path / "run"))
    assert done.status == 0, done.err
    written = read_json(tmp_path / "run" / "results.json")
    quick = {"sample.rows": 120, "metrics.c_grid": (1e-4, 1e-3, 1e-2), "metrics.fid_nets": 1}
    estimator = aegan.M1(overrides=SMALL | quick)
    corpus = aegan.simulated_corpus(rows=120, dim=30)
    runs = aegan.cross_validate(estimator, corpus, folder=tmp_path / "called")
    found = aegan.evaluate(runs, corpus)
    assert list(runs.lanes["fold"]) == [0, 1, 2, 3, 4]
    # The command may train in another way, which rounds otherwise.
    for metric, summary in written["metrics"].items():
        assert found.frame().loc["model", metric] == pytest.approx(summary["mean"], rel=1e-3)
    assert found.lanes().shape[0] == 5 and "M1" in str(found)
    one, lane = runs.generator(fold=2), aegan.load(tmp_path / "run", fold=2)
    np.testing.assert_allclose(one.sample(5)[0], lane.sample(5)[0], rtol=1e-4)
    with pytest.raises(aegan.InputError, match="no such generator"):
        aegan.load(tmp_path / "run", fold=9)
