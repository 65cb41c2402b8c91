"""Tiny jobs of the benchmark."""

from __future__ import annotations

from dataclasses import replace

from aegan.bench.config import BenchConfig
from aegan.bench.jobs import job_of
from aegan.run.schema import plain, typed
from aegan.training.job import Job
from configs.bench import get_config


def bench_config(**changes) -> BenchConfig:
    """Two folds of 8 rows of 12 features."""
    shape = {"features": 12, "batch_size": 4, "batches": 2, "folds": 2, "hidden": (16, 8)}
    return replace(typed(BenchConfig, plain(get_config("quick"))), **(shape | changes))


def small_job(model: str = "m2", **changes) -> Job:
    return job_of(bench_config(), model, **changes)
