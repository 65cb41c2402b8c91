"""Where the files of a run lie.

``config.json`` is written first and says what the run is; ``train.json`` and ``results.json``
are written last in their stages, so each stands for a finished stage.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aegan.data.contract import UNKNOWN, FeatureContract, difference
from aegan.errors import InputError
from aegan.system.files import read_json, write_json


def file(name: str) -> Any:
    """A file of a folder, as a property."""
    return property(lambda self: self.root / name)


@dataclass(frozen=True)
class Workdir:
    """Paths of a run's files."""

    root: Path

    config = file("config.json")  # what the run is
    features = file("features.json")  # feature set and names of its corpus
    checkpoints = file("checkpoints")
    losses = file("losses.parquet")
    train_record = file("train.json")  # lanes, timing and device of a finished training
    results = file("results.json")
    report = file("report.html")

    def synthetic(self, lane: Mapping[str, Any]) -> Path:
        """Synthetic rows of the lane with that ``seed`` and ``fold``."""
        return self.root / "synthetic" / f"seed{lane['seed']}-fold{lane['fold']}.parquet"

    def generator(self, lane: Mapping[str, Any]) -> Path:
        """The generator of the lane with that ``seed`` and ``fold``."""
        return self.root / "generators" / f"seed{lane['seed']}-fold{lane['fold']}.npz"

    def existing_identity(self) -> dict[str, Any] | None:
        """The identity of the run that lives here, if any."""
        try:
            return read_json(self.config)
        except FileNotFoundError:
            return None
        except (InputError, OSError):
            raise InputError(
                f"{self.config}: unreadable; give another --workdir or delete this one"
            ) from None

    def check(self, identity: Mapping[str, Any], contract: FeatureContract) -> None:
        """Refuses a workdir that holds another run; writes nothing."""
        existing = self.existing_identity()
        if existing is None:
            if self.root.exists() and not self.root.is_dir():
                raise InputError(f"--workdir={self.root}: is not a directory; give another one")
            return
        if existing.get("config_hash") == identity["config_hash"]:
            return
        here, there = identity["corpus"], existing.get("corpus") or {}
        if there.get("hash") != here["hash"]:
            how = self._other_features(contract) or first_difference(
                existing, identity, self._parts(existing, identity)
            )
            raise InputError(
                f"--workdir={self.root}: holds a run of another corpus ({there.get('name')} there, "
                f"{here['name']} here: {how}); give another --workdir"
            )
        how = first_difference(existing, identity, ("config", "corpus"))
        raise InputError(
            f"--workdir={self.root}: holds a run of another config ({how}); give another "
            "--workdir or delete this one"
        )

    def _other_features(self, contract: FeatureContract) -> str | None:
        """How the features of this contract differ from those of the run, if they do."""
        if not self.features.exists():
            return None
        there = read_json(self.features)
        names = tuple(there.get("names", ())) if isinstance(there, dict) else ()
        if not names:
            return None
        return difference(contract, FeatureContract(names, there.get("feature_set", UNKNOWN)))

    def claim(self, identity: Mapping[str, Any], contract: FeatureContract) -> None:
        """Makes the workdir this run's; ``InputError`` if it can't be written."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            probe = self.root / f".{uuid.uuid4().hex}"
            probe.touch()
            os.unlink(probe)
        except OSError as error:
            raise InputError(
                f"--workdir={self.root}: cannot be written ({error.strerror}); give another one"
            ) from None
        names = {"feature_set": contract.feature_set, "names": list(contract.names)}
        write_json(self.features, names)
        if not self.config.exists():
            write_json(self.config, dict(identity))


def _flat(tree: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(tree, Mapping):
        return {prefix: tree}
    return {k: v for name, sub in tree.items() for k, v in _flat(sub, f"{prefix}.{name}").items()}


def first_difference(
    there: Mapping[str, Any], here: Mapping[str, Any], parts: Sequence[str]
) -> str:
    """The first field, of these parts in turn, in which two identities differ, in words.

    Where a corpus lies and how lanes run count for nothing.
    """
    for part in parts:
        old, new = _flat(there.get(part, {}), part), _flat(here.get(part, {}), part)
        for name in sorted(set(old) | set(new)):
            counts = not name.endswith((".path", ".train.strategy"))
            if counts and old.get(name) != new.get(name):
                return f"{name} is {old.get(name)!r} there and {new.get(name)!r} here"
    return "its hash differs"


def choose_lane(workdir: Workdir, fold: int | None, train_seed: int | None) -> dict[str, Any]:
    """The record of the lane asked for; of all that fit, the first that is sound.

    Raises:
      InputError: no finished run there, no such lane, or none that is sound and none named.
    """
    run = workdir.root
    if not workdir.train_record.is_file():
        raise InputError(
            f"--run={run}: no finished training there (no train.json); run experiments.run first"
        )
    lanes = read_json(workdir.train_record)["lanes"]
    fits = [
        lane
        for lane in lanes
        if fold in (None, lane["fold"]) and train_seed in (None, lane["seed"])
    ]
    if not fits:
        given = {"--fold": fold, "--train_seed": train_seed}
        asked = " ".join(f"{flag}={value}" for flag, value in given.items() if value is not None)
        trained = ", ".join(f"fold {lane['fold']} of seed {lane['seed']}" for lane in lanes)
        raise InputError(f"{asked}: {run} has no such generator; it has {trained}")
    sound = [lane for lane in fits if lane["status"] == "ok"]
    if not sound and fold is None:
        raise InputError(
            f"--run={run}: no lane is sound (fold {fits[0]['fold']}: {fits[0]['detail']}); name "
            "one with --fold to sample it all the same"
        )
    return (sound or fits)[0]
