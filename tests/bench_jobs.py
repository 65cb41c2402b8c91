"""Tiny jobs of the benchmark."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from aegan.bench.config import BenchConfig
from aegan.bench.jobs import job_of
from aegan.training.job import Job
from configs.bench import get_config

# Two folds of 8 rows of 12 features.
SHAPE = {"features": 12, "batch_sizes": (4,), "batches": 2, "folds": 2, "hidden": (16, 8)}


def bench_config(variant: str = "quick", **changes: Any) -> BenchConfig:
    """A config of ``configs/bench.py`` on tiny networks and rows, each candidate once."""
    few = {"rounds": 1, "square": 8, "lanes": (1, 3)}
    return replace(get_config(variant), **(SHAPE | few | changes))


def small_job(model: str = "m2", **changes: Any) -> Job:
    return job_of(bench_config(), model, **changes)
