"""A study small enough for tests, and its tasks run without worker processes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from aegan.report.kit.documents import page
from aegan.run.programs import load
from aegan.run.schema import plain
from aegan.study import generators
from aegan.study.experiment import Task
from aegan.study.opening import claim_folder, read_study
from aegan.study.report import document
from aegan.study.runner import Executor, run_tasks
from aegan.study.study import Study
from aegan.system.files import write_json


def tiny_config(**changes: Any) -> dict[str, Any]:
    """configs/paper.py:quick made tiny; ``changes`` by dotted name with __ for the dot."""
    config = load("paper", "quick")
    config.source.simulated_rows = 200
    config.source.simulated_features = 24
    config.target.simulated_rows = 160
    for model in ("m1", "m2", "m3", "m4"):
        shape, train = config[model].model, config[model].train
        shape.encoder = (16, 12, 8)
        shape.code = 2 if model != "m3" else 6
        shape.code_discriminator = shape.feature_discriminator = (12, 8)
        shape.auxiliary = shape.code_generator = (8,)
        shape.latent = 4
        train.updates = 20
        train.min_epochs = 1
    config.sample.rows = 80
    config.metrics.c_grid = (1e-3, 1e-2)
    config.toy.updates = 50
    config.toy.points = 200
    config.toy.hidden = (16,)
    config.embedding.rows = 30
    config.embedding.components = 5
    config.embedding.perplexity = 5.0
    config.embedding.neighbours = 3
    config.codes.c_grid = (0.1, 1.0)
    config.low_resource.percents = (20.0, 100.0)
    config.low_resource.sizes = (20, 60)
    config.low_resource.updates = 20
    config.low_resource.hidden = (8, 8)
    config.cross_corpus.draws = 2
    values = plain(config)
    for name, value in changes.items():
        *sections, field = name.split("__")
        part = values
        for section in sections:
            part = part[section]
        part[field] = plain(value)
    return values


def tiny_study(root: Path, **changes: Any) -> Study:
    """A tiny study in a folder of its own; nothing is trained."""
    study = read_study(tiny_config(**changes), root, root / "cache", "python -m experiments.paper")
    with claim_folder(study):
        return study


def run_here(study: Study, tasks: Iterable[Task]) -> dict[str, Any]:
    """Runs tasks, in their order and in this process, with those they need; results by name."""
    known = {task.name: task for task in generators.tasks(study)}
    tasks = list(tasks)
    known |= {task.name: task for task in tasks}
    results: dict[str, Any] = {}

    def run(task: Task) -> None:
        if task.name in results:
            return
        for need in task.needs:
            run(known[need])
        started = time.perf_counter()
        results[task.name] = result = task.run(study, *task.arguments)
        record = {
            "task": task.name,
            "kind": task.kind,
            "work": task.work,
            "seconds": round(time.perf_counter() - started, 3),
            "result": result,
        }
        write_json(study.dir.record(task.name), record)

    for task in tasks:
        run(task)
    return results


def run_all(study: Study, tasks: Sequence[Task], workers: Executor) -> dict[str, Any]:
    """Runs the tasks of one study in an executor; its records by name."""
    (records,) = run_tasks([(study, tasks)], workers)
    return records


def markdown_page(results) -> str:
    return page(document(results), "report.md")


def html_page(results) -> str:
    return page(document(results), "report.html")
