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
_HASH = 16  # characters of a hash
_together = False
T = TypeVar("T")
N = TypeVar("N", bool, int)


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
    global _together
    given = [value is not None for value in (coordinator, hosts, host)]
    if any(given) and not all(given):
        raise InputError(
            "--coordinator, --hosts and --host go together; give all three, or --cluster where "
            "Slurm or the like knows them"
        )
    if all(given) and not 0 <= host < hosts:
        raise InputError(f"--host={host}: the hosts are numbered 0 to {hosts - 1}")
    seconds = _meet_seconds()
    if all(given) and host != 0:
        _find(coordinator, seconds)
    if jax.config.jax_cpu_collectives_implementation is None:
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
    # It would swallow SIGTERM, and nothing here asks it whether one came.
    jax.config.update("jax_enable_preemption_service", False)
    # jax would abort the process, with a trace of its stack, where its own time runs out.
    patience = threading.Timer(seconds, _give_up, [seconds])
    patience.daemon = True
    patience.start()
    try:
        jax.distributed.initialize(
            coordinator,
            hosts,
            host,
            initialization_timeout=seconds + 60,
            shutdown_timeout_seconds=_PART_SECONDS,
        )
    except Exception as error:  # whatever the cluster's environment and the network raise
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:100]
        raise InputError(
            f"the hosts did not meet ({reason}); check --coordinator and that all were started"
        ) from None
    finally:
        patience.cancel()
    _together = True
    atexit.register(_break_off)
    # Connections are made by the first exchange, and the library that makes them prints that.
    with _no_output():
        _check_devices()
        multihost_utils.sync_global_devices("the hosts met")
    if not is_first():
        screen.silence()


def _check_devices() -> None:
    numbers = Counter(device.process_index for device in jax.devices())
    if len(set(numbers.values())) > 1:
        found = ", ".join(f"host {host} has {number}" for host, number in sorted(numbers.items()))
        leave()
        raise InputError(f"the hosts differ in their number of devices ({found}); give all as many")


def _meet_seconds() -> int:
    text = os.environ.get(MEET_SECONDS, "60")
    if not text.isdecimal() or int(text) == 0:
        raise InputError(f"{MEET_SECONDS}={text}: is not a number of seconds; give 60, say")
    return int(text)


def _give_up(seconds: int) -> NoReturn:
    print(
        f"error: the hosts did not meet within {seconds} s; check --coordinator and that all were "
        "started",
        file=sys.stderr,
    )
    end(2)


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
                raise InputError(
                    f"--coordinator={coordinator}: nobody answered within {seconds} s ({error}); "
                    "start --host=0 there"
                ) from None
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
    """What ``body`` returns on this host; if it fails on any host, all of them end.

    Raises:
        InputError: it failed on another host.
    """
    if not _together:
        return body()
    failure = None
    try:
        result = body()
    except Exception as error:
        failure = error
    failed = np.flatnonzero(multihost_utils.process_allgather(np.array(failure is not None)))
    if failure is not None or len(failed):
        leave()
    if failure is not None:
        raise failure
    if len(failed):
        raise InputError(f"host {failed[0]} gave up; it says why")
    return result


def check_equal(digest: str, what: str) -> None:
    """Refuses hosts that are not about to do the same.

    Raises:
        InputError: another host has another digest of ``what``.
    """
    if not _together:
        return
    text = digest[:_HASH].ljust(_HASH).encode()
    digests = multihost_utils.process_allgather(np.frombuffer(text, np.uint8))
    others = np.flatnonzero((digests != digests[0]).any(axis=1))
    if len(others):
        leave()
        raise InputError(
            f"host {others[0]} has another {what} than host 0; give all the same config and table"
        )


def agree(value: N) -> N:
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


def _break_off() -> None:
    """An end in the middle of training: jax would wait for the others, and they for this one."""
    if _together:
        end(1)
