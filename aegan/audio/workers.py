"""Worker processes, one clip each at a time, that outlive what clips do to them.

A clip that kills its process or never ends costs that clip and a new process, nothing else.
"""

from __future__ import annotations

import os
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool

from aegan.audio.clips import ClipError, Extractor, FeatureKind, Row, Skipped
from aegan.errors import InputError
from aegan.system.workers import Pool

_CLIP_LIMIT = 600.0  # seconds that a clip may take; usual is a fraction of one
_START_LIMIT = 300.0  # seconds until a process has imported its libraries
_STARTS = 3  # failed in a row, for each process


class Workers:
    """So many processes that extract features, as a context.

    ``make`` makes the extractor, in the worker; it can be pickled. A clip is given up after
    ``clip_limit`` seconds.

    Raises:
        InputError: (on entry) what ``make`` refuses.
    """

    kind: FeatureKind  # of all rows

    def __init__(
        self, make: Callable[[], Extractor], jobs: int, clip_limit: float = _CLIP_LIMIT
    ) -> None:
        self._make, self._jobs, self._clip_limit = make, jobs, clip_limit
        self._pools: list[Pool] = []  # all that were ever started
        self._idle: list[Pool] = []
        # Process, deadline, index of the clip; None: the process starts.
        self._under_way: dict[Future, tuple[Pool, float, int | None]] = {}
        self._failed = 0  # starts in a row

    def __enter__(self) -> Workers:
        try:
            for _ in range(self._jobs):
                self._start()
            while not self._idle:
                list(self._ended())
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the processes, whatever they do."""
        for pool in self._pools:
            pool.close(kill=True)

    def outcomes(self, paths: Sequence[str]) -> Iterator[tuple[int, Row | Skipped]]:
        """Index and outcome of every path, in the order in which they are done."""
        left, suspects, tried, pending = deque(range(len(paths))), deque(), set(), len(paths)
        while pending:
            # Suspects come last and alone: others may have taken the memory.
            while self._idle and (left or len(suspects) == pending):
                clip = (left or suspects).popleft()
                self._submit(self._idle.pop(), self._clip_limit, clip, _extract, paths[clip])
            for clip, outcome in self._ended():
                if outcome is None and clip not in tried:
                    tried.add(clip)
                    suspects.append(clip)
                    continue
                pending -= 1
                yield clip, outcome or Skipped("ended its process, twice", lasting=False)

    def _ended(self) -> Iterator[tuple[int, Row | Skipped | None]]:
        """Waits until something ends: clips and their outcomes, None where their process ended."""
        first = min(deadline for _, deadline, _ in self._under_way.values())
        wait(self._under_way, first - time.monotonic(), FIRST_COMPLETED)
        for future, (pool, deadline, clip) in list(self._under_way.items()):
            if not future.done() and time.monotonic() < deadline:
                continue
            del self._under_way[future]
            outcome = None
            try:
                outcome = future.result(0)
                self._idle.append(pool)
            except BrokenProcessPool:
                self._failed += clip is None
                self._replace(pool)
            except TimeoutError:
                if clip is None:
                    raise InputError(
                        f"the extractor is not ready after {_START_LIMIT:g} s; look after "
                        "--features, or a slow disk"
                    ) from None
                outcome = Skipped(f"not done after {self._clip_limit:g} s", lasting=False)
                self._replace(pool)
            if clip is not None:
                yield clip, outcome
            elif outcome:
                self.kind, self._failed = outcome, 0

    def _submit(self, pool: Pool, limit: float, clip: int | None, *call: object) -> None:
        try:
            future = pool.submit(*call)
        except BrokenProcessPool as error:  # it ended while idle
            future = Future()
            future.set_exception(error)
        self._under_way[future] = pool, time.monotonic() + limit, clip

    def _start(self) -> None:
        self._pools.append(Pool(1, {}, _silence))
        self._submit(self._pools[-1], _START_LIMIT, None, _make_extractor, self._make)

    def _replace(self, pool: Pool) -> None:
        pool.close(kill=True)
        if self._failed < _STARTS * self._jobs:
            self._start()
        elif not (self._idle or self._under_way):
            (process,) = pool.processes
            raise InputError(
                "the processes that extract features end as they start "
                f"(exit status {process.exitcode}); look after --features and the memory"
            )


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
