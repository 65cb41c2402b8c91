"""A marker planted in the held-out rows of a fold changes no bit of anything trained for it."""

from __future__ import annotations

from dataclasses import replace

import jax
import numpy as np
import pytest
from builders import generator_of, initial, small_run, trained
from helpers import same_bits, strict_jax

from aegan.data.folds import fit_standardiser
from aegan.metrics.fold_tools import svm_on_set1
from aegan.metrics.svm import SvmProtocol
from aegan.sampling.rows import sample, sampling_key
from aegan.training import lanes

FOLD = 2
PROTOCOL = SvmProtocol(c_grid=(1e-3, 1e-2, 1e-1))


@pytest.fixture(autouse=True)
def _strict():
    with strict_jax():
        yield


def planted(run, marker):
    """The corpus with the marker in the held-out rows of one fold."""
    rows = run.folds[FOLD].valid
    features, labels = run.corpus.features.copy(), run.corpus.labels.copy()
    if marker == "features":
        features[rows] = 1e6
    else:
        labels[rows] = (labels[rows] + 1) % 4
    return replace(run.corpus, features=features, labels=labels)


MARKERS = pytest.mark.parametrize("marker", ["features", "labels"])


@MARKERS
def test_training_sees_nothing_of_the_held_out_rows(marker):
    run, lane = small_run("m3"), FOLD  # lane i is fold i of seed 0
    corpus = planted(run, marker)
    stats = tuple(fit_standardiser(corpus.features, fold.train) for fold in run.folds)
    own = run.corpus.features[run.folds[FOLD].train]
    assert same_bits(stats[FOLD], run.stats[FOLD])
    assert same_bits(stats[FOLD], fit_standardiser(own, np.arange(len(own))))
    clean, clean_history = trained("m3", 3)
    state, history = run.train(
        initial("m3"), 0, 3, table=run.table(corpus), stacked=run.lanes(stats=stats)
    )
    assert same_bits(lanes.lane_of(state, lane), lanes.lane_of(clean, lane))
    assert same_bits(history[:, 0, lane], clean_history[:, 0, lane])
    # The marker is there to be seen: by the validation losses and by the folds that train on it.
    assert not same_bits(history[:, 1, lane], clean_history[:, 1, lane])
    for other in set(range(5)) - {FOLD}:
        params = (lanes.lane_of(s, other).params for s in (state, clean))
        assert not same_bits(*params)


@MARKERS
def test_synthetic_rows_see_nothing_of_the_held_out_rows(marker):
    run = small_run("m3")
    key = sampling_key(lanes.lane_key(0, FOLD))
    drawn = [
        sample(generator_of(run._replace(corpus=corpus), FOLD), key, 64)
        for corpus in (run.corpus, planted(run, marker))
    ]
    assert same_bits(*drawn)


@MARKERS
def test_svm_tuning_sees_nothing_of_the_held_out_rows(marker):
    run = small_run("m3")
    fold, stats = run.folds[FOLD], run.stats[FOLD]
    clean = svm_on_set1(run.corpus, fold, stats, PROTOCOL, None)
    marked = svm_on_set1(planted(run, marker), fold, stats, PROTOCOL, None)
    assert vars(clean).keys() == vars(marked).keys()
    assert all(same_bits(vars(clean)[name], vars(marked)[name]) for name in vars(clean))
    # A fold that trains on the marked rows does change.
    other = run.folds[FOLD - 1], run.stats[FOLD - 1]
    before = svm_on_set1(run.corpus, *other, PROTOCOL, None)
    after = svm_on_set1(planted(run, marker), *other, PROTOCOL, None)
    assert not all(same_bits(vars(before)[name], vars(after)[name]) for name in vars(before))


def test_training_reads_only_rows_of_the_training_part():
    """NaN in every other row: one look at one of them would end the lane."""
    run = small_run("m3")
    features = run.corpus.features.copy()
    features[run.folds[FOLD].valid] = np.nan
    state, _ = run.train(
        initial("m3"), 0, 3, table=run.table(replace(run.corpus, features=features))
    )
    diverged = np.asarray(state.diverged)
    assert diverged[FOLD] == 0
    assert (np.delete(diverged, FOLD) == 1).all()
    finite = [np.isfinite(leaf).all() for leaf in jax.tree.leaves(lanes.lane_of(state, FOLD))]
    assert all(finite)
