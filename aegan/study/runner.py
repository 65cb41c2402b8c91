"""Runs the tasks of a study in an executor, and those without a record only.

The executor is `Workers`, processes of this machine, or `aegan.study.cluster.Cluster`. On a CPU
every worker computes on one thread: independent tasks use the cores better than one task does (and
the bits do not depend on the number of workers). On an accelerator there is one worker, which runs
tasks of a group as lanes of one call.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from joblib import cpu_count

from aegan.errors import InputError
from aegan.metrics.device import plugin_installed, used
from aegan.study.experiment import Task
from aegan.study.opening import read_study
from aegan.study.projection import Projection
from aegan.study.study import Study, StudyDir
from aegan.system import screen
from aegan.system.files import read_json, whole, write_json
from aegan.system.workers import Pool, threads_of


@dataclass(frozen=True)
class Opening:
    """What a worker needs to read the study."""

    config: Mapping[str, Any]
    root: str
    cache_dir: str | None
    command: str
    config_hash: str | None = None  # of the study that asks; None: not compared


class Executor(Protocol):
    """What runs tasks; it ends with the block, and what it runs with it if the block failed."""

    accelerator: bool  # whether tasks of a group run in one call

    @property
    def jobs(self) -> int:
        """How many calls run at once now; 0: there is nothing yet that could run one."""

    def submit(self, tasks: Sequence[Task]) -> Future[dict[str, Any]]:
        """Runs one task, or several of a group at once: ``run``."""

    def __enter__(self) -> Executor: ...

    def __exit__(self, kind: type | None, *_: object) -> None: ...


class Workers:
    """Processes of this machine as an ``Executor``.

    Args:
        opening: of the study.
        jobs: processes; 0 takes one per core. On an accelerator there is one.
    """

    def __init__(self, opening: Opening, jobs: int) -> None:
        self.opening = opening
        # Processes would each take the whole device: there `jobs` counts for nothing.
        self.accelerator = _accelerator()
        self.jobs = 1 if self.accelerator else jobs or cpu_count()
        self._pool: Pool | None = None

    def submit(self, tasks: Sequence[Task]) -> Future[dict[str, Any]]:
        if self._pool is None:
            self._pool = Pool(self.jobs, {} if self.accelerator else threads_of(1))
        return self._pool.submit(run, self.opening, list(tasks))

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        if self._pool is not None:
            self._pool.close(kill=kind is not None)
        if kind is BrokenProcessPool:
            raise InputError(
                "a worker process was killed, perhaps for want of memory; the same command goes "
                "on, with --config.jobs=1 in one process"
            ) from None


def _accelerator() -> bool:
    """Asked in a process of its own, for whoever asks takes hold of the device."""
    if not plugin_installed():
        return False
    with Pool(1, {}) as pool:
        return pool.submit(used, "auto").result() is not None


def records_of(directory: StudyDir, tasks: Sequence[Task]) -> dict[str, Any]:
    """Records of the finished tasks: {"task", "kind", "work", "seconds", "result"} by name."""
    paths = {task.name: directory.record(task.name) for task in tasks}
    found = {}
    for name, path in paths.items():
        try:
            with whole(path):
                record = read_json(path)
                float(record["seconds"]), float(record["work"]), record["kind"], record["result"]
            found[name] = record
        except FileNotFoundError:
            pass
        except InputError as error:  # a disk's fault: the task is done again
            screen.say(str(error))
            path.unlink(missing_ok=True)
    return found


def run_tasks(tasks: Sequence[Task], workers: Executor, study: Study) -> dict[str, Any]:
    """Runs what has no record yet and returns all records by name.

    Of the tasks that are ready the one with the longest way behind it starts first.

    Raises:
        InputError: of a task, as it is; whatever else a task or the executor raises.
    """
    records = records_of(study.dir, tasks)
    projection = Projection(study.cache_dir, records)
    waiting = {task.name: task for task in tasks if task.name not in records}
    if not waiting:
        return records
    priority = projection.ways(list(waiting.values()))
    progress = screen.bar(len(tasks), "study", "task", initial=len(records), remaining=False)
    tick = 1 if sys.stderr.isatty() else 30  # seconds
    running: dict[Future, list[Task]] = {}
    try:
        while waiting or running:
            ready = [t for t in waiting.values() if all(need in records for need in t.needs)]
            ready.sort(key=lambda task: -priority[task.name])
            jobs = workers.jobs
            while ready and len(running) < max(jobs, 1):
                chosen = [ready.pop(0)]
                if workers.accelerator and chosen[0].group:
                    chosen += [task for task in ready if task.group == chosen[0].group]
                    ready = [task for task in ready if task not in chosen]
                for task in chosen:
                    del waiting[task.name]
                running[workers.submit(chosen)] = chosen
            left = [task for tasks in running.values() for task in tasks] + [*waiting.values()]
            seconds = projection.wall_seconds(left, max(jobs, 1))
            titles = "; ".join(t[0].words + " ..." * (len(t) > 1) for t in running.values())
            titles = titles if jobs else "waiting for a worker"
            progress.set_postfix_str(f"about {screen.duration(seconds)} left: {titles}")
            finished = wait(running, tick, FIRST_COMPLETED).done
            while not finished and workers.jobs == jobs:
                progress.refresh()
                finished = wait(running, tick, FIRST_COMPLETED).done
            for future in finished:
                found = future.result()
                del running[future]
                records |= found
                for record in found.values():
                    progress.update()
                    projection.learn(record)
    finally:
        progress.close()
        projection.keep()
    return records


# What follows runs in the workers.


_studies: dict[str, Study] = {}  # of this process: reading a corpus takes seconds


def _study(opening: Opening) -> Study:
    if opening.root not in _studies:
        import jax

        cache_dir = None if opening.cache_dir is None else Path(opening.cache_dir)
        study = read_study(opening.config, Path(opening.root), cache_dir, opening.command)
        jax.config.update("jax_default_matmul_precision", study.config.matmul_precision)
        if opening.config_hash not in (None, study.identity["config_hash"]):
            raise InputError("a corpus changed while the study began; run the same command again")
        _studies[opening.root] = study
    return _studies[opening.root]


def run(opening: Opening, tasks: Sequence[Task]) -> dict[str, Any]:
    """Runs tasks, writes their records, each whole or not at all, and gives them by name.

    What has a record is not run again: a worker that was lost since did it.
    """
    study = _study(opening)
    known = records_of(study.dir, tasks)
    left = [task for task in tasks if task.name not in known]
    started = time.perf_counter()
    if len(left) == 1:
        results = [left[0].run(study, *left[0].arguments)]
    else:
        results = left and left[0].run_group(study, [task.arguments for task in left])
    seconds = round((time.perf_counter() - started) / max(len(left), 1), 3)
    for task, result in zip(left, results, strict=True):
        record = {"task": task.name, "kind": task.kind, "work": task.work}
        record |= {"seconds": seconds, "result": result}
        write_json(study.dir.record(task.name), record)
    return {task.name: read_json(study.dir.record(task.name)) for task in tasks}
