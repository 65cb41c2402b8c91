"""A run before it runs: the config checked against the data, everything static decided.

``make_plan`` writes nothing; whatever is wrong with the input shows here.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from aegan.data.audit import Leak, as_json, audit, note_of_equal_rows, refuse, row_digests
from aegan.data.corpus import Corpus, describe, read_corpus
from aegan.data.emotions import CLASSES
from aegan.data.folds import (
    Fold,
    Standardiser,
    make_folds,
    speaker_standardised,
    standardiser_of,
)
from aegan.data.simulate import simulated_corpus
from aegan.errors import InputError
from aegan.learning.cost import flops_per_update
from aegan.learning.steps import Learner, StepRule
from aegan.metrics.evaluate import EvaluationProtocol
from aegan.metrics.fid import FidProtocol
from aegan.metrics.svm import SvmProtocol
from aegan.models.model import Model, Params
from aegan.run.config import DataConfig, RunConfig, TrainConfig, read_config, that_counts
from aegan.speakers.effects import Effects, estimate
from aegan.system.files import digest

FEW = 30  # training rows of a class, below which a run says so before it begins


@dataclass(frozen=True, eq=False)
class Prepared:
    """A corpus ready for training: read, cut into folds, audited, standardised if asked for."""

    corpus: Corpus
    digests: np.ndarray  # (rows,) uint64 of the rows as read
    folds: tuple[Fold, ...]
    leaks: tuple[Leak, ...]  # empty unless config.data.allow_leaks


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """The training rows of a fold in training space, made when they are asked for."""

    plan: Plan
    fold: Fold
    standardiser: Standardiser

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.fold.train), self.plan.corpus.features.shape[1]

    @property
    def labels(self) -> np.ndarray:
        """(n,) int32."""
        return self.plan.corpus.labels[self.fold.train]

    @property
    def speakers(self) -> np.ndarray:
        """(n,) numbers from 0."""
        return np.unique(self.plan.corpus.speakers[self.fold.train], return_inverse=True)[1]

    def __len__(self) -> int:
        return len(self.fold.train)

    def __getitem__(self, part: slice) -> np.ndarray:
        """(k, features) float32."""
        rows = self.plan.corpus.features[self.fold.train[part]]
        return self.standardiser.to_z(rows) * np.float32(self.plan.learner.gain)

    @cached_property
    def effects(self) -> Effects:
        """Of class and speaker."""
        return estimate(self, self.labels, self.speakers, len(self.plan.corpus.classes))

    def given(self) -> Params:
        """What they give the model in closed form."""
        return self.plan.learner.model.given(self.effects, self, self.labels, self.speakers)


@dataclass(frozen=True, eq=False)
class Plan(Prepared):
    """Everything a run is."""

    config: RunConfig
    identity: dict[str, Any]  # what config.json holds; its hash names the run
    standardisers: tuple[Standardiser, ...]  # of each fold's training part
    lanes: tuple[tuple[int, int], ...]  # (seed, fold), seeds outermost
    learner: Learner
    epochs: int
    along: tuple[int, ...]  # epochs (from 1) whose weights are kept and judged; the last included
    protocol: EvaluationProtocol

    @cached_property
    def rows(self) -> dict[int, TrainingRows]:
        """Training rows by the number of their fold."""
        pairs = zip(self.folds, self.standardisers, strict=True)
        return {fold.index: TrainingRows(self, fold, stats) for fold, stats in pairs}

    @property
    def largest_train(self) -> int:
        """Rows of the largest training part of any fold."""
        return max(len(fold.train) for fold in self.folds)

    @property
    def largest_valid(self) -> int:
        """Rows of the largest held-out part of any fold."""
        return max(len(fold.valid) for fold in self.folds)

    @property
    def flops(self) -> float:
        """Floating-point operations of the whole training."""
        updates = self.epochs * self.learner.batches
        return flops_per_update(self.learner) * updates * len(self.lanes)


def make_plan(config: Any) -> Plan:
    """Reads the corpus and decides all that follows; ``InputError`` for what can't be used."""
    read = read_config(config)
    return plan_of(read, prepare(read.data))


def prepare(data: DataConfig, section: str = "config.data") -> Prepared:
    """Reads the corpus that a section of the config describes, cuts it into folds, audits them.

    ``InputError`` for a table or folds that can't be used, or a leak that is not allowed.
    """
    if data.path:
        classes = CLASSES if data.classes is None else data.classes
        strict = data.classes is None
        corpus = read_corpus(data.path, classes, section, strict, data.missing)
        return prepared(corpus, data, section)
    rows, dim, seed = data.simulated_rows, data.simulated_features, data.simulated_seed
    corpus = simulated_corpus(rows=rows, dim=dim, seed=seed, section=section)
    return prepared(corpus, data, section)


def prepared(corpus: Corpus, data: DataConfig, section: str = "config.data") -> Prepared:
    """``prepare`` for a corpus that is there already."""
    folds = make_folds(corpus, data.folds, section, data.splits)
    digests = row_digests(corpus.features)
    leaks = audit(corpus, folds, digests)
    equal = note_of_equal_rows(corpus.features, digests, corpus.files, corpus.speakers)
    notes = filter(None, [*_rare_classes(corpus, folds), equal])
    corpus = replace(corpus, notes=(*corpus.notes, *notes))
    if not data.allow_leaks:
        way_around = f", or pass --{section}.allow_leaks=True for a banner in the report"
        refuse(f"corpus '{corpus.name}'", leaks, way_around)
    if data.statistics == "speaker":
        corpus = speaker_standardised(corpus, section)
    if data.statistics == "corpus":
        everything = np.arange(len(corpus.labels), dtype=np.int32)
        folds = tuple(replace(fold, scaled=everything) for fold in folds)
    return Prepared(corpus, digests, folds, leaks)


def _rare_classes(corpus: Corpus, folds: tuple[Fold, ...]) -> list[str]:
    """What to say of classes with few rows in the training part of a fold."""
    parts = [
        np.bincount(corpus.labels[fold.train], minlength=len(corpus.classes)) for fold in folds
    ]
    found = []
    for label, least in enumerate(np.min(parts, axis=0).tolist()):
        if least < FEW:
            fold = folds[int(np.argmin([part[label] for part in parts]))].index
            rows = f"{least} training row{'s' * (least != 1)} in fold {fold}"
            found.append(
                f"class '{corpus.classes[label]}' has but {rows}: too few to learn it from"
            )
    return found


def plan_of(
    config: RunConfig, source: Prepared, standardisers: tuple[Standardiser, ...] | None = None
) -> Plan:
    """The plan of a run on a prepared corpus, its ``standardisers`` where known already."""
    corpus, folds, data = source.corpus, source.folds, config.data
    standardisers = standardisers or tuple(
        standardiser_of(corpus.features, fold, data.clip) for fold in folds
    )
    batches = math.ceil(max(len(fold.train) for fold in folds) / config.train.batch_size)
    trained = _folds_to_train(config.only_folds, folds)
    lanes = tuple((seed, fold) for seed in config.seeds for fold in trained)
    model = config.model.for_data(corpus.features.shape[1], len(corpus.classes))
    parts = ([values[f.train] for f in folds] for values in (corpus.labels, corpus.speakers))
    model = model.for_rows(*parts)
    given = corpus, source.digests, folds, source.leaks
    epochs = training_length(config.train, batches) if model.steps else 0
    svm = asdict(config.metrics)
    along = svm.pop("along")
    fid = FidProtocol(net_seeds=tuple(range(svm.pop("fid_nets"))), device=svm["device"])
    judges = {"classifiers": svm.pop("classifiers")}
    return Plan(
        *given,
        config=config,
        identity=_identity(config, source, lanes),
        standardisers=standardisers,
        lanes=lanes,
        learner=learner_of(model, config, batches),
        epochs=epochs,
        along=points_along(along, epochs),
        protocol=EvaluationProtocol(
            svm=SvmProtocol(**svm),
            fid=fid,
            clip=data.clip,
            reference_rows=config.sample.rows,
            **judges,
        ),
    )


def learner_of(model: Model, config: RunConfig, batches: int) -> Learner:
    """How a model, whose dimensions are known, learns in epochs of so many batches."""
    train = config.train
    rule = partial(StepRule, optimiser=train.optimiser)
    rules = tuple(
        rule(**vars(train.steps[step.name]), every=train.d2_every if step.idles else 1)
        for step in model.steps
    )
    how = {"gain": train.gain, "clip": config.data.clip, "fresh_z": train.fresh_z}
    if train.average is not None:
        updates = training_length(train, batches) * batches
        how["average_from"] = updates - math.ceil(train.average * updates)
    return Learner(model, rules, train.batch_size, batches, **how)


def training_length(train: TrainConfig, batches: int) -> int:
    """``train.epochs``, or as many as hold ``train.updates`` batches, at least ``min_epochs``."""
    return train.epochs or max(train.min_epochs, math.ceil(train.updates / batches))


def points_along(points: int, epochs: int) -> tuple[int, ...]:
    """At most so many numbers of epochs (from 1), evenly spaced in their logarithm."""
    if not points or not epochs:
        return ()
    return tuple(np.unique(np.geomspace(1, epochs, points).round().astype(int)).tolist())


def _folds_to_train(only: tuple[int, ...], folds: tuple[Fold, ...]) -> tuple[int, ...]:
    known = [fold.index for fold in folds]
    if len(set(only)) < len(only):
        raise InputError(f"config.only_folds={list(only)}: a fold stands there twice; name it once")
    for index in [index for index in only if index not in known]:
        there = f"{known[0]} to {known[-1]}"
        raise InputError(f"config.only_folds: no fold {index}; the folds are {there}")
    return tuple(only or known)


def _identity(
    config: RunConfig, source: Prepared, lanes: tuple[tuple[int, int], ...]
) -> dict[str, Any]:
    """What makes this run this run: not where the corpus lies, nor how lanes run on a machine."""
    values, data = config.written, config.data
    corpus = describe(source.corpus) | {
        "statistics": data.statistics,
        "licence": data.licence or source.corpus.licence or "not stated",
        "leaks": as_json(source.leaks),
    }
    apart = {"data": ("path",), "train": ("strategy", "tensorboard")}
    counts = {k: {n: v for n, v in values[k].items() if n not in apart[k]} for k in apart}
    hashed = {"config": that_counts({**values, **counts}), "corpus": corpus["hash"], "lanes": lanes}
    return {
        "format": 1,
        "config_hash": digest(hashed),
        "config": values,
        "corpus": corpus,
        "lanes": [list(lane) for lane in lanes],
    }
