"""Cross-validation of a generator on a corpus, and all metrics of it."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from aegan.data.corpus import Corpus
from aegan.errors import InputError
from aegan.estimators.generators import GeneratorEstimator, load, training
from aegan.report.tables import text_table
from aegan.run import stages
from aegan.run.plan import Plan, plan_of, prepared
from aegan.run.workdir import Workdir
from aegan.system.cache import references_dir
from aegan.system.files import read_json
from aegan.system.screen import quiet


@dataclass(frozen=True, eq=False)
class Runs:
    """What ``cross_validate`` trained: a lane for every seed and fold, in a folder of a run."""

    plan: Plan
    folder: Path
    _keep: Any = field(default=None, repr=False)  # of a folder that goes with this value

    @cached_property
    def lanes(self) -> pd.DataFrame:
        """What came of each lane, a row each: seed, fold, status, ..."""
        return pd.DataFrame(Workdir(self.folder).record()["lanes"])

    def generator(self, fold: int | None = None, seed: int | None = None) -> GeneratorEstimator:
        """The generator of a lane; without fold and seed the first that is sound."""
        return load(self.folder, fold, seed)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What ``evaluate`` found; printed, it is the table that the command prints."""

    results: dict[str, Any]  # as results.json holds it

    def frame(self) -> pd.DataFrame:
        """The metrics as a table: a row per generator (the model first), mean over folds."""
        rows = {"model": self.results["metrics"], **self.results["references"]}
        means = {
            name: {metric: summary and summary["mean"] for metric, summary in values.items()}
            for name, values in rows.items()
        }
        return pd.DataFrame(means).T.astype(float)

    def lanes(self) -> pd.DataFrame:
        """The model's metrics lane by lane, by seed and fold."""
        where = pd.MultiIndex.from_frame(pd.DataFrame(self.results["lanes"])[["seed", "fold"]])
        values = {m: s["per_lane"] for m, s in self.results["metrics"].items() if s}
        return pd.DataFrame(values, index=where, dtype=float)

    def __str__(self) -> str:
        return text_table(self.results)


def cross_validate(
    estimator: GeneratorEstimator,
    corpus: Corpus,
    seeds: Sequence[int] = (0,),
    folder: str | Path | None = None,
) -> Runs:
    """Trains on every fold of a corpus with every seed, all lanes in one compiled call.

    The estimator gives the parameters and is not changed. ``folder`` is a run's, as
    ``experiments.run`` leaves it, where an interrupted call goes on; None: a temporary one, which
    goes with the result.

    >>> import aegan
    >>> corpus = aegan.simulated_corpus(rows=200, dim=40)
    >>> runs = aegan.cross_validate(aegan.M1(updates=20), corpus, seeds=(0, 1))
    >>> len(runs.lanes)
    10

    Raises:
        InputError: a parameter, corpus or folder that can't be used.
    """
    config = estimator.run_config(seeds)
    plan = plan_of(config, prepared(corpus, config.data))
    keep = None if folder else tempfile.TemporaryDirectory(prefix="aegan-")
    workdir = Workdir(Path(folder or keep.name))
    workdir.check(plan.identity, plan.corpus.contract)
    with (
        workdir.claimed(plan.identity, plan.corpus.contract),
        training(estimator, plan) as strategy,
    ):
        stages.train(plan, workdir, strategy=strategy)
    return Runs(plan, workdir.root, keep)


def evaluate(runs: Runs, corpus: Corpus | None = None) -> Evaluation:
    """All metrics of a cross-validation, beside real rows and trivial generators.

    >>> import aegan
    >>> corpus = aegan.simulated_corpus(rows=200, dim=40)
    >>> short = aegan.M1(updates=20, overrides={"sample.rows": 300})
    >>> runs = aegan.cross_validate(short, corpus)
    >>> found = aegan.evaluate(runs, corpus)
    >>> "tstr_set2" in found.frame()
    True

    Raises:
        InputError: ``corpus`` is not the one that was trained on.
    """
    if corpus is not None and corpus.contract != runs.plan.corpus.contract:
        raise InputError("evaluate: runs of a corpus with other features; give that one")
    workdir = Workdir(runs.folder)
    with quiet(True):
        stages.evaluate_run(runs.plan, workdir, references_dir(), "aegan.evaluate(runs)")
    return Evaluation(read_json(workdir.results))
