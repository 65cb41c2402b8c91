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


class Keeper:
    """The checkpoints of a run: the newest sound one is read, others are written.

    On several hosts all call the same methods; only the first touches files.

    Args:
        manager: of the folder; None keeps nothing.
        meta: what the run is ("features" and "feature_set" its contract); a checkpoint of anything
            else is refused.
        keys: (lanes,) of the run.
        losses: how many the model has.
    """

    def __init__(
        self,
        manager: ocp.CheckpointManager | None,
        meta: Mapping[str, Any],
        keys: jax.Array,
        losses: int,
    ) -> None:
        self._manager, self._meta, self._losses = manager, meta, losses
        # As numbers in numpy: of several hosts one alone may write these.
        self._keys = np.asarray(jax.random.key_data(keys))

    def due(self, saved: float, every: float) -> bool:
        """Whether the last checkpoint, of the monotonic time ``saved``, is older than ``every`` s.

        All hosts go by the first one's clock, since gathering the states takes them all.
        """
        return hosts.agree(time.monotonic() - saved > every)

    def save(self, checkpoint: Checkpoint) -> None:
        """Saves in the background."""
        if self._manager is None:
            return
        # Copies of what is on the device: training may donate it while the save is under way.
        state = jax.tree.map(
            lambda leaf: np.array(leaf) if isinstance(leaf, jax.Array) else leaf, checkpoint.state
        )
        meta = {**self._meta, "format": FORMAT, "seconds": checkpoint.seconds}
        self._manager.save(
            checkpoint.epochs,
            args=ocp.args.Composite(
                state=ocp.args.StandardSave({"lanes": state, "keys": self._keys}),
                history=ocp.args.StandardSave({"losses": checkpoint.history}),
                meta=ocp.args.JsonSave(meta),
            ),
            force=True,
        )

    def restore(self, like: LaneState) -> Checkpoint | None:
        """The newest checkpoint that can be read, or None if there is none yet.

        Args:
            like: a state, or its shapes, as this run would make it.

        Raises:
            InputError: the checkpoint is of other features, another config or other lanes, or none
                of those there can be read.
        """
        found = hosts.settle(lambda: self._newest(like))
        if not hosts.are_together():
            return found
        return _from_first_host(found, like, len(self._keys), self._losses)

    def _newest(self, like: LaneState) -> Checkpoint | None:
        if self._manager is None:
            return None
        self._manager.wait_until_finished()
        damaged = []
        for step in sorted(self._manager.all_steps(), reverse=True):
            try:
                checkpoint = self._read(step, like)
            except InputError:
                raise
            except Exception as error:  # whatever orbax and its storage raise for a damaged file
                reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:100]
                say(f"checkpoint of epoch {step} is damaged and left out ({reason})")
                damaged.append(step)
                continue
            for other in damaged:  # in the way of the one to come
                self._manager.delete(other)
            return checkpoint
        if damaged:
            raise InputError(
                f"{self._manager.directory}: no checkpoint can be read; delete the folder to train "
                "anew"
            )
        return None

    def _read(self, step: int, like: LaneState) -> Checkpoint:
        place, meta = str(self._manager.directory), self._meta
        stored = self._manager.restore(step, args=ocp.args.Composite(meta=ocp.args.JsonRestore()))
        stored = stored.meta
        if stored.get("format") != FORMAT:
            raise InputError(f"{place}: a checkpoint of an older version; give another --workdir")
        check_same(place, _contract(stored), "this run", _contract(meta))
        for field, value in meta.items():
            if field not in ("features", "feature_set") and stored.get(field) != value:
                raise InputError(
                    f"{place}: a checkpoint of another {field} ({stored.get(field)}, this run has "
                    f"{value}); give another --workdir"
                )
        history = np.empty((step, 2, len(self._keys), self._losses), np.float32)
        abstract = jax.tree.map(_place_for, {"lanes": like, "keys": self._keys})
        restored = self._manager.restore(
            step,
            args=ocp.args.Composite(
                state=ocp.args.StandardRestore(abstract),
                history=ocp.args.StandardRestore({"losses": _place_for(history)}),
            ),
        )
        if not np.array_equal(restored.state["keys"], self._keys):
            raise InputError(f"{place}: a checkpoint of other seeds; give another --workdir")
        losses = np.asarray(restored.history["losses"])
        return Checkpoint(step, restored.state["lanes"], losses, stored["seconds"])


def _place_for(leaf: jax.ShapeDtypeStruct | np.ndarray) -> np.ndarray:
    """What tells orbax to restore into numpy, on however many devices; takes no memory."""
    return np.broadcast_to(np.zeros((), leaf.dtype), leaf.shape)


def _contract(meta: Mapping[str, Any]) -> FeatureContract:
    return FeatureContract(tuple(meta.get("features", ())), meta.get("feature_set", UNKNOWN))


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
    directory = Path(directory).resolve()
    options = ocp.CheckpointManagerOptions(max_to_keep=KEEP)
    if jax.process_count() > 1:
        # The first host alone has a manager: the others would wait for each other at every save.
        directory.mkdir(parents=True, exist_ok=True)  # orbax does not, for some of the hosts
        options.create = False
        options.multiprocessing_options = ocp.options.MultiprocessingOptions(
            primary_host=0, active_processes={0}, barrier_sync_key_prefix="first-host"
        )
    # Closing waits for saves under way.
    with ocp.CheckpointManager(
        directory, options=options, item_names=("state", "history", "meta")
    ) as manager:
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
