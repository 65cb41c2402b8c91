"""Worker processes, one clip each at a time, that outlive what clips do to them.

A clip that kills its process or never ends costs that clip and a new process, nothing else.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children
from queue import SimpleQueue
from threading import Lock

from aegan.audio.clips import ClipError, Extractor, FeatureKind, Row, Skipped
from aegan.errors import InputError
from aegan.system.workers import Pool

_CLIP_LIMIT = 600.0  # seconds that a clip may take; usual is a fraction of one
_START_LIMIT = 300.0  # seconds until a process has imported its libraries
_STARTS = 3  # failed in a row


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
        self, make: Callable[[], Extractor], jobs: int, clip_limit: float = _CLIP_LIMIT
    ) -> None:
        self._make = make
        self._jobs = jobs
        self._clip_limit = clip_limit
        self._threads = ThreadPoolExecutor(jobs)  # each waits for a process
        self._idle: SimpleQueue[Pool | None] = SimpleQueue()  # None: all is over
        self._pools: list[Pool] = []  # all that were ever started
        self._closed = False
        self._lock = Lock()  # of both
        self.kind: FeatureKind  # of all rows

    def __enter__(self) -> Workers:
        try:
            starts = [self._threads.submit(self._start) for _ in range(self._jobs)]
            next(as_completed(starts)).result()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the processes, whatever they do."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            self._closed = True
        for pool in self._pools:
            pool.close(kill=True)
        for _ in range(self._jobs):
            self._idle.put(None)
        self._threads.shutdown()

    def outcomes(self, paths: Sequence[str]) -> Iterator[tuple[int, Row | Skipped]]:
        """Index and outcome of every path, in the order in which they are done."""
        tasks = {self._threads.submit(self._outcome, path): i for i, path in enumerate(paths)}
        suspects = []
        for task in as_completed(list(tasks)):
            index, outcome = tasks.pop(task), task.result()
            if outcome is None:
                suspects.append(index)
            else:
                yield index, outcome
        # Once more, one at a time: the memory may have run out for what others did meanwhile.
        for index in suspects:
            outcome = self._outcome(paths[index])
            yield index, outcome or Skipped("ended its process, twice", lasting=False)

    def _start(self) -> None:
        """Adds an idle process whose extractor is ready."""
        for _ in range(_STARTS):
            with self._lock:  # as a Pool takes all new children for its own
                if self._closed:
                    return
                others = set(active_children())
                pool = Pool(1, {}, _silence)
                (process,) = set(active_children()) - others
                self._pools.append(pool)
            try:
                self.kind = pool.submit(_make_extractor, self._make).result(_START_LIMIT)
                self._idle.put(pool)
                return
            except TimeoutError:
                raise InputError(
                    f"the extractor is not ready after {_START_LIMIT:g} s; look after --features, "
                    "or a slow disk"
                ) from None
            except BrokenProcessPool:
                pool.close(kill=True)
        raise InputError(
            "the processes that extract features end as they start "
            f"(exit status {process.exitcode}); look after --features and the memory"
        )

    def _outcome(self, path: str) -> Row | Skipped | None:
        """The outcome of a clip; None where its process ended, maybe before it came to the clip."""
        pool = self._idle.get()
        if pool is None:
            return None
        try:
            outcome = pool.submit(_extract, path).result(self._clip_limit)
            self._idle.put(pool)
            return outcome
        except TimeoutError:
            outcome = Skipped(f"not done after {self._clip_limit:g} s", lasting=False)
        except BrokenProcessPool:
            outcome = None
        pool.close(kill=True)
        self._start()
        return outcome


# In a worker.

_extractor: Extractor


def _silence() -> None:
    """Libraries in C print as they like; nothing of it may litter the screen."""
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)
    warnings.simplefilter("ignore")


def _make_extractor(make: Callable[[], Extractor]) -> FeatureKind:
    global _extractor
    try:
        _extractor = make()
    except InputError:
        raise
    except Exception as error:  # a library's
        text = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(f"the extractor cannot be made ({text})") from None
    return _extractor.kind


def _extract(path: str) -> Row | Skipped:
    try:
        return _extractor.extract(path)
    except ClipError as error:
        return Skipped(str(error), error.lasting)
    except MemoryError:
        return Skipped("not enough memory", lasting=False)
    except Exception as error:  # a library's: it costs this clip
        text = " ".join(str(error).split())[:200]
        return Skipped(f"{type(error).__name__}: {text}", lasting=True)
