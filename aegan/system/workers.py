"""Worker processes: started with an environment of their own, gone when their parent is gone."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.synchronize import Event

from joblib import cpu_count

from aegan.errors import InputError
from aegan.system import screen
from aegan.system.ending import PARENT

# Not fork: jax has threads, and libraries read their environment when they start.
CONTEXT = multiprocessing.get_context("spawn")


def threads_of(number: int) -> dict[str, str]:
    """The environment in which a process computes on ``number`` threads."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC")  # NPROC: XLA
    return dict.fromkeys(names, str(number))


def peak_memory() -> int:
    """Bytes that this process held at most, all of its life."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:
            lines = dict(line.split(":", 1) for line in file)
        return int(lines["VmHWM"].split()[0]) * 1024
    except (OSError, KeyError):  # not Linux, where rusage begins with that of the starting process
        import resource  # not on Windows

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak * (1 if os.uname().sysname == "Darwin" else 1024)


def usable_cores() -> int:
    """Threads that this process computes on: the machine's cores, or what NPROC says.

    Raises:
        InputError: NPROC is no number above 0.
    """
    text = os.environ.get("NPROC")
    if not text:
        return cpu_count()
    if not text.isdecimal() or int(text) == 0:
        raise InputError(f"NPROC={text}: is not a number of threads; give 2, say, or unset it")
    return int(text)


class Pool:
    """Processes that end with the block, and with this process whatever becomes of it.

    All start at once, with ``environment`` beside this process's; ``initializer`` is called in
    each with ``arguments`` before any task.
    """

    def __init__(
        self,
        jobs: int,
        environment: Mapping[str, str],
        initializer: Callable[..., None] | None = None,
        arguments: tuple = (),
    ) -> None:
        others = set(multiprocessing.active_children())
        started = CONTEXT.Event()
        self._pool = ProcessPoolExecutor(
            jobs,
            CONTEXT,
            initializer=_begin,
            initargs=(started, initializer, arguments),
        )
        self.submit = self._pool.submit
        # Libraries read it when they are imported, before any code of ours runs in the process.
        environment = {**environment, PARENT: str(os.getpid()), "JAX_ENABLE_X64": "0"}
        before = {name: os.environ[name] for name in environment.keys() & os.environ.keys()}
        os.environ.update(environment)
        try:
            # Each starts a process if none is idle, and so none may be before all are there.
            for _ in range(jobs):
                self.submit(_wait_for_the_others)
        finally:
            for name in environment:
                del os.environ[name]
            os.environ.update(before)
            started.set()
        self.processes = set(multiprocessing.active_children()) - others

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close(kill=kind is not None)

    def close(self, kill: bool = False) -> None:
        """Ends the processes, when they are idle; with ``kill`` whatever they do."""
        # Waited for here: at the end of a process that is itself a worker nobody else would tell
        # them to end, and it would wait for them without end.
        self._pool.shutdown(wait=not kill, cancel_futures=True)
        if kill:
            for process in self.processes:
                process.kill()
                process.join()
                # The executor's thread may have waited for it first, and note its status only now.
                for _ in range(200):
                    if process.exitcode is not None:
                        break
                    time.sleep(0.01)


_started: Event | None = None  # in a worker: whether all are there


def _wait_for_the_others() -> None:
    _started.wait()


def _begin(started: Event, initializer: Callable[..., None] | None, arguments: tuple) -> None:
    """A worker leaves it to its parent what Ctrl-C and a terminal that closes mean."""
    global _started
    _started = started
    for name in ("SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    screen.silence()
    if initializer is not None:
        initializer(*arguments)
