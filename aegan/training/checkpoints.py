"""Checkpoints by orbax: states with their optimisers, lane keys, and the losses so far.

Each holds a digest of all that is in it; one that came to harm is left out for the one before.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
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

FORMAT = 3  # of a checkpoint
_UNSEALED = 2  # the format of those without a digest
KEEP = 2  # a save that is cut off leaves the one before


class Checkpoint(NamedTuple):
    """Training after a number of epochs."""

    epochs: int
    state: LaneState  # stacked over lanes
    history: np.ndarray  # (epochs, 2, lanes, losses): training and validation losses
    seconds: float  # spent on training so far, over all its sittings


class Keeper:
    """The checkpoints of a run: the newest sound one is read, others are written.

    On several hosts all call the same methods; only the first touches files. Of the arguments,
    ``manager`` is the folder's (None keeps nothing), ``meta`` is what the run is ("features" and
    "feature_set" its contract; a checkpoint of anything else is refused), ``keys`` are its lanes'
    and ``losses`` is how many the model has.
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

    def save(self, checkpoint: Checkpoint) -> None:
        """Saves in the background."""
        if self._manager is None:
            return
        # Copies of what is on the device: training may donate it while the save is under way.
        state = jax.tree.map(
            lambda leaf: np.array(leaf) if isinstance(leaf, jax.Array) else leaf, checkpoint.state
        )
        meta = {**self._meta, "format": FORMAT, "seconds": checkpoint.seconds}
        meta["sha256"] = _digest(meta, state, self._keys, checkpoint.history)
        parts = ocp.args.Composite(
            state=ocp.args.StandardSave({"lanes": state, "keys": self._keys}),
            history=ocp.args.StandardSave({"losses": checkpoint.history}),
            meta=ocp.args.JsonSave(meta),
        )
        with _written(self._manager.directory):
            self._manager.save(checkpoint.epochs, args=parts, force=True)

    def restore(self, like: LaneState) -> Checkpoint | None:
        """The newest checkpoint that can be read, or None if there is none yet.

        ``like`` is a state, or its shapes, as this run would make it. ``InputError``: it is of
        other features, another config or other lanes, or none of those there can be read.
        """
        found = hosts.settle(lambda: self._newest(like))
        if not hosts.are_together():
            return found
        # From the first host to all, one array after the other: devices need not hold all states.
        facts = [-1.0, 0.0] if found is None else [found.epochs, found.seconds]
        epochs, seconds = _of_first_host(np.array(facts, np.float32)).tolist()
        if epochs < 0:
            return None
        shape = (int(epochs), 2, len(self._keys), self._losses)
        held = (like, jax.ShapeDtypeStruct(shape, np.float32))
        if found is None:
            held = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), held)
        else:
            held = (found.state, found.history)
        return Checkpoint(int(epochs), *jax.tree.map(_of_first_host, held), seconds)

    def _newest(self, like: LaneState) -> Checkpoint | None:
        if self._manager is None:
            return None
        with _written(self._manager.directory):
            self._manager.wait_until_finished()
        damaged = []
        for step in sorted(self._manager.all_steps(), reverse=True):
            try:
                checkpoint = self._read(step, like)
            except InputError:
                raise
            except Exception as error:  # whatever orbax and its storage raise for a damaged file
                say(f"checkpoint of epoch {step} is damaged and left out ({_reason(error)})")
                damaged.append(step)
            else:
                for other in damaged:  # in the way of the one to come
                    self._manager.delete(other)
                return checkpoint
        if damaged:
            mend = "delete the folder to train anew"
            raise InputError(f"{self._manager.directory}: no checkpoint can be read; {mend}")
        return None

    def _read(self, step: int, like: LaneState) -> Checkpoint:
        place, meta = str(self._manager.directory), self._meta
        stored = self._manager.restore(step, args=ocp.args.Composite(meta=ocp.args.JsonRestore()))
        stored = dict(stored.meta)
        seal = stored.pop("sha256", None)
        if stored.get("format") not in (FORMAT, _UNSEALED):
            raise InputError(f"{place}: a checkpoint of an older version; give another --workdir")
        contracts = [
            FeatureContract(tuple(one.get("features", ())), one.get("feature_set", UNKNOWN))
            for one in (stored, meta)
        ]
        check_same(place, contracts[0], "this run", contracts[1])
        for field, value in meta.items():
            if field not in ("features", "feature_set") and stored.get(field) != value:
                how = f"another {field} ({stored.get(field)}, this run has {value})"
                raise InputError(f"{place}: a checkpoint of {how}; give another --workdir")
        history = np.empty((step, 2, len(self._keys), self._losses), np.float32)
        abstract = {"lanes": like, "keys": self._keys}, {"losses": history}
        # What tells orbax to restore into numpy, on however many devices; takes no memory.
        state, history = jax.tree.map(
            lambda leaf: np.broadcast_to(np.zeros((), leaf.dtype), leaf.shape), abstract
        )
        parts = ocp.args.Composite(
            state=ocp.args.StandardRestore(state), history=ocp.args.StandardRestore(history)
        )
        restored = self._manager.restore(step, args=parts)
        lanes, keys = restored.state["lanes"], restored.state["keys"]
        losses = np.asarray(restored.history["losses"])
        if (seal or stored["format"] == FORMAT) and seal != _digest(stored, lanes, keys, losses):
            raise ValueError("changed since it was written")
        if not np.array_equal(keys, self._keys):
            raise InputError(f"{place}: a checkpoint of other seeds; give another --workdir")
        return Checkpoint(step, lanes, losses, stored["seconds"])


def _digest(meta: Mapping[str, Any], *trees: Any) -> str:
    found = hashlib.sha256(json.dumps(meta, sort_keys=True).encode())
    for leaf in map(np.ascontiguousarray, jax.tree.leaves(trees)):
        found.update(f"{leaf.dtype} {leaf.shape}".encode())
        found.update(leaf.data)
    return found.hexdigest()


@contextmanager
def _written(folder: Path) -> Iterator[None]:
    """``InputError`` in place of what orbax and its storage raise, many kinds of errors."""
    try:
        yield
    except Exception as error:
        mend = "make room, and the same command goes on from the checkpoint before"
        raise InputError(
            f"{folder}: no checkpoint can be written ({_reason(error)}); {mend}"
        ) from error


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:100]


def _of_first_host(leaf: Any) -> np.ndarray:
    return np.asarray(multihost_utils.broadcast_one_to_all(np.asarray(leaf)))


@contextmanager
def open_keeper(
    directory: Path | None, meta: Mapping[str, Any], keys: jax.Array, losses: int
) -> Iterator[Keeper]:
    """The ``Keeper`` of the checkpoints in ``directory``; without one nothing is kept."""
    if directory is None or not hosts.is_first():
        yield Keeper(None, meta, keys, losses)
        return
    directory = Path(directory).resolve()
    for cut_off in directory.glob("*.orbax-checkpoint-tmp*"):  # of a run that was killed
        shutil.rmtree(cut_off, ignore_errors=True)
    options = ocp.CheckpointManagerOptions(max_to_keep=KEEP)
    if jax.process_count() > 1:
        # The first host alone has a manager: the others would wait for each other at every save.
        directory.mkdir(parents=True, exist_ok=True)  # orbax does not, for some of the hosts
        options.create = False
        options.multiprocessing_options = ocp.options.MultiprocessingOptions(
            primary_host=0, active_processes={0}, barrier_sync_key_prefix="first-host"
        )
    names = ("state", "history", "meta")
    with _written(directory):
        manager = ocp.CheckpointManager(directory, options=options, item_names=names)
    try:
        yield Keeper(manager, meta, keys, losses)
    except BaseException:
        with suppress(Exception):  # what it says counts for less
            manager.close()
        raise
    with _written(directory):
        manager.close()  # waits for saves under way
