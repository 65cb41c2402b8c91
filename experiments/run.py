"""Trains a model on every fold, samples it, evaluates it and writes the report.

    python -m experiments.run --config=configs/m2.py
    python -m experiments.run --config=configs/m3.py --workdir=runs/mine \\
        --config.data.path=table.parquet

The same command after an interruption goes on where it stopped.
`--config=FILE:VARIANT` takes a variant of a config; `--config.FIELD=VALUE`
changes a field.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from absl import flags
from ml_collections import FrozenConfigDict, config_flags

from aegan.errors import InputError
from aegan.system.screen import field, say

from .command import command_line, guarded, parse_early, start
from .configured import default_workdir, parse_flags

_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "Config file, with a variant after a colon: configs/m2.py:quick"
)
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run; default: runs/<config>")
_STAGE = flags.DEFINE_enum(
    "stage", "all", ["train", "evaluate", "report", "all"], "Which stage to run"
)
_COORDINATOR = flags.DEFINE_string(
    "coordinator", None, "Several hosts: address:port of the first, the same on all"
)
_HOSTS = flags.DEFINE_integer("hosts", None, "Several hosts: how many")
_HOST = flags.DEFINE_integer("host", None, "Several hosts: number of this one, from 0")
_CLUSTER = flags.DEFINE_bool(
    "cluster", False, "Several hosts: Slurm, Open MPI, Kubernetes or the TPU pod knows them"
)
_DRY_RUN = flags.DEFINE_bool("dry_run", False, "Show folds, speakers and the estimate, and stop")


def _check() -> None:
    from aegan.run.config import read_config  # which the config itself imports

    read_config(_CONFIG.value)


parse_early(__name__, parse_flags, _check)

import jax

from aegan.report.tables import text_table
from aegan.run import stages
from aegan.run.plan import Plan, make_plan
from aegan.run.summary import fold_lines, summary
from aegan.run.workdir import Workdir
from aegan.system.cache import keep_compiled, references_dir
from aegan.training import hosts


def run(config: FrozenConfigDict, workdir: Workdir, stage: str, dry_run: bool) -> None:
    """Runs the stages asked for."""
    several = _CLUSTER.value or any(
        flag.value is not None for flag in (_COORDINATOR, _HOSTS, _HOST)
    )
    if stage == "report":  # needs neither the corpus nor a device
        if several:
            raise InputError("--stage=report: is one host's; leave out the flags of several")
        _need(workdir.results, "evaluate")
        say(f"report: {stages.report(workdir)}")
        return
    if several:
        hosts.join(_COORDINATOR.value, _HOSTS.value, _HOST.value)
    keep_compiled()
    plan = hosts.settle(lambda: make_plan(config))
    hosts.check_equal(plan.identity["config_hash"], "config or corpus")
    # One that this machine has not is refused, unless the run was trained elsewhere.
    strategy = None if stage == "evaluate" else hosts.settle(lambda: stages.strategy_of(plan))
    hosts.settle(lambda: _claim(plan, workdir, stage, dry_run))
    precision = plan.config.train.matmul_precision
    jax.config.update("jax_default_matmul_precision", precision)
    say(*summary(plan, strategy))
    if dry_run or stage == "evaluate":
        hosts.leave()
    if not hosts.is_first():
        if hosts.are_together():
            stages.train(plan, workdir)
        return
    if dry_run:
        say(*fold_lines(plan))
        try:
            workdir.check(plan.identity, plan.corpus.contract)
        except InputError as error:
            say(*field("NOTE", str(error)))
        return
    if stage in ("train", "all"):
        stages.train(plan, workdir)
    if stage in ("evaluate", "all"):
        stages.evaluate_run(plan, workdir, references_dir(), command_line("run"))
    if stage == "all":
        path = stages.report(workdir)
        say("", text_table(stages.read_results(workdir)), "", f"report: {path}")
    elif stage == "evaluate":
        say("", text_table(stages.read_results(workdir)))


def _claim(plan: Plan, workdir: Workdir, stage: str, dry_run: bool) -> None:
    """Makes the workdir this run's, on the host that writes it."""
    if hosts.is_first() and not dry_run:
        workdir.check(plan.identity, plan.corpus.contract)
        if stage == "evaluate":
            _need(workdir.train_record, "train")
        workdir.claim(plan.identity, plan.corpus.contract)


def _need(path: Path, stage: str) -> None:
    if not path.exists():
        raise InputError(f"{path}: not there yet; run --stage={stage} first")


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns its exit status."""
    workdir = Workdir(
        Path(_WORKDIR.value or default_workdir(flags.FLAGS["config"].config_filename))
    )
    status = guarded(
        lambda: run(FrozenConfigDict(_CONFIG.value), workdir, _STAGE.value, _DRY_RUN.value),
        argv,
        "the same command goes on from the last checkpoint",
    )
    if hosts.are_together():
        hosts.end(status)
    return status


if __name__ == "__main__":
    start(main, parse_flags)
