"""Jobs to time: a model at the paper's sizes on simulated rows, with nothing held out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import numpy as np

from aegan.bench.config import BenchConfig
from aegan.data.folds import Fold, fit_standardiser
from aegan.data.simulate import simulated_corpus
from aegan.errors import InputError
from aegan.run.config import read_config
from aegan.run.plan import learner_of
from aegan.run.programs import load
from aegan.run.schema import plain
from aegan.training import lanes
from aegan.training.job import Job, Trainer


def job_of(config: BenchConfig, model: str, *, seeds: int = 1, **changes: int) -> Job:
    """A job of the config's shape: D2 learns in every epoch, and validation has no rows.

    So that its operations are those that ``cost.products`` counts in the first epoch. ``changes``
    are of the config's fields.
    """
    shape = replace(config, **changes)
    rows = shape.batches * shape.batch_size
    # No fewer than the simulation has speakers and classes for.
    corpus = simulated_corpus(rows=max(rows, 400), dim=shape.features, seed=0)
    values = plain(load(model))
    values["train"].update(batch_size=shape.batch_size, d2_every=1)
    if shape.hidden:
        networks = ("encoder", "code_discriminator", "feature_discriminator")
        values["model"].update(dict.fromkeys(networks, shape.hidden))
    read = read_config(values)
    learner = learner_of(
        read.model.for_data(shape.features, len(corpus.classes)), read, shape.batches
    )
    everything = np.arange(rows, dtype=np.int32)
    folds = [
        Fold(index=i, name=f"fold {i}", train=everything, valid=everything[:0], held_out=())
        for i in range(shape.folds)
    ]
    standardisers = [fit_standardiser(corpus.features, everything, learner.clip)] * len(folds)
    pairs = [*product(range(seeds), range(shape.folds))]
    stacked = lanes.make_lanes(folds, standardisers, pairs, rows, 0)
    return Job(learner, lanes.make_table(corpus), stacked)


def training_of(job: Job, trainer: Trainer) -> Callable[[], int]:
    """All lanes for as few epochs as use the machine well, always the first ones, to be timed.

    A call returns how many train steps of single lanes it did, and raises ``InputError`` if a lane
    diverged.
    """
    epochs, learner = trainer.pieces, job.learner
    trainer.begin()

    def call() -> int:
        if trainer.run(0, epochs).diverged.any():
            raise InputError(
                f"{learner.model.name}, batches of {learner.batch_size}: a lane diverged, and its "
                "time would mean nothing; give another config.batch_size or config.hidden"
            )
        return epochs * learner.batches * job.number

    return call
