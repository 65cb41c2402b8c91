"""Named tasks on a few threads, counted on the screen."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed

from threadpoolctl import threadpool_limits


class Runner:
    """Runs tasks on ``jobs`` threads (libsvm and BLAS let go of the GIL), one BLAS thread each.

    ``progress`` is called from the caller's thread as (what, done, total), first with done 0.
    """

    def __init__(self, jobs: int, total: int, progress: Callable[[str, int, int], None] | None):
        self.jobs = jobs
        self.total = total
        self.progress = progress or (lambda what, done, total: None)
        self.done = 0
        self.progress("start", 0, total)

    def __call__(self, tasks: dict) -> dict:
        """Results by key of ``{key: (words for the screen, callable)}``; an error ends all."""
        pool = ThreadPoolExecutor(self.jobs, initializer=threadpool_limits, initargs=(1,))
        try:
            waiting = {pool.submit(task): (key, words) for key, (words, task) in tasks.items()}
            results = {}
            for future in as_completed(waiting):
                key, words = waiting[future]
                results[key] = future.result()
                self.done += 1
                self.progress(words, self.done, self.total)
            return results
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
