"""Compile time and memory of M2's training."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from typing import Any

import jax

from aegan.bench.headline import Measurement, single
from aegan.bench.jobs import Shape, job_of, memory_of, shape_of
from aegan.system.workers import Pool, peak_memory, threads_of, usable_cores
from aegan.training import lanes
from aegan.training.job import run_chunk


def compiling_section(config: Mapping[str, Any]) -> dict[str, Any]:
    """A new process each time: with an empty cache, then with what the one before left in it."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in ("from an empty cache", "from the persistent cache"):
            with Pool(1, threads_of(usable_cores())) as pool:
                shape = shape_of(config, "m2")
                found[name] = pool.submit(_first_call, shape, folder).result()
    return {
        "title": "M2: seconds to the first epoch, compiling and loading",
        "note": "Folds vmapped, in a process that has imported everything and built the job: the "
        "first call less the second.",
        "unit": "s",
        "rows": [
            {"name": name, **single(seconds), "detail": f"peak memory {peak / 1e9:.2f} GB"}
            for name, (seconds, peak) in found.items()
        ],
    }


def _first_call(shape: Shape, cache: str) -> tuple[float, int]:
    """Seconds of the first call beyond the second's, and the peak memory of this process."""
    jax.config.update("jax_compilation_cache_dir", cache)
    job = job_of(shape)
    state = lanes.init_lanes(job.learner, job.lanes)
    spent = []
    for _ in range(2):
        started = time.perf_counter()
        state, _ = run_chunk(job, job.lanes, state, 0, 1)
        spent.append(time.perf_counter() - started)
    return spent[0] - spent[1], peak_memory()


def memory_section(config: Mapping[str, Any], headline: dict[str, Measurement]) -> dict[str, Any]:
    """Bytes that XLA plans for one lane of M2 and for all folds; what one more lane adds."""
    one, all_ = (
        memory_of(job_of(shape_of(config, "m2", batches=2, folds=folds)))
        for folds in (1, config["folds"])
    )
    added = (all_["planned"] - one["planned"]) / (config["folds"] - 1)
    need = one["state"] + _activations(shape_of(config, "m2", batches=2, folds=1))
    headline["memory_per_lane"] = single(added / need)
    return {
        "title": "M2: memory of one more lane, as XLA plans it",
        "note": "Folds vmapped. The rest is gradients.",
        "unit": "B",
        "rows": [
            {"name": "one more lane", **single(added)},
            {"name": "its parameters and optimisers", **single(one["state"])},
            {"name": "and its activations", **single(need)},
        ],
    }


def _activations(shape: Shape) -> int:
    """Bytes of the values that the step with most of them keeps for its way back, of one lane."""
    job = job_of(shape)
    learner, batch = job.learner, job.schedule.batch_size
    state = jax.eval_shape(lanes.init_lanes, learner, job.lanes)
    found = []
    for step in learner.model.steps:
        own = jax.tree.leaves(learner.own(step, state.params))
        # One bias for every unit; the discriminators see real and synthetic rows.
        units = sum(leaf.shape[-1] for leaf in own if leaf.ndim == 2)
        found.append(units * batch * (2 if "discriminator" in step else 1))
    return 4 * max(found)
