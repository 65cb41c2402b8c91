"""Worker processes, one clip each at a time, that outlive what clips do to them.

A clip that kills its process or never ends costs that clip and a new process, nothing else.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from multiprocessing.connection import Connection, wait

from aegan.audio.clips import ClipError, Extractor, FeatureKind, Row, Skipped
from aegan.errors import InputError

CLIP_LIMIT = 600.0  # seconds that a clip may take; usual is a fraction of one
_START_LIMIT = 300.0  # seconds until a process has imported its libraries
_STARTS = 3  # failed in a row

# Not fork: the caller may have threads, and libraries that do not live on in a fork.
_CONTEXT = multiprocessing.get_context("spawn")


class Workers:
    """Processes that extract features.

        with Workers(make, jobs=2) as workers:
            print(workers.kind)
            for index, outcome in workers.outcomes(paths): ...

    Args:
        make: makes the extractor, in the worker; a function that can be pickled.
        jobs: number of processes.
        clip_limit: seconds until a clip is given up.

    Raises:
        InputError: (on entry) what ``make`` refuses.
    """

    def __init__(
        self, make: Callable[[], Extractor], jobs: int, clip_limit: float = CLIP_LIMIT
    ) -> None:
        self._make = make
        self._jobs = jobs
        self._clip_limit = clip_limit
        self._workers: list[_Worker] = []
        self._failed_starts = 0
        self.kind: FeatureKind  # of all rows

    def __enter__(self) -> Workers:
        try:
            self._workers = [_Worker(self._make) for _ in range(self._jobs)]
            while not any(worker.ready for worker in self._workers):
                self._wait()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the processes, whatever they do."""
        for worker in self._workers:
            worker.kill()

    def outcomes(self, paths: Sequence[str]) -> Iterator[tuple[int, Row | Skipped]]:
        """Index and outcome of every path, in the order in which they are done."""
        suspects = []
        for index, outcome in self._round(paths, range(len(paths)), self._jobs):
            if outcome is None:
                suspects.append(index)
            else:
                yield index, outcome
        # Once more, one at a time: the memory may have run out for what others did meanwhile.
        for suspect in suspects:
            for index, outcome in self._round(paths, [suspect], 1):
                yield index, outcome or Skipped("ended its process, twice", lasting=False)

    def _round(
        self, paths: Sequence[str], indices: Iterable[int], jobs: int
    ) -> Iterator[tuple[int, Row | Skipped | None]]:
        """Outcomes by at most ``jobs`` processes at a time, None where the process ended."""
        waiting = deque(indices)
        while True:
            for place, worker in enumerate(self._workers):
                busy = sum(worker.clip is not None for worker in self._workers)
                if worker.ready and worker.clip is None and waiting and busy < jobs:
                    index = waiting.popleft()
                    if not worker.give(index, paths[index], self._clip_limit):
                        waiting.appendleft(index)  # it ended while idle: not the clip's fault
                        self._replace(place)
            if not waiting and all(worker.clip is None for worker in self._workers):
                return
            yield from self._wait()

    def _wait(self) -> list[tuple[int, Row | Skipped | None]]:
        """Waits for any process; what has come of clips meanwhile."""
        expected = {w.connection: i for i, w in enumerate(self._workers) if w.deadline is not None}
        deadline = min(self._workers[i].deadline for i in expected.values())
        done = []
        for connection in wait(list(expected), max(0.0, deadline - time.monotonic())):
            place = expected[connection]
            done += self._take(place, self._workers[place])
        for place, worker in enumerate(self._workers):
            if worker.deadline is not None and worker.deadline < time.monotonic():
                if not worker.ready:
                    raise InputError(
                        f"the extractor is not ready after {_START_LIMIT:g} s; look after "
                        "--features, or a slow disk"
                    )
                reason = f"not done after {self._clip_limit:g} s"
                done.append((worker.clip, Skipped(reason, lasting=False)))
                self._replace(place)
        return done

    def _take(self, place: int, worker: _Worker) -> list[tuple[int, Row | Skipped | None]]:
        """Takes a message of a process, or notes its end."""
        clip = worker.clip
        try:
            message = worker.connection.recv()
        except (EOFError, OSError):
            if not worker.ready:
                self._failed_starts += 1
                if self._failed_starts >= _STARTS:
                    raise InputError(
                        "the processes that extract features end as they start "
                        f"(exit status {worker.status()}); look after --features and the memory"
                    ) from None
            self._replace(place)
            return [] if clip is None else [(clip, None)]
        worker.rest()
        if isinstance(message, InputError):
            raise message
        if isinstance(message, FeatureKind):
            self._failed_starts = 0
            self.kind = message
            return []
        return [(clip, message)]

    def _replace(self, place: int) -> None:
        self._workers[place].kill()
        self._workers[place] = _Worker(self._make)


class _Worker:
    """A process and what it is expected to answer."""

    def __init__(self, make: Callable[[], Extractor]) -> None:
        self.connection, theirs = _CONTEXT.Pipe()
        self._process = _CONTEXT.Process(target=_serve, args=(theirs, make), daemon=True)
        self._process.start()
        theirs.close()  # so that its end is the end of the pipe
        self.ready = False
        self.clip: int | None = None
        self.deadline: float | None = time.monotonic() + _START_LIMIT  # None: nothing expected

    def give(self, clip: int, path: str, limit: float) -> bool:
        """Hands over a clip; False if the process is no more."""
        try:
            self.connection.send(path)
        except OSError:
            return False
        self.clip, self.deadline = clip, time.monotonic() + limit
        return True

    def rest(self) -> None:
        """It answered."""
        self.ready, self.clip, self.deadline = True, None, None

    def status(self) -> int | None:
        self._process.join(5)
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()
        self._process.join()
        self.connection.close()


def _serve(connection: Connection, make: Callable[[], Extractor]) -> None:
    """The life of a worker: makes its extractor, says so, and answers path after path."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    # Libraries in C print as they like; nothing of it may litter the screen.
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)
    warnings.simplefilter("ignore")
    try:
        kind, extract = make()
    except InputError as error:
        connection.send(error)
        return
    except Exception as error:  # a library's
        text = f"{type(error).__name__}: {error}"
        connection.send(InputError(f"the extractor cannot be made ({' '.join(text.split())})"))
        return
    connection.send(kind)
    while True:
        try:
            path = connection.recv()
        except EOFError:
            return
        connection.send(_outcome(extract, path))


def _end_with_parent() -> None:
    """A parent that was killed cannot end its workers, and one may hang in a clip for ever."""
    wait([multiprocessing.parent_process().sentinel])
    os._exit(1)


def _outcome(extract: Callable[[str], Row], path: str) -> Row | Skipped:
    try:
        return extract(path)
    except ClipError as error:
        return Skipped(str(error), error.lasting)
    except MemoryError:
        return Skipped("not enough memory", lasting=False)
    except Exception as error:  # a library's: it costs this clip
        text = " ".join(str(error).split())[:200]
        return Skipped(f"{type(error).__name__}: {text}", lasting=True)
