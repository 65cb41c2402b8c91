"""M5 as a generator: files, speakers, re-voicing, no leaks, its adversarial kind, estimators."""

from __future__ import annotations

import warnings

import jax
import numpy as np
import pandas as pd
import pytest
from commands import command
from imblearn.pipeline import make_pipeline
from imblearn.utils.estimator_checks import _yield_all_checks
from sklearn import config_context
from sklearn.model_selection import GroupKFold, cross_validate
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline as plain_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

import aegan
from aegan.data.contract import FeatureContract
from aegan.data.unlabelled import read_unlabelled
from aegan.errors import InputError
from aegan.models.m5 import CORRECTION, FACTORS, M5, NOISE
from aegan.sampling.generator import load_generator
from aegan.speakers.factors import FEW


@pytest.fixture(scope="module")
def corpus():
    return aegan.simulated_corpus(rows=300, dim=40)


@pytest.fixture(scope="module")
def fitted(corpus):
    gan = aegan.M5(random_state=0)
    return gan.fit(corpus.features, corpus.labels, groups=corpus.speakers)


def voices(dim=30, rows=6):
    """Rows of eight speakers with offsets, in four classes: X, y, groups; the last one is far."""
    rng = np.random.default_rng(0)
    s, c, _ = (a.ravel() for a in np.mgrid[:8, :4, :rows])
    offsets = rng.normal(0, 1.5, (8, dim))
    offsets[-1] = 3
    return (2.0 * c[:, None] + offsets[s] + rng.normal(size=(len(s), dim))).astype("f4"), c, s


def test_a_generator_file_draws_the_same_rows(fitted, tmp_path):
    fitted.save(tmp_path / "gan.npz")
    again = aegan.load(tmp_path / "gan.npz")
    first, labels = fitted.sample(100)
    np.testing.assert_array_equal(again.sample(100)[0].to_numpy(), first)
    np.testing.assert_array_equal(first[:30], fitted.sample(30)[0])  # the first rows stay
    assert set(labels) == {0, 1, 2, 3} and np.isfinite(first).all()


def test_same_seed_same_rows_and_another_draw_others(corpus, fitted):
    gan = aegan.M5(random_state=0)
    again = gan.fit(corpus.features, corpus.labels, groups=corpus.speakers)
    np.testing.assert_array_equal(again.sample(50)[0], fitted.sample(50)[0])
    assert not np.array_equal(fitted.sample(50, random_state=1)[0], fitted.sample(50)[0])


@pytest.mark.parametrize("kind", [aegan.M1, aegan.M5])
def test_rows_for_a_speaker_lie_where_the_speaker_does(kind):
    X, y, groups = voices()
    seen, far = groups < 7, X[groups == 7]
    gan = kind(random_state=0, **({"updates": 20} if kind is aegan.M1 else {}))
    gan.fit(X[seen], y[seen], groups=groups[seen])
    few = far[::6]  # one of each class
    rows = [gan.sample(400)[0], *(gan.sample(400, speaker=one)[0] for one in (few, far))]
    none, some, many = (np.mean(made - X[seen].mean(axis=0)) for made in rows)
    assert none + 0.5 < some < many < 3.2  # shrunk, the less the more rows there are
    assert gan.generator_.for_speaker(far).passport["unlabelled_rows_of_the_speaker"] == 24


def test_the_labels_of_a_speakers_rows_reach_nothing(corpus, tmp_path):
    frame = pd.DataFrame(corpus.features[:6], columns=list(corpus.feature_names))
    contract = FeatureContract.of(corpus.feature_names)
    frame["speaker"] = ["a"] * 4 + ["b"] * 2
    for name, emotions in (("one", "angry"), ("two", "sad")):
        frame.assign(emotion=emotions).to_parquet(tmp_path / f"{name}.parquet", index=False)
    one, two = (read_unlabelled(tmp_path / f"{n}.parquet", contract) for n in ("one", "two"))
    np.testing.assert_array_equal(one.features, two.features)
    np.testing.assert_array_equal(one.features, corpus.features[:6])
    assert list(one.speakers) == ["a"] * 4 + ["b"] * 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: f.drop(columns=f.columns[3]), "missing; extract the features"),
        (lambda f: f.assign(**{f.columns[2]: "x"}), "is not numeric"),
        (lambda f: f.assign(**{f.columns[2]: np.nan}), "is (nan|None); drop the row"),
        (lambda f: f[:0], "has no rows"),
        (lambda f: f.assign(speaker=["a", "NA", "b"]), "1 of 3 rows have no speaker; fill"),
    ],
)
def test_rows_of_a_speaker_that_cannot_be_used(change, words, corpus, tmp_path):
    frame = pd.DataFrame(corpus.features[:3], columns=list(corpus.feature_names))
    change(frame).to_parquet(tmp_path / "t.parquet", index=False)
    with pytest.raises(InputError, match=words):
        read_unlabelled(tmp_path / "t.parquet", FeatureContract.of(corpus.feature_names))


def test_the_command_draws_for_each_speaker_of_a_table(corpus, tmp_path):
    aegan.cross_validate(
        aegan.M5(overrides={"only_folds": (0,), "sample.rows": 100}), corpus, folder=tmp_path / "m5"
    )
    frame = corpus.to_frame()[:5].drop(columns=["file", "emotion"])
    frame["speaker"] = ["anna"] * 3 + ["bert"] * 2
    drawn = []
    for name, labels in (("bare", None), ("labelled", ["sad"] * 5)):
        table = frame if labels is None else frame.assign(emotion=labels)
        table.to_parquet(tmp_path / f"{name}.parquet", index=False)
        out = f"--out={tmp_path}/{name}-rows.parquet"
        asked = [f"--run={tmp_path}/m5", f"--speaker={tmp_path}/{name}.parquet", "--n=40", out]
        done = command(tmp_path, *asked, name="sample")
        assert done.status == 0, done.err
        assert "rows for anna, told by 3 unlabelled rows (transductive)" in done.out
        drawn.append(pd.read_parquet(tmp_path / f"{name}-rows.parquet"))
    pd.testing.assert_frame_equal(*drawn)  # labels reach nothing
    whose = drawn[0]["speaker"].str.rpartition("-")[2]
    assert whose.value_counts().to_dict() == {"anna": 40, "bert": 40}
    rows = drawn[0][list(corpus.feature_names)].to_numpy()
    assert len(np.unique(rows, axis=0)) == 80  # draws of their own


def test_revoiced_rows_keep_what_is_not_the_speaker():
    X, y, groups = voices()
    gan = aegan.M5(random_state=0).fit(X, y, groups=groups)
    moved = gan.revoice(X, y, groups, X[groups == 7])
    shift = moved[groups == 2] - X[groups == 2]
    np.testing.assert_allclose(shift, np.tile(shift[:1], (24, 1)), atol=1e-3)
    gap = moved[groups == 2].mean(axis=0) - X[groups == 7].mean(axis=0)
    assert np.abs(gap).mean() < 0.3 < np.abs(shift).mean()
    with pytest.raises(InputError, match="no class 9"):
        gan.revoice(X[:2], [9, 1], ["a", "b"], X[:3])


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [("residual", "cauchy", "must be gaussian or mixed"), ("beyond", 1.5, "a share from 0 to 1")],
)
def test_a_kind_that_there_is_not_is_named(field, value, words, corpus):
    gan = aegan.M5(overrides={f"model.{field}": value})
    with pytest.raises(InputError, match=f"config.model.{field}=.*{words}"):
        gan.fit(corpus.features, corpus.labels, groups=corpus.speakers)


def test_without_groups_it_says_what_it_loses(corpus):
    with pytest.warns(UserWarning, match="no groups; each class is one Gaussian"):
        gan = aegan.M5(random_state=0).fit(corpus.features, corpus.labels)
    with pytest.raises(InputError, match="has no offsets of speakers"):
        gan.sample(5, speaker=corpus.features[:2])
    assert np.isfinite(gan.sample(50)[0]).all()


def test_what_is_held_out_reaches_nothing(corpus, tmp_path):
    """Other rows of the held-out speakers, the same generator of the fold, bit by bit."""
    runs = aegan.cross_validate(aegan.M5(), corpus, folder=tmp_path / "a")
    fold = runs.plan.folds[0]
    features = corpus.features.copy()
    features[fold.valid] += 1000
    marked = type(corpus)(**{**vars(corpus), "features": features})
    aegan.cross_validate(aegan.M5(), marked, folder=tmp_path / "b")
    one, two = (load_generator(tmp_path / name / "generators" / "seed0-fold0.npz") for name in "ab")
    jax.tree.map(np.testing.assert_array_equal, one.params, two.params)
    jax.tree.map(np.testing.assert_array_equal, one.margins.tree(), two.margins.tree())
    jax.tree.map(np.testing.assert_array_equal, tuple(one.offsets), tuple(two.offsets))


def test_a_fold_alone_is_the_fold_among_others(corpus, tmp_path):
    every = aegan.cross_validate(aegan.M5(), corpus)
    alone = aegan.M5(overrides={"only_folds": (2,)})
    one = aegan.cross_validate(alone, corpus)
    a, b = (runs.generator(fold=2).sample(64)[0] for runs in (every, one))
    pd.testing.assert_frame_equal(a, b)


def test_the_adversarial_kind_begins_at_the_linear_factors_and_moves(corpus):
    class Adversarial(aegan.GeneratorEstimator):
        config = "m5:adversarial"

    widths = {"model.encoder": (8, 6), "model.feature_discriminator": (8, 6)}
    gan = Adversarial(overrides=widths | {"train.epochs": 2}, random_state=0)
    gan.fit(corpus.features, corpus.labels, groups=corpus.speakers)
    params, model = gan.generator_.params, gan.generator_.model
    assert np.abs(params[CORRECTION]["output"]["kernel"]).max() > 0
    assert np.abs(params[NOISE]["scale"]).max() > 0
    fresh = {**model.init_params(jax.random.key(0)), FACTORS: params[FACTORS]}
    labels, key = np.eye(4, dtype=np.float32)[np.arange(20) % 4], jax.random.key(3)
    linear = M5.generate(model, fresh, jax.random.split(key, 3)[0], labels)
    np.testing.assert_array_equal(model.generate(fresh, key, labels), linear)


@parametrize_with_checks([aegan.SpeakerCentre(), aegan.Augment(random_state=0)])
def test_the_contract_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.filterwarnings("ignore:M5:UserWarning", "ignore:class .*fewer:UserWarning")
@pytest.mark.parametrize(
    "check",
    list(_yield_all_checks(aegan.Augment())),
    ids=lambda check: getattr(check, "func", check).__name__,
)
def test_the_contract_of_imbalanced_learn(check):
    check("Augment", aegan.Augment(random_state=0))


def test_originals_come_first_and_counts_are_as_asked(corpus):
    X = pd.DataFrame(corpus.features, columns=list(corpus.feature_names))
    y = np.array(corpus.classes)[corpus.labels]
    wanted = {"angry": 150, "sad": 200}
    augment = aegan.Augment(sampling_strategy=wanted, random_state=0)
    more, labels = augment.fit_resample(X, y, groups=corpus.speakers)
    pd.testing.assert_frame_equal(more[: len(X)], X)
    assert (more.dtypes == X.dtypes).all()
    assert {name: int((labels == name).sum()) for name in wanted} == wanted
    np.testing.assert_array_equal(augment.synthetic_, np.arange(len(more)) >= len(X))
    assert augment.passport_["model"] == "m5"


def test_a_multiplier_makes_more_of_balanced_classes(corpus):
    augment = aegan.Augment(sampling_strategy="all", multiplier=2.5, random_state=0)
    _, labels = augment.fit_resample(corpus.features, corpus.labels, groups=corpus.speakers)
    most = np.bincount(corpus.labels).max()
    assert set(np.bincount(labels)) == {int(np.ceil(2.5 * most))}
    with pytest.raises(ValueError, match="multiplier=0: must be a number above 0"):
        aegan.Augment(multiplier=0).fit_resample(corpus.features, corpus.labels)


@pytest.mark.parametrize("rows", [1, 2])
def test_a_small_class_falls_back_with_a_warning(rows, corpus):
    kept = (corpus.labels != 2) | (np.cumsum(corpus.labels == 2) <= rows)
    X, y, groups = corpus.features[kept], corpus.labels[kept], corpus.speakers[kept]
    with pytest.warns(UserWarning, match=f"class 2 has {rows} rows, fewer than {FEW}"):
        more, labels = aegan.Augment(random_state=0).fit_resample(X, y, groups=groups)
    made = more[len(X) :][labels[len(X) :] == 2]
    assert len(made) > 20 and np.isfinite(made).all()
    assert made.std(axis=0).mean() > 0.3 * X.std(axis=0).mean()


def test_groups_arrive_in_a_pipeline_cut_by_fold(corpus):
    X, y, groups = corpus.features, corpus.labels, corpus.speakers
    with config_context(enable_metadata_routing=True), warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # M5 would say that there are no groups
        augment = aegan.Augment(sampling_strategy="all", multiplier=2, random_state=0)
        steps = make_pipeline(augment, GaussianNB())
        found = cross_validate(steps, X, y, cv=GroupKFold(3), params={"groups": groups})
    assert len(found["test_score"]) == 3 and np.isfinite(found["test_score"]).all()


def test_a_speaker_is_taken_out_of_rows():
    X, y, groups = voices()
    seen, centre = groups < 7, aegan.SpeakerCentre()
    train = centre.fit_transform(X[seen], y[seen], groups=groups[seen])
    rows = centre.transform(X[~seen], groups=groups[~seen])
    far = np.abs(X[~seen].mean(axis=0) - X[seen].mean(axis=0)).mean()
    assert np.abs(rows.mean(axis=0) - train.mean(axis=0)).mean() < 0.3 * far
    own = [train[groups[seen] == s].mean(axis=0) for s in range(7)]
    assert np.var(own, axis=0).mean() < 0.1 * 1.5**2
    first = np.flatnonzero(~seen)[:1]
    np.testing.assert_allclose(
        centre.transform(X[first]), centre.transform(X[first], groups=groups[first])
    )


def test_groups_reach_what_centres_without_a_column(corpus):
    X, y, groups = corpus.features, corpus.labels, corpus.speakers
    with config_context(enable_metadata_routing=True):
        steps = plain_pipeline(aegan.SpeakerCentre(), GaussianNB()).fit(X, y, groups=groups)
        alone = aegan.SpeakerCentre().fit(X, y, groups=groups).transform(X, groups=groups)
        through = steps[:-1].transform(X, groups=groups)
    np.testing.assert_array_equal(through, alone)


def test_a_column_names_the_speaker_in_a_pipeline(corpus):
    frame = pd.DataFrame(corpus.features, columns=list(corpus.feature_names))
    frame["who"] = corpus.speakers
    steps = plain_pipeline(aegan.SpeakerCentre(column="who"), GaussianNB())
    for routing, given in ((False, "groups"), (True, "params")):
        groups = corpus.speakers if given == "groups" else {"groups": corpus.speakers}
        with config_context(enable_metadata_routing=routing):
            found = cross_validate(steps, frame, corpus.labels, cv=GroupKFold(3), **{given: groups})
        assert np.mean(found["test_score"]) > 0.3
    with pytest.raises(ValueError, match="column='who': X must be a DataFrame that has it"):
        aegan.SpeakerCentre(column="who").fit(corpus.features, corpus.labels)
