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

# Processes take some ten seconds to start and to compile: not worth it for less than a minute.
WORTH_PROCESSES = 4e12  # floating-point operations


def choose(wanted: str, lanes: int, flops: float, devices: int | None = None) -> str:
    """The strategy for ``lanes`` lanes of ``flops`` operations in all.

    ``wanted`` is a strategy or "auto", which takes, each for a figure of ``experiments.bench``:

    * several devices or several hosts: sharded, the only one that uses them all;
    * a GPU or TPU: vmap, since one lane's products are too small to fill it;
    * a CPU with several cores: processes, where lanes and work are enough; products on one thread
      each waste nothing on dividing work of a millisecond (rows "strategies" of the benchmark);
    * a CPU otherwise: vmap for several lanes, sequential for one or on a single thread, where
      lanes side by side only compete for its cache.

    ``devices`` is their number, over all hosts; None asks jax.

    Raises:
        InputError: a strategy that this machine has not.
    """
    devices = jax.device_count() if devices is None else devices
    cpu = jax.default_backend() == "cpu"
    if wanted != AUTO:
        if wanted == PROCESSES and not cpu:
            raise InputError(
                f"config.train.strategy={wanted!r}: processes would each take the whole "
                f"{jax.default_backend()}; give vmap or auto"
            )
        if jax.process_count() > 1 and wanted != SHARDED:
            raise InputError(
                f"config.train.strategy={wanted!r}: uses one host of {jax.process_count()}; give "
                "sharded or auto"
            )
        return wanted
    if devices > 1:
        return SHARDED
    if not cpu:
        return VMAP
    if lanes > 1 and usable_cores() > 1:
        return PROCESSES if flops >= WORTH_PROCESSES else VMAP
    return SEQUENTIAL
