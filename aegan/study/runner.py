"""Runs the tasks of studies in an executor, and those without a record only.

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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from joblib import cpu_count

from aegan.errors import InputError
from aegan.metrics.device import plugin_installed, used
from aegan.study.experiment import Task
from aegan.study.generators import shared_tasks, take_over
from aegan.study.opening import read_study
from aegan.study.projection import Projection
from aegan.study.study import Study, StudyDir
from aegan.system import screen
from aegan.system.files import read_json, whole, write_json
from aegan.system.workers import Pool, threads_of


@dataclass(frozen=True)
class Opening:
    """What a worker needs to read a study."""

    config: Mapping[str, Any]
    root: str
    cache_dir: str | None
    command: str
    config_hash: str

    @classmethod
    def of(cls, study: Study) -> Opening:
        cache, identity = study.cache_dir, study.identity
        told = (None if cache is None else str(cache), identity["command"], identity["config_hash"])
        return cls(study.config.written, str(study.dir.root), *told)


# A study and those of its tasks that are asked for, needs before the needy.
Asked = tuple[Study, Sequence[Task]]


class Executor(Protocol):
    """What runs tasks; it ends with the block, and what it runs with it if the block failed."""

    accelerator: bool  # whether tasks of a group run in one call

    @property
    def jobs(self) -> int:
        """How many calls run at once now; 0: there is nothing yet that could run one."""

    def submit(self, study: Study, tasks: Sequence[Task]) -> Future[dict[str, Any]]:
        """Runs one task of a study, or several of a group at once: ``run``."""

    def __enter__(self) -> Executor: ...

    def __exit__(self, kind: type | None, *_: object) -> None: ...


class Workers:
    """Processes of this machine as an ``Executor``.

    Args:
        jobs: processes; 0 takes one per core. On an accelerator there is one.
    """

    def __init__(self, jobs: int) -> None:
        # Processes would each take the whole device: there `jobs` counts for nothing.
        self.accelerator = _accelerator()
        self.jobs = 1 if self.accelerator else jobs or cpu_count()
        self._pool: Pool | None = None

    def submit(self, study: Study, tasks: Sequence[Task]) -> Future[dict[str, Any]]:
        if self._pool is None:
            self._pool = Pool(self.jobs, {} if self.accelerator else threads_of(1))
        return self._pool.submit(run, Opening.of(study), list(tasks))

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


@dataclass(frozen=True)
class Job:
    """A task that is left of one of several studies."""

    study: Study
    task: Task
    known_as: Task  # the same among the tasks of all studies: its name, its needs, its group
    twin: Study | None  # an earlier one of them, which does the same


def _unique(place: int, name: str) -> str:
    """A name among those of all studies."""
    return f"{place} {name}"


def remaining(studies: Sequence[Asked]) -> tuple[dict[str, Any], dict[str, Job]]:
    """The records there are, and what has none, by its name among the tasks of all studies.

    Needs come before the needy. What an earlier study does too needs that one's task.
    """
    records, left = {}, {}
    for place, (study, tasks) in enumerate(studies):
        twins: dict[str, tuple[Study, tuple[str, ...]]] = {}
        for before, (other, others) in enumerate(studies[:place]):
            there = {task.name for task in others}
            for name, needs in shared_tasks(other, study).items():
                if name in there:
                    awaited = tuple(_unique(before, need) for need in needs if need in there)
                    twins.setdefault(name, (other, awaited))
        known = records_of(study.dir, tasks)
        records |= {_unique(place, name): record for name, record in known.items()}
        for task in tasks:
            if task.name in known:
                continue
            twin, awaited = twins.get(task.name, (None, ()))
            known_as = replace(
                task,
                name=_unique(place, task.name),
                needs=(*(_unique(place, need) for need in task.needs), *awaited),
                work=0.0 if twin else task.work,
                group=task.group and _unique(place, task.group),
            )
            left[known_as.name] = Job(study, task, known_as, twin)
    return records, left


def run_tasks(studies: Sequence[Asked], workers: Executor) -> list[dict[str, Any]]:
    """Runs what has no record yet of several studies' tasks; all records, by name, of each study.

    Of the tasks that are ready the one with the longest way behind it starts first. What two
    studies both train and evaluate is done once.

    Raises:
        InputError: of a task, as it is; whatever else a task or the executor raises.
    """
    records, waiting = remaining(studies)
    if waiting:
        _complete(waiting, records, Projection(studies[0][0].cache_dir, records), workers)
    return [
        {task.name: records[_unique(place, task.name)] for task in tasks}
        for place, (_, tasks) in enumerate(studies)
    ]


def _complete(
    waiting: dict[str, Job],
    records: dict[str, Any],
    projection: Projection,
    workers: Executor,
) -> None:
    """Moves all jobs from ``waiting`` to ``records``."""
    priority = projection.ways([job.known_as for job in waiting.values()])
    total = len(waiting) + len(records)
    progress = screen.bar(total, "study", "task", initial=len(records), remaining=False)
    tick = 1 if sys.stderr.isatty() else 30  # seconds
    running: dict[Future, list[Job]] = {}

    def finish(job: Job, record: Mapping[str, Any]) -> None:
        records[job.known_as.name] = record
        progress.update()

    def is_ready(job: Job) -> bool:
        return all(need in records for need in job.known_as.needs)

    try:
        while waiting or running:
            for name in [name for name, job in waiting.items() if job.twin and is_ready(job)]:
                job = waiting.pop(name)
                finish(job, take_over(job.twin, job.study, job.task))
            ready = [job for job in waiting.values() if is_ready(job)]
            ready.sort(key=lambda job: -priority[job.known_as.name])
            jobs = workers.jobs
            while ready and len(running) < max(jobs, 1):
                chosen = [ready.pop(0)]
                if workers.accelerator and (group := chosen[0].known_as.group):
                    chosen += [job for job in ready if job.known_as.group == group]
                    ready = [job for job in ready if job not in chosen]
                for job in chosen:
                    del waiting[job.known_as.name]
                running[workers.submit(chosen[0].study, [job.task for job in chosen])] = chosen
            left = [job.known_as for of in (*running.values(), waiting.values()) for job in of]
            seconds = projection.wall_seconds(left, max(jobs, 1))
            titles = "; ".join(of[0].task.words + " ..." * (len(of) > 1) for of in running.values())
            titles = titles if jobs else "waiting for a worker"
            progress.set_postfix_str(f"about {screen.duration(seconds)} left: {titles}")
            finished = wait(running, tick, FIRST_COMPLETED).done
            while not finished and workers.jobs == jobs:
                progress.refresh()
                finished = wait(running, tick, FIRST_COMPLETED).done
            for future in finished:
                found = future.result()
                for job in running.pop(future):
                    finish(job, found[job.task.name])
                    projection.learn(found[job.task.name])
    finally:
        progress.close()
        projection.keep()


# What follows runs in the workers.


_studies: dict[str, Study] = {}  # of this process: reading a corpus takes seconds


def _study(opening: Opening) -> Study:
    import jax

    if opening.root not in _studies:
        cache_dir = None if opening.cache_dir is None else Path(opening.cache_dir)
        study = read_study(opening.config, Path(opening.root), cache_dir, opening.command)
        if opening.config_hash != study.identity["config_hash"]:
            raise InputError("a corpus changed while the study began; run the same command again")
        _studies[opening.root] = study
    study = _studies[opening.root]
    jax.config.update("jax_default_matmul_precision", study.config.matmul_precision)
    return study


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
