"""A study before it runs: two corpora, the runs of the models on them, the parts of the source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

try:
    import fcntl
except ImportError:  # not on every system
    fcntl = None

from aegan.data.audit import Leak, as_json, audit_generator, refuse, row_digests
from aegan.data.contract import check_same
from aegan.data.corpus import Corpus, describe, read_corpus
from aegan.data.folds import Fold, Standardiser, fit_standardiser, speaker_standardised
from aegan.data.simulate import simulated_target
from aegan.errors import InputError
from aegan.run.plan import Plan, Prepared, check_values, listed, plain, plan_of, prepare
from aegan.run.workdir import Workdir, first_difference
from aegan.sampling.rows import Rows
from aegan.study.parts import Part, make_parts
from aegan.system.files import digest, read_json, write_json
from aegan.tables.synthetic import read_synthetic

MODELS = ("m1", "m2", "m3")


@dataclass(frozen=True)
class StudyDir:
    """Paths of a study's files."""

    root: Path

    @property
    def config(self) -> Path:
        """What the study is."""
        return self.root / "study.json"

    @property
    def results(self) -> Path:
        """Every figure of the report."""
        return self.root / "results.json"

    @property
    def report(self) -> Path:
        return self.root / "report.html"

    @property
    def figures(self) -> Path:
        """Pictures, and the CSV with the data of each."""
        return self.root / "figures"

    def record(self, task: str) -> Path:
        """What a finished task left."""
        return self.root / "tasks" / f"{task}.json"

    def table(self, name: str) -> Path:
        """Points of a scatter plot that a task left."""
        return self.root / "tasks" / f"{name}.parquet"

    def run(self, model: str) -> Workdir:
        """The cross-validation run of a model, as ``experiments.run`` leaves it."""
        return Workdir(self.root / "runs" / model)

    def training(self, task: str) -> Workdir:
        """Where the generators of a task train; gone when the task is finished."""
        return Workdir(self.root / "training" / task)

    def encoder(self, model: str, seed: int, fold: int) -> Path:
        """The encoder of a cross-validation lane."""
        return self.root / "encoders" / model / f"seed{seed}-fold{fold}.npz"

    def generator(self, model: str, seed: int, part: Part) -> Path:
        """The generator trained on a part of the source."""
        return self.root / "generators" / model / f"{part.key}-seed{seed}.npz"


@dataclass(frozen=True, eq=False)
class Study:
    """Everything a study is; the same config and corpora give the same study in any process."""

    config: dict[str, Any]  # plain values
    identity: dict[str, Any]  # what study.json holds; its hash names the study
    dir: StudyDir
    prepared: Prepared  # the source corpus with its folds
    target: Corpus | None  # same classes and features as the source; None where nothing needs it
    parts: tuple[Part, ...]  # of the source: first the whole, then those of the low-resource study
    cache_dir: Path | None  # where results that no model changes are kept

    @property
    def source(self) -> Corpus:
        return self.prepared.corpus

    @property
    def folds(self) -> tuple[Fold, ...]:
        """Of the source, for the cross-validation."""
        return self.prepared.folds

    @property
    def seeds(self) -> tuple[int, ...]:
        """Of the generators."""
        return tuple(self.config["seeds"])

    @cached_property
    def plans(self) -> dict[str, Plan]:
        """Per model the cross-validation run, the very plan that ``experiments.run`` makes."""
        return self._plans(self.prepared)

    @cached_property
    def part_plans(self) -> dict[str, Plan]:
        """Per model a run whose folds are ``parts``: no row is held out."""
        none = np.zeros(0, np.int32)
        first = len(self.folds)  # numbers that no fold of the cross-validation has
        folds = tuple(
            Fold(first + place, part.rows, none, (), part.words)
            for place, part in enumerate(self.parts)
        )
        return self._plans(Prepared(self.source, self.prepared.digests, folds, ()))

    def _plans(self, prepared: Prepared) -> dict[str, Plan]:
        """A run per model; the statistics of the folds are the same for all."""
        plans: dict[str, Plan] = {}
        for model in MODELS:
            known = plans[MODELS[0]].standardisers if plans else None
            plans[model] = plan_of(run_config(self.config, model), prepared, known)
        return plans

    def fold(self, index: int) -> Fold:
        """The fold of the cross-validation with that number."""
        (found,) = (fold for fold in self.folds if fold.index == index)
        return found

    def part_fold(self, part: Part) -> Fold:
        """The fold of ``part_plans`` that a part is."""
        return self.part_plans[MODELS[0]].folds[self.parts.index(part)]

    def standardiser(self, fold: int) -> Standardiser:
        """Statistics of the training part of a cross-validation fold."""
        places = [f.index for f in self.folds]
        return self.plans[MODELS[0]].standardisers[places.index(fold)]

    @cached_property
    def source_standardiser(self) -> Standardiser:
        """Statistics of the whole source."""
        clip = self.config["source"]["clip"]
        return fit_standardiser(self.source.features, np.arange(len(self.source.labels)), clip)

    @cached_property
    def target_standardiser(self) -> Standardiser:
        """Statistics of the whole target, its labels unseen (transductive)."""
        clip = self.config["source"]["clip"]
        return fit_standardiser(self.target.features, np.arange(len(self.target.labels)), clip)

    def synthetic(self, model: str, seed: int, fold: int) -> Rows:
        """Rows of a cross-validation lane in raw units, labels by the source's classes."""
        table = read_synthetic(self.dir.run(model).synthetic({"seed": seed, "fold": fold}))
        places = np.array([self.source.classes.index(c) for c in table.classes], np.int32)
        return table.features, places[table.labels]


def run_config(config: Mapping[str, Any], model: str) -> dict[str, Any]:
    """The config of ``experiments.run`` that a study's config holds for a model."""
    return {
        "variant": config["variant"],
        "seeds": list(config["seeds"]),
        "only_folds": [],
        "data": dict(config["source"]),
        "model": dict(config[model]["model"]),
        "train": dict(config[model]["train"]),
        "sample": dict(config["sample"]),
        "metrics": dict(config["metrics"]),
    }


def read_study(config: Any, root: Path, cache_dir: Path | None, command: str) -> Study:
    """Reads both corpora and decides everything that follows from the config; writes nothing.

    Raises:
        InputError: a value of the config or a corpus that can't be used; two corpora whose
            features or classes differ, or that share rows.
    """
    values = plain(config)
    values["source"]["classes"] = listed(values["source"]["classes"])
    _check(values)
    with _fields_of("source"):
        prepared = prepare(values["source"])
    target = _target(values, prepared.corpus)
    leaks: tuple[Leak, ...] = ()
    if target is not None:
        leaks = _checked_pair(values, prepared, target)
        if values["source"]["statistics"] == "speaker":
            target = speaker_standardised(target)
    low = values["low_resource"]
    parts = make_parts(
        prepared.corpus,
        prepared.folds,
        low["percents"] if "low_resource" in values["experiments"] else (),
        low["replicates"],
        low["scopes"],
    )
    identity = _identity(values, prepared, target, leaks, command)
    return Study(values, identity, StudyDir(Path(root)), prepared, target, parts, cache_dir)


def _checked_pair(
    values: Mapping[str, Any], prepared: Prepared, target: Corpus
) -> tuple[Leak, ...]:
    """Refuses a pair of other features, or of common rows unless leaks are allowed."""
    name, source = f"target '{target.name}'", prepared.corpus
    check_same(name, target.contract, f"source '{source.name}'", source.contract)
    leaks = audit_generator(prepared.digests, row_digests(target.features), target.files, name)
    if not values["source"]["allow_leaks"]:
        refuse(
            f"corpora '{source.name}' and '{target.name}'",
            leaks,
            ", or pass --config.source.allow_leaks=True for a banner in the report",
        )
    return leaks


def _target(values: Mapping[str, Any], source: Corpus) -> Corpus | None:
    target = values["target"]
    if target["path"]:
        try:
            return read_corpus(target["path"], source.classes)
        except InputError as error:  # the classes are the source's
            raise InputError(str(error).replace("config.data.", "config.source.")) from None
    if not source.simulated:
        scopes = values["low_resource"]["scopes"]
        for name in values["experiments"]:
            if name == "cross_corpus" or (name == "low_resource" and "target" in scopes):
                raise InputError(
                    f"config.target.path: is empty, but {name} tests on a target; give the table "
                    "of a second corpus with --config.target.path=..."
                )
        return None
    return simulated_target(
        rows=target["simulated_rows"],
        source_rows=values["source"]["simulated_rows"],
        dim=values["source"]["simulated_features"],
        seed=values["source"]["simulated_seed"],
    )


@contextmanager
def _fields_of(section: str) -> Iterator[None]:
    """What reads a corpus names the fields of ``config.data``; here they stand in a section."""
    try:
        yield
    except InputError as error:
        raise InputError(str(error).replace("config.data.", f"config.{section}.")) from None


def _identity(
    values: Mapping[str, Any],
    prepared: Prepared,
    target: Corpus | None,
    leaks: tuple[Leak, ...],
    command: str,
) -> dict[str, Any]:
    """What makes this study this study; where its corpora lie and how it runs count for nothing."""
    hashed = _that_counts(values)
    for name in ("source", "target"):
        hashed[name] = {k: v for k, v in values[name].items() if k != "path"}
    hashed["corpora"] = [prepared.corpus.hash, None if target is None else target.hash]
    described: dict[str, Any] = {}
    for name, corpus, found in (
        ("source", prepared.corpus, prepared.leaks),
        ("target", target, leaks),
    ):
        described[name] = None
        if corpus is not None:
            described[name] = describe(corpus) | {
                "statistics": values[name]["statistics"],
                "licence": values[name]["licence"] or corpus.licence or "not stated",
                "leaks": as_json(found),
            }
    return {
        "format": 1,
        "config_hash": digest(hashed),
        "config": dict(values),
        **described,
        "command": command,
    }


def _that_counts(values: Mapping[str, Any]) -> dict[str, Any]:
    """The config without what makes no difference to any figure."""
    return {name: value for name, value in values.items() if name not in ("jobs", "experiments")}


def _check(values: Mapping[str, Any]) -> None:
    """Refuses values that no study could use, naming the field."""
    with _fields_of("source"):
        for model in MODELS:
            try:
                check_values(run_config(values, model))
            except InputError as error:
                text = str(error)
                for section in ("model", "train"):
                    text = text.replace(f"config.{section}.", f"config.{model}.{section}.")
                raise InputError(text) from None
    first = values[MODELS[0]]["train"]["matmul_precision"]
    for model in MODELS:
        other = values[model]["train"]["matmul_precision"]
        if other != first:
            raise InputError(
                f"config.{model}.train.matmul_precision={other!r}: must be that of {MODELS[0]} "
                f"({first!r}): one process trains all models"
            )
    statistics = values["target"]["statistics"]
    if statistics not in ("own", "source"):
        raise InputError(f"config.target.statistics={statistics!r}: must be own or source")
    if values["jobs"] < 0:
        raise InputError(f"config.jobs={values['jobs']}: must be 0 (all cores) or more")


def check_folder(study: Study) -> None:
    """Refuses a folder that holds another study or run; writes nothing."""
    root = study.dir.root
    try:
        existing = read_json(study.dir.config)
    except FileNotFoundError:
        if Workdir(root).config.exists():
            raise InputError(
                f"--workdir={root}: holds a run of experiments.run; give another --workdir"
            ) from None
        return
    except OSError as error:
        raise InputError(
            f"--workdir={root}: cannot be read ({error.strerror}); give another one"
        ) from None
    if existing.get("config_hash") != study.identity["config_hash"]:
        there, here = (
            {**identity, "config": _that_counts(identity.get("config") or {})}
            for identity in (existing, study.identity)
        )
        how = first_difference(there, here, ("source", "target", "config"))
        raise InputError(
            f"--workdir={root}: holds another study ({how}); give another --workdir or delete "
            "this one"
        )


@contextmanager
def claim_folder(study: Study) -> Iterator[None]:
    """Makes the folder this study's, and this command's alone while the block runs.

    Raises:
        InputError: it is another study's, cannot be written, or another command is at work in it.
    """
    check_folder(study)
    root = study.dir.root
    try:
        root.mkdir(parents=True, exist_ok=True)
        if not study.dir.config.exists():
            write_json(study.dir.config, study.identity)
        lock = open(root / ".lock", "w")  # as long as the block runs
    except OSError as error:
        raise InputError(
            f"--workdir={root}: cannot be written ({error.strerror}); give another one"
        ) from None
    with lock:
        if fcntl is not None:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InputError(
                    f"--workdir={root}: another command is at work there; wait for its end"
                ) from None
            except OSError:
                pass  # a file system without locks
        yield
