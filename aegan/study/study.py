"""A study: two corpora, the runs of the models on the first, its parts, and its files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from aegan.data.corpus import Corpus
from aegan.data.folds import Fold, Standardiser, fit_standardiser
from aegan.data.parquet import write_frame
from aegan.errors import InputError
from aegan.metrics.evaluate import EvaluationProtocol
from aegan.metrics.intervals import corrected_estimate
from aegan.run import stages
from aegan.run.plan import Plan, Prepared, plan_of
from aegan.run.workdir import Workdir
from aegan.sampling.rows import Rows
from aegan.study.config import StudyConfig
from aegan.study.parts import FIRST_HALF, Part, make_halves
from aegan.tables.synthetic import read_synthetic

T = TypeVar("T")


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

    def record(self, task: str) -> Path:
        """What a finished task left."""
        return self.root / "tasks" / f"{task}.json"

    def table(self, name: str) -> Path:
        """Points of a scatter plot that a task left."""
        return self.root / "tasks" / f"{name}.parquet"

    def run(self, model: str) -> Workdir:
        """A cross-validation run, a model's or another, as ``experiments.run`` leaves it."""
        return Workdir(self.root / "runs" / model)

    def training(self, task: str) -> Workdir:
        """Where the generators of a task train; gone when the task is finished."""
        return Workdir(self.root / "training" / task)

    def encoders(self, model: str) -> Path:
        """Those of a cross-validation run."""
        return self.root / "encoders" / model

    def encoder(self, model: str, seed: int, fold: int) -> Path:
        """The encoder of a cross-validation lane."""
        return self.encoders(model) / f"seed{seed}-fold{fold}.npz"

    def generator(self, model: str, seed: int, part: Part) -> Path:
        """The generator trained on a part of the source."""
        return self.root / "generators" / model / f"{part.key}-seed{seed}.npz"


@dataclass(frozen=True, eq=False)
class Study:
    """Everything a study is; the same config and corpora give the same study in any process."""

    config: StudyConfig
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
        return self.config.seeds

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models; the first one is Fig. 6's for every number of rows."""
        return self.config.models

    @property
    def encoders(self) -> tuple[str, ...]:
        """The models that have codes."""
        return tuple(m for m in self.models if hasattr(self.plans[m].learner.model, "encode"))

    def settings(self, experiment: str) -> Any:
        """An experiment's own section of the config."""
        return self.config.settings[experiment]

    @cached_property
    def plans(self) -> dict[str, Plan]:
        """Per run its cross-validation, the very plan that ``experiments.run`` makes."""
        return self._plans(self.prepared, self.config.runs)

    @cached_property
    def halves(self) -> tuple[Part, ...]:
        """Parts of the source that the fidelity experiment trains on."""
        return make_halves(self.source, self.settings("fidelity").halves)

    @cached_property
    def every_part(self) -> tuple[Part, ...]:
        """All that a generator may be trained on beside the cross-validation."""
        return (*self.parts, *self.halves)

    @cached_property
    def part_plans(self) -> dict[str, Plan]:
        """Per model a run whose folds are ``every_part``: no row is held out."""
        none = np.zeros(0, np.int32)
        first = len(self.folds)  # numbers that no fold of the cross-validation has
        numbers = [*range(first, first + len(self.parts))]
        numbers += [FIRST_HALF + part.replicate for part in self.halves]
        folds = tuple(
            Fold(number, part.rows, none, (), part.words)
            for number, part in zip(numbers, self.every_part, strict=True)
        )
        parts = Prepared(self.source, self.prepared.digests, folds, ())
        return self._plans(parts, self.models)

    def _plans(self, prepared: Prepared, names: Iterable[str]) -> dict[str, Plan]:
        """Runs by their names; the statistics of the folds are the same for all."""
        plans: dict[str, Plan] = {}
        for name in names:
            known = next(iter(plans.values())).standardisers if plans else None
            plans[name] = plan_of(self.config.runs[name], prepared, known)
        return plans

    @property
    def protocol(self) -> EvaluationProtocol:
        """How rows are measured; the same for all models."""
        return self.plans[self.models[0]].protocol

    def fold(self, index: int) -> Fold:
        """The fold of the cross-validation with that number."""
        (found,) = (fold for fold in self.folds if fold.index == index)
        return found

    def plotted_fold(self) -> int:
        """Number of the fold whose rows Figs. 4 and 5 show.

        Raises:
            InputError: there is no such fold.
        """
        plotted, folds = self.settings("embedding").fold, [fold.index for fold in self.folds]
        if plotted not in folds:
            raise InputError(
                f"config.embedding.fold={plotted}: there is no such fold; there are "
                f"{', '.join(map(str, folds))}"
            )
        return plotted

    def part_fold(self, part: Part) -> Fold:
        """The fold of ``part_plans`` that a part is."""
        return self.part_plans[self.models[0]].folds[self.every_part.index(part)]

    def standardiser(self, fold: int) -> Standardiser:
        """Statistics of the training part of a cross-validation fold."""
        places = [f.index for f in self.folds]
        return self.plans[self.models[0]].standardisers[places.index(fold)]

    def statistics(self, corpus: Corpus, rows: np.ndarray | None = None) -> Standardiser:
        """Statistics of some rows of a corpus, of all of them without ``rows``."""
        rows = np.arange(len(corpus.labels)) if rows is None else rows
        return fit_standardiser(corpus.features, rows, self.config.source.clip)

    @cached_property
    def source_standardiser(self) -> Standardiser:
        """Statistics of the whole source."""
        return self.statistics(self.source)

    @cached_property
    def target_standardiser(self) -> Standardiser:
        """Statistics of the whole target, its labels unseen (transductive)."""
        return self.statistics(self.target)

    def diverged(self, model: str, seed: int, fold: int) -> bool:
        """Whether a cross-validation lane has no rows worth measuring."""
        lanes = self._read(model, lambda: stages.trained_lanes(self.dir.run(model)))
        (lane,) = (lane for lane in lanes if (lane["seed"], lane["fold"]) == (seed, fold))
        return lane["status"] == "diverged"

    def synthetic(self, model: str, seed: int, fold: int) -> Rows | None:
        """Rows of a cross-validation lane in raw units, labels by the source's classes.

        None where the lane diverged, as in Tables 2 and 3, or a cell is not finite.
        """
        if self.diverged(model, seed, fold):
            return None
        path = self.dir.run(model).synthetic({"seed": seed, "fold": fold})
        table = self._read(model, lambda: read_synthetic(path))
        places = np.array([self.source.classes.index(c) for c in table.classes], np.int32)
        finite = np.isfinite(table.features).all()
        return (table.features, places[table.labels]) if finite else None

    def _read(self, model: str, read: Callable[[], T]) -> T:
        """What a run's training left; made again from its checkpoint if it came to harm."""
        try:
            return read()
        except InputError:
            stages.train(self.plans[model], self.dir.run(model))
            return read()

    @cached_property
    def _test_to_train(self) -> float:
        """Held-out rows over training rows, mean over the folds."""
        return float(np.mean([len(fold.valid) / len(fold.train) for fold in self.folds]))

    def over_folds(
        self, values: Sequence[float | None], less: Sequence[float | None] | None = None
    ) -> dict[str, Any]:
        """Mean and corrected interval of a value per fold, or of what it is above another's."""
        if less is not None:
            values = differences(values, less)
        return corrected_estimate(values, self._test_to_train)

    def keep_points(self, name: str, frames: Sequence[pd.DataFrame]) -> None:
        """Writes the points of a scatter plot, a frame per group, to ``dir.table(name)``."""
        write_frame(self.dir.table(name), pd.concat(frames, ignore_index=True))


def differences(
    first: Sequence[float | None], second: Sequence[float | None]
) -> list[float | None]:
    """``first - second``, None where either is."""
    pairs = zip(first, second, strict=True)
    return [None if None in pair else pair[0] - pair[1] for pair in pairs]
