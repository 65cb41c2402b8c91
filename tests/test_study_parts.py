"""Parts of the source: stratified, nested, never across a fold."""

from __future__ import annotations

import numpy as np
import pytest

from aegan.data.folds import make_folds
from aegan.errors import InputError
from aegan.study.parts import SOURCE, TARGET, find_part, make_parts


@pytest.fixture(scope="module")
def folds(small_corpus):
    return make_folds(small_corpus, 5)


def counts(corpus, rows):
    return np.bincount(corpus.labels[rows], minlength=len(corpus.classes))


def test_the_whole_source_comes_first_and_stands_for_100_per_cent(small_corpus, folds):
    parts = make_parts(small_corpus, folds, [20, 100], 3)
    assert parts[0].rows.tolist() == list(range(len(small_corpus.labels)))
    assert find_part(parts, TARGET, 100, 2) is parts[0]
    assert find_part(parts, SOURCE, 100, 2).percent == 100
    # the whole, 3 draws of 20 %, and of each of 3 folds 20 % and 100 %
    assert len(parts) == 1 + 3 + 6
    assert len({part.key for part in parts}) == len(parts)


def test_a_draw_keeps_the_shares_of_the_classes(small_corpus, folds):
    part = find_part(make_parts(small_corpus, folds, [25], 2), TARGET, 25, 1)
    expected = [round(0.25 * n) for n in counts(small_corpus, np.arange(200))]
    assert counts(small_corpus, part.rows).tolist() == expected
    assert (np.diff(part.rows) > 0).all()


def test_draws_of_one_replicate_are_nested_and_replicates_differ(small_corpus, folds):
    parts = make_parts(small_corpus, folds, [10, 50, 80], 2, (TARGET,))
    ten, fifty, eighty = (set(find_part(parts, TARGET, p, 0).rows.tolist()) for p in (10, 50, 80))
    assert ten < fifty < eighty
    assert ten != set(find_part(parts, TARGET, 10, 1).rows.tolist())


def test_parts_of_a_fold_hold_none_of_its_test_rows(small_corpus, folds):
    for part in make_parts(small_corpus, folds, [20, 100], 7, (SOURCE,))[1:]:
        fold = folds[part.replicate % 5]
        assert part.fold == fold.index
        assert not set(part.rows.tolist()) & set(fold.valid.tolist())
        assert set(part.rows.tolist()) <= set(fold.train.tolist())
        if part.percent == 100:
            assert part.rows.tolist() == fold.train.tolist()


def test_parts_do_not_depend_on_what_else_is_asked_for(small_corpus, folds):
    few = make_parts(small_corpus, folds, [20], 1, (TARGET,))
    many = make_parts(small_corpus, folds, [10, 20, 50], 4)
    one, other = find_part(few, TARGET, 20, 0), find_part(many, TARGET, 20, 0)
    assert one.rows.tolist() == other.rows.tolist()
    with pytest.raises(LookupError):  # nobody made it
        find_part(few, TARGET, 50, 0)


def test_a_class_that_would_vanish_is_refused_with_the_least_that_works(small_corpus, folds):
    with pytest.raises(InputError, match=r"low_resource\.percents: 1 % .* take (\S+) % or more"):
        make_parts(small_corpus, folds, [1], 1)
    smallest = counts(small_corpus, np.arange(200)).min()
    least = 100 * 2 / smallest
    make_parts(small_corpus, folds, [least], 1, (TARGET,))  # what the message says is enough
