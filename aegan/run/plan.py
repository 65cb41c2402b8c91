"""A run before it runs: the config checked against the data, everything static decided.

``make_plan`` writes nothing; whatever is wrong with the input shows here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from aegan.data.audit import Leak, as_json, audit, refuse, row_digests
from aegan.data.corpus import Corpus, describe, read_corpus
from aegan.data.folds import (
    Fold,
    Standardiser,
    fit_standardiser,
    make_folds,
    speaker_standardised,
)
from aegan.data.simulate import simulated_corpus
from aegan.errors import InputError
from aegan.learning.cost import flops_per_update
from aegan.learning.steps import Learner, StepRule
from aegan.metrics.evaluate import EvaluationProtocol
from aegan.metrics.fid import FidProtocol
from aegan.metrics.svm import SvmProtocol
from aegan.models.model import Model
from aegan.run.config import DataConfig, RunConfig, TrainConfig, read_config
from aegan.system.files import digest


@dataclass(frozen=True, eq=False)
class Plan:
    """Everything a run is."""

    config: RunConfig
    identity: dict[str, Any]  # what config.json holds; its hash names the run
    corpus: Corpus
    digests: np.ndarray  # (rows,) uint64 of the rows as read
    folds: tuple[Fold, ...]
    leaks: tuple[Leak, ...]  # empty unless config.data.allow_leaks
    standardisers: tuple[Standardiser, ...]  # of each fold's training part
    lanes: tuple[tuple[int, int], ...]  # (seed, fold), seeds outermost
    learner: Learner
    epochs: int
    protocol: EvaluationProtocol

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
    """Reads the corpus and decides everything that follows from the config.

    Raises:
      InputError: a value of the config or of the data that can't be used.
    """
    read = read_config(config)
    return plan_of(read, prepare(read.data))


@dataclass(frozen=True, eq=False)
class Prepared:
    """A corpus ready for training: read, cut into folds, audited, standardised if asked for."""

    corpus: Corpus
    digests: np.ndarray  # (rows,) uint64 of the rows as read
    folds: tuple[Fold, ...]
    leaks: tuple[Leak, ...]


def prepare(data: DataConfig, section: str = "config.data") -> Prepared:
    """Reads the corpus that a section of the config describes, cuts it into folds, audits them.

    Raises:
      InputError: a table or folds that can't be used, or a leak that is not allowed.
    """
    if data.path:
        return prepared(read_corpus(data.path, data.classes, section), data, section)
    rows, dim, seed = data.simulated_rows, data.simulated_features, data.simulated_seed
    corpus = simulated_corpus(rows=rows, dim=dim, seed=seed, section=section)
    return prepared(corpus, data, section)


def prepared(corpus: Corpus, data: DataConfig, section: str = "config.data") -> Prepared:
    """``prepare`` for a corpus that is there already."""
    folds = make_folds(corpus, data.folds, section)
    digests = row_digests(corpus.features)
    leaks = audit(corpus, folds, digests)
    if not data.allow_leaks:
        way_around = f", or pass --{section}.allow_leaks=True for a banner in the report"
        refuse(f"corpus '{corpus.name}'", leaks, way_around)
    if data.statistics == "speaker":
        corpus = speaker_standardised(corpus, section)
    return Prepared(corpus, digests, folds, leaks)


def plan_of(
    config: RunConfig,
    source: Prepared,
    standardisers: tuple[Standardiser, ...] | None = None,
) -> Plan:
    """The plan of a run on a prepared corpus.

    ``standardisers`` are those of the folds' training parts where they are known already.
    """
    corpus, folds, data = source.corpus, source.folds, config.data
    standardisers = standardisers or tuple(
        fit_standardiser(corpus.features, fold.train, data.clip) for fold in folds
    )
    batches = math.ceil(max(len(fold.train) for fold in folds) / config.train.batch_size)
    described = describe(corpus) | {
        "statistics": data.statistics,
        "licence": data.licence or corpus.licence or "not stated",
        "leaks": as_json(source.leaks),
    }
    trained = _folds_to_train(config.only_folds, folds)
    lanes = tuple((seed, fold) for seed in config.seeds for fold in trained)
    model = config.model.for_data(corpus.features.shape[1], len(corpus.classes))
    return Plan(
        config=config,
        identity=_identity(config.written, described, lanes),
        corpus=corpus,
        digests=source.digests,
        folds=folds,
        leaks=source.leaks,
        standardisers=standardisers,
        lanes=lanes,
        learner=learner_of(model, config, batches),
        epochs=training_length(config.train, batches),
        protocol=_protocol(config),
    )


def learner_of(model: Model, config: RunConfig, batches: int) -> Learner:
    """How a model, whose dimensions are known, learns in epochs of so many batches."""
    train = config.train
    return Learner(
        model=model,
        rules=tuple(
            StepRule(
                train.steps[step.name].rate,
                train.steps[step.name].momentum,
                train.optimiser,
                train.d2_every if step.idles else 1,
            )
            for step in model.steps
        ),
        batch_size=train.batch_size,
        batches=batches,
        gain=train.gain,
        clip=config.data.clip,
        fresh_z=train.fresh_z,
    )


def training_length(train: TrainConfig, batches: int) -> int:
    """Epochs of training: a number of updates, so that it fits small and large tables alike.

    ``train.epochs`` where given; else as many epochs as hold ``train.updates`` batches, and
    ``train.min_epochs`` at least.
    """
    return train.epochs or max(train.min_epochs, math.ceil(train.updates / batches))


def _folds_to_train(only: tuple[int, ...], folds: tuple[Fold, ...]) -> tuple[int, ...]:
    known = [fold.index for fold in folds]
    if len(set(only)) < len(only):
        raise InputError(f"config.only_folds={list(only)}: a fold stands there twice; name it once")
    for index in only:
        if index not in known:
            raise InputError(
                f"config.only_folds: no fold {index}; the folds are {known[0]} to {known[-1]}"
            )
    return tuple(only or known)


def _protocol(config: RunConfig) -> EvaluationProtocol:
    metrics = config.metrics
    return EvaluationProtocol(
        svm=SvmProtocol(
            kernel=metrics.kernel,
            c_grid=metrics.c_grid,
            inner_folds=metrics.inner_folds,
            max_search_rows=metrics.max_search_rows,
            tie=metrics.tie,
        ),
        fid=FidProtocol(net_seeds=tuple(range(metrics.fid_nets))),
        clip=config.data.clip,
        reference_rows=config.sample.rows,
    )


def _identity(
    values: Mapping[str, Any], described: Mapping[str, Any], lanes: tuple[tuple[int, int], ...]
) -> dict[str, Any]:
    """What makes this run this run.

    The corpus counts by its content, not by where it lies, and training not by how its lanes run:
    a run may go on in another way, or on another machine.
    """
    data = {name: value for name, value in values["data"].items() if name != "path"}
    train = {name: value for name, value in values["train"].items() if name != "strategy"}
    config = {**values, "data": data, "train": train}
    hashed = {"config": config, "corpus": described["hash"], "lanes": lanes}
    return {
        "format": 1,
        "config_hash": digest(hashed),
        "config": values,
        "corpus": dict(described),
        "lanes": [list(lane) for lane in lanes],
    }
