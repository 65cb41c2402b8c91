"""The leak audit: every planted leak is found and named, and clean folds pass."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegan.data.audit import Leak, as_json, audit, audit_generator, refuse, row_digests, title_of
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
    folds = make_folds(small_corpus, 5)
    a, b = folds[0].valid[3], folds[0].train[7]
    features = small_corpus.features.copy()
    features[a] = features[b]
    found = leaks_of(replace(small_corpus, features=features), folds)
    files = small_corpus.files
    assert found[0] == Leak(title_of(folds[0]), "duplicate", 1, f"'{files[a]}' and '{files[b]}'")
    assert len(found) == 2  # and in the fold that holds out the other one
    # Within one part it is no leak.
    features = small_corpus.features.copy()
    features[folds[0].valid[0]] = features[folds[0].valid[1]]
    assert leaks_of(replace(small_corpus, features=features), folds) == ()


def test_a_row_in_both_parts_is_found(small_corpus):
    folds = make_folds(small_corpus, 5)
    shared = folds[0].valid[:2]
    cut = replace(folds[0], train=np.union1d(folds[0].train, shared))
    kinds = {leak.kind: leak for leak in leaks_of(small_corpus, (cut,))}
    assert set(kinds) == {"speaker", "session", "training row"}
    assert kinds["training row"].count == 2


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
    assert as_json(leaks)[1] == {
        "fold": "fold 1",
        "kind": "duplicate",
        "count": 4,
        "example": "'a' and 'b'",
        "words": "fold 1: test rows equal to a training row: 4, first 'a' and 'b'",
    }


@settings(max_examples=50)
@given(st.integers(0, 2**32 - 1))
def test_digests_are_equal_for_equal_rows_only(seed):
    rng = np.random.default_rng(seed)
    rows = rng.integers(-2, 3, (40, 3)).astype(np.float32)
    rows[rng.random((40, 3)) < 0.3] *= -1  # makes some zeros negative
    digests = row_digests(rows)
    equal = (rows[:, None] == rows[None]).all(axis=2)
    np.testing.assert_array_equal(digests[:, None] == digests[None], equal)
