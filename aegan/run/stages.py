"""The stages of a run: train (and sample), evaluate, report.

Each reads what the one before wrote into the workdir and is skipped if it has finished.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd

import aegan
from aegan.data.audit import Leak, as_json, audit_generator, refuse, title_of
from aegan.data.contract import check_same
from aegan.data.folds import Fold, Standardiser
from aegan.data.plausibility import confirmed
from aegan.errors import InputError
from aegan.learning.schedule import FEATURE_DISCRIMINATOR, Lane, LaneState, loss_names
from aegan.metrics.evaluate import evaluate
from aegan.models.networks import Params
from aegan.report.paper import paper_figures
from aegan.report.run import write_report
from aegan.run import sentinel
from aegan.run.plan import Plan
from aegan.run.workdir import Workdir
from aegan.sampling.generator import (
    Generator,
    constant_columns,
    load_generator,
    networks_of_a_draw,
    save_generator,
)
from aegan.sampling.rows import sample, sampling_key
from aegan.system.files import read_json, replacing, write_json
from aegan.system.screen import bar, say
from aegan.tables.synthetic import read_passport, write_synthetic
from aegan.training import checkpoints, hosts, lanes
from aegan.training.job import Job
from aegan.training.loop import train_lanes
from aegan.training.strategy import choose

LOOKED_AT = 20_000  # training rows that a lane's health and plausibility are judged by
PACKAGES = (
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "orbax-checkpoint",
    "numpy",
    "scipy",
    "scikit-learn",
    "pandas",
    "pyarrow",
)


def train(plan: Plan, workdir: Workdir, keep_rows: bool = True) -> None:
    """Trains all lanes, from the last checkpoint if there is one, and writes their rows.

    Without ``keep_rows`` the generators are written, but no table of synthetic rows.
    """
    # On several hosts the first alone reads and writes files.
    if hosts.agree(hosts.settle(lambda: hosts.is_first() and _is_trained(workdir, keep_rows))):
        say("train: finished before")
        hosts.leave()
        return
    strategy = strategy_of(plan)
    where = device(plan, strategy)
    trained = _train_lanes(plan, workdir, strategy)
    hosts.leave()
    if not hosts.is_first():
        return
    started = time.perf_counter()
    records = _write_lanes(plan, workdir, trained, keep_rows)
    _write_losses(plan, workdir, trained.history, records)
    write_json(
        workdir.train_record,
        {
            "lanes": records,
            "training": {
                "epochs": plan.epochs,
                "batches_per_epoch": plan.schedule.batches,
                "updates": plan.epochs * plan.schedule.batches,
                "batch_size": plan.schedule.batch_size,
                "d2_every": plan.schedule.d2_every,
            },
            "timing": {
                "train_s": round(trained.seconds, 2),
                "sample_s": round(time.perf_counter() - started, 2),
            },
            "device": where,
        },
    )


def trained_lanes(workdir: Workdir) -> list[dict[str, Any]]:
    """The lane records of a finished training."""
    return read_json(workdir.train_record)["lanes"]


def _is_trained(workdir: Workdir, keep_rows: bool) -> bool:
    """Whether training is finished and all that it writes is there."""
    if not workdir.train_record.exists():
        return False
    written = (workdir.generator, workdir.synthetic) if keep_rows else (workdir.generator,)
    paths = [path(lane) for lane in trained_lanes(workdir) for path in written]
    return workdir.losses.exists() and all(path.exists() for path in paths)


def trained_state(plan: Plan, workdir: Workdir) -> LaneState:
    """The states of all lanes at the end of a finished training, from its last checkpoint.

    Raises:
        InputError: no checkpoint is there, or not that of the end.
    """
    stacked, names = _stacked(plan), loss_names(plan.learner.model)
    with checkpoints.open_keeper(workdir.checkpoints, _meta(plan), stacked.key, names) as keeper:
        found = keeper.restore(jax.eval_shape(lanes.init_lanes, plan.learner, stacked))
    if found is None or found.epochs < plan.epochs:
        raise InputError(
            f"{workdir.checkpoints}: no checkpoint of the last epoch; delete "
            f"{workdir.train_record} and run the train stage again"
        )
    return found.state


def _stacked(plan: Plan) -> Lane:
    return lanes.make_lanes(
        plan.folds, plan.standardisers, plan.lanes, plan.largest_train, plan.largest_valid
    )


def _meta(plan: Plan) -> dict[str, Any]:
    """What a checkpoint belongs to."""
    return {
        "features": list(plan.corpus.contract.names),
        "feature_set": plan.corpus.contract.feature_set,
        "corpus_hash": plan.corpus.hash,
        "config_hash": plan.identity["config_hash"],
    }


def _train_lanes(plan: Plan, workdir: Workdir, strategy: str) -> checkpoints.Checkpoint:
    stacked = _stacked(plan)
    job = Job(plan.learner, plan.schedule, lanes.make_table(plan.corpus), stacked)
    losses = loss_names(plan.learner.model)
    names = [f"seed {seed}, fold {fold}" for seed, fold in plan.lanes]
    every = plan.config["train"]["checkpoint_seconds"]
    with checkpoints.open_keeper(workdir.checkpoints, _meta(plan), stacked.key, losses) as keeper:
        return train_lanes(job, strategy, keeper, plan.epochs, every, names)


def strategy_of(plan: Plan) -> str:
    """How the lanes of a plan run on this machine."""
    return choose(plan.config["train"]["strategy"], len(plan.lanes), plan.flops)


def _write_lanes(
    plan: Plan, workdir: Workdir, trained: checkpoints.Checkpoint, keep_rows: bool
) -> list[dict[str, Any]]:
    """Samples every lane, looks at its health, writes generator and rows; returns the records."""
    records = []
    by_index = {fold.index: i for i, fold in enumerate(plan.folds)}
    for i, (seed, fold_index) in enumerate(plan.lanes):
        fold, stats = plan.folds[by_index[fold_index]], plan.standardisers[by_index[fold_index]]
        state = lanes.lane_of(trained.state, i)
        passport = _passport(plan, seed, fold)
        generator = _generator(plan, fold, stats, jax.device_get(state.params), passport)
        key = sampling_key(lanes.lane_key(seed, fold_index))
        raw, labels = sample(generator, key, plan.config["sample"]["rows"])
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
        records.append(
            {
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
        )
        generator = replace(generator, passport=passport | {"status": status})
        save_generator(workdir.generator(records[-1]), generator)
        if keep_rows:
            write_synthetic(
                workdir.synthetic(records[-1]),
                [(raw, labels)],
                generator.classes,
                generator.contract,
                generator.passport,
                finite=False,
            )
        if status != "ok":
            say(f"seed {seed}, fold {fold_index}: {status}, {detail}")
    return records


def _generator(
    plan: Plan, fold: Fold, stats: Standardiser, params: Params, passport: Mapping[str, Any]
) -> Generator:
    return Generator(
        nets=plan.learner.nets,
        prior=plan.schedule.prior,
        params=networks_of_a_draw(params),
        gain=plan.schedule.gain,
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
        "variant": plan.config["variant"],
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


def _write_losses(
    plan: Plan, workdir: Workdir, history: np.ndarray, records: list[dict[str, Any]]
) -> None:
    """losses.parquet: a row per lane, epoch and split, a column per loss."""
    names = loss_names(plan.learner.model)
    frames = []
    for i, lane in enumerate(records):
        for s, split in enumerate(("train", "valid")):
            frame = pd.DataFrame(history[: lane["last_good_epoch"] + 1, s, i], columns=list(names))
            frame = frame.replace([np.inf, -np.inf], np.nan)
            frame.insert(0, "seed", lane["seed"])
            frame.insert(1, "fold", lane["fold"])
            frame.insert(2, "epoch", np.arange(1, len(frame) + 1))
            frame.insert(3, "split", split)
            if split == "train" and FEATURE_DISCRIMINATOR in names:
                # A diverged lane's later epochs were thrown away; D2 has none where it sat out.
                out = frame["epoch"].sub(1) % plan.schedule.d2_every != 0
                frame.loc[out, FEATURE_DISCRIMINATOR] = np.nan
            frames.append(frame)
    with replacing(workdir.losses) as temporary:
        pd.concat(frames).to_parquet(temporary, index=False)


def evaluate_run(
    plan: Plan, workdir: Workdir, cache_dir: Path | None, command: str, jobs: int | None = None
) -> None:
    """All metrics of a trained run: results.json, which quotes the ``command``.

    ``jobs`` is the number of threads; None takes the machine's cores.
    """
    if workdir.results.exists():
        say("evaluate: finished before")
        return
    record = read_json(workdir.train_record)
    leaks = _audit_lanes(plan, workdir, record["lanes"])
    known = plan.identity["corpus"]
    corpus = {**known, "leaks": [*known["leaks"], *as_json(leaks)]}
    started = time.perf_counter()
    progress = None

    def on_progress(what: str, done: int, total: int) -> None:
        nonlocal progress
        if progress is None:
            progress = bar(total, "evaluate", "task")
        progress.set_postfix_str(what, refresh=False)
        progress.update(done - progress.n)

    measured = evaluate(
        plan.corpus,
        plan.folds,
        record["lanes"],
        workdir.synthetic,
        plan.protocol,
        cache_dir,
        jobs,
        progress=on_progress,
    )
    if progress is not None:
        progress.close()
    timing = {**record["timing"], "evaluate_s": round(time.perf_counter() - started, 2)}
    model = plan.learner.model
    write_json(
        workdir.results,
        {
            "format": 1,
            "model": model.name,
            "variant": plan.config["variant"],
            "title": model.title,
            "command": command,
            "corpus": corpus,
            **{name: plan.identity[name] for name in ("config", "config_hash")},
            "versions": versions(),
            "device": record["device"],
            "timing": timing,
            "training": record["training"],
            "folds": [
                {
                    "fold": fold.index,
                    "name": fold.name,
                    "held_out": list(fold.held_out),
                    "train_rows": len(fold.train),
                    "valid_rows": len(fold.valid),
                }
                for fold in plan.folds
            ],
            "lanes": record["lanes"],
            **measured,
            "paper": paper_figures(model.name),
        },
    )


def _audit_lanes(plan: Plan, workdir: Workdir, records: list[dict[str, Any]]) -> list[Leak]:
    """Looks at whose generators and rows the lanes are, and at what the generators were trained on.

    Raises:
        InputError: another lane's or run's file, other features, or a generator that saw a row of
            its fold's test part (with config.data.allow_leaks it is returned instead).
    """
    by_index = {fold.index: fold for fold in plan.folds}
    known = {leak.fold for leak in plan.leaks if leak.kind in ("duplicate", "training row")}
    leaks: list[Leak] = []
    for lane in records:
        path, fold = workdir.generator(lane), by_index[lane["fold"]]
        test = fold.valid
        generator = load_generator(path)
        check_same(str(path), generator.contract, plan.corpus.name, plan.corpus.contract)
        expected = {
            "run_hash": plan.identity["config_hash"],
            "seed": lane["seed"],
            "fold": lane["fold"],
        }
        table = workdir.synthetic(lane)
        for place, passport in ((path, generator.passport), (table, read_passport(table))):
            for name, value in expected.items():
                if str(passport.get(name)) != str(value):
                    raise InputError(
                        f"{place}: its {name} is {passport.get(name)}, not {value}: it belongs to "
                        "another lane or run; delete it and run the train stage again"
                    )
        files = plan.corpus.files[test]
        found = audit_generator(generator.trained_on, plan.digests[test], files, title_of(fold))
        if not plan.config["data"]["allow_leaks"]:
            refuse(str(path), found)
        elif title_of(fold) not in known:
            leaks += found
    return leaks


def report(workdir: Workdir) -> Path:
    """report.md, report.html and figures/ from results.json and losses.parquet."""
    return write_report(workdir.root)


def versions() -> dict[str, str]:
    """Versions of everything that the numbers depend on."""
    return {
        "aegan": aegan.__version__,
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
    }


def device(plan: Plan, strategy: str) -> dict[str, Any]:
    """Where training ran, in which precision and how its lanes ran."""
    first = jax.devices()[0]
    return {
        "platform": first.platform,
        "kind": first.device_kind,
        "count": jax.device_count(),
        "matmul_precision": plan.config["train"]["matmul_precision"],
        "hosts": jax.process_count(),
        "strategy": strategy,
    }


def read_results(workdir: Workdir) -> dict[str, Any]:
    """results.json."""
    return read_json(workdir.results)
