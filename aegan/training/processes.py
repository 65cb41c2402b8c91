"""Lanes in worker processes, each on its share of the cores, one lane at a time.

The states lie in memory that all processes share: a worker takes a lane's state from there,
trains it for some epochs and puts it back, so that any worker may go on with any lane.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, Generic, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from aegan.errors import InputError
from aegan.learning.schedule import Lane, LaneState, Table
from aegan.learning.steps import Learner
from aegan.system.workers import CONTEXT, Pool, threads_of, usable_cores
from aegan.training.job import Job, Trained, only, plain_keys, run_chunk, typed_keys
from aegan.training.lanes import init_lanes

_ALIGN = 64  # bytes
T = TypeVar("T")


class _Order(NamedTuple):
    """Epochs of one lane for a worker."""

    lane: int
    first: int
    count: int


class Shared(Generic[T]):
    """Trees of numpy arrays in shared memory, all alike.

    Args:
        like: the shapes of one.
        number: how many.
        memory: of another process's object; None: new memory.
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


def _states(learner: Learner, lanes: Lane, memory: Any = None) -> Shared[LaneState]:
    """Room for the states of lanes, each with its axis kept."""
    like = jax.eval_shape(init_lanes, learner, only(lanes, 0))
    return Shared(like, lanes.n_train.shape[0], memory)


class Processes:
    """A trainer whose lanes run in processes: at most one per core and lane."""

    def __init__(self, job: Job) -> None:
        self.job = job
        cores = usable_cores()
        self.jobs = min(cores, job.number)
        # Where the lanes cannot be dealt out evenly, each one's epochs are cut into as many pieces
        # as there are processes: so all have work to the end, though a lane is in one at a time.
        self.pieces = self.jobs if job.number % self.jobs else 1
        self._states = _states(job.learner, job.lanes)
        data = (job.table, plain_keys(job.lanes))
        like = jax.eval_shape(lambda: data)
        # What a process is given at its start must be short, or starts wait for each other.
        shared = Shared(like, 1)
        shared.put(0, data)
        arguments = (job.learner, like, shared.memory, self._states.memory)
        environment = threads_of(max(cores // self.jobs, 1)) | {"JAX_PLATFORMS": "cpu"}
        precision = jax.config.jax_default_matmul_precision
        cache = jax.config.jax_compilation_cache_dir
        self._pool = Pool(self.jobs, environment, _prepare, (*arguments, precision, cache))

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        self._pool.close(kill=kind is not None)

    def begin(self) -> None:
        with _killed_in_words():
            for made in [self._pool.submit(_begin, lane) for lane in range(self.job.number)]:
                made.result()

    def load(self, state: LaneState) -> None:
        for lane in range(self.job.number):
            self._states.put(lane, only(state, lane))

    def state(self) -> LaneState:
        states = [self._states[lane] for lane in range(self.job.number)]
        return jax.tree.map(lambda *leaves: np.concatenate(leaves), *states)

    def run(self, first: int, count: int) -> Trained:
        piece = -(-count // self.pieces)
        left = {
            lane: [
                _Order(lane, first + start, min(piece, count - start))
                for start in range(0, count, piece)
            ]
            for lane in range(self.job.number)
        }
        history: list[list[np.ndarray]] = [[] for _ in left]
        running: dict[Future, _Order] = {}
        with _killed_in_words():
            while any(left.values()) or running:
                for order in self._next(left, [order.lane for order in running.values()]):
                    running[self._pool.submit(_train, order)] = order
                finished, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    history[running.pop(future).lane].append(future.result())
        diverged = [int(self._states[lane].diverged[0]) for lane in left]
        lanes = [np.concatenate(chunks) for chunks in history]
        return Trained(np.concatenate(lanes, axis=2), np.array(diverged, np.int32))

    def _next(self, left: dict[int, list[_Order]], busy: Sequence[int]) -> list[_Order]:
        """Takes orders for the idle processes: of the lanes at rest those with most left."""
        resting = sorted(
            (k for k in left if left[k] and k not in busy), key=lambda k: -len(left[k])
        )
        return [left[lane].pop(0) for lane in resting[: self.jobs - len(busy)]]


@contextmanager
def _killed_in_words() -> Iterator[None]:
    try:
        yield
    except BrokenProcessPool:
        raise InputError(
            "a worker process was killed, perhaps for want of memory; the same command goes on, "
            "with --config.train.strategy=vmap in one process"
        ) from None


# What follows runs in the workers.

_worker: dict[str, Any] = {}


def _prepare(
    learner: Learner,
    like: tuple[Table, Lane],
    data: Any,
    states: Any,
    precision: str | None,
    cache: str | None,
) -> None:
    jax.config.update("jax_default_matmul_precision", precision)
    jax.config.update("jax_compilation_cache_dir", cache)
    table, lanes = jax.tree.map(jnp.asarray, Shared(like, 1, data)[0])
    lanes = typed_keys(lanes)
    job = Job(learner, table, lanes)
    _worker.update(job=job, states=_states(learner, lanes, states))


def _begin(lane: int) -> None:
    """Makes a lane's state before the first batch, in its place in the shared memory."""
    job, states = _worker["job"], _worker["states"]
    states.put(lane, init_lanes(job.learner, only(job.lanes, lane)))


def _train(order: _Order) -> np.ndarray:
    """Trains a lane, in its place in the shared memory; returns its losses."""
    job, states = _worker["job"], _worker["states"]
    # A copy, since the call donates it.
    state = jax.tree.map(jnp.array, states[order.lane])
    lane = only(job.lanes, order.lane)
    state, history = run_chunk(job, lane, state, order.first, order.count)
    states.put(order.lane, state)
    return history
