"""Jobs to time: a model at the paper's sizes on simulated rows, with nothing held out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from functools import cache
from typing import Any

import numpy as np

from aegan.bench.config import BenchConfig
from aegan.data.corpus import Corpus
from aegan.data.folds import Fold, fit_standardiser
from aegan.data.simulate import simulated_corpus
from aegan.errors import InputError
from aegan.learning.steps import Learner
from aegan.models.model import Model, get_model
from aegan.run.config import (
    PAPER_STEPS,
    DataConfig,
    MetricsConfig,
    RunConfig,
    SampleConfig,
    StepConfig,
    TrainConfig,
)
from aegan.run.plan import learner_of
from aegan.training import lanes
from aegan.training.job import Job, Trainer

# What configs/m3.py and m4.py change; the benchmark does without ml_collections, which they need.
_M3_STEPS = {
    "autoencoder": StepConfig(0.001),
    "code_discriminator": StepConfig(0.01),
    "encoder": StepConfig(0.01),
}
_OWN = {
    "m3": {"gain": 0.5, "updates": 7200, "steps": PAPER_STEPS | _M3_STEPS},
    "m4": {"aux_sees_label": False, "average": 0.1},
}


def learner_for(config: BenchConfig, model: str, classes: int) -> Learner:
    """A model by its defaults, but that D2 learns in every epoch.

    So that its operations are those that ``cost.products`` counts in the first epoch.
    """
    train = TrainConfig(batch_size=config.batch_sizes[0], d2_every=1, **_OWN.get(model, {}))
    kind = get_model(model)
    shared = {f.name: getattr(train, f.name) for f in fields(kind) if hasattr(train, f.name)}
    networks = ("encoder", "code_discriminator", "feature_discriminator")
    known = {f.name for f in fields(kind)} & set(networks)
    widths = dict.fromkeys(known, config.hidden) if config.hidden else {}
    whole = RunConfig(
        "bench", (0,), (), DataConfig(), train, SampleConfig(), MetricsConfig(), Model(), {}
    )
    return learner_of(
        kind(**shared, **widths).for_data(config.features, classes), whole, config.batches
    )


@cache
def _corpus(rows: int, features: int) -> Corpus:
    return simulated_corpus(rows=rows, dim=features, seed=0)


def job_of(config: BenchConfig, model: str, **changes: Any) -> Job:
    """A job of the config's shape, in which validation has no rows.

    ``changes`` are of the config's fields. The first of ``batch_sizes`` counts, and ``folds`` is
    the number of lanes.
    """
    shape = replace(config, **changes)
    rows = shape.batches * shape.batch_sizes[0]
    # No fewer than the simulation has speakers and classes for.
    corpus = _corpus(max(rows, 400), shape.features)
    learner = learner_for(shape, model, len(corpus.classes))
    everything = np.arange(rows, dtype=np.int32)
    folds = [
        Fold(index=i, name=f"fold {i}", train=everything, valid=everything[:0], held_out=())
        for i in range(shape.folds)
    ]
    standardisers = [fit_standardiser(corpus.features, everything, learner.clip)] * len(folds)
    pairs = [(0, fold) for fold in range(shape.folds)]
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
                "time would mean nothing; give another config.batch_sizes or config.hidden"
            )
        return epochs * learner.batches * job.number

    return call
