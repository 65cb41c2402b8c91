"""The stages of a run: train (and sample), evaluate, report.

Each reads what the one before wrote into the workdir and is skipped if it has finished.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from aegan.data.audit import Leak, as_json, audit_generator, refuse, title_of
from aegan.data.contract import check_same
from aegan.errors import InputError
from aegan.learning.schedule import Lane, LaneState
from aegan.metrics.along import ROWS, Along
from aegan.metrics.evaluate import evaluate
from aegan.report.paper import paper_figures
from aegan.report.run import write_report
from aegan.run.losses import LossLog, read_losses, write_losses
from aegan.run.outputs import rows_along, write_lanes, write_weights
from aegan.run.plan import Plan
from aegan.run.workdir import Workdir, open_generator
from aegan.sampling.generator import Generator
from aegan.system.files import read_json, whole, write_json
from aegan.system.screen import bar, say
from aegan.system.versions import versions
from aegan.tables.synthetic import ANEW, belongs, read_passport, read_synthetic
from aegan.training import checkpoints, hosts, lanes
from aegan.training.job import Job
from aegan.training.loop import train_lanes
from aegan.training.strategy import choose


def train(
    plan: Plan, workdir: Workdir, keep_rows: bool = True, strategy: str | None = None
) -> None:
    """Trains all lanes, from the last checkpoint if there is one, and writes their rows.

    Without ``keep_rows`` the generators are written, but no table of synthetic rows. ``strategy``
    is how the lanes run, where that is decided already.
    """

    def finished() -> bool:
        if not (hosts.is_first() and workdir.train_record.exists()):
            return False  # on several hosts the first alone reads and writes files
        try:
            read_losses(workdir)
            for lane in lanes_of(plan, workdir):
                open_lane(plan, workdir, lane)
                if keep_rows:
                    read_synthetic(workdir.synthetic(lane))
        except InputError as error:  # a disk's fault
            say(f"train: once more from the last checkpoint, for {error}")
            return False
        return True

    if hosts.agree(hosts.settle(finished)):
        say("train: finished before")
        hosts.leave()
        return
    strategy = strategy or strategy_of(plan)
    first = jax.devices()[0]
    device = {"platform": first.platform, "kind": first.device_kind, "count": jax.device_count()}
    device["matmul_precision"] = plan.config.train.matmul_precision
    device |= {"hosts": jax.process_count(), "strategy": strategy}
    trained = train_plan(plan, strategy, workdir)
    hosts.leave()
    if not hosts.is_first():
        return
    started = time.perf_counter()
    records = write_lanes(plan, workdir, trained, keep_rows)
    write_losses(plan, workdir, trained)
    training = {
        "epochs": plan.epochs,
        "batches_per_epoch": plan.learner.batches,
        "updates": plan.epochs * plan.learner.batches,
        "batch_size": plan.learner.batch_size,
        "d2_every": plan.config.train.d2_every,
        "losses": [loss._asdict() for loss in plan.learner.model.losses()],
    }
    sampling = round(time.perf_counter() - started, 2)
    timing = {"train_s": round(trained.seconds, 2), "sample_s": sampling}
    record = {"lanes": records, "training": training, "timing": timing, "device": device}
    record["config_hash"] = plan.identity["config_hash"]
    write_json(workdir.train_record, record)


def trained_lanes(workdir: Workdir) -> list[dict[str, Any]]:
    """The lane records of a finished training."""
    return workdir.record()["lanes"]


def lanes_of(plan: Plan, workdir: Workdir) -> list[dict[str, Any]]:
    """``trained_lanes``; ``InputError`` if they are of another run."""
    record, hashed = workdir.record(), plan.identity["config_hash"]
    lanes = [(lane["seed"], lane["fold"]) for lane in record["lanes"]]
    if lanes != list(plan.lanes) or record.get("config_hash", hashed) != hashed:
        raise InputError(f"{workdir.train_record}: belongs to another run; {ANEW}")
    return record["lanes"]


def open_lane(plan: Plan, workdir: Workdir, lane: Mapping[str, Any]) -> Generator:
    """The generator of a lane; ``InputError`` if it is of another lane, run or feature set."""
    path, generator = workdir.generator(lane), open_generator(workdir, lane)
    check_same(str(path), generator.contract, plan.corpus.name, plan.corpus.contract)
    belongs(path, generator.passport, lane, plan.identity["config_hash"])
    return generator


@contextmanager
def _opened(plan: Plan, folder: Path | None) -> Iterator[tuple[Lane, checkpoints.Keeper]]:
    """The lanes of a plan, stacked, and the checkpoints in a folder that are theirs."""
    sizes = plan.largest_train, plan.largest_valid
    given = {fold: plan.rows[fold].given() for fold in {fold for _, fold in plan.lanes}}
    stacked = lanes.make_lanes(plan.folds, plan.standardisers, plan.lanes, *sizes, given)
    meta = {
        "features": list(plan.corpus.contract.names),
        "feature_set": plan.corpus.contract.feature_set,
        "corpus_hash": plan.corpus.hash,
        "config_hash": plan.identity["config_hash"],
    }
    losses = len(plan.learner.model.losses())
    with checkpoints.open_keeper(folder, meta, stacked.key, losses) as keeper:
        yield stacked, keeper


def trained_state(plan: Plan, workdir: Workdir) -> LaneState:
    """All lanes' states at the end of a training, of its checkpoint; ``InputError`` without it."""
    with jax.enable_x64(False), _opened(plan, workdir.checkpoints) as (stacked, keeper):
        found = keeper.restore(jax.eval_shape(lanes.init_lanes, plan.learner, stacked))
    if found is None or found.epochs < plan.epochs:
        mend = f"delete {workdir.train_record} and run the train stage again"
        raise InputError(f"{workdir.checkpoints}: no checkpoint of the last epoch; {mend}")
    return found.state


def train_plan(plan: Plan, strategy: str, workdir: Workdir | None = None) -> checkpoints.Checkpoint:
    """Trains all lanes; checkpoints and losses so far lie in a workdir, without one nowhere."""
    names = [f"seed {seed}, fold {fold}" for seed, fold in plan.lanes]
    every = plan.config.train.checkpoint_seconds
    # What is drawn and learnt does not depend on what the caller's jax is set to.
    folder = workdir and workdir.checkpoints
    with jax.enable_x64(False), _opened(plan, folder) as (stacked, keeper), ExitStack() as stack:
        if not plan.epochs:  # nothing is trained
            state = jax.device_get(lanes.init_lanes(plan.learner, stacked))
            shape = (0, 2, len(plan.lanes), 0)
            return checkpoints.Checkpoint(0, state, np.zeros(shape, np.float32), 0.0)
        job = Job(plan.learner, lanes.make_table(plan.corpus), stacked)
        log, along = None, {}
        if workdir:
            along = {"along": plan.along[:-1], "keep": partial(write_weights, plan, workdir)}
            if hosts.is_first():
                log = stack.enter_context(closing(LossLog(plan, workdir)))
        return train_lanes(job, strategy, keeper, plan.epochs, every, names, log, **along)


def strategy_of(plan: Plan) -> str:
    """How the lanes of a plan run on this machine."""
    batch = plan.learner.batch_size
    return choose(plan.config.train.strategy, len(plan.lanes), plan.flops, batch)


def evaluate_run(
    plan: Plan, workdir: Workdir, cache_dir: Path | None, command: str, jobs: int | None = None
) -> None:
    """All metrics of a trained run: results.json, which quotes the ``command``.

    ``jobs`` is the number of threads; None takes the machine's cores.
    """
    if workdir.results.exists():
        try:
            if read_results(workdir).get("config_hash") == plan.identity["config_hash"]:
                say("evaluate: finished before")
                return
            raise InputError(f"{workdir.results}: belongs to another run")
        except InputError as error:
            say(f"evaluate: once more, for {error}")
    lanes = lanes_of(plan, workdir)
    with whole(workdir.train_record, ANEW):
        record = workdir.record()
        times, known = record["timing"], {name: record[name] for name in ("device", "training")}
    leaks = _audit_lanes(plan, workdir, lanes)
    corpus = dict(plan.identity["corpus"])
    corpus["leaks"] = [*corpus["leaks"], *as_json(leaks)]
    started = time.perf_counter()
    bars: list[Any] = []  # one, once their number is known

    def on_progress(what: str, done: int, total: int) -> None:
        bars[:] = bars or [bar(total, "evaluate", "task")]
        bars[0].set_postfix_str(what, refresh=False)
        bars[0].update(done - bars[0].n)

    trained = lanes, workdir.synthetic
    rows = min(ROWS, plan.config.sample.rows)
    drawn = partial(rows_along, plan, workdir)
    along = Along(plan.along, plan.learner.batches, rows, drawn) if plan.along else None
    real = plan.corpus, plan.folds
    measured = evaluate(
        *real, *trained, plan.protocol, cache_dir, jobs, progress=on_progress, along=along
    )
    for progress in bars:
        progress.close()
    timing = {**times, "evaluate_s": round(time.perf_counter() - started, 2)}
    model = plan.learner.model
    folds = [
        {"fold": fold.index, "split": fold.split, "name": fold.name}
        | {"held_out": list(fold.held_out)}
        | {"train_rows": len(fold.train), "valid_rows": len(fold.valid)}
        for fold in plan.folds
    ]
    results = {
        "format": 1,
        "model": model.name,
        "variant": plan.config.variant,
        "title": model.title,
        "about": model.about,
        "command": command,
        "corpus": corpus,
        "config": plan.identity["config"],
        "config_hash": plan.identity["config_hash"],
        "versions": versions(),
        **known,
        "timing": timing,
        "folds": folds,
        "lanes": lanes,
    }
    write_json(workdir.results, results | measured | {"paper": paper_figures(model.name)})


def _audit_lanes(plan: Plan, workdir: Workdir, records: list[dict[str, Any]]) -> list[Leak]:
    """Refuses another lane's or run's files, other features, and what saw a row of its test part.

    With config.data.allow_leaks the last is returned instead.
    """
    by_index = {fold.index: fold for fold in plan.folds}
    known = {leak.fold for leak in plan.leaks if leak.kind in ("duplicate", "training row")}
    leaks: list[Leak] = []
    for lane in records:
        path, table = workdir.generator(lane), workdir.synthetic(lane)
        fold, generator = by_index[lane["fold"]], open_lane(plan, workdir, lane)
        belongs(table, read_passport(table), lane, plan.identity["config_hash"])
        title, digests = title_of(fold), plan.digests[fold.valid]
        found = audit_generator(generator.trained_on, digests, plan.corpus.files[fold.valid], title)
        if not plan.config.data.allow_leaks:
            refuse(str(path), found)
        elif title not in known:
            leaks += found
    return leaks


def report(workdir: Workdir) -> Path:
    """report.md, report.html and figures/ from results.json and losses.parquet."""
    return write_report(workdir.root)


def read_results(workdir: Workdir) -> dict[str, Any]:
    """results.json."""
    return read_json(workdir.results)
