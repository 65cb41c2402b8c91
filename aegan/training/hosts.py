"""Several hosts that train together through ``jax.distributed``."""

from __future__ import annotations

import jax
import numpy as np
from jax.experimental import multihost_utils

from aegan import screen
from aegan.errors import InputError


def join(coordinator: str | None, hosts: int | None, host: int | None) -> None:
    """Meets the other hosts; from now on only the first (number 0) says anything.

    Must come before anything else asks jax for a device.

    Args:
        coordinator: "address:port" of the first host; None with the other two None: the cluster's
            own environment (Slurm, Open MPI, Kubernetes, TPU pods) tells all three.
        hosts: how many there are.
        host: the number of this one.

    Raises:
        InputError: some are given and some not, or the hosts do not meet.
    """
    given = [value is not None for value in (coordinator, hosts, host)]
    if any(given) and not all(given):
        raise InputError(
            "--coordinator, --hosts and --host go together; give all three, or --cluster where "
            "Slurm or the like knows them"
        )
    if all(given) and not 0 <= host < hosts:
        raise InputError(f"--host={host}: the hosts are numbered 0 to {hosts - 1}")
    if jax.config.jax_cpu_collectives_implementation is None:
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
    try:
        jax.distributed.initialize(coordinator, hosts, host)
    except Exception as error:  # whatever the cluster's environment and the network raise
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"the hosts did not meet ({reason}); check --coordinator and that all were started"
        ) from None
    if jax.process_index() != 0:
        screen.silence()


def is_first() -> bool:
    """Whether this host writes files: the only one does, and the first of several."""
    return jax.process_index() == 0


def agree(value: bool) -> bool:
    """What the first host says."""
    if jax.process_count() == 1:
        return value
    return bool(multihost_utils.broadcast_one_to_all(np.array(value)))


def leave() -> None:
    """Parts from the other hosts, once training is over; each goes on, or ends, by itself."""
    if jax.process_count() > 1:
        jax.distributed.shutdown()
