"""Jobs to time: a model at the paper's sizes on simulated rows, with nothing held out."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from aegan.data.folds import Fold
from aegan.data.simulate import simulated_corpus
from aegan.errors import InputError
from aegan.run.plan import Prepared, plain, plan_of
from aegan.training import lanes
from aegan.training.cost import flops_per_update
from aegan.training.job import Job, Trainer


@dataclass(frozen=True)
class Candidate:
    """Something to time."""

    call: Callable[[], None]  # returns when its work is done
    steps: int  # train steps, of single lanes, in a call


@dataclass(frozen=True)
class Shape:
    """What the time of a train step depends on."""

    model: str
    features: int = 1582
    batch_size: int = 64
    batches: int = 16  # of an epoch
    folds: int = 5
    seeds: int = 1
    hidden: tuple[int, ...] = ()  # layers of encoder, decoder, D1, D2; (): the paper's


def shape_of(config: Mapping[str, Any], model: str, **changes: int) -> Shape:
    """The config's shape of a model, with what is to be another."""
    fields = {name: config[name] for name in ("features", "batch_size", "batches", "folds")}
    return Shape(model, hidden=tuple(config["hidden"]), **(fields | changes))


def job_of(shape: Shape) -> Job:
    """A job of that shape: D2 learns in every epoch, and validation has no rows.

    So that its operations are those that ``cost.products`` counts.
    """
    rows = shape.batches * shape.batch_size
    # No fewer than the simulation has speakers and classes for.
    corpus = simulated_corpus(rows=max(rows, 400), dim=shape.features, seed=0)
    config = importlib.import_module(f"configs.{shape.model}").get_config()
    values = plain(config)
    values["seeds"] = list(range(shape.seeds))
    values["train"].update(batch_size=shape.batch_size, d2_every=1)
    if shape.hidden:
        networks = ("encoder", "code_discriminator", "feature_discriminator")
        values["model"].update(dict.fromkeys(networks, list(shape.hidden)))
    everything = np.arange(rows, dtype=np.int32)
    folds = tuple(
        Fold(index=i, name=f"fold {i}", train=everything, valid=everything[:0], held_out=())
        for i in range(shape.folds)
    )
    prepared = Prepared(corpus, np.zeros(len(corpus.labels), np.uint64), folds, ())
    plan = plan_of(values, prepared)
    stacked = lanes.make_lanes(folds, plan.standardisers, plan.lanes, rows, 0)
    return Job(plan.learner, plan.schedule, lanes.make_table(corpus), stacked)


def flops_of(job: Job) -> float:
    """Operations of one train step of one lane."""
    sizes, batch = job.learner.nets.sizes, job.schedule.batch_size
    return flops_per_update(job.learner.model, sizes, batch, 1, job.schedule.fresh_z)


def training_of(job: Job, trainer: Trainer) -> Candidate:
    """All lanes for as few epochs as use the machine well, always the first ones.

    The trainer begins here, and warms up.

    Raises:
        InputError: by a call in which a lane diverged.
    """
    epochs = trainer.pieces
    trainer.begin()

    def call() -> None:
        if trainer.run(0, epochs).diverged.any():
            raise InputError(
                f"{job.learner.model.name}, batches of {job.schedule.batch_size}: a lane "
                "diverged, and its time would mean nothing; give another config.batch_size or "
                "config.hidden"
            )

    call()
    return Candidate(call, epochs * job.schedule.batches * job.number)


def memory_of(job: Job) -> dict[str, int]:
    """Bytes of the compiled call, as XLA plans them, and those that a lane cannot do without."""
    state = jax.eval_shape(lanes.init_lanes, job.learner, job.lanes)
    number = np.int32(1)
    compiled = (
        lanes.compiled_epochs()
        .lower(job.learner, job.schedule, job.table, job.lanes, state, number, number, 4)
        .compile()
    )
    plan = compiled.memory_analysis()
    held = plan.argument_size_in_bytes + plan.output_size_in_bytes - plan.alias_size_in_bytes
    return {"planned": held + plan.temp_size_in_bytes, "state": _bytes(state)}


def _bytes(tree: Any) -> int:
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))
