"""What M2's training takes: compile time, memory, and how its time grows."""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from statistics import median
from typing import Any

import jax
import numpy as np
from scipy.stats import linregress

from aegan.bench.config import BenchConfig
from aegan.bench.jobs import job_of, training_of
from aegan.bench.timing import Part, interleave, not_run, section, spread
from aegan.system.workers import Pool, peak_memory, threads_of, usable_cores
from aegan.training import lanes, strategy
from aegan.training.job import Job, run_chunk
from aegan.training.trainers import open_trainer

_BATCHES = 8  # of an epoch on the curves that do not vary it
# What grows, and the field of the config that makes it grow.
_CURVES = {
    "rows": ("batches", "Seconds of an epoch of one lane."),
    "lanes": ("folds", f"Seconds of an epoch of {_BATCHES} batches, folds x seeds vmapped."),
    "batch size": ("batch_size", "Seconds per row of one lane."),
    "features": ("features", "Seconds of one lane's train step."),
}


def compiling_part(config: BenchConfig) -> Part:
    """A new process each time: with an empty cache, then with what the one before left in it."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in ("from an empty cache", "from the persistent cache"):
            with Pool(1, threads_of(usable_cores())) as pool:
                seconds, peak = pool.submit(_first_call, config, folder).result()
            detail = f"peak memory {peak / 1e9:.2f} GB"
            rows.append({"name": name, **spread([seconds]), "detail": detail})
    note = (
        "Folds vmapped, in a process that has imported everything and built the job: the first "
        "call less the second."
    )
    title = "M2: seconds to the first epoch, compiling and loading"
    return Part([section(title, note, rows)], {})


def _first_call(config: BenchConfig, cache: str) -> tuple[float, int]:
    """Seconds of the first call beyond the second's, and the peak memory of this process."""
    jax.config.update("jax_compilation_cache_dir", cache)
    job = job_of(config, "m2")
    state = lanes.init_lanes(job.learner, job.lanes)
    spent = []
    for _ in range(2):
        started = time.perf_counter()
        state, _ = run_chunk(job, job.lanes, state, 0, 1)
        spent.append(time.perf_counter() - started)
    return spent[0] - spent[1], peak_memory()


def memory_part(config: BenchConfig) -> Part:
    """Bytes that XLA plans for one lane of M2 and for all folds; what one more lane adds."""
    one, every = (job_of(config, "m2", batches=2, folds=n) for n in (1, config.folds))
    added = (planned_bytes(every) - planned_bytes(one)) / (config.folds - 1)
    states = state_bytes(one)
    need = states + _activations(one)
    rows = [
        {"name": "one more lane", **spread([added])},
        {"name": "its parameters and optimisers", **spread([states])},
        {"name": "and its activations", **spread([need])},
    ]
    title = "M2: memory of one more lane, as XLA plans it"
    table = section(title, "Folds vmapped. The rest is gradients.", rows, "B")
    return Part([table], {"memory_per_lane": spread([added / need])})


def planned_bytes(job: Job) -> int:
    """Bytes of the compiled call, as XLA plans them."""
    arguments = job.learner, job.table, job.lanes, _states(job), np.int32(1), np.int32(1), 4
    plan = lanes.compiled_epochs().lower(*arguments).compile().memory_analysis()
    held = plan.argument_size_in_bytes + plan.output_size_in_bytes - plan.alias_size_in_bytes
    return held + plan.temp_size_in_bytes


def state_bytes(job: Job) -> int:
    """Bytes of the parameters and optimisers of all lanes."""
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(_states(job)))


def _states(job: Job) -> Any:
    return jax.eval_shape(lanes.init_lanes, job.learner, job.lanes)


def _activations(job: Job) -> int:
    """Bytes of the values that the step with most of them keeps for its way back, of one lane."""
    params, units = _states(job).params, []
    for step in job.learner.model.steps:
        own = jax.tree.leaves([params[name] for name in step.learns])
        # One bias for every unit; the discriminators see real and synthetic rows.
        both = 2 if "discriminator" in step.name else 1
        units.append(both * sum(leaf.shape[-1] for leaf in own if leaf.ndim == 2))
    return 4 * job.learner.batch_size * max(units)


def scaling_part(config: BenchConfig) -> Part:
    """How the time of M2 grows: rows, lanes, batch size, feature dimension."""
    found, points = Part([], {}), config.scaling
    values = (points.batches, points.lanes, points.batch_sizes, points.features)
    for (what, (field, note)), numbers in zip(_CURVES.items(), values, strict=True):
        if not numbers:
            continue
        seconds = _seconds(config, field, numbers)
        unit = config.batch_size if what == "rows" else 1
        by_point = {number * unit: own for number, own in seconds.items()}
        if what in ("rows", "lanes"):  # should be straight lines
            headline = not_run("a line needs three points")
            if len(by_point) >= 3:
                line = linregress(list(by_point), [*map(median, by_point.values())])
                headline = spread([line.rvalue**2])
                note += (
                    f" A straight line: {line.intercept:.3g} s and {line.slope:.3g} s for each of "
                    f"the {what}, R squared {line.rvalue**2:.4f}."
                )
            found.headline[f"linear_in_{what}"] = headline
        rows = [{"name": f"{what} {point}", **spread(own)} for point, own in by_point.items()]
        found.sections.append(section(f"Scaling: {what}", note, rows))
    return found


def _seconds(config: BenchConfig, field: str, numbers: tuple[int, ...]) -> dict[int, list[float]]:
    """Seconds of an epoch of all lanes, or of a row or a step, at every point, in turn."""
    with ExitStack() as stack:
        calls, sizes = {}, {}
        for number in numbers:
            job = job_of(config, "m2", **{"batches": _BATCHES, "folds": 1, field: number})
            trainer = stack.enter_context(open_trainer(strategy.VMAP, job))
            calls[number] = training_of(job, trainer)
            steps = job.learner.batches * job.number
            sizes[number] = {"batch_size": 1 / number, "features": 1}.get(field, steps)
        seconds = interleave(calls, min(config.rounds, 2))
    return {number: [s * sizes[number] for s in own] for number, own in seconds.items()}
