"""The strategies at work: trainers that hold the states of all lanes and train them.

All trainers run the same compiled epochs of ``aegan.training.lanes`` and give the same results up
to rounding; they differ in which lanes share a call, a device or a process.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from aegan.learning.schedule import Lane, LaneState, Table
from aegan.training.job import MAX_EPOCHS_PER_CALL, Job, Trained, Trainer, joined, only, run_chunk
from aegan.training.lanes import compiler_options, epochs, init_lanes, plain_keys, typed_keys
from aegan.training.processes import Processes
from aegan.training.strategy import PROCESSES, SEQUENTIAL, SHARDED, VMAP

ONE, SPREAD = PartitionSpec(), PartitionSpec("lanes")  # on every device, or lanes over them


def open_trainer(strategy: str, job: Job) -> AbstractContextManager[Trainer]:
    """The trainer of a strategy; what it holds is gone after the block."""
    if strategy == PROCESSES:
        return Processes(job)
    return nullcontext({VMAP: Vmapped, SEQUENTIAL: Sequential, SHARDED: Sharded}[strategy](job))


class Vmapped:
    """All lanes in one call on one device."""

    pieces = 1

    def __init__(self, job: Job) -> None:
        self.job = job

    def begin(self) -> None:
        self._state = init_lanes(self.job.learner, self.job.lanes)

    def load(self, state: LaneState) -> None:
        self._state = jax.tree.map(jnp.array, state)  # a copy: calls donate it

    def run(self, first: int, count: int) -> Trained:
        self._state, history = run_chunk(self.job, self.job.lanes, self._state, first, count)
        return Trained(history, np.asarray(self._state.diverged))

    def state(self) -> LaneState:
        return jax.tree.map(np.array, self._state)


class Sequential:
    """One lane after the other, each on the whole device."""

    pieces = 1

    def __init__(self, job: Job) -> None:
        self.job = job
        self._alone = [Vmapped(replace(job, lanes=only(job.lanes, i))) for i in range(job.number)]

    def begin(self) -> None:
        for lane in self._alone:
            lane.begin()

    def load(self, state: LaneState) -> None:
        for i, lane in enumerate(self._alone):
            lane.load(only(state, i))

    def run(self, first: int, count: int) -> Trained:
        histories, diverged = zip(*(lane.run(first, count) for lane in self._alone), strict=True)
        return Trained(np.concatenate(histories, axis=2), np.concatenate(diverged))

    def state(self) -> LaneState:
        return joined([lane._state for lane in self._alone])


class Sharded:
    """Lanes spread over the devices of all hosts, vmapped on each.

    Copies of the first lane, which are dropped, fill up what the devices do not divide.
    """

    pieces = 1

    def __init__(self, job: Job) -> None:
        self.job = job
        self.mesh = Mesh(np.array(jax.devices()), ("lanes",))
        self._places = np.arange(-(-job.number // self.mesh.size) * self.mesh.size)
        self._places[job.number :] = 0
        self._table = self._put(job.table, ONE)
        self._lanes = self._spread(plain_keys(job.lanes))

        def init(lanes: Lane) -> LaneState:
            return init_lanes(job.learner, typed_keys(lanes))

        def run(table: Table, lanes: Lane, *rest: Any) -> tuple[LaneState, jax.Array]:
            return epochs(job.learner, table, typed_keys(lanes), *rest, MAX_EPOCHS_PER_CALL)

        # Unchecked: what is constant on each device, such as zeros, is spread too, and the losses
        # start as one constant and end different per device.
        spread_out = partial(jax.shard_map, mesh=self.mesh, check_vma=False)
        self._init = jax.jit(spread_out(init, in_specs=SPREAD, out_specs=SPREAD))
        inputs, made = (ONE, SPREAD, SPREAD, ONE, ONE), (SPREAD, PartitionSpec(None, None, "lanes"))
        self._run = jax.jit(
            spread_out(run, in_specs=inputs, out_specs=made),
            donate_argnums=2,
            compiler_options=compiler_options(),
        )

    def _put(self, tree: Any, spec: PartitionSpec) -> Any:
        """Arrays over all devices, each host giving the parts of its own."""
        sharding = NamedSharding(self.mesh, spec)

        def put(leaf: Any) -> jax.Array:
            values = np.asarray(leaf)
            return jax.make_array_from_callback(values.shape, sharding, lambda i: values[i])

        return jax.tree.map(put, tree)

    def _spread(self, tree: Any) -> Any:
        return self._put(jax.tree.map(lambda leaf: np.asarray(leaf)[self._places], tree), SPREAD)

    def begin(self) -> None:
        self._state = self._init(self._lanes)

    def load(self, state: LaneState) -> None:
        self._state = self._spread(state)

    def run(self, first: int, count: int) -> Trained:
        counts = self._put((np.int32(first), np.int32(count)), ONE)
        self._state, history = self._run(self._table, self._lanes, self._state, *counts)
        history, diverged = _gathered((history, self._state.diverged))
        return Trained(history[:count, :, : self.job.number], diverged[: self.job.number])

    def state(self) -> LaneState:
        return jax.tree.map(lambda leaf: leaf[: self.job.number], _gathered(self._state))


def _gathered(tree: Any) -> Any:
    """Whole arrays in numpy, on every host."""
    if jax.process_count() == 1:
        return jax.tree.map(np.array, tree)
    return multihost_utils.process_allgather(tree, tiled=True)
