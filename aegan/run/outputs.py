"""What a trained lane leaves: its record, its generator, its synthetic rows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

import aegan
from aegan.data.folds import Fold, Standardiser
from aegan.data.plausibility import confirmed
from aegan.errors import InputError
from aegan.learning.schedule import LaneState
from aegan.run import sentinel
from aegan.run.plan import Plan
from aegan.run.workdir import Workdir, open_generator
from aegan.sampling.generator import (
    Generator,
    constant_columns,
    flat_arrays,
    nested_arrays,
    params_of_rows,
    save_generator,
)
from aegan.sampling.rows import Rows, sample, sampling_key
from aegan.speakers.margins import Margins, fit_margins
from aegan.speakers.offsets import Offsets
from aegan.system.files import read_npz, whole, write_npz
from aegan.system.screen import say
from aegan.tables.synthetic import belongs, write_synthetic
from aegan.training import hosts, lanes
from aegan.training.checkpoints import Checkpoint

_OF = "of"  # of which lane, run and epoch kept weights are, among their arrays
LOOKED_AT = 20_000  # training rows that a lane's health and plausibility are judged by


@dataclass(frozen=True, eq=False)
class TrainedLane:
    """A lane at the end of its training."""

    record: dict[str, Any]  # as train.json holds it
    generator: Generator
    rows: Rows  # synthetic, in raw units


def trained_lanes(plan: Plan, trained: Checkpoint) -> Iterator[TrainedLane]:
    """Samples every lane and looks at its health."""
    by_index = {pair[0].index: pair for pair in zip(plan.folds, plan.standardisers, strict=True)}
    corpus = plan.corpus
    for i, (seed, fold_index) in enumerate(plan.lanes):
        fold, stats = by_index[fold_index]
        state = lanes.lane_of(trained.state, i)
        seen = _some(plan, fold)
        generator = Generator(
            model=plan.learner.model,
            params=params_of_rows(plan.learner.model, jax.device_get(state.weights)),
            gain=plan.learner.gain,
            standardiser=stats,
            constant=constant_columns(corpus.features, fold.train),
            classes=corpus.classes,
            contract=corpus.contract,
            trained_on=plan.digests[fold.train],
            rules=confirmed(corpus.feature_names, corpus.features[seen]),
            passport={},
            offsets=Offsets.of(plan.rows[fold_index].effects),
            margins=_margins(plan, seen, stats) if plan.learner.model.margins else None,
        )
        key = sampling_key(lanes.lane_key(seed, fold_index))
        raw, labels = sample(generator, key, plan.config.sample.rows)
        real = stats.to_z(corpus.features[seen]), corpus.labels[seen], corpus.classes
        collapse = sentinel.check_collapse(stats.to_z(raw), labels, *real)
        failed = int(state.diverged)
        status, detail = "collapsed" if collapse.reason else "ok", collapse.reason
        if status == "ok" and plan.learner.model.margins:
            detail = plan.rows[fold_index].effects.words  # what the design identifies
        if failed:
            status, detail = "diverged", f"a loss or parameter was not finite in epoch {failed}"
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
        passport = _passport(plan, seed, fold) | {"status": status}
        yield TrainedLane(record, replace(generator, passport=passport), (raw, labels))


def write_lanes(
    plan: Plan, workdir: Workdir, trained: Checkpoint, keep_rows: bool
) -> list[dict[str, Any]]:
    """Writes every lane's generator and, if they are to be kept, rows; returns the records."""
    records = []
    for lane in trained_lanes(plan, trained):
        record, made = lane.record, lane.generator
        save_generator(workdir.generator(record), made)
        if keep_rows:
            path, what = workdir.synthetic(record), (made.classes, made.contract, made.passport)
            write_synthetic(path, [lane.rows], *what, finite=False)
        if record["status"] != "ok":
            said = f"{record['status']}, {record['detail']}"
            say(f"seed {record['seed']}, fold {record['fold']}: {said}")
        records.append(record)
    return records


def write_weights(plan: Plan, workdir: Workdir, epoch: int, state: LaneState) -> None:
    """Keeps the weights that rows are made with, after an epoch, of every lane that is well."""
    if not hosts.is_first():
        return
    for i, (seed, fold) in enumerate(plan.lanes):
        lane = lanes.lane_of(state, i)
        if not lane.diverged:
            of = {"seed": seed, "fold": fold, "run_hash": plan.identity["config_hash"]}
            arrays = flat_arrays(params_of_rows(plan.learner.model, lane.weights), "params")
            arrays[_OF] = np.array(json.dumps(of | {"epoch": epoch}))
            write_npz(workdir.weights(of, epoch), arrays)


def rows_along(
    plan: Plan, workdir: Workdir, rows: int, lane: Mapping[str, Any], epoch: int
) -> Rows | None:
    """Rows, raw, of a lane after an epoch of ``plan.along``, the first that it would give.

    None if it had gone wrong by then. ``InputError``: its weights are lost, or another run's.
    """
    generator = open_generator(workdir, lane)
    if lane["last_good_epoch"] < epoch:
        return None
    if epoch < plan.epochs:
        path, mend = workdir.weights(lane, epoch), f"delete {workdir.root} to train anew"
        try:
            with whole(path, mend):
                arrays = read_npz(path)
                of = json.loads(str(arrays.pop(_OF)))
                if of["epoch"] != epoch:
                    raise ValueError(f"of epoch {of['epoch']}")
                generator = replace(generator, params=nested_arrays(arrays))
        except FileNotFoundError:
            raise InputError(f"{path}: no such file; {mend}") from None
        belongs(path, of, lane, plan.identity["config_hash"])
    key = sampling_key(lanes.lane_key(lane["seed"], lane["fold"]))
    return sample(generator, key, rows)


def _some(plan: Plan, fold: Fold) -> np.ndarray:
    """Training rows to look at: all, or as many of each class, for whole tables cost memory."""
    labels = plan.corpus.labels[fold.train]
    share = LOOKED_AT // len(plan.corpus.classes)
    chosen = [fold.train[labels == label] for label in range(len(plan.corpus.classes))]
    return np.sort(np.concatenate([rows[:: max(1, -(-len(rows) // share))] for rows in chosen]))


def _margins(plan: Plan, rows: np.ndarray, stats: Standardiser) -> Margins:
    names, classes = plan.corpus.feature_names, len(plan.corpus.classes)
    own = plan.corpus.features[rows], plan.corpus.labels[rows]
    return fit_margins(names, *own, classes, stats.scale)


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
