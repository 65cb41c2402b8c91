"""The job of a trainer: what is trained, on what, and the compiled call that trains it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from aegan.learning.schedule import Lane, LaneState, Table
from aegan.learning.steps import Learner
from aegan.training.lanes import run_epochs

MAX_EPOCHS_PER_CALL = 32
Tree = TypeVar("Tree", Lane, LaneState)


@dataclass(frozen=True, eq=False)
class Job:
    """What is trained, and on what."""

    learner: Learner
    table: Table
    lanes: Lane  # stacked

    @property
    def number(self) -> int:
        """How many lanes."""
        return self.lanes.n_train.shape[0]


class Trained(NamedTuple):
    """What a call tells."""

    history: np.ndarray  # (epochs, 2, lanes, losses): training and validation losses
    diverged: np.ndarray  # (lanes,) int32: 0, or the number of the epoch that went wrong


class Trainer(Protocol):
    """Trains the lanes of a job; holds their states wherever its strategy keeps them."""

    pieces: int  # a call of a multiple of so many epochs uses the machine best

    def begin(self) -> None:
        """Makes the states before the first batch."""

    def load(self, state: LaneState) -> None:
        """Takes over the states of all lanes."""

    def run(self, first: int, count: int) -> Trained:
        """Trains for ``count`` epochs from number ``first`` (from 0).

        At most 32, and as many more as make a multiple of ``pieces``.
        """

    def state(self) -> LaneState:
        """A copy of the states, in numpy arrays."""


def only(tree: Tree, index: int) -> Tree:
    """One lane of stacked lanes or states, its axis kept."""
    return jax.tree.map(lambda leaf: leaf[index : index + 1], tree)


def joined(states: Sequence[LaneState]) -> LaneState:
    """The states of lanes one after the other, in numpy: the inverse of ``only``."""
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *states)


def run_chunk(
    job: Job, lanes: Lane, state: LaneState, first: int, count: int
) -> tuple[LaneState, np.ndarray]:
    """One compiled call: the states after and the losses (count, 2, lanes, losses)."""
    counts = jnp.int32(first), jnp.int32(count), MAX_EPOCHS_PER_CALL
    state, history = run_epochs(job.learner, job.table, lanes, state, *counts)
    return state, np.asarray(history)[:count]
