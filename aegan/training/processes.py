"""Lanes in worker processes, each on its share of the cores, one lane at a time.

The states lie in memory that all processes share: a worker takes a lane's state from there,
trains it for some epochs and puts it back, so that any worker may go on with any lane.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager
from itertools import pairwise
from typing import Any, Generic, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from aegan.errors import InputError
from aegan.learning.schedule import Lane, LaneState, Table
from aegan.learning.steps import Learner
from aegan.system.workers import CONTEXT, Pool, threads_of, usable_cores
from aegan.training.job import Job, Trained, joined, only, run_chunk
from aegan.training.lanes import init_lanes, plain_keys, typed_keys

_ALIGN = 64  # bytes
_SETTINGS = ("jax_default_matmul_precision", "jax_compilation_cache_dir")  # workers have them too
T = TypeVar("T")


class Shared(Generic[T]):
    """A ``number`` of trees of numpy arrays in shared memory, all of the shapes of ``like``.

    ``memory`` is that of another process's object; None: new memory.
    """

    def __init__(self, like: T, number: int, memory: Any = None) -> None:
        leaves, self._tree = jax.tree.flatten(like)
        self._leaves = [(leaf.shape, np.dtype(leaf.dtype)) for leaf in leaves]
        sizes = [math.prod(shape) * dtype.itemsize for shape, dtype in self._leaves]
        self._starts = np.cumsum([0, *(-(-size // _ALIGN) * _ALIGN for size in sizes)]).tolist()
        self.memory = memory or CONTEXT.RawArray("b", number * self._starts[-1])

    def __getitem__(self, index: int) -> T:
        """Views of one tree: writing to them writes the tree."""
        offset = index * self._starts[-1]
        leaves = [
            np.frombuffer(self.memory, dtype, math.prod(shape), offset + start).reshape(shape)
            for (shape, dtype), start in zip(self._leaves, self._starts, strict=False)
        ]
        return jax.tree.unflatten(self._tree, leaves)

    def put(self, index: int, tree: T) -> None:
        """Writes one tree."""
        for place, leaf in zip(*map(jax.tree.leaves, (self[index], tree)), strict=True):
            place[...] = leaf


def _states(job: Job, memory: Any = None) -> Shared[LaneState]:
    """Room for the states of its lanes, each with its axis kept."""
    like = jax.eval_shape(init_lanes, job.learner, only(job.lanes, 0))
    return Shared(like, job.number, memory)


@contextmanager
def _killed_in_words() -> Iterator[None]:
    try:
        yield
    except BrokenProcessPool:
        mend = "the same command goes on, with --config.train.strategy=vmap in one process"
        what = "a worker process was killed, perhaps for want of memory"
        raise InputError(f"{what}; {mend}") from None


class Processes(AbstractContextManager):
    """A trainer whose lanes run in processes: at most one per core and lane."""

    def __init__(self, job: Job) -> None:
        self.job = job
        cores = usable_cores()
        self.jobs = min(cores, job.number)
        # Where the lanes cannot be dealt out evenly, each one's epochs are cut into as many pieces
        # as there are processes: so all have work to the end, though a lane is in one at a time.
        self.pieces = self.jobs if job.number % self.jobs else 1
        self._states = _states(job)
        data = (job.table, plain_keys(job.lanes))
        like = jax.eval_shape(lambda: data)
        # What a process is given at its start must be short, or starts wait for each other.
        shared = Shared(like, 1)
        shared.put(0, data)
        environment = threads_of(max(cores // self.jobs, 1)) | {"JAX_PLATFORMS": "cpu"}
        settings = {name: getattr(jax.config, name) for name in _SETTINGS}
        arguments = (job.learner, like, shared.memory, self._states.memory, settings)
        self._pool = Pool(self.jobs, environment, _prepare, arguments)

    def __exit__(self, kind: type | None, *_: object) -> None:
        self._pool.close(kill=kind is not None)

    @_killed_in_words()
    def begin(self) -> None:
        for made in [self._pool.submit(_begin, lane) for lane in range(self.job.number)]:
            made.result()

    def load(self, state: LaneState) -> None:
        for lane in range(self.job.number):
            self._states.put(lane, only(state, lane))

    def state(self) -> LaneState:
        return joined([self._states[lane] for lane in range(self.job.number)])

    @_killed_in_words()
    def run(self, first: int, count: int) -> Trained:
        cuts = [*range(0, count, -(-count // self.pieces)), count]
        orders = [(first + start, end - start) for start, end in pairwise(cuts)]
        left = {lane: list(orders) for lane in range(self.job.number)}
        history: dict[int, list[np.ndarray]] = {lane: [] for lane in left}
        running: dict[Future, int] = {}
        while any(left.values()) or running:
            # For the idle processes: of the lanes at rest those with most left.
            resting = [lane for lane in left if left[lane] and lane not in running.values()]
            resting.sort(key=lambda lane: -len(left[lane]))
            for lane in resting[: self.jobs - len(running)]:
                running[self._pool.submit(_train, lane, *left[lane].pop(0))] = lane
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                history[running.pop(future)].append(future.result())
        diverged = [int(self._states[lane].diverged[0]) for lane in left]
        lanes = [np.concatenate(chunks) for chunks in history.values()]
        return Trained(np.concatenate(lanes, axis=2), np.array(diverged, np.int32))


# What follows runs in the workers.

_worker: dict[str, Any] = {}


def _prepare(
    learner: Learner, like: tuple[Table, Lane], data: Any, states: Any, settings: dict[str, Any]
) -> None:
    for name, value in settings.items():
        jax.config.update(name, value)
    table, lanes = jax.tree.map(jnp.asarray, Shared(like, 1, data)[0])
    job = Job(learner, table, typed_keys(lanes))
    _worker.update(job=job, states=_states(job, states))


def _begin(lane: int) -> None:
    """Makes a lane's state before the first batch, in its place in the shared memory."""
    job, states = _worker["job"], _worker["states"]
    states.put(lane, init_lanes(job.learner, only(job.lanes, lane)))


def _train(lane: int, first: int, count: int) -> np.ndarray:
    """Trains a lane, in its place in the shared memory; returns its losses."""
    job, states = _worker["job"], _worker["states"]
    # A copy, since the call donates it.
    state = jax.tree.map(jnp.array, states[lane])
    state, history = run_chunk(job, only(job.lanes, lane), state, first, count)
    states.put(lane, state)
    return history
