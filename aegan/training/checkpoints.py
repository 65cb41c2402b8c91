"""Checkpoints by orbax: states with their optimisers, lane keys, and the losses so far."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp
from jax.experimental import multihost_utils

from aegan.data.contract import UNKNOWN, FeatureContract, check_same
from aegan.errors import InputError
from aegan.learning.schedule import LaneState
from aegan.system.screen import say
from aegan.training import hosts

FORMAT = 2  # of a checkpoint
KEEP = 2  # a save that is cut off leaves the one before


class Checkpoint(NamedTuple):
    """Training after a number of epochs."""

    epochs: int
    state: LaneState  # stacked over lanes
    history: np.ndarray  # (epochs, 2, lanes, losses): training and validation losses
    seconds: float  # spent on training so far, over all its sittings


def open_manager(directory: Path) -> ocp.CheckpointManager:
    """A manager of the checkpoints in ``directory``; close it, or saves under way are lost.

    Of several hosts only the first has one: the others would wait for each other at every save.
    """
    directory = Path(directory).resolve()
    several = jax.process_count() > 1
    if several:  # orbax does not, for some of the hosts
        directory.mkdir(parents=True, exist_ok=True)
    return ocp.CheckpointManager(
        directory,
        options=ocp.CheckpointManagerOptions(
            max_to_keep=KEEP,
            create=not several,
            multiprocessing_options=ocp.options.MultiprocessingOptions(
                primary_host=0, active_processes={0}, barrier_sync_key_prefix="first-host"
            )
            if several
            else ocp.options.MultiprocessingOptions(),
        ),
        item_names=("state", "history", "meta"),
    )


class Keeper:
    """The checkpoints of a run: one of their number is read, others are written.

    On several hosts all call the same methods; only the first touches files.
    """

    def __init__(
        self,
        manager: ocp.CheckpointManager | None,
        meta: Mapping[str, Any],
        keys: jax.Array,
        losses: int,
    ) -> None:
        self._manager, self._meta, self._keys, self._losses = manager, meta, keys, losses

    def restore(self, like: LaneState) -> Checkpoint | None:
        """``restore`` on the first host, whose answer all hosts return; a save is waited for."""
        found = hosts.settle(lambda: self._found(like))
        if not hosts.are_together():
            return found
        return _from_first_host(found, like, self._keys.shape[0], self._losses)

    def _found(self, like: LaneState) -> Checkpoint | None:
        if self._manager is None:
            return None
        self._manager.wait_until_finished()
        return restore(self._manager, like, self._keys, self._meta, self._losses)

    def save(self, checkpoint: Checkpoint) -> None:
        """``save``, on the first host."""
        if self._manager is not None:
            save(self._manager, checkpoint, self._keys, self._meta)

    def due(self, saved: float, every: float) -> bool:
        """Whether the last checkpoint, of the monotonic time ``saved``, is older than ``every`` s.

        All hosts go by the first one's clock, since gathering the states takes them all.
        """
        return hosts.agree(time.monotonic() - saved > every)


@contextmanager
def open_keeper(
    directory: Path | None, meta: Mapping[str, Any], keys: jax.Array, losses: int
) -> Iterator[Keeper]:
    """The checkpoints in ``directory`` of the run that ``meta`` and the lanes' ``keys`` name.

    Without a directory nothing is kept. ``losses`` is how many the model has.
    """
    if directory is None or not hosts.is_first():
        yield Keeper(None, meta, keys, losses)
        return
    with open_manager(directory) as manager:
        yield Keeper(manager, meta, keys, losses)


def _from_first_host(
    found: Checkpoint | None, like: LaneState, lanes: int, losses: int
) -> Checkpoint | None:
    facts = np.array([-1.0, 0.0] if found is None else [found.epochs, found.seconds], np.float32)
    facts = multihost_utils.broadcast_one_to_all(facts)
    epochs = int(facts[0])
    if epochs < 0:
        return None
    blank = (
        jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), like),
        np.zeros((epochs, 2, lanes, losses), np.float32),
    )
    held = blank if found is None else (jax.tree.map(np.asarray, found.state), found.history)
    # One array after the other: devices need not hold all states at once.
    state, history = jax.tree.map(
        lambda leaf: np.asarray(multihost_utils.broadcast_one_to_all(leaf)), held
    )
    return Checkpoint(epochs, state, history, float(facts[1]))


def save(
    manager: ocp.CheckpointManager,
    checkpoint: Checkpoint,
    keys: jax.Array,
    meta: Mapping[str, Any],
) -> None:
    """Saves in the background; ``meta`` says what the checkpoint belongs to."""
    state = jax.tree.map(_own, checkpoint.state)
    manager.save(
        checkpoint.epochs,
        args=ocp.args.Composite(
            state=ocp.args.StandardSave({"lanes": state, "keys": _plain(keys)}),
            history=ocp.args.StandardSave({"losses": checkpoint.history}),
            meta=ocp.args.JsonSave({**meta, "format": FORMAT, "seconds": checkpoint.seconds}),
        ),
        force=True,
    )


def _own(leaf: jax.Array | np.ndarray) -> np.ndarray:
    """A copy of a jax array: training may donate it while the save is under way."""
    return np.array(leaf) if isinstance(leaf, jax.Array) else leaf


def _plain(keys: jax.Array) -> np.ndarray:
    """Keys as numbers in numpy: of several hosts one alone may write these."""
    return np.asarray(jax.random.key_data(keys))


def _place_for(leaf: jax.ShapeDtypeStruct | np.ndarray) -> np.ndarray:
    """What tells orbax to restore into numpy, on however many devices; takes no memory."""
    return np.broadcast_to(np.zeros((), leaf.dtype), leaf.shape)


def _contract(meta: Mapping[str, Any]) -> FeatureContract:
    return FeatureContract(tuple(meta.get("features", ())), meta.get("feature_set", UNKNOWN))


def restore(
    manager: ocp.CheckpointManager,
    like: LaneState,
    keys: jax.Array,
    meta: Mapping[str, Any],
    losses: int,
) -> Checkpoint | None:
    """The newest checkpoint that can be read, or None if there is none yet.

    Args:
      manager: of the run's checkpoints.
      like: a state, or its shapes, as this run would make it.
      keys: (lanes,) of this run.
      meta: what this run is ("features" and "feature_set" its contract); a checkpoint of anything
        else is refused.
      losses: how many losses the model has.

    Raises:
      InputError: the checkpoint is of other features, another config or other lanes, or none of
        those there can be read.
    """
    damaged = []
    for step in sorted(manager.all_steps(), reverse=True):
        try:
            checkpoint = _restore_step(manager, step, like, keys, meta, losses)
        except InputError:
            raise
        except Exception as error:  # whatever orbax and its storage raise for a damaged file
            say(f"checkpoint of epoch {step} is damaged and left out ({_first_line(error)})")
            damaged.append(step)
            continue
        for other in damaged:  # in the way of the one to come
            manager.delete(other)
        return checkpoint
    if damaged:
        raise InputError(
            f"{manager.directory}: no checkpoint can be read; delete the folder to train anew"
        )
    return None


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:100]


def _restore_step(
    manager: ocp.CheckpointManager,
    step: int,
    like: LaneState,
    keys: jax.Array,
    meta: Mapping[str, Any],
    losses: int,
) -> Checkpoint:
    stored = manager.restore(step, args=ocp.args.Composite(meta=ocp.args.JsonRestore())).meta
    place = str(manager.directory)
    if stored.get("format") != FORMAT:
        raise InputError(f"{place}: a checkpoint of an older version; give another --workdir")
    check_same(place, _contract(stored), "this run", _contract(meta))
    for field, value in meta.items():
        if field not in ("features", "feature_set") and stored.get(field) != value:
            raise InputError(
                f"{place}: a checkpoint of another {field} ({stored.get(field)}, this run has "
                f"{value}); give another --workdir"
            )
    shape = (step, 2, keys.shape[0], losses)
    history = _place_for(jax.ShapeDtypeStruct(shape, np.float32))
    abstract = jax.tree.map(_place_for, {"lanes": like, "keys": _plain(keys)})
    restored = manager.restore(
        step,
        args=ocp.args.Composite(
            state=ocp.args.StandardRestore(abstract),
            history=ocp.args.StandardRestore({"losses": history}),
        ),
    )
    if not np.array_equal(restored.state["keys"], _plain(keys)):
        raise InputError(
            f"{manager.directory}: a checkpoint of other seeds; give another --workdir"
        )
    losses_so_far = np.asarray(restored.history["losses"])
    return Checkpoint(step, restored.state["lanes"], losses_so_far, stored["seconds"])
