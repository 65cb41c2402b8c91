"""Trains a model on every fold, samples it, evaluates it and writes the report.

    python -m experiments.run --config=configs/m2.py
    python -m experiments.run --config=configs/m3.py --workdir=runs/mine \\
        --config.data.path=table.parquet

The same command after an interruption goes on where it stopped.
`--config=FILE:VARIANT` takes a variant of a config; `--config.FIELD=VALUE`
changes a field.
"""

from __future__ import annotations

import difflib
import os
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np
from absl import flags
from ml_collections import FrozenConfigDict, config_flags

from aegan import stages
from aegan.errors import InputError
from aegan.estimate import training_seconds
from aegan.plan import Plan, make_plan
from aegan.report.tables import text_table
from aegan.screen import duration, field, say
from aegan.workdir import Workdir
from experiments.command import fail, guarded, start

_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "Config file, with a variant after a colon: configs/m2.py:quick"
)
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run; default: runs/<config>")
_STAGE = flags.DEFINE_enum(
    "stage", "all", ["train", "evaluate", "report", "all"], "Which stage to run"
)
_DRY_RUN = flags.DEFINE_bool("dry_run", False, "Show folds, speakers and the estimate, and stop")


def default_workdir(config_flag: str) -> Path:
    """configs/m2.py:quick -> runs/m2-quick."""
    path, _, variant = config_flag.partition(":")
    stem = Path(path).stem
    return Path("runs") / (f"{stem}-{variant}" if variant else stem)


def cache_dir() -> Path:
    """Where results that no model changes are kept: $AEGAN_CACHE or the user's cache folder."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("AEGAN_CACHE") or Path(root) / "aegan")


def summary(plan: Plan, seconds: float) -> list[str]:
    """The run in a few lines of at most 80 columns."""
    corpus, device = plan.corpus, jax.devices()[0]
    described = plan.identity["corpus"]
    kind = "SIMULATED corpus" if corpus.simulated else f"corpus {corpus.name}"
    classes = ", ".join(f"{name} {count}" for name, count in described["classes"].items())
    seeds = len(plan.config["seeds"])
    folds = len(plan.lanes) // seeds
    return [
        plan.learner.model.title,
        f"  data    {kind}: {described['rows']} rows x {described['features']} features,"
        f" {described['speakers']} speakers",
        f"          {classes}",
        f"  lanes   {folds} folds x {seeds} seed{'s' * (seeds > 1)}, trained together on"
        f" {jax.device_count()} {device.platform} device{'s' * (jax.device_count() > 1)}"
        f" ({device.device_kind})",
        f"  length  {plan.epochs} epochs x {plan.schedule.batches} batches of"
        f" {plan.schedule.batch_size}; training takes about {duration(seconds)}",
        *(line for leak in plan.leaks for line in field("LEAK", str(leak))),
        *_doubled(plan),
    ]


def _doubled(plan: Plan) -> list[str]:
    """A note on rows that are equal; between the parts of a fold they are a leak."""
    _, first, counts = np.unique(plan.digests, return_index=True, return_counts=True)
    if len(first) == len(plan.digests):
        return []
    one = first[counts > 1].min()
    other = np.flatnonzero(plan.digests == plan.digests[one])[1]
    files = plan.corpus.files
    more = len(plan.digests) - len(first)
    equal = "1 row equals" if more == 1 else f"{more} rows equal"
    return field("NOTE", f"{equal} another row, first '{files[other]}' and '{files[one]}'")


def fold_lines(plan: Plan) -> list[str]:
    """The folds, one line each."""
    lines = ["  fold  train  held out"]
    for fold in plan.folds:
        who = ", ".join(fold.held_out)
        who = who if len(who) < 44 else f"{len(fold.held_out)} speakers"
        lines.append(f"  {fold.index:>4}  {len(fold.train):>5}  {len(fold.valid):>8}  {who}")
    return lines


def run(config: FrozenConfigDict, workdir: Workdir, stage: str, dry_run: bool) -> None:
    """Runs the stages asked for."""
    if stage == "report":  # needs neither the corpus nor a device
        _need(workdir.results, "evaluate")
        say(f"report: {stages.report(workdir)}")
        return
    plan = make_plan(config)
    if not dry_run:
        workdir.check(plan.identity, plan.corpus.contract)
    precision = plan.config["train"]["matmul_precision"]
    jax.config.update("jax_default_matmul_precision", precision)
    say(*summary(plan, training_seconds(plan)))
    if dry_run:
        say(*fold_lines(plan))
        try:
            workdir.check(plan.identity, plan.corpus.contract)
        except InputError as error:
            say(*field("NOTE", str(error)))
        return
    if stage == "evaluate":
        _need(workdir.train_record, "train")
    workdir.claim(plan.identity, plan.corpus.contract)
    if stage in ("train", "all"):
        stages.train(plan, workdir)
    if stage in ("evaluate", "all"):
        command = shlex.join(["python", "-m", "experiments.run", *sys.argv[1:]])
        stages.evaluate_run(plan, workdir, cache_dir() / "references", command)
    if stage == "all":
        path = stages.report(workdir)
        say("", text_table(stages.read_results(workdir)), "", f"report: {path}")
    elif stage == "evaluate":
        say("", text_table(stages.read_results(workdir)))


def _need(path: Path, stage: str) -> None:
    if not path.exists():
        raise InputError(f"{path}: not there yet; run --stage={stage} first")


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns its exit status."""
    workdir = Workdir(
        Path(_WORKDIR.value or default_workdir(flags.FLAGS["config"].config_filename))
    )
    return guarded(
        lambda: run(FrozenConfigDict(_CONFIG.value), workdir, _STAGE.value, _DRY_RUN.value),
        argv,
        "the same command goes on from the last checkpoint",
    )


def _config_path(argv: list[str]) -> str:
    """The config that was asked for; the flag itself may be only half parsed."""
    for text, following in zip(argv, [*argv[1:], ""], strict=True):
        name, equals, value = text.lstrip("-").partition("=")
        if name == "config":
            return (value if equals else following).partition(":")[0]
    return ""


def parse_flags(argv: list[str]) -> list[str]:
    """absl's parsing, with one line instead of a traceback; exit status 2."""
    try:
        rest = flags.FLAGS(argv)
        # A file that failed to load complains only when it is used.
        if _CONFIG.value is not None and _CONFIG.value.variant:
            return rest
        message = "no config; give one, say --config=configs/m2.py"
    except (KeyError, AttributeError) as error:
        text = str(error)
        name = re.search(r"lookup: ([\w.]+)", text) or re.search(r"(\w+)", text)
        near = re.search(r'Did you mean "(\w+)"', text)
        hint = f" (did you mean {near[1]!r}?)" if near else ""
        message = f"the config has no field {name[1]!r}{hint}; configs/common.py lists them"
    except OSError:
        path = _config_path(argv)
        near = difflib.get_close_matches(Path(path).stem, ["m1", "m2", "m3"], n=1)
        hint = "configs/ of the clone holds the configs"
        if near and path != f"configs/{near[0]}.py":
            hint = f"did you mean configs/{near[0]}.py?"
        message = f"--config={path}: cannot be read from here; {hint}"
    except flags.Error as error:
        # Where a config's own code fails, ml_collections puts the whole traceback in here.
        message = str(error).strip().splitlines()[-1].removeprefix("ValueError: ")
    fail(message)


if __name__ == "__main__":
    start(main, parse_flags)
