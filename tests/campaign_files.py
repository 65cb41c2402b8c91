"""Damaged files of the campaign: flipped bits, mutated contents, each read by who reads it next."""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from builders import small_run, trained
from campaign_jobs import Found, note, run_job
from campaign_worker import Worker
from helpers import META
from small_runs import write_table
from test_tables_fuzz import mutated

from aegan.audio.clips import Row
from aegan.audio.finished import ClipKey, FinishedClips
from aegan.data.contract import FeatureContract
from aegan.data.corpus import read_corpus
from aegan.data.folds import fit_standardiser
from aegan.errors import InputError
from aegan.metrics.fold_tools import cached
from aegan.report.run import write_report
from aegan.run.losses import read_losses
from aegan.run.workdir import Workdir, choose_lane, open_generator
from aegan.sampling.generator import load_generator
from aegan.system.files import read_json
from aegan.tables.convert import Choices, convert
from aegan.tables.synthetic import read_synthetic
from aegan.training.checkpoints import Checkpoint, open_keeper


class Kind(NamedTuple):
    """Files that a later step reads back, and what it makes of them."""

    files: list[Path]
    read: Callable[[Path], Any]  # of one of them
    made_again: Callable[[Any], bool] = lambda value: False  # a value that stands for "absent"


def _finished(root: Path) -> Workdir:
    with Worker(root / "cache") as worker:
        return Workdir(run_job(worker, root).folder / "run")


def plain(value: Any) -> Any:
    """A value whose equality is that of bits."""
    if isinstance(value, dict):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if hasattr(value, "to_numpy"):
        return [list(map(str, value.columns)), plain(value.to_numpy().astype(str))]
    if isinstance(value, (np.ndarray, jax.Array)):
        array = np.asarray(value)
        return array.dtype.str, array.shape, hashlib.sha256(array.tobytes()).hexdigest()
    return value


def kinds_in(root: Path) -> dict[str, Kind]:
    """Files of all kinds, made in a folder."""
    workdir = _finished(root)
    lanes = workdir.record()["lanes"]
    records = [workdir.config, workdir.features, workdir.train_record, workdir.results]
    generators = list(map(workdir.generator, lanes))
    tables = list(map(workdir.synthetic, lanes))
    return {
        "records": Kind(records, read_json),
        "generators": Kind(generators, lambda path: _fields(load_generator(path))),
        "synthetic tables": Kind(tables, lambda path: _fields(read_synthetic(path))),
        "losses": Kind([workdir.losses], lambda path: read_losses(workdir)),
        "converted tables": _converted(root),
        "parts": _parts(root),
        "cache items": _cache(root),
        "checkpoints": _checkpoints(root),
    }


def _fields(value: Any) -> dict[str, Any]:
    found = dict(vars(value))
    if "params" in found:
        found |= {"params": jax.tree.leaves(found["params"]), "model": repr(found["model"])}
        found["standardiser"] = tuple(found["standardiser"])
    found["contract"] = [*found["contract"].names, found["contract"].feature_set]
    return found


def _converted(root: Path) -> Kind:
    out = root / "converted" / "table.parquet"
    convert(Choices(write_table(root / "table.parquet"), out, licence="mine"), None)
    return Kind([out], lambda path: _fields(read_corpus(path)))


def _parts(root: Path) -> Kind:
    folder, clips = root / "parts", FinishedClips(root / "parts", 4)
    for i in range(9):
        clips.add(ClipKey(f"a{i}", i, i), Row(0.5, np.full(4, i, np.float32)))
    clips.keep()

    def read(path: Path) -> Any:
        content = path.read_bytes()
        found = {str(key): [row.duration_s, row.features] for key, row in _outcomes(folder)}
        path.write_bytes(content)  # a damaged one is removed
        return found

    return Kind(list(folder.glob("part-*")), read, lambda found: not found)


def _outcomes(folder: Path) -> list[tuple[ClipKey, Any]]:
    return sorted(FinishedClips(folder, 4).outcomes.items())


def _cache(root: Path) -> Kind:
    run, folder = small_run("m2"), root / "items"
    place = (run.corpus, run.folds[0], fit_standardiser(run.corpus.features, run.folds[0].train))
    items = {}
    for item in range(3):
        values = {"w": np.random.default_rng(item).normal(size=30), "c": 0.1 * item, "item": item}
        before = set(folder.glob("*.npz")) if folder.exists() else set()
        cached(place, folder, lambda v=values: v, item=item)
        (path,) = set(folder.glob("*.npz")) - before
        items[path] = item

    def read(path: Path) -> Any:
        content = path.read_bytes()
        found = cached(place, folder, lambda: {"made": True}, item=items[path])
        path.write_bytes(content)
        return found

    return Kind(list(items), read, lambda found: "made" in found)


def _checkpoints(root: Path) -> Kind:
    run, folder = small_run("m2"), root / "checkpoints"
    losses = len(run.learner.model.losses())

    def keeper() -> Any:
        return open_keeper(folder, META, run.lanes().key, losses)

    with keeper() as kept:
        for epochs in (1, 2):
            state, history = trained("m2", epochs)
            kept.save(Checkpoint(epochs, jax.tree.map(np.asarray, state), history, 1.5))
    held = {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}

    def read(path: Path) -> Any:
        try:
            with keeper() as kept:
                found = kept.restore(run.like())
            return {"epochs": found.epochs, "rest": jax.tree.leaves(tuple(found)[1:])}
        finally:  # a damaged one is removed
            for one, content in held.items():
                one.parent.mkdir(parents=True, exist_ok=True)
                one.write_bytes(content)

    first, history = trained("m2", 1)
    before = plain({"epochs": 1, "rest": jax.tree.leaves((first, history, 1.5))})
    return Kind(
        [path for path in held if "2" in path.parts and held[path]],
        read,
        lambda found: plain(found) == before,
    )


def flips(number: int, rng: random.Random, root: Path) -> dict[str, Found]:
    """So many bits, each of a file that a later step reads back; kind by kind in turn."""
    kinds = kinds_in(root)
    found: dict[str, Found] = {name: Counter() for name in kinds}
    values = {path: plain(kind.read(path)) for kind in kinds.values() for path in kind.files}
    assert all(values.values())
    for turn in range(number):
        name = list(kinds)[turn % len(kinds)]
        kind = kinds[name]
        path = rng.choice(kind.files)
        content = path.read_bytes()
        place, bit = rng.randrange(len(content)), rng.randrange(8)
        flipped = bytearray(content)
        flipped[place] ^= 1 << bit
        path.write_bytes(flipped)
        try:
            value = kind.read(path)
            outcome = "equal" if plain(value) == values[path] else "silently wrong"
            if outcome != "equal" and kind.made_again(value):
                outcome = "made again"
            if outcome != "equal" and name == "records":  # a digest that has lost its name
                kept = {k: v for k, v in value.items() if k in values[path]}
                outcome = "equal" if plain(kept) == values[path] else outcome
        except InputError as error:
            outcome = "refused" if str(error).isprintable() else f"not one line: {error}"
        except Exception as error:
            outcome = f"traceback: {type(error).__name__} {str(error)[:300]}"
        path.write_bytes(content)
        what = f"flip {turn}, {name}: {path.name}, byte {place}, bit {bit}"
        found[name][note(outcome, what)] += 1
    return found


def mutations(number: int, rng: random.Random, root: Path) -> dict[str, Found]:
    """So many mutated files of a workdir, each read by whoever reads it next."""
    workdir = _finished(root)
    lane, identity = workdir.record()["lanes"][0], read_json(workdir.config)
    names = tuple(read_json(workdir.features)["names"])
    other = {**identity, "config_hash": "another"}

    def checked() -> None:
        workdir.check(other, FeatureContract(names))

    def drawn() -> None:
        open_generator(workdir, choose_lane(workdir, 0, None))

    readers: dict[Path, Callable[[], object]] = {
        workdir.config: checked,
        workdir.features: checked,
        workdir.train_record: drawn,
        workdir.generator(lane): drawn,
        workdir.synthetic(lane): lambda: read_synthetic(workdir.synthetic(lane)),
        workdir.losses: lambda: read_losses(workdir),
        workdir.results: lambda: write_report(workdir.root),
    }
    contents = {path: path.read_bytes() for path in readers}
    found: dict[str, Found] = {path.name: Counter() for path in readers}
    for turn in range(number):
        paths = list(readers)
        # A report takes a second.
        path = paths[-1] if turn % 200 == 0 else paths[turn % (len(paths) - 1)]
        content = _without_digest(path, contents[path]) if turn % 2 else contents[path]
        path.write_bytes(mutated(content, rng.choice(list(contents.values())), rng))
        try:
            readers[path]()
            outcome = "value"
        except InputError as error:
            outcome = "refused" if str(error).isprintable() else f"not one line: {error}"
        except Exception as error:
            outcome = f"traceback: {type(error).__name__} {str(error)[:300]}"
        found[path.name][note(outcome, f"mutation {turn} of {path.name}")] += 1
        path.write_bytes(contents[path])
    return found


def _without_digest(path: Path, content: bytes) -> bytes:
    """As an earlier version would have written it: mutations get deeper."""
    if path.suffix == ".json":
        values = json.loads(content)
        del values["sha256"]
        return json.dumps(values).encode()
    if path.suffix == ".npz":
        with np.load(path) as file:
            arrays = {name: array for name, array in file.items() if name != "sha256"}
        np.savez(path.with_name("old.npz"), **arrays)
        return path.with_name("old.npz").read_bytes()
    return content
