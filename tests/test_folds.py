from __future__ import annotations

import dataclasses
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegan.data.contract import FeatureContract
from aegan.data.corpus import Corpus, read_corpus
from aegan.data.folds import ALL, fit_standardiser, make_folds, speaker_standardised
from aegan.errors import InputError


def toy(speakers, labels=None, sessions=None, features=None) -> Corpus:
    """A corpus of two classes; they alternate unless labels are given."""
    rows = len(speakers)
    labels = np.arange(rows) % 2 if labels is None else np.asarray(labels)
    rng = np.random.default_rng(rows)
    return Corpus(
        name="toy",
        features=rng.standard_normal((rows, 3), np.float32) if features is None else features,
        labels=labels.astype(np.int32),
        classes=("angry", "sad"),
        speakers=np.array(speakers, dtype=str),
        sessions=None if sessions is None else np.array(sessions, dtype=str),
        files=np.array([f"f{row:04d}" for row in range(rows)]),
        contract=FeatureContract(("a", "b", "c")),
        simulated=False,
    )


def permuted(corpus: Corpus, order: np.ndarray) -> Corpus:
    columns = {name: getattr(corpus, name) for name in ("features", "labels", "speakers", "files")}
    if corpus.sessions is not None:
        columns["sessions"] = corpus.sessions
    return dataclasses.replace(corpus, **{name: of[order] for name, of in columns.items()})


def check_folds(corpus: Corpus, n_folds: int, seed: int = 0) -> list:
    """Folds that are disjoint, cover all, share no speaker, and are the same in another order."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        folds = make_folds(corpus, n_folds)
    rows = np.arange(len(corpus.labels))
    np.testing.assert_array_equal(np.sort(np.concatenate([f.valid for f in folds])), rows)
    for index, fold in enumerate(folds):
        assert fold.index == index
        assert fold.train.dtype == fold.valid.dtype == np.int32
        assert len(fold.train) and len(fold.valid)
        np.testing.assert_array_equal(np.union1d(fold.train, fold.valid), rows)
        assert (np.diff(fold.train) > 0).all() and (np.diff(fold.valid) > 0).all()
        train, valid = set(corpus.speakers[fold.train]), set(corpus.speakers[fold.valid])
        assert not train & valid
        assert fold.held_out == tuple(sorted(valid))
        by_session = fold.name.startswith("session ")
        assert by_session or fold.name == f"speakers {', '.join(sorted(valid))}"
        assert set(corpus.labels[fold.train]) == set(range(len(corpus.classes)))

    order = np.random.default_rng(seed).permutation(len(corpus.labels))
    for fold, other in zip(folds, make_folds(permuted(corpus, order), n_folds), strict=True):
        assert (fold.name, fold.held_out) == (other.name, other.held_out)
        np.testing.assert_array_equal(np.sort(order[other.valid]), fold.valid)
        np.testing.assert_array_equal(np.sort(order[other.train]), fold.train)
    return folds


# Speakers of very different sizes; each speaks both classes, so that no training part lacks one.
layouts = st.lists(st.integers(1, 12), min_size=3, max_size=9)


@settings(max_examples=40, deadline=None)
@given(sizes=layouts, n_folds=st.integers(2, 9), seed=st.integers(0, 99))
def test_folds_are_disjoint_cover_all_and_share_no_speaker(sizes, n_folds, seed):
    n_folds = min(n_folds, len(sizes))
    speakers = [f"s{i}" for i, size in enumerate(sizes) for _ in range(2 * size)]
    assert len(check_folds(toy(speakers), n_folds, seed)) == n_folds


def test_classes_are_balanced_over_the_folds():
    # Half of the speakers say 3/4 angry, half 1/4: a fold should get one of each kind.
    speakers = np.repeat([f"s{i}" for i in range(8)], 20)
    labels = np.concatenate([np.arange(20) >= (15 if i < 4 else 5) for i in range(8)])
    corpus = toy(speakers, labels)
    for fold in make_folds(corpus, 4):
        assert np.bincount(corpus.labels[fold.valid]).tolist() == [20, 20]


def test_one_fold_per_session_whatever_the_number_of_folds(small_corpus):
    folds = check_folds(small_corpus, 3)
    assert [fold.name for fold in folds] == [f"session Ses0{i}" for i in range(1, 6)]
    assert folds[1].held_out == ("Ses02F", "Ses02M")
    assert set(small_corpus.sessions[folds[1].valid]) == {"Ses02"}


def test_features_have_no_part_in_the_folds(small_corpus):
    other = dataclasses.replace(small_corpus, features=small_corpus.features[::-1] * 3)
    for fold, again in zip(make_folds(small_corpus, 5), make_folds(other, 5), strict=True):
        np.testing.assert_array_equal(fold.train, again.train)


@pytest.mark.parametrize(
    ("speakers", "n_folds", "sessions", "words"),
    [
        ("aabbcc", 5, None, r"3 speaker\(s\) are fewer than 5 folds; pass --config.data.folds=3 "),
        ("aabb", 1, None, "--config.data.folds=1: at least 2"),
        ("abcdef", 5, None, "no class has a row for each of 5 folds"),
        ("aaaa", 2, None, "all rows are of one speaker"),
        ("aabb", 2, list("xxxx"), "'session' has one value"),
        # Only speaker b is ever sad.
        ("aaabbbccc", 3, None, r"class 'sad' .* in fold \d \(speakers b\)"),
        ("aaabbbccc", 3, list("xxxyyyzzz"), r"class 'sad' .* in fold 1 \(session y\)"),
    ],
)
def test_rows_that_cannot_make_folds(speakers, n_folds, sessions, words):
    labels = [0, 0, 0, 1, 1, 0, 0, 0, 0] if "bbb" in speakers else None
    with pytest.raises(InputError, match=words) as caught:
        make_folds(toy(list(speakers), labels, sessions), n_folds)
    assert "\n" not in str(caught.value)


def test_folds_of_the_table_come_first():
    corpus = toy(list("aabbcc"), sessions=list("xxyyzz"))
    own = dataclasses.replace(corpus, fold_names=np.array(list("112211")))
    folds = make_folds(own, 5)
    assert [fold.name for fold in folds] == ["fold 1", "fold 2"]
    assert [fold.valid.tolist() for fold in folds] == [[0, 1, 4, 5], [2, 3]]
    single = dataclasses.replace(corpus, fold_names=np.array(list("111111")))
    with pytest.raises(InputError, match="column 'fold' has one value"):
        make_folds(single, 2)


def test_class_absent_from_a_validation_part_is_allowed():
    corpus = toy(list("aabbcc"), [0, 1, 0, 1, 0, 0], list("xxyyzz"))
    assert set(corpus.labels[make_folds(corpus, 2)[2].valid]) == {0}


def test_all_rows_hold_nothing_out(small_corpus):
    (fold,) = make_folds(small_corpus, ALL)  # whatever sessions there are
    np.testing.assert_array_equal(fold.train, np.arange(200))
    assert (fold.index, len(fold.valid), fold.held_out, fold.name) == (0, 0, (), "all rows")
    with pytest.raises(InputError, match="splits=2: with --config.data.folds=all .* nothing"):
        make_folds(small_corpus, ALL, splits=2)


@settings(max_examples=25, deadline=None)
@given(sizes=st.lists(st.integers(1, 12), min_size=6, max_size=9), seed=st.integers(0, 99))
def test_further_splits_are_other_cuttings_of_whole_speakers(sizes, seed):
    corpus = toy([f"s{i}" for i, size in enumerate(sizes) for _ in range(2 * size)])
    folds = make_folds(corpus, 3, splits=4)
    assert [(fold.index, fold.split) for fold in folds] == [(i, i // 3) for i in range(12)]
    rows, cuttings = np.arange(len(corpus.labels)), set()
    for split in range(4):
        cut = folds[3 * split : 3 * split + 3]
        np.testing.assert_array_equal(np.sort(np.concatenate([f.valid for f in cut])), rows)
        cuttings.add(frozenset(fold.held_out for fold in cut))
        for fold in cut:
            np.testing.assert_array_equal(np.union1d(fold.train, fold.valid), rows)
            assert set(corpus.speakers[fold.valid]) == set(fold.held_out)
            assert not set(corpus.speakers[fold.train]) & set(fold.held_out)
    assert len(cuttings) == 4
    for fold, alone in zip(folds, make_folds(corpus, 3), strict=False):
        np.testing.assert_array_equal(fold.valid, alone.valid)
    order = np.random.default_rng(seed).permutation(len(rows))
    again = make_folds(permuted(corpus, order), 3, splits=4)
    assert [fold.held_out for fold in again] == [fold.held_out for fold in folds]


@pytest.mark.parametrize(
    ("change", "n_folds", "words"),
    [
        ({}, 3, "only 1 cutting.s. of 3 speakers into 3 folds; pass --config.data.splits=1"),
        ({}, 2, "only 3 cutting.s. of 3 speakers into 2 folds; pass --config.data.splits=3"),
        ({"sessions": np.array(list("xxyyzz"))}, 3, "column 'session' of corpus 'toy' cuts it in"),
        ({"fold_names": np.array(list("112233"))}, 3, "column 'fold' .* --config.data.splits=1"),
    ],
)
def test_no_so_many_splits(change, n_folds, words):
    with pytest.raises(InputError, match=words):
        make_folds(dataclasses.replace(toy(list("aabbcc")), **change), n_folds, splits=4)


# -- standardisation --------------------------------------------------------------------------


# Offsets in deviations: float64 sums keep a small deviation beside a large mean.
@pytest.mark.parametrize(("offset", "near"), [(3, 1e-5), (1e5, 1e-2)])
def test_z_scores_of_the_training_rows(offset, near):
    rng = np.random.default_rng(0)
    scale = 10.0 ** rng.uniform(-6, 6, 20)
    features = (scale * (rng.standard_normal((500, 20)) + offset)).astype(np.float32)
    own = features[::2]
    standardiser = fit_standardiser(features, np.arange(0, 500, 2))
    z = standardiser.to_z(own)
    assert z.dtype == standardiser.mean.dtype == standardiser.scale.dtype == np.float32
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=near)
    np.testing.assert_allclose(z.std(axis=0), 1, atol=near)
    np.testing.assert_allclose(standardiser.mean, own.mean(0, np.float64), rtol=1e-6)
    np.testing.assert_allclose(standardiser.scale, own.std(0, np.float64), rtol=1e-6)


def test_statistics_do_not_depend_on_the_size_of_blocks(monkeypatch):
    features = np.random.default_rng(0).standard_normal((301, 7)).astype(np.float32)
    whole = fit_standardiser(features, np.arange(301))
    monkeypatch.setattr("aegan.data.folds._CELLS_AT_ONCE", 7 * 10)
    for part, wanted in zip(fit_standardiser(features, np.arange(301)), whole, strict=True):
        np.testing.assert_allclose(part, wanted, rtol=1e-6)


# 1e-42 is denormal: nothing is divided by zero.
@pytest.mark.parametrize("value", [0.0, 0.1, -3e-7, 1e-42, 7e30, 123456.7, 1e-3, 1.0, 3e8, -5e20])
def test_columns_that_do_not_vary(value):
    features = np.full((999, 1), value, np.float32)
    standardiser = fit_standardiser(features, np.arange(999))
    assert standardiser.scale[0] == 1
    assert (standardiser.to_z(features) == 0).all()
    assert (standardiser.to_raw(np.zeros((1, 1))) == features[0]).all()
    # By rounding noise only.
    features[1::3] = np.nextafter(features[0], np.float32(0))
    assert np.abs(fit_standardiser(features, np.arange(999)).to_z(features)).max() < 1e-6


def test_clip():
    features = np.array([[-1.0], [1.0], [1e30]], np.float32)
    standardiser = fit_standardiser(features, np.arange(2), clip=4.0)
    np.testing.assert_array_equal(standardiser.to_z(features), [[-1], [1], [4]])


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 1000),
    exponent=st.integers(-12, 12),
    offset=st.floats(-100, 100),
    rows=st.integers(2, 60),
)
def test_raw_values_come_back_within_the_clip(seed, exponent, offset, rows):
    draws = np.random.default_rng(seed).standard_t(4, size=(rows, 5))
    features = ((draws + offset) * 10.0**exponent).astype(np.float32)
    standardiser = fit_standardiser(features, np.arange(rows))
    z = standardiser.to_z(features)
    back = standardiser.to_raw(z)
    inside = np.abs(z) < standardiser.clip
    assert inside.mean() > 0.9
    error = np.abs(back - features) / (np.abs(standardiser.mean) + standardiser.scale * 10)
    assert error[inside].max() < 1e-6


def test_nothing_of_the_validation_rows_reaches_the_statistics(small_corpus):
    for fold in make_folds(small_corpus, 5):
        clean = fit_standardiser(small_corpus.features, fold.train)
        marked = small_corpus.features.copy()
        marked[fold.valid] = 1e30  # the marker
        planted = fit_standardiser(marked, fold.train)
        np.testing.assert_array_equal(planted[:2], clean[:2])
        marked[fold.train[0]] = 1e30  # the same marker is seen where it should be
        assert (fit_standardiser(marked, fold.train).mean != clean.mean).all()


def test_speaker_statistics():
    rng = np.random.default_rng(0)
    speakers = np.repeat(list("abc"), 40)
    shift = np.repeat([0.0, 50.0, -20.0], 40)[:, None]
    features = shift + np.repeat([1.0, 5.0, 0.2], 40)[:, None] * rng.standard_normal((120, 3))
    features[speakers == "b", 2] = 7.0  # constant in one speaker
    features[:, 1] = 4.0  # constant everywhere
    corpus = toy(speakers, features=features.astype(np.float32))
    out = speaker_standardised(corpus)
    mean, deviation = corpus.features.mean(0, np.float64), corpus.features.std(0, np.float64)
    for speaker in "abc":
        own = out.features[speakers == speaker].astype(np.float64)
        np.testing.assert_allclose(own.mean(axis=0), mean, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(own.std(axis=0)[0], deviation[0], rtol=1e-4)
    np.testing.assert_allclose(out.features[speakers == "b", 2], mean[2], rtol=1e-5)
    assert (out.features[:, 1] == 4.0).all()
    # By hand for one cell.
    x, own = features[0, 0], features[speakers == "a", 0]
    wanted = (x - own.mean()) / own.std() * deviation[0] + mean[0]
    assert out.features[0, 0] == pytest.approx(wanted, rel=1e-4)
    assert out.features.dtype == np.float32 and out.hash != corpus.hash
    np.testing.assert_array_equal(out.files, corpus.files)


def test_speaker_with_a_single_row():
    with pytest.raises(InputError, match="speaker 'b' has a single row .*f0002.*statistics=fold"):
        speaker_standardised(toy(list("aabcc")))


# -- real tables ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["nemo", "ravdess"])
def test_real_tables_have_five_speaker_disjoint_folds(shared_data, name):
    corpus = read_corpus(shared_data / f"{name}.parquet", ())
    folds = check_folds(corpus, 5)
    assert len(folds) == 5
    constant = corpus.feature_names.index("F0finEnv_sma_minPos")
    for fold in folds if name == "nemo" else ():
        standardiser = fit_standardiser(corpus.features, fold.train)
        assert standardiser.scale[constant] == 1 and (standardiser.scale > 0).all()
        z = standardiser.to_z(corpus.features[fold.train])
        assert (z[:, constant] == 0).all()
        assert np.isfinite(z).all() and np.abs(z).max() == 10
