"""What a trained lane leaves: its record, its generator, its synthetic rows, its losses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np
import pandas as pd

import aegan
from aegan.data.folds import Fold, Standardiser
from aegan.data.plausibility import confirmed
from aegan.learning.schedule import idle
from aegan.models.model import Params
from aegan.run import sentinel
from aegan.run.plan import Plan
from aegan.run.workdir import Workdir
from aegan.sampling.generator import Generator, constant_columns, params_of_rows, save_generator
from aegan.sampling.rows import Rows, sample, sampling_key
from aegan.system.files import replacing
from aegan.system.screen import say
from aegan.tables.synthetic import write_synthetic
from aegan.training import lanes
from aegan.training.checkpoints import Checkpoint

LOOKED_AT = 20_000  # training rows that a lane's health and plausibility are judged by


@dataclass(frozen=True, eq=False)
class TrainedLane:
    """A lane at the end of its training."""

    record: dict[str, Any]  # as train.json holds it
    generator: Generator
    rows: Rows  # synthetic, in raw units


def trained_lanes(plan: Plan, trained: Checkpoint) -> Iterator[TrainedLane]:
    """Samples every lane and looks at its health."""
    by_index = {fold.index: i for i, fold in enumerate(plan.folds)}
    for i, (seed, fold_index) in enumerate(plan.lanes):
        fold, stats = plan.folds[by_index[fold_index]], plan.standardisers[by_index[fold_index]]
        state = lanes.lane_of(trained.state, i)
        passport = _passport(plan, seed, fold)
        generator = _generator(plan, fold, stats, jax.device_get(state.params), passport)
        key = sampling_key(lanes.lane_key(seed, fold_index))
        raw, labels = sample(generator, key, plan.config.sample.rows)
        seen = _some(plan, fold)
        collapse = sentinel.check_collapse(
            stats.to_z(raw),
            labels,
            stats.to_z(plan.corpus.features[seen]),
            plan.corpus.labels[seen],
            plan.corpus.classes,
        )
        failed = int(state.diverged)
        status, detail = "ok", None
        if failed:
            status, detail = "diverged", f"a loss or parameter was not finite in epoch {failed}"
        elif collapse.reason:
            status, detail = "collapsed", collapse.reason
        good = failed - 1 if failed else plan.epochs
        record = {
            "seed": seed,
            "fold": fold_index,
            "status": status,
            "detail": detail,
            "epochs": plan.epochs,
            "last_good_epoch": good,
            "convergence": sentinel.convergence(trained.history[:good, 0, i]),
            "variance_ratio_check": collapse.variance_ratio,
            "classes_missing": list(collapse.classes_missing),
        }
        generator = replace(generator, passport=passport | {"status": status})
        yield TrainedLane(record, generator, (raw, labels))


def write_lanes(
    plan: Plan, workdir: Workdir, trained: Checkpoint, keep_rows: bool
) -> list[dict[str, Any]]:
    """Writes every lane's generator and, if they are to be kept, rows; returns the records."""
    records = []
    for lane in trained_lanes(plan, trained):
        record, generator = lane.record, lane.generator
        save_generator(workdir.generator(record), generator)
        if keep_rows:
            write_synthetic(
                workdir.synthetic(record),
                [lane.rows],
                generator.classes,
                generator.contract,
                generator.passport,
                finite=False,
            )
        if record["status"] != "ok":
            say(
                f"seed {record['seed']}, fold {record['fold']}: {record['status']}, "
                f"{record['detail']}"
            )
        records.append(record)
    return records


def _generator(
    plan: Plan, fold: Fold, stats: Standardiser, params: Params, passport: dict[str, Any]
) -> Generator:
    return Generator(
        model=plan.learner.model,
        params=params_of_rows(plan.learner.model, params),
        gain=plan.learner.gain,
        standardiser=stats,
        constant=constant_columns(plan.corpus.features, fold.train),
        classes=plan.corpus.classes,
        contract=plan.corpus.contract,
        trained_on=plan.digests[fold.train],
        rules=confirmed(plan.corpus.feature_names, plan.corpus.features[_some(plan, fold)]),
        passport=passport,
    )


def _some(plan: Plan, fold: Fold) -> np.ndarray:
    """Training rows to look at: all, or as many of each class, for whole tables cost memory."""
    labels = plan.corpus.labels[fold.train]
    share = LOOKED_AT // len(plan.corpus.classes)
    chosen = [fold.train[labels == label] for label in range(len(plan.corpus.classes))]
    return np.sort(np.concatenate([rows[:: max(1, -(-len(rows) // share))] for rows in chosen]))


def _passport(plan: Plan, seed: int, fold: Fold) -> dict[str, Any]:
    """What every synthetic row of a lane can be asked for."""
    corpus = plan.identity["corpus"]
    return {
        "model": plan.learner.model.name,
        "variant": plan.config.variant,
        "run_hash": plan.identity["config_hash"],
        "seed": seed,
        "fold": fold.index,
        "held_out": list(fold.held_out),
        "corpus": corpus["name"],
        "corpus_simulated": corpus["simulated"],
        "corpus_hash": corpus["hash"],
        "statistics": corpus["statistics"],
        "licence": corpus["licence"],
        "aegan": aegan.__version__,
    }


def write_losses(
    plan: Plan, workdir: Workdir, history: np.ndarray, records: list[dict[str, Any]]
) -> None:
    """losses.parquet: a row per lane, epoch and split, a column per loss."""
    names = [loss.name for loss in plan.learner.model.losses()]
    # A diverged lane's later epochs were thrown away; some losses are not had in every epoch.
    idles = np.array([idle(plan.learner, epoch) for epoch in range(len(history))])
    frames = []
    for i, lane in enumerate(records):
        for s, split in enumerate(("train", "valid")):
            kept = lane["last_good_epoch"] + 1
            frame = pd.DataFrame(history[:kept, s, i], columns=names)
            frame = frame.replace([np.inf, -np.inf], np.nan)
            if split == "train":
                frame = frame.mask(idles[:kept])
            frame.insert(0, "seed", lane["seed"])
            frame.insert(1, "fold", lane["fold"])
            frame.insert(2, "epoch", np.arange(1, len(frame) + 1))
            frame.insert(3, "split", split)
            frames.append(frame)
    with replacing(workdir.losses) as temporary:
        pd.concat(frames).to_parquet(temporary, index=False)
