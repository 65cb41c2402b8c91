"""The study's tasks on several machines: a dask cluster as the runner's `Executor`.

A dask worker runs each task in a process of its own making, on one thread, as `runner.Workers`
does: so the bits are the same. The records in the study's folder, which all machines share, are
the only state: a task whose worker is lost runs again on another, and finds what is done already.
Workers and scheduler import this module, and neither jax nor the study.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import re
import time
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from distributed import Client, KilledWorker, Worker, WorkerPlugin, get_worker

import aegan
from aegan.errors import Busy, InputError
from aegan.system.files import read_json
from aegan.system.versions import versions
from aegan.system.workers import Pool, threads_of

if TYPE_CHECKING:
    from aegan.study.experiment import Task
    from aegan.study.runner import Opening
    from aegan.study.study import Study

CONNECT = 10  # seconds


class Cluster:
    """The workers of a dask scheduler, as an ``Executor``; there may be more or fewer at any time.

    Args:
        root: folder of the study, or of the first of several.
        address: of the scheduler, "dask://host:8786"; also as dask writes it.

    Raises:
        InputError: no scheduler answers.
    """

    accelerator = False

    def __init__(self, root: Path, address: str) -> None:
        self._address, self._plugin = address, f"aegan {root.absolute()}"
        try:
            scheduler = re.sub("^dask:", "tcp:", address)
            self._client = Client(scheduler, timeout=CONNECT, set_as_default=False)
        except (OSError, TypeError, ValueError) as error:  # the last two: tls without certificates
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise InputError(
                f"--executor={address}: no scheduler answers ({reason}); start one there with "
                "`dask scheduler`, or give the address of another"
            ) from None
        self._executor = self._client.get_executor()
        self._registered = False

    @property
    def jobs(self) -> int:
        try:
            return sum(self._client.nthreads().values())
        except OSError:
            raise self._lost() from None

    def submit(self, study: Study, tasks: Sequence[Task]) -> Future[dict[str, Any]]:
        if not self._registered:
            self._check_installed()
            # In place of what an earlier command, killed since, left at work on this study.
            self._client.register_plugin(Processes(), self._plugin)
            self._registered = True
        work = pickle.dumps((_opening(study), list(tasks), versions()))
        key = f"{tasks[0].name}-{uuid4().hex}"  # for dask's own pages
        return self._executor.submit(_on_worker, self._plugin, work, key=key, pure=False)

    def _check_installed(self) -> None:
        def is_there() -> bool:  # sent whole, for it is no name that could be looked up in aegan
            return find_spec("aegan") is not None

        found = {"the scheduler": self._client.run_on_scheduler(is_there)}
        for place, there in (found | self._client.run(is_there)).items():
            if not there:
                raise InputError(
                    f"--executor={self._address}: {place} cannot import aegan; start it where "
                    f"aegan {aegan.__version__} is installed"
                )

    def _lost(self) -> InputError:
        return InputError(
            f"--executor={self._address}: the scheduler is gone; start it and its workers, and "
            "run the same command again"
        )

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, _: object) -> None:
        with suppress(OSError, ValueError):  # a scheduler that is gone, or began anew
            self._executor.shutdown(wait=False)
            if self._registered:
                self._client.unregister_worker_plugin(self._plugin)
        self._client.close()
        if kind is CancelledError:
            raise self._lost() from None
        if isinstance(error, KilledWorker):
            raise InputError(
                f"worker {error.last_worker.address}: was killed, as those that tried the same "
                "before, perhaps for want of memory; start fewer on one machine, and run the same "
                "command again"
            ) from None


def _opening(study: Study) -> Opening:
    """With absolute paths: workers start elsewhere."""
    from aegan.study.runner import Opening

    opening = Opening.of(study)
    config = dict(opening.config)
    for role in ("source", "target"):
        if path := config[role]["path"]:
            config[role] = {**config[role], "path": str(Path(path).absolute())}
    return replace(opening, config=config, root=str(Path(opening.root).absolute()))


class Processes(WorkerPlugin):
    """Of a worker: a process per thread; gone as soon as the command ends or is given up."""

    def setup(self, worker: Worker) -> None:
        # Or else Python allows a worker that has a nanny no processes.
        multiprocessing.current_process().daemon = False
        self.pool = Pool(worker.state.nthreads, threads_of(1))

    def teardown(self, worker: Worker) -> None:
        self.pool.close(kill=True)


def _on_worker(plugin: str, work: bytes) -> dict[str, Any]:
    worker = get_worker()
    processes = worker.plugins[plugin]
    try:
        return processes.pool.submit(_in_process, work, worker.address).result()
    except BrokenProcessPool:
        if worker.plugins.get(plugin) is processes:  # killed, and not by ``teardown``
            os._exit(1)  # for dask to run the task on another worker, a few times at most
        raise


def _in_process(work: bytes, worker: str) -> dict[str, Any]:
    try:
        from aegan.study.runner import run
        from aegan.study.study import StudyDir
        from aegan.system.cache import references_dir

        opening, tasks, wanted = pickle.loads(work)
        _check(wanted, StudyDir(Path(opening.root)).config, opening.config_hash)
        cache = opening.cache_dir and references_dir()  # this machine's
        opening = replace(opening, cache_dir=cache and str(cache))
        while True:
            try:
                return run(opening, tasks)
            except Busy:  # a worker that was taken for lost, or has still to end
                time.sleep(1)
    except InputError as error:
        raise InputError(f"worker {worker}: {error}") from None


def _check(wanted: dict[str, str], study: Path, config_hash: str) -> None:
    """That this machine has the command's versions, but for Python's, and sees its study."""
    here = versions()
    for name in wanted.keys() - {"python"}:
        if here.get(name) != wanted[name]:
            raise InputError(
                f"has {name} {here.get(name, 'not installed')}, but the command {wanted[name]}; "
                "install the same there, or records differ"
            )
    try:
        found = read_json(study).get("config_hash")
    except FileNotFoundError:
        found = None
    if config_hash != found:
        raise InputError(
            f"{study}: not there, or another study's; a machine of the cluster must see --workdir "
            "and the tables under the same paths as the command"
        )
