"""Training: cross-validation runs of the models, and their generators on parts of the source."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from aegan.models import networks as n
from aegan.run import stages
from aegan.run.plan import Plan
from aegan.sampling.generator import Generator, flat_arrays, load_generator, nested_arrays
from aegan.sampling.rows import sampling_key
from aegan.study.parts import SOURCE, Part
from aegan.study.study import MODELS, Study
from aegan.study.tasks import Task
from aegan.system.files import digest, replacing
from aegan.training.lanes import lane_key, lane_of


def train_task(model: str) -> str:
    """Name of the task that trains a model's cross-validation run."""
    return f"train-{model}"


def evaluate_task(model: str) -> str:
    """Name of the task that evaluates a model's cross-validation run."""
    return f"evaluate-{model}"


def part_task(model: str, seed: int, part: Part) -> str:
    """Name of the task that trains a model on a part of the source."""
    return f"part-{model}-{seed}-{part.key}"


def tasks(study: Study) -> list[Task]:
    """Everything that trains or evaluates a generator; a study takes those that others need."""
    found = []
    for model in MODELS:
        plan = study.plans[model]
        name = model.upper()
        found.append(
            Task(
                train_task(model),
                f"{name} trained in cross-validation",
                train_run,
                (model,),
                kind="training",
                work=plan.flops,
            )
        )
        # The first one computes what no model changes; the others find it in the cache.
        first = () if model == MODELS[0] else (evaluate_task(MODELS[0]),)
        found.append(
            Task(
                evaluate_task(model),
                f"Tables 2 and 3: {name} evaluated",
                evaluate_run,
                (model,),
                (train_task(model), *first),
                kind="evaluation" if first else "evaluation with references",
                work=len(plan.lanes) * len(study.source.labels),
            )
        )
        one_lane = study.part_plans[model].flops / len(study.part_plans[model].lanes)
        found += [
            Task(
                part_task(model, seed, part),
                f"{name} trained on {part.words}",
                train_part,
                (model, seed, study.parts.index(part)),
                kind="training",
                work=one_lane,
                run_group=train_parts,
                group=f"parts-{model}",
            )
            for part in _trained_parts(study, model)
            for seed in part_seeds(study, part)
        ]
    return found


def part_seeds(study: Study, part: Part) -> Sequence[int]:
    """The generator seeds trained on a part: all on the whole source, else that of its draw."""
    if part is study.parts[0]:
        return study.seeds
    return (seed_of(study, part.replicate),)


def seed_of(study: Study, replicate: int) -> int:
    """The seed of the generator that a draw of the low-resource study takes."""
    return study.seeds[replicate % len(study.seeds)]


def _trained_parts(study: Study, model: str) -> list[Part]:
    """The whole source; for a model of the honest mode, the parts that no other run covers."""
    honest = model in study.config["low_resource"]["honest"]
    return [
        part
        for part in study.parts
        if part is study.parts[0]
        # All of a fold's training part is what the cross-validation trained on.
        or (honest and not (part.scope == SOURCE and part.percent == 100))
    ]


def train_run(study: Study, model: str) -> dict[str, Any]:
    """Trains a model on every fold, as ``experiments.run`` does, and keeps its encoders."""
    plan, workdir = study.plans[model], study.dir.run(model)
    workdir.claim(plan.identity, plan.corpus.contract)
    stages.train(plan, workdir)
    state = stages.trained_state(plan, workdir)
    for place, (seed, fold) in enumerate(plan.lanes):
        encoder = lane_of(state, place).params[n.ENCODER]
        with (
            replacing(study.dir.encoder(model, seed, fold)) as path,
            open(path, "wb") as file,
        ):
            np.savez(file, **flat_arrays(jax.device_get(encoder), "encoder"))
    return {}


def evaluate_run(study: Study, model: str) -> dict[str, Any]:
    """All metrics of a model's run and its own report, as ``experiments.run`` makes them."""
    plan, workdir = study.plans[model], study.dir.run(model)
    # On a CPU other workers use the other cores.
    jobs = 1 if jax.default_backend() == "cpu" else None
    stages.evaluate_run(plan, workdir, study.cache_dir, study.identity["command"], jobs)
    stages.report(workdir)
    return {}


def train_part(study: Study, model: str, seed: int, part: int) -> dict[str, Any]:
    """Trains a model on one part of the source and keeps the generator; gives the lane's record."""
    return train_parts(study, [(model, seed, part)])[0]


def train_parts(study: Study, lanes: Sequence[tuple[str, int, int]]) -> list[dict[str, Any]]:
    """``train_part`` for several parts (model, seed, part) of one model, as lanes of one call."""
    (model,) = {model for model, _, _ in lanes}
    parts = {(seed, study.part_fold(study.parts[p]).index): study.parts[p] for _, seed, p in lanes}
    # In an order, and under a name, that do not depend on the order of the tasks: so an interrupted
    # group finds its checkpoint.
    numbers = tuple(sorted(parts))
    plan = _with_lanes(study.part_plans[model], numbers)
    workdir = study.dir.training(f"{model}-{digest(numbers)}")
    workdir.claim(plan.identity, plan.corpus.contract)
    stages.train(plan, workdir, keep_rows=False)
    records = {(lane["seed"], lane["fold"]): lane for lane in stages.trained_lanes(workdir)}
    for (seed, fold), lane in records.items():
        with replacing(study.dir.generator(model, seed, parts[seed, fold])) as path:
            shutil.copyfile(workdir.generator(lane), path)
    # Renamed first: whoever is cut off while deleting must not be taken for a checkpoint.
    finished = workdir.root.with_name(f"{workdir.root.name}.finished")
    shutil.rmtree(finished, ignore_errors=True)
    workdir.root.rename(finished)
    shutil.rmtree(finished)
    return [records[seed, study.part_fold(study.parts[p]).index] for _, seed, p in lanes]


def _with_lanes(plan: Plan, lanes: tuple[tuple[int, int], ...]) -> Plan:
    """A plan with other lanes; a lane's arrays keep their shapes, so that none compiles anew."""
    identity = {**plan.identity, "lanes": [list(lane) for lane in lanes]}
    return replace(plan, identity=identity, lanes=lanes)


def trained_params(study: Study, model: str, seed: int, fold: int) -> n.Params:
    """The trained encoder of a cross-validation lane, as ``networks.encode`` takes it."""
    path = study.dir.encoder(model, seed, fold)
    with np.load(path, allow_pickle=False) as arrays:
        return {n.ENCODER: nested_arrays({name: arrays[name] for name in arrays.files})}


def whole_of(study: Study, part: Part) -> Part:
    """All of what a part was drawn from: the training rows of the generators in paper mode."""
    if part.scope != SOURCE:
        return study.parts[0]
    return replace(part, percent=100, rows=study.fold(part.fold).train)


def generator_task(model: str, seed: int, part: Part) -> str:
    """The task after which ``generator_of`` finds its file."""
    if part.scope == SOURCE and part.percent == 100:
        return train_task(model)
    return part_task(model, seed, part)


def generator_of(
    study: Study, model: str, seed: int, part: Part, draw: int = 0
) -> tuple[Generator, jax.Array]:
    """The generator trained on exactly the rows of a part, and a key to draw rows with.

    For all of a fold's training part it is the cross-validation's. Another ``draw`` gives other
    rows of the same generator.
    """
    if part.scope == SOURCE and part.percent == 100:
        path, fold = study.dir.run(model).generator({"seed": seed, "fold": part.fold}), part.fold
    else:
        path, fold = study.dir.generator(model, seed, part), study.part_fold(part).index
    return load_generator(path), sampling_key(lane_key(seed, fold), draw)
