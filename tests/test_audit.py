"""The leak audit: every planted leak is found and named, and clean folds pass."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegan.data.audit import (
    Leak,
    alike,
    as_json,
    audit,
    audit_generator,
    audit_target,
    note_of_equal_rows,
    refuse,
    row_digests,
    title_of,
)
from aegan.data.corpus import read_corpus
from aegan.data.folds import make_folds
from aegan.errors import InputError


def leaks_of(corpus, folds=None):
    return audit(corpus, folds or make_folds(corpus, 5), row_digests(corpus.features))


def test_clean_folds_have_no_leak(small_corpus):
    assert leaks_of(small_corpus) == ()
    refuse("here", ())


@pytest.mark.parametrize("name", ["nemo", "ravdess"])
def test_the_real_corpora_have_no_leak(shared_data, name):
    assert leaks_of(read_corpus(shared_data / f"{name}.parquet")) == ()


def test_a_speaker_in_two_sessions_is_found(small_corpus):
    speakers = small_corpus.speakers.copy()
    first = small_corpus.sessions[0]
    guest = speakers[small_corpus.sessions != first][0]
    speakers[np.flatnonzero(small_corpus.sessions == first)[0]] = guest
    found = leaks_of(replace(small_corpus, speakers=speakers))
    # The fold that holds out the first session, and the one of the guest's own.
    assert [leak.kind for leak in found] == ["speaker", "speaker"]
    assert all(leak.count == 1 and leak.example == f"'{guest}'" for leak in found)
    assert f"fold 0 (session {first})" in {leak.fold for leak in found}


def test_a_session_in_two_folds_of_the_table_is_found(small_corpus):
    """Folds by speaker share the sessions of the two speakers."""
    by_speaker = replace(small_corpus, fold_names=small_corpus.speakers)
    found = leaks_of(by_speaker)
    assert len(found) == 10 and {leak.kind for leak in found} == {"session"}
    by_row = replace(small_corpus, fold_names=np.array(["x", "y"] * 100))
    assert {leak.kind for leak in leaks_of(by_row)} == {"session", "speaker"}


def test_an_equal_row_in_both_parts_is_found_and_both_files_are_named(small_corpus):
    folds, files = make_folds(small_corpus, 5), small_corpus.files
    valid, train = folds[0].valid, folds[0].train

    def copied(a, b):
        features = small_corpus.features.copy()
        features[a] = features[b]
        return leaks_of(replace(small_corpus, features=features), folds)

    a, b = valid[3], train[7]
    found = copied(a, b)
    assert found[0] == Leak(title_of(folds[0]), "duplicate", 1, f"'{files[a]}' and '{files[b]}'")
    assert len(found) == 2  # and in the fold that holds out the other one
    assert copied(valid[0], valid[1]) == ()  # within one part it is no leak


@pytest.mark.parametrize("change", ["%.6e", "%.6g", 1e-6])
def test_a_row_that_lost_digits_is_found(small_corpus, change):
    folds, files = make_folds(small_corpus, 5), small_corpus.files
    a, b = folds[0].valid[3], folds[0].train[7]
    features = small_corpus.features.copy()
    copy = features[b].astype(np.float64)
    noise = np.random.default_rng(0).uniform(-1, 1, len(copy))
    copy = copy * (1 + change * noise) if change == 1e-6 else [float(change % x) for x in copy]
    features[a] = copy
    corpus = replace(small_corpus, features=features)
    found = leaks_of(corpus, folds)
    assert found[0].kind == "near duplicate" and found[0].count == 1
    assert found[0].example == f"'{files[a]}' and '{files[b]}'"
    assert "equal to a training row but for rounding: 1" in str(found[0])
    digests = row_digests(features)
    said = note_of_equal_rows(features, digests, files, corpus.speakers)
    first, second = sorted((a, b))
    assert said == (
        f"1 row equals another row but for rounding, first '{files[first]}' and "
        f"'{files[second]}' of different speakers"
    )
    (leak,) = audit_target(small_corpus, replace(corpus, features=features[[a]]), "target")
    assert (leak.fold, leak.kind, leak.count) == ("target", "training row", 1)


def test_rows_that_are_not_equal_but_for_rounding_are_told_apart(small_corpus):
    features = np.concatenate([small_corpus.features[:100]] * 2)
    features[100:, 3] += 1e-3 * np.abs(features[100:, 3]) + features[:, 3].std() * 1e-3
    assert len(np.unique(alike(features, row_digests(features)))) == 200


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_alike_rows_are_those_of_all_pairs(seed, dim):
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, 3, (30, dim)).astype(np.float32) * 10.0 ** rng.integers(-3, 4, dim)
    rows = (rows * (1 + 3e-6 * rng.integers(0, 2, rows.shape))).astype(np.float32)
    found = alike(rows, row_digests(rows))
    scale = rows.std(axis=0, dtype=np.float64)
    most = 1e-5 * (np.maximum(np.abs(rows[:, None]), np.abs(rows[None])) + scale)
    near = (np.abs(rows[:, None] - rows[None]) <= most).all(axis=2)
    np.testing.assert_array_equal(found[:, None] == found[None], near)


def test_a_row_in_both_parts_is_found(small_corpus):
    fold = make_folds(small_corpus, 5)[0]
    cut = replace(fold, train=np.union1d(fold.train, fold.valid[:2]))
    counts = {leak.kind: leak.count for leak in leaks_of(small_corpus, (cut,))}
    assert set(counts) == {"speaker", "session", "training row"} and counts["training row"] == 2


def test_a_generator_tested_on_its_training_rows_is_found(small_corpus):
    digests = row_digests(small_corpus.features)
    fold = make_folds(small_corpus, 5)[0]
    seen, test = digests[fold.train], fold.valid
    assert audit_generator(seen, digests[test], small_corpus.files[test], "fold 0") == ()
    test = np.append(test, fold.train[:3])
    (leak,) = audit_generator(seen, digests[test], small_corpus.files[test], "fold 0")
    assert (leak.kind, leak.count) == ("training row", 3)
    assert leak.example == f"'{small_corpus.files[fold.train[0]]}'"


def test_refusal_is_one_line_with_the_place_the_mend_and_the_way_around():
    leaks = (Leak("fold 1", "speaker", 2, "'A'"), Leak("fold 1", "duplicate", 4, "'a' and 'b'"))
    with pytest.raises(InputError) as error:
        refuse("corpus 'mine'", leaks, ", or pass --config.data.allow_leaks=True")
    message = str(error.value)
    assert message.startswith("corpus 'mine': leak, fold 1: speakers in both parts: 2, first 'A'")
    assert "and 1 more such" in message and message.endswith("allow_leaks=True")
    assert "\n" not in message
    values = {"fold": "fold 1", "kind": "duplicate", "count": 4, "example": "'a' and 'b'"}
    words = "fold 1: test rows equal to a training row: 4, first 'a' and 'b'"
    assert as_json(leaks)[1] == values | {"words": words}


@settings(max_examples=50)
@given(st.integers(0, 2**32 - 1))
def test_digests_are_equal_for_equal_rows_only(seed):
    rng = np.random.default_rng(seed)
    rows = rng.integers(-2, 3, (40, 3)).astype(np.float32)
    rows[rng.random((40, 3)) < 0.3] *= -1  # makes some zeros negative
    digests = row_digests(rows)
    equal = (rows[:, None] == rows[None]).all(axis=2)
    np.testing.assert_array_equal(digests[:, None] == digests[None], equal)
