"""Training: cross-validation runs of the models, and their generators on parts of the source."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from aegan.errors import InputError
from aegan.models.m1 import ENCODER
from aegan.run import stages
from aegan.run.plan import Plan
from aegan.sampling.generator import flat_arrays, load_generator, nested_arrays
from aegan.sampling.rows import Rows, sample, sampling_key
from aegan.study.experiment import Task
from aegan.study.parts import HALF, Part
from aegan.study.study import Study
from aegan.system.files import digest, read_json, read_npz, replacing, whole, write_npz
from aegan.training.lanes import lane_key, lane_of

TRAINING = "training"  # kind of the tasks that train
_ROWS_AT_ONCE = 2048  # encoded; bounds memory


def part_task(model: str, seed: int, part: Part) -> str:
    """Name of the task that trains a model on a part of the source."""
    return f"part-{model}-{seed}-{part.key}"


def generator_task(model: str, seed: int, part: Part) -> str:
    """The task after which ``rows_of`` finds the generator of a part."""
    return f"train-{model}" if part.of_a_run else part_task(model, seed, part)


def tasks(study: Study) -> list[Task]:
    """Everything that trains or evaluates a generator; a study takes those that others need.

    Every model trains on the whole source and its halves, those of the honest mode on all parts.
    """
    found, whole = run_tasks(study, study.plans), study.parts[0]
    for model, plan in study.part_plans.items():
        work, honest = plan.flops / len(plan.lanes), study.settings("low_resource").honest
        for place, part in enumerate(study.every_part):
            if part is whole or part.scope == HALF or (model in honest and not part.of_a_run):
                for seed in part_seeds(study, part):
                    name, where = part_task(model, seed, part), (model, seed, place)
                    words, group = f"{model.upper()} trained on {part.words}", f"parts-{model}"
                    found.append(
                        Task(name, words, train_part, where, (), TRAINING, work, train_parts, group)
                    )
    return found


def run_tasks(study: Study, names: Iterable[str]) -> list[Task]:
    """Training and evaluation of cross-validation runs, by their names."""
    found = []
    for model in names:
        plan = study.plans[model]
        title, name = model.upper(), f"train-{model}"
        words = f"{title} trained in cross-validation"
        found.append(Task(name, words, train_run, (model,), (), TRAINING, plan.flops))
        # The first one computes what no model changes; the others find it in the cache.
        others = (f"evaluate-{study.models[0]}",) if model != study.models[0] else ()
        kind = "evaluation" if others else "evaluation with references"
        work = len(plan.lanes) * len(study.source.labels)
        words, needs = f"Tables 2 and 3: {title} evaluated", (name, *others)
        name = f"evaluate-{model}"
        found.append(Task(name, words, evaluate_run, (model,), needs, kind, work))
    return found


def part_seeds(study: Study, part: Part) -> Sequence[int]:
    """The generator seeds trained on a part: on the whole source and its halves all, else one."""
    every = part is study.parts[0] or part.scope == HALF
    return study.seeds if every else (seed_of(study, part.replicate),)


def seed_of(study: Study, replicate: int) -> int:
    """The seed of the generator that a draw of the low-resource study takes."""
    return study.seeds[replicate % len(study.seeds)]


def shared_tasks(study: Study, other: Study) -> dict[str, tuple[str, ...]]:
    """Tasks that do the same in both studies, and what of the first is finished before it is taken.

    A run is taken whole, as it lies when it is evaluated too.
    """
    found: dict[str, tuple[str, ...]] = {}
    for model in _alike(study.plans, other.plans):
        names = (f"train-{model}", f"evaluate-{model}")
        found |= dict.fromkeys(names, names)
    for model in _alike(study.part_plans, other.part_plans):
        for part in study.every_part:
            for seed in part_seeds(study, part):
                name = part_task(model, seed, part)
                found[name] = (name,)
    return found


def _alike(plans: Mapping[str, Plan], others: Mapping[str, Plan]) -> list[str]:
    hashes = ({k: p.identity["config_hash"] for k, p in of.items()} for of in (plans, others))
    return [name for name, _ in set.intersection(*(set(of.items()) for of in hashes))]


def take_over(study: Study, other: Study, task: Task) -> dict[str, Any]:
    """Gives a study what another left of a task that they share; its record.

    Files are linked: they are replaced, never written to, so that a link is as good as a copy.
    """
    if task.run is train_part:
        model, seed, place = task.arguments
        part = other.every_part[place]
        _link(study.dir.generator(model, seed, part), other.dir.generator(model, seed, part))
    else:
        (model,) = task.arguments
        for place in (study.dir.run(model).root, study.dir.encoders(model)):
            if place.is_dir():
                ignored = shutil.ignore_patterns(".*")  # locks, and what killed processes left
                there = other.dir.root / place.relative_to(study.dir.root)
                shutil.copytree(
                    place, there, ignore=ignored, copy_function=_link, dirs_exist_ok=True
                )
    record = other.dir.record(task.name)  # last: it stands for what is finished
    _link(study.dir.record(task.name), record)
    return read_json(record)


def _link(there: Path | str, here: Path | str) -> None:
    if (path := Path(here)).exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(there, here)
    except OSError:  # a file system without links
        shutil.copy2(there, here)


def train_run(study: Study, model: str) -> dict[str, Any]:
    """Trains a model on every fold, as ``experiments.run`` does, and keeps its encoders."""
    plan, workdir = study.plans[model], study.dir.run(model)
    with workdir.claimed(plan.identity, plan.corpus.contract):
        stages.train(plan, workdir)
    if model not in study.encoders:
        return {}
    state = stages.trained_state(plan, workdir)
    for place, (seed, fold) in enumerate(plan.lanes):
        encoder = lane_of(state, place).params[ENCODER]
        arrays = flat_arrays(jax.device_get(encoder), "encoder")
        write_npz(study.dir.encoder(model, seed, fold), arrays)
    return {}


def evaluate_run(study: Study, model: str) -> dict[str, Any]:
    """All metrics of a model's run and its own report, as ``experiments.run`` makes them."""
    plan, workdir = study.plans[model], study.dir.run(model)
    stages.train(plan, workdir)  # was; what came to harm since is made again
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
    every = study.every_part
    parts = {(seed, study.part_fold(every[p]).index): every[p] for _, seed, p in lanes}
    # In an order, and under a name, that do not depend on the order of the tasks: so an interrupted
    # group finds its checkpoint.
    numbers = tuple(sorted(parts))
    # With other lanes, whose arrays keep their shapes, so that none compiles anew.
    plan = study.part_plans[model]
    identity = {**plan.identity, "lanes": [list(lane) for lane in numbers]}
    plan = replace(plan, identity=identity, lanes=numbers)
    workdir = study.dir.training(f"{model}-{digest(numbers)}")
    with workdir.claimed(plan.identity, plan.corpus.contract):
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
    return [records[seed, study.part_fold(every[p]).index] for _, seed, p in lanes]


def rows_of(
    study: Study, model: str, seed: int, part: Part, rows: int, draw: int = 0
) -> Rows | None:
    """Rows in raw units of the generator trained on exactly the rows of a part.

    For all of a fold's training part it is the cross-validation's. Another ``draw`` gives other
    rows of the same generator. None where a cell is not finite: that is looked for in raw units,
    for the clip of z-scores would make an infinite cell look finite.

    ``InputError``: the generator's file is not whole, or another's.
    """
    if part.of_a_run:
        path, fold = study.dir.run(model).generator({"seed": seed, "fold": part.fold}), part.fold
    else:
        path, fold = study.dir.generator(model, seed, part), study.part_fold(part).index
    mend = _again(study, generator_task(model, seed, part))
    generator = load_generator(path, mend)
    digests = study.part_plans[study.models[0]].digests[part.rows]
    if generator.passport["seed"] != seed or not np.array_equal(generator.trained_on, digests):
        raise InputError(f"{path}: of another seed or trained on other rows; {mend}")
    features, labels = sample(generator, sampling_key(lane_key(seed, fold), draw), rows)
    return (features, labels) if np.isfinite(features).all() else None


def _again(study: Study, task: str) -> str:
    """How what a task left is made anew."""
    return f"delete {study.dir.record(task)} and run the same command again"


def encoded(study: Study, model: str, seed: int, fold: int, features: np.ndarray) -> np.ndarray:
    """Codes (n, code) float32 of rows (n, features) in raw units, by the encoder of a lane."""
    learner, standardiser = study.plans[model].learner, study.standardiser(fold)
    path = study.dir.encoder(model, seed, fold)
    with whole(path, _again(study, f"train-{model}")):
        params = {ENCODER: nested_arrays(read_npz(path))}
    blocks = [np.zeros((0, learner.model.code), np.float32)]
    for start in range(0, len(features), _ROWS_AT_ONCE):
        z = standardiser.to_z(features[start : start + _ROWS_AT_ONCE])
        codes = learner.model.encode(params, np.float32(learner.gain) * z)
        blocks.append(jax.device_get(codes))
    return np.concatenate(blocks)
