"""The stages of a run: train (and sample), evaluate, report.

Each reads what the one before wrote into the workdir and is skipped if it has finished.
"""

from __future__ import annotations

import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax

import aegan
from aegan.data.audit import Leak, as_json, audit_generator, refuse, title_of
from aegan.data.contract import check_same
from aegan.errors import InputError
from aegan.learning.schedule import Lane, LaneState
from aegan.metrics.evaluate import evaluate
from aegan.report.paper import paper_figures
from aegan.report.run import write_report
from aegan.run.outputs import write_lanes, write_losses
from aegan.run.plan import Plan
from aegan.run.workdir import Workdir
from aegan.sampling.generator import (
    load_generator,
)
from aegan.system.files import read_json, write_json
from aegan.system.screen import bar, say
from aegan.tables.synthetic import read_passport
from aegan.training import checkpoints, hosts, lanes
from aegan.training.job import Job
from aegan.training.loop import train_lanes
from aegan.training.strategy import choose

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


def train(
    plan: Plan, workdir: Workdir, keep_rows: bool = True, strategy: str | None = None
) -> None:
    """Trains all lanes, from the last checkpoint if there is one, and writes their rows.

    Without ``keep_rows`` the generators are written, but no table of synthetic rows. ``strategy``
    is how the lanes run, where that is decided already.
    """
    # On several hosts the first alone reads and writes files.
    if hosts.agree(hosts.settle(lambda: hosts.is_first() and _is_trained(workdir, keep_rows))):
        say("train: finished before")
        hosts.leave()
        return
    strategy = strategy or strategy_of(plan)
    where = device(plan, strategy)
    trained = _train_lanes(plan, workdir, strategy)
    hosts.leave()
    if not hosts.is_first():
        return
    started = time.perf_counter()
    records = write_lanes(plan, workdir, trained, keep_rows)
    write_losses(plan, workdir, trained.history, records)
    write_json(
        workdir.train_record,
        {
            "lanes": records,
            "training": {
                "epochs": plan.epochs,
                "batches_per_epoch": plan.learner.batches,
                "updates": plan.epochs * plan.learner.batches,
                "batch_size": plan.learner.batch_size,
                "d2_every": plan.config.train.d2_every,
                "losses": [loss._asdict() for loss in plan.learner.model.losses()],
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
    stacked, number = _stacked(plan), len(plan.learner.model.losses())
    with checkpoints.open_keeper(workdir.checkpoints, _meta(plan), stacked.key, number) as keeper:
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


def train_in_memory(plan: Plan, strategy: str) -> checkpoints.Checkpoint:
    """Trains all lanes and writes nothing; a diverged lane is trained once more from its start."""
    return _train_lanes(plan, None, strategy)


def _train_lanes(plan: Plan, workdir: Workdir | None, strategy: str) -> checkpoints.Checkpoint:
    stacked = _stacked(plan)
    job = Job(plan.learner, lanes.make_table(plan.corpus), stacked)
    losses = len(plan.learner.model.losses())
    names = [f"seed {seed}, fold {fold}" for seed, fold in plan.lanes]
    every = plan.config.train.checkpoint_seconds
    folder = workdir.checkpoints if workdir else None
    with checkpoints.open_keeper(folder, _meta(plan), stacked.key, losses) as keeper:
        return train_lanes(job, strategy, keeper, plan.epochs, every, names)


def strategy_of(plan: Plan) -> str:
    """How the lanes of a plan run on this machine."""
    return choose(plan.config.train.strategy, len(plan.lanes), plan.flops)


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
            "variant": plan.config.variant,
            "title": model.title,
            "about": model.about,
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
        if not plan.config.data.allow_leaks:
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
        "matmul_precision": plan.config.train.matmul_precision,
        "hosts": jax.process_count(),
        "strategy": strategy,
    }


def read_results(workdir: Workdir) -> dict[str, Any]:
    """results.json."""
    return read_json(workdir.results)
