"""Several hosts that train together through ``jax.distributed``.

Only the first host (number 0) writes files and says anything. Once training is over the hosts part
(``leave``), and the first goes on alone.
"""

from __future__ import annotations

import atexit
import os
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

from aegan.errors import InputError
from aegan.system import screen

MEET_SECONDS = "AEGAN_MEET_SECONDS"  # environment: how long hosts wait for each other to start
_PART_SECONDS = 300  # for each other to leave: the first still writes its last checkpoint
_NOT_MET = "the hosts did not meet {}; check --coordinator and that all were started"
_together = False
T = TypeVar("T")


def join(coordinator: str | None, hosts: int | None, host: int | None) -> None:
    """Meets the other hosts; from now on only the first (number 0) says anything.

    Must come before anything else asks jax for a device. The coordinator is "address:port" of the
    first of the ``hosts``, and ``host`` the number of this one. None three times: the cluster's own
    environment (Slurm, Open MPI, Kubernetes, TPU pods) tells them. ``InputError``: some are given
    and some not, or the hosts do not meet.
    """
    global _together
    given = [value is not None for value in (coordinator, hosts, host)]
    if any(given) and not all(given):
        mend = "give all three, or --cluster where Slurm or the like knows them"
        raise InputError(f"--coordinator, --hosts and --host go together; {mend}")
    if all(given) and not 0 <= host < hosts:
        raise InputError(f"--host={host}: the hosts are numbered 0 to {hosts - 1}")
    text = os.environ.get(MEET_SECONDS, "60")
    if not text.isdecimal() or int(text) == 0:
        raise InputError(f"{MEET_SECONDS}={text}: is not a number of seconds; give 60, say")
    seconds = int(text)
    if all(given) and host != 0:
        _find(coordinator, seconds)
    if jax.config.jax_cpu_collectives_implementation is None:
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
    # It would swallow SIGTERM, and nothing here asks it whether one came.
    jax.config.update("jax_enable_preemption_service", False)

    # jax would abort the process, with a trace of its stack, where its own time runs out.
    def give_up() -> None:
        print(f"error: {_NOT_MET.format(f'within {seconds} s')}", file=sys.stderr)
        end(2)

    patience = threading.Timer(seconds, give_up)
    patience.daemon = True
    limits = {"initialization_timeout": seconds + 60, "shutdown_timeout_seconds": _PART_SECONDS}
    patience.start()
    try:
        jax.distributed.initialize(coordinator, hosts, host, **limits)
    except Exception as error:  # whatever the cluster's environment and the network raise
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:100]
        raise InputError(_NOT_MET.format(f"({reason})")) from None
    finally:
        patience.cancel()
    _together = True
    # At an end in the middle of training jax would wait for the others, and they for this one.
    atexit.register(lambda: _together and end(1))
    # Connections are made by the first exchange, and the library that makes them prints that.
    with _no_output():
        numbers = Counter(device.process_index for device in jax.devices())
        if len(set(numbers.values())) > 1:
            leave()
            each = ", ".join(f"host {host} has {n}" for host, n in sorted(numbers.items()))
            what = f"the hosts differ in their number of devices ({each})"
            raise InputError(f"{what}; give all as many")
        multihost_utils.sync_global_devices("the hosts met")
    if not is_first():
        screen.silence()


def _find(coordinator: str, seconds: int) -> None:
    """Waits until the first host listens: jax itself would abort the process if it never does."""
    address, _, port = coordinator.rpartition(":")
    if not address or not port.isdecimal():
        raise InputError(f"--coordinator={coordinator}: is not address:port")
    limit = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection((address.strip("[]"), int(port)), timeout=5).close()
            return
        except (OSError, OverflowError) as error:
            if time.monotonic() > limit:
                what = f"nobody answered within {seconds} s ({error}); start --host=0 there"
                raise InputError(f"--coordinator={coordinator}: {what}") from None
        time.sleep(0.2)


@contextmanager
def _no_output() -> Iterator[None]:
    """Without what libraries print; on all hosts but the first, for good."""
    sys.stdout.flush()
    kept = os.dup(1)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    try:
        yield
    finally:
        if is_first():
            os.dup2(kept, 1)
        os.close(kept)


def is_first() -> bool:
    """Whether this host writes files: the only one does, and the first of several."""
    return jax.process_index() == 0


def are_together() -> bool:
    """Whether this host met others and has not left them."""
    return _together


def settle(body: Callable[[], T]) -> T:
    """What ``body`` returns on this host; if it fails on any, all end, others by ``InputError``."""
    if not _together:
        return body()
    result = failure = None
    try:
        result = body()
    except Exception as error:
        failure = error
    failed = np.flatnonzero(multihost_utils.process_allgather(np.array(failure is not None)))
    if len(failed):
        leave()
        raise failure or InputError(f"host {failed[0]} gave up; it says why")
    return result


def check_equal(digest: str, what: str) -> None:
    """``InputError`` if another host has another digest of ``what`` they are about to do."""
    if not _together:
        return
    text = digest[:16].ljust(16).encode()
    digests = multihost_utils.process_allgather(np.frombuffer(text, np.uint8))
    others = np.flatnonzero((digests != digests[0]).any(axis=1))
    if len(others):
        leave()
        mend = "give all the same config and table"
        raise InputError(f"host {others[0]} has another {what} than host 0; {mend}")


def agree(value: T) -> T:
    """What the first host says: a truth value or a whole number below 2**31."""
    if not _together:
        return value
    return type(value)(multihost_utils.broadcast_one_to_all(np.array(value, np.int32)))


def leave() -> None:
    """Parts from the other hosts, once training is over; each goes on, or ends, by itself."""
    global _together
    if _together:
        _together = False
        jax.distributed.shutdown()


def end(status: int) -> NoReturn:
    """Ends this process at once, though the others wait for it: they will end too."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
