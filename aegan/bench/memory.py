"""What M2's training holds in memory, and the compiled call that says so."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from aegan.bench.config import BenchConfig
from aegan.bench.jobs import job_of
from aegan.bench.timing import Part, section, spread
from aegan.training import lanes
from aegan.training.job import MAX_EPOCHS_PER_CALL, Job


def memory_part(config: BenchConfig, _: float) -> Part:
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
