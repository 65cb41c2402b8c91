"""Trainings of seconds, each done once for all tests of a file."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from helpers import copy, tiny_learner

from aegan.data.audit import row_digests
from aegan.data.corpus import Corpus, read_corpus
from aegan.data.folds import Fold, Standardiser, fit_standardiser, make_folds
from aegan.learning.schedule import Lane, LaneState, Table
from aegan.learning.steps import Learner
from aegan.sampling.generator import Generator, constant_columns, params_of_rows
from aegan.speakers.margins import fit_margins
from aegan.training import lanes
from aegan.training.job import Job

CAPACITY = 4  # epochs per call


class Run(NamedTuple):
    """A tiny training on unequal folds; the same object for every test."""

    corpus: Corpus
    folds: tuple[Fold, ...]
    stats: tuple[Standardiser, ...]
    learner: Learner
    lane_list: tuple[tuple[int, int], ...]

    def table(self, corpus: Corpus | None = None) -> Table:
        return lanes.make_table(corpus or self.corpus)

    def lanes(self, lane_list=None, stats=None) -> Lane:
        largest = [max(len(getattr(f, part)) for f in self.folds) for part in ("train", "valid")]
        return lanes.make_lanes(
            self.folds, stats or self.stats, lane_list or self.lane_list, *largest
        )

    def lane(self, index: int) -> Lane:
        """One of the lanes."""
        with jax.debug_key_reuse(False):  # taking one key out of an array of keys counts as a use
            return lanes.lane_of(self.lanes(), index)

    def job(self, lane_list=None) -> Job:
        return Job(self.learner, self.table(), self.lanes(lane_list))

    def like(self):
        """Shapes of the states of all lanes."""
        return jax.eval_shape(lanes.init_lanes, self.learner, self.lanes())

    def train(self, state, first: int, count: int, table=None, stacked=None):
        """State and losses (count, 2, lanes, losses) after some epochs; ``state`` lives on."""
        stacked = self.lanes() if stacked is None else stacked
        table = self.table() if table is None else table
        counts = jnp.int32(first), jnp.int32(count), CAPACITY
        state, history = lanes.run_epochs(self.learner, table, stacked, copy(state), *counts)
        return state, np.asarray(history)[:count]


@lru_cache
def small_run(name: str) -> Run:
    """Five folds of 70 to 100 training rows and two seeds for the first, 12 features.

    The table is the simulated corpus of version 0.1, of whose trainings there are old numbers.
    M4's weights are averaged from the second epoch on.
    """
    corpus = read_corpus(Path(__file__).with_name("old_corpus.parquet"))
    first = np.flatnonzero(corpus.sessions == corpus.sessions[0])
    keep = np.setdiff1d(np.arange(110), first[::2])
    names = ("features", "labels", "speakers", "sessions", "files")
    corpus = replace(corpus, **{field: getattr(corpus, field)[keep] for field in names})
    folds = make_folds(corpus, 5)
    batches = -(-max(len(fold.train) for fold in folds) // 8)
    return Run(
        corpus=corpus,
        folds=folds,
        stats=tuple(fit_standardiser(corpus.features, fold.train) for fold in folds),
        learner=tiny_learner(
            name,
            rate=0.003,
            momentum=0.9,
            batch_size=8,
            batches=batches,
            average_from=batches + 2 if name == "m4" else None,
        ),
        lane_list=((0, 0), (0, 1), (0, 2), (0, 3), (0, 4), (1, 0)),
    )


@lru_cache
def initial(name: str) -> LaneState:
    """States of all lanes of ``small_run`` before the first batch."""
    run = small_run(name)
    return lanes.init_lanes(run.learner, run.lanes())


@lru_cache
def trained(name: str, epochs: int = 3):
    """States and losses of ``small_run`` after some epochs, in one call."""
    return small_run(name).train(initial(name), 0, epochs)


def generator_of(run: Run, fold: int, gain: float = 0.2, params=None) -> Generator:
    """A generator on the corpus of ``run``: with ``params``, or its lane after three epochs."""
    chosen, model = run.folds[fold], run.learner.model
    params = params or lanes.lane_of(trained(model.name)[0], fold).params
    corpus, stats = run.corpus, fit_standardiser(run.corpus.features, chosen.train)
    own = corpus.features[chosen.train], corpus.labels[chosen.train], len(corpus.classes)
    margins = fit_margins(corpus.feature_names, *own, stats.scale) if model.margins else None
    return Generator(
        margins=margins,
        model=model,
        params=params_of_rows(model, jax.device_get(params)),
        gain=gain,
        standardiser=stats,
        constant=constant_columns(run.corpus.features, chosen.train),
        classes=run.corpus.classes,
        contract=run.corpus.contract,
        trained_on=row_digests(run.corpus.features[chosen.train]),
        rules=("a rule",),
        passport={"model": model.name, "run_hash": "0123456789abcdef", "seed": 0, "fold": fold},
    )
