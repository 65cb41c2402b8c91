"""Which way the lanes of a training run: the choice, and why."""

from __future__ import annotations

import jax

from aegan.errors import InputError
from aegan.system.workers import usable_cores

VMAP = "vmap"  # all lanes in one call
SHARDED = "sharded"  # lanes spread over all devices, vmapped on each
PROCESSES = "processes"  # one process per core, each with one lane at a time (CPU)
SEQUENTIAL = "sequential"  # one lane after the other, each on the whole device
AUTO = "auto"
STRATEGIES = (VMAP, SHARDED, PROCESSES, SEQUENTIAL)

# Processes take some ten seconds to start and to compile. So much work must there be for them to
# win it back, in floating-point operations: of vmap's time they save a quarter and more in batches
# of 64, but a tenth at most in batches of 16, where each way waits for memory.
WORTH_PROCESSES = 4e12
WORTH_PROCESSES_SMALL = 2e13  # in batches of fewer rows than this
SMALL_BATCH = 32


def choose(
    wanted: str, lanes: int, flops: float, batch_size: int, devices: int | None = None
) -> str:
    """The strategy for ``lanes`` lanes of ``flops`` operations in all.

    ``wanted`` is a strategy or "auto", which takes, each for a figure of ``experiments.bench``:

    * several devices or several hosts: sharded, the only one that uses them all;
    * a GPU or TPU: vmap, since one lane's products are too small to fill it;
    * a CPU with several cores: processes, where lanes and work are enough, since products on one
      thread each waste nothing on dividing work of a millisecond; in small batches with too little
      work for that, sequential, whose one lane at a time has the cache to itself;
    * a CPU otherwise: vmap for several lanes of little work, sequential for one or on a single
      thread, where lanes side by side only compete for its cache.

    ``devices`` is their number, over all hosts; None asks jax. ``InputError``: a strategy that
    this machine has not.
    """
    devices = jax.device_count() if devices is None else devices
    backend, hosts = jax.default_backend(), jax.process_count()
    cpu, place = backend == "cpu", f"config.train.strategy={wanted!r}"
    if wanted == PROCESSES and not cpu:
        what = f"processes would each take the whole {backend}"
        raise InputError(f"{place}: {what}; give vmap or auto")
    if hosts > 1 and wanted not in (AUTO, SHARDED):
        raise InputError(f"{place}: uses one host of {hosts}; give sharded or auto")
    if wanted != AUTO:
        return wanted
    if devices > 1:
        return SHARDED
    if not cpu:
        return VMAP
    if lanes > 1 and usable_cores() > 1:
        if flops < WORTH_PROCESSES:
            return VMAP
        small = batch_size < SMALL_BATCH and flops < WORTH_PROCESSES_SMALL
        return SEQUENTIAL if small else PROCESSES
    return SEQUENTIAL
