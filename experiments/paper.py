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
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

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
from aegan.study.experiment import Task
from aegan.study.opening import check_folder, claim_folder, read_study
from aegan.study.projection import Projection
from aegan.study.readings import AS_CONFIGURED, changed, folder, share, verdicts
from aegan.study.report import text_summary, write_study_report
from aegan.study.runner import Executor, Opening, Workers, records_of, run_tasks
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


def workload(
    study: Study, tasks: Sequence[Task], done: Sequence[str], workers: Executor
) -> list[str]:
    """How many tasks are left and how long they will take."""
    projection = Projection(study.cache_dir, records_of(study.dir, tasks))
    left = [task for task in tasks if task.name not in done]
    seconds = projection.wall_seconds(left, max(workers.jobs, 1))
    basis = "as measured on this machine" if projection.measured(left) else "a guess"
    where = "an accelerator" if workers.accelerator else f"{workers.jobs} processes"
    finished = f", {len(done)} of them done before" if done else ""
    text = f"{len(tasks)}{finished}"
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
    values = plain(config)
    cache = references_dir()
    study = read_study(values, root, cache, command)
    check_folder(study)
    others = {}
    for reading in study.config.readings:
        there = changed(values, reading)
        others[reading] = there, read_study(there, folder(root, reading), cache, command)
        check_folder(others[reading][1])
    say(*summary(study))
    found = {AS_CONFIGURED: carry_out(study, values, dry_run)}
    earlier = [study]
    for reading, (there, other) in others.items():
        say("", f"reading: {reading}")
        found[reading] = carry_out(other, there, dry_run, earlier)
        earlier.append(other)
    if dry_run:
        return
    results = found[AS_CONFIGURED]
    if others:
        results |= {"readings": verdicts(found)}
        with claim_folder(study):
            write_json(study.dir.results, results)
    say("", text_summary(results), "", f"report: {write_study_report(root)}")


def executor(opening: Opening, jobs: int) -> Executor:
    """What --executor names."""
    if _EXECUTOR.value == "local":
        return Workers(opening, jobs)
    from aegan.study.cluster import Cluster

    return Cluster(opening, _EXECUTOR.value)


def carry_out(
    study: Study, values: dict[str, Any], dry_run: bool, earlier: Sequence[Study] = ()
) -> dict[str, Any]:
    """Runs what is left of a study and collects it; a reading takes what an ``earlier`` one has."""
    root, cache, command = study.dir.root, study.cache_dir, study.identity["command"]
    tasks = registry.tasks_of(study, study.config.experiments)
    done = list(records_of(study.dir, tasks))
    opening = Opening(
        values, str(root), cache and str(cache), command, study.identity["config_hash"]
    )
    started = time.perf_counter()
    with executor(opening, study.config.jobs) as workers:
        say(*workload(study, tasks, done, workers))
        if dry_run:
            return {}
        with claim_folder(study):
            for other in earlier:
                share(other, study)
            run_tasks(tasks, workers, study)
            results = collect(study, workers.jobs, time.perf_counter() - started)
            write_study_report(root)
    return results


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
