"""The paper's whole study on a pair of corpora: every table, every figure, every claim checked.

    python -m experiments.paper --config=configs/paper.py
    python -m experiments.paper --config=configs/paper.py --workdir=runs/mine \\
        --config.source.path=source.parquet --config.target.path=target.parquet

The same command after an interruption goes on: only tasks that were under way are done again.
configs/low_resource.py and its like run one experiment alone, in the same folder if you like.
--executor runs the tasks on several machines.
"""

from __future__ import annotations

import re
import shlex
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from absl import flags
from ml_collections import FrozenConfigDict, config_flags

from aegan.system.screen import duration, field, say

from .command import guarded, parse_early, start
from .configured import default_workdir
from .configured import parse_flags as parse_config_flags

_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "Config file, with a variant after a colon: configs/paper.py:quick"
)
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the study; default: runs/<config>")
_STAGE = flags.DEFINE_enum(
    "stage", "all", ["report", "all"], "report: write the report again from results.json"
)
_DRY_RUN = flags.DEFINE_bool("dry_run", False, "Show corpora, tasks and the estimate, and stop")
_EXECUTOR = flags.DEFINE_string(
    "executor",
    "local",
    "local: tasks run in config.jobs processes of this machine. dask://HOST:PORT (or tcp://, "
    "tls://): on the workers of the dask scheduler there. Each machine has the same versions of "
    "aegan, installed with the extra `cluster`, and of its libraries, and sees the workdir and the "
    "tables under the same paths; `dask scheduler` starts the scheduler, `dask worker "
    "tcp://HOST:8786 --nthreads 1 --nworkers N` a machine's workers, one a core, before the study "
    "or while it runs",
)


@flags.validator("executor")  # which sees it before the config is read and jax is imported
def _can_be(given: str) -> bool:
    parts = re.fullmatch(r"(dask|tcp|tls)://(\[[\w:.%]+\]|[\w.-]+):(\d{1,5})", given)
    if given != "local" and not (parts and 0 < int(parts[3]) < 65536):
        raise flags.ValidationError(
            "is neither local nor a dask scheduler's address; write dask://HOST:PORT"
        )
    if given != "local" and find_spec("distributed") is None:
        raise flags.ValidationError(
            'dask is not installed; run pip install -e ".[cluster]" in the clone'
        )
    return True


parse_flags = partial(parse_config_flags, example="configs/paper.py")
parse_early(__name__, parse_flags)

from aegan.report.tables import quick_banner
from aegan.run.schema import plain
from aegan.study import registry
from aegan.study.collect import collect, read_study_results
from aegan.study.opening import check_folder, claim_folder, read_study
from aegan.study.projection import Projection
from aegan.study.readings import AS_CONFIGURED, changed, folder, verdicts
from aegan.study.report import text_summary, write_study_report
from aegan.study.runner import Asked, Executor, Workers, remaining, run_tasks
from aegan.study.study import Study, StudyDir
from aegan.system.cache import references_dir
from aegan.system.files import write_json


def summary(study: Study) -> list[str]:
    """The study in a few lines of at most 80 columns."""
    lines = ["The paper's study", *field("experiments", ", ".join(study.config.experiments))]
    for banner in quick_banner({"variant": study.config.variant}):
        lines += field("NOTE", banner)
    for role, corpus in (("source", study.source), ("target", study.target)):
        if corpus is None:
            continue
        described = study.identity[role]
        kind = "SIMULATED corpus" if corpus.simulated else f"corpus {corpus.name}"
        counts = ", ".join(f"{name} {count}" for name, count in described["classes"].items())
        lines += field(
            role,
            f"{kind}: {described['rows']} rows x {described['features']} features, "
            f"{described['speakers']} speakers; {counts}",
        )
        for note in described["notes"]:
            lines += field("NOTE", note)
        for leak in described["leaks"]:
            lines += field("LEAK", leak["words"])
    return lines


def workload(asked: Sequence[Asked], workers: Executor) -> list[str]:
    """How many tasks are left and how long they will take."""
    records, jobs = remaining(asked)
    projection = Projection(asked[0][0].cache_dir, records)
    left = [job.known_as for job in jobs.values()]
    seconds = projection.wall_seconds(left, max(workers.jobs, 1))
    basis = "as measured on this machine" if projection.measured(left) else "a guess"
    where = "an accelerator" if workers.accelerator else f"{workers.jobs} processes"
    text = str(len(records) + len(left)) + f" under {len(asked)} readings" * (len(asked) > 1)
    text += f", {len(records)} of them done before" if records else ""
    if left:
        text += f"; about {duration(seconds)} on {where} ({basis})"
    return field("tasks", text)


def run(config: FrozenConfigDict, root: Path, stage: str, dry_run: bool) -> None:
    """Runs the stages asked for."""
    directory = StudyDir(root)
    if stage == "report":
        results = read_study_results(directory)
        say(f"report: {write_study_report(root)}", "", text_summary(results))
        return
    command = shlex.join(["python", "-m", "experiments.paper", *sys.argv[1:]])
    values, cache = plain(config), references_dir()
    studies = {AS_CONFIGURED: read_study(values, root, cache, command)}
    study = studies[AS_CONFIGURED]
    for reading in study.config.readings:
        there = changed(values, reading)
        studies[reading] = read_study(there, folder(root, reading), cache, command)
    for one in studies.values():
        check_folder(one)
    say(*summary(study))
    asked = [(one, registry.tasks_of(one, one.config.experiments)) for one in studies.values()]
    started = time.perf_counter()
    with executor(root, study.config.jobs) as workers:
        say(*workload(asked, workers))
        if dry_run:
            return
        with ExitStack() as claimed:
            for one in studies.values():
                claimed.enter_context(claim_folder(one))
            run_tasks(asked, workers)
            seconds = time.perf_counter() - started
            found = {name: collect(one, workers.jobs, seconds) for name, one in studies.items()}
            results = found[AS_CONFIGURED]
            if len(found) > 1:
                results |= {"readings": verdicts(found)}
                write_json(directory.results, results)
            reports = [write_study_report(one.dir.root) for one in studies.values()]
    say("", text_summary(results), "", f"report: {reports[0]}")


def executor(root: Path, jobs: int) -> Executor:
    """What --executor names."""
    if _EXECUTOR.value == "local":
        return Workers(jobs)
    from aegan.study.cluster import Cluster

    return Cluster(root, _EXECUTOR.value)


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns its exit status."""
    root = Path(_WORKDIR.value or default_workdir(flags.FLAGS["config"].config_filename))
    return guarded(
        lambda: run(FrozenConfigDict(_CONFIG.value), root, _STAGE.value, _DRY_RUN.value),
        argv,
        "the same command goes on; finished tasks are not done again",
    )


if __name__ == "__main__":
    start(main, parse_flags)
