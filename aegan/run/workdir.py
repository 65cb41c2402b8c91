"""Where the files of a run lie, and whose they are.

``config.json`` is written first and says what the run is; ``train.json`` and ``results.json``
are written last in their stages, so each stands for a finished stage.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flax.traverse_util import flatten_dict

from aegan.data.contract import UNKNOWN, FeatureContract, difference
from aegan.errors import InputError
from aegan.run.config import that_counts
from aegan.sampling.generator import Generator, load_generator
from aegan.system.files import locked, read_json, sweep, whole, write_json, writing
from aegan.tables.synthetic import ANEW, belongs


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
    losses_so_far = file("losses.csv")  # appended to while it trains
    tensorboard = file("tensorboard")  # the same, if asked for
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

    def weights(self, lane: Mapping[str, Any], epoch: int) -> Path:
        """The weights of the lane with that ``seed`` and ``fold`` after an epoch along the way."""
        name = f"seed{lane['seed']}-fold{lane['fold']}.npz"
        return self.root / "along" / f"epoch{epoch}" / name

    def check(self, identity: Mapping[str, Any], contract: FeatureContract) -> None:
        """Refuses a workdir that holds another run; writes nothing."""
        place = f"--workdir={self.root}"
        mend = "give another --workdir or delete this one"
        try:
            there = read_json(self.config, mend)
        except FileNotFoundError:
            if self.root.exists() and not self.root.is_dir():
                raise InputError(f"{place}: is not a directory; give another one") from None
            return
        except OSError as error:
            what = f"cannot be read ({error.strerror})"
            raise InputError(f"{place}: {what}; give another one") from None
        if there.get("config_hash") == identity["config_hash"]:
            return
        with whole(self.config, mend):
            here, other = identity["corpus"], there.get("corpus") or {}
            if other.get("hash") != here["hash"]:
                how = self._other_features(contract)
                how = how or first_difference(there, identity, ("corpus", "config"))
                how = f"another corpus ({other.get('name')} there, {here['name']} here: {how})"
                raise InputError(f"{place}: holds a run of {how}; give another --workdir")
            how = first_difference(there, identity, ("config", "corpus"))
            raise InputError(f"{place}: holds a run of another config ({how}); {mend}")

    def _other_features(self, contract: FeatureContract) -> str | None:
        """How the features of this contract differ from those of the run, if they do."""
        if not self.features.exists():
            return None
        with whole(self.features):
            there = read_json(self.features)
            other = FeatureContract(tuple(there["names"]), there.get("feature_set", UNKNOWN))
            return difference(contract, other)

    @contextmanager
    def claimed(self, identity: Mapping[str, Any], contract: FeatureContract) -> Iterator[None]:
        """Makes the workdir this run's, and this command's alone while the block runs.

        ``InputError``: it holds another run, is at work for another command or can't be written.
        """
        with self.held():
            self.check(identity, contract)
            names = {"feature_set": contract.feature_set, "names": list(contract.names)}
            write_json(self.features, names)
            if not self.config.exists():
                write_json(self.config, identity)
            yield

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keeps other commands out while the block runs, and removes what killed ones left."""
        with hold(self.root):
            for folder in (self.root, self.root / "synthetic", self.root / "generators"):
                sweep(folder)
            yield

    def record(self) -> dict[str, Any]:
        """train.json; ``InputError`` if it is not whole."""
        with whole(self.train_record, ANEW):
            found = read_json(self.train_record, ANEW)
            for lane in found["lanes"]:
                for name in ("seed", "fold"):
                    if not isinstance(lane[name], int):
                        raise TypeError(f"{name} is no whole number")
                if not isinstance(lane["status"], str):
                    raise TypeError("status is no word")
            return found


@contextmanager
def hold(root: Path) -> Iterator[None]:
    """A folder for this command alone while the block runs; made if it is not there."""
    place = f"--workdir={root}"
    with writing(place, "give another one"):
        root.mkdir(parents=True, exist_ok=True)
        lock = open(root / ".lock", "a+", encoding="utf-8", errors="replace")
    with lock, locked(lock, f"{place}: {{holder}} is at work there; wait for its end"):
        yield


def first_difference(
    there: Mapping[str, Any], here: Mapping[str, Any], parts: Sequence[str]
) -> str:
    """The first field, of these parts in turn, in which two identities really differ, in words."""
    for part in parts:
        old, new = (
            flatten_dict({part: that_counts(run.get(part, {}))}, sep=".") for run in (there, here)
        )
        for name in sorted(set(old) | set(new)):
            counts = not name.endswith((".path", ".train.strategy", ".train.tensorboard"))
            if counts and old.get(name) != new.get(name):
                return f"{name} is {old.get(name)!r} there and {new.get(name)!r} here"
    return "its hash differs"


def open_generator(workdir: Workdir, lane: Mapping[str, Any]) -> Generator:
    """The generator of a lane; ``InputError`` if it is not whole, or another lane's or run's."""
    path = workdir.generator(lane)
    generator = load_generator(path)
    belongs(path, generator.passport, lane, workdir.record().get("config_hash"))
    return generator


def is_quick(workdir: Workdir) -> bool:
    """Whether the run is of a quick variant."""
    if not workdir.config.is_file():
        return False
    with whole(workdir.config):
        return read_json(workdir.config)["config"]["variant"] == "quick"


def choose_lane(workdir: Workdir, fold: int | None, train_seed: int | None) -> dict[str, Any]:
    """The record of the lane asked for; of all that fit, the first that is sound.

    Of a quick variant, which seldom has a sound one, the first that did not diverge.

    ``InputError``: no finished run there, no such lane, or none that is sound and none named.
    """
    run = workdir.root
    if not workdir.train_record.is_file():
        what = "no finished training there (no train.json)"
        raise InputError(f"--run={run}: {what}; run experiments.run first")
    lanes = workdir.record()["lanes"]
    of_seed = [lane for lane in lanes if train_seed in (None, lane["seed"])]
    fits = [lane for lane in of_seed if fold in (None, lane["fold"])]
    if not fits:
        given = {"--fold": fold, "--train_seed": train_seed}
        asked = " ".join(f"{flag}={value}" for flag, value in given.items() if value is not None)
        trained = ", ".join(f"fold {lane['fold']} of seed {lane['seed']}" for lane in lanes)
        raise InputError(f"{asked}: {run} has no such generator; it has {trained}")
    sound = [lane for lane in fits if lane["status"] == "ok"]
    if not sound and is_quick(workdir):  # such rows mean nothing, and a collapsed lane's will do
        sound = [lane for lane in fits if lane["status"] == "collapsed"]
    if not sound and fold is None:
        what = f"no lane is sound (fold {fits[0]['fold']}: {fits[0].get('detail')})"
        raise InputError(f"--run={run}: {what}; name one with --fold to sample it all the same")
    return (sound or fits)[0]
