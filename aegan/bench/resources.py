"""What M2's training takes: compile time, memory, and how its time grows."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from statistics import median
from typing import Any

import jax
import numpy as np
from scipy.stats import linregress

from aegan.bench.config import BenchConfig
from aegan.bench.jobs import job_of, training_of
from aegan.bench.timing import Part, interleave, section, spread
from aegan.system.workers import Pool, peak_memory, threads_of, usable_cores
from aegan.training import lanes, strategy
from aegan.training.job import MAX_EPOCHS_PER_CALL, Job, run_chunk
from aegan.training.trainers import open_trainer

_BATCHES = 8  # of an epoch of the curve of lanes
# Points of the curves, which should be straight lines: the field of the config that grows, others.
_CURVES = {
    "rows": ("batches", (4, 8, 16), {"folds": 1}),
    "lanes": ("folds", (1, 2, 5, 10), {"batches": _BATCHES}),
}


def resources_part(config: BenchConfig, until: float) -> Part:
    """All of them, as far as there is time."""
    parts = []
    for measure in (memory_part, compiling_part, scaling_part):
        if time.time() < until:
            parts.append(measure(config))
    headline = {name: entry for part in parts for name, entry in part.headline.items()}
    return Part([section for part in parts for section in part.sections], headline)


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


def compiled_epochs_of(job: Job) -> jax.stages.Compiled:
    """The compiled call that trains the job's lanes."""
    counts = np.int32(1), np.int32(1), MAX_EPOCHS_PER_CALL
    arguments = job.learner, job.table, job.lanes, _states(job), *counts
    return lanes.compiled_epochs().lower(*arguments).compile()


def planned_bytes(job: Job) -> int:
    """Bytes of the compiled call, as XLA plans them."""
    plan = compiled_epochs_of(job).memory_analysis()
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
    """How the time of an epoch of M2 grows with rows and lanes."""
    found = Part([], {})
    for what, (field, points, others) in _CURVES.items():
        with ExitStack() as stack:
            calls = {}
            for point in points:
                job = job_of(config, "m2", **{**others, field: point})
                trainer = stack.enter_context(open_trainer(strategy.VMAP, job))
                calls[point] = _once(training_of(job, trainer))
            seconds = interleave(calls, min(config.rounds, 2))
        unit = config.batch_sizes[0] if what == "rows" else 1
        by_point = {point * unit: own for point, own in seconds.items()}
        line = linregress(list(by_point), [*map(median, by_point.values())])
        found.headline[f"linear_in_{what}"] = spread([line.rvalue**2])
        note = (
            f"A straight line: {line.intercept:.3g} s and {line.slope:.3g} s for each of the "
            f"{what}, R squared {line.rvalue**2:.4f}."
        )
        rows = [{"name": f"{what} {point}", **spread(own)} for point, own in by_point.items()]
        found.sections.append(section(f"M2: seconds of an epoch by {what}", note, rows))
    return found


def _once(call: Callable[[], int]) -> Callable[[], int]:
    """A call that counts as one, however many steps it did."""
    return lambda: call() and 1
