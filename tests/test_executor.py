"""The study's tasks on a dask cluster: the records of local processes, whatever becomes of it."""

from __future__ import annotations

import io
import logging
import os
import pickle
import signal
import subprocess
import sys
import time
from concurrent.futures import Future, wait
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from commands import ROOT
from distributed import LocalCluster
from study_helpers import run_all, run_here, tiny_study
from test_study_runner import a_task, fail, log_of, refuse

from aegan.errors import InputError
from aegan.run import stages
from aegan.run.workdir import hold
from aegan.study import cluster, registry, runner
from aegan.study.cluster import Cluster
from aegan.study.experiment import Task
from aegan.study.runner import Opening, Workers
from aegan.system.files import write_text
from aegan.system.versions import versions


def lose_the_worker(*_):
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)  # the process ends with its worker, well before


def killed_once(study, name, run, *arguments):
    """The task, whose first worker is killed when its work is done and no record written."""
    result = run(study, *arguments)
    if not (mark := study.dir.root / f"{name}.killed").exists():
        mark.touch()
        lose_the_worker()
    return result


def killed_in_training(study, name, run, *arguments):
    """The task, whose first worker is killed after the last update, when nothing is written."""
    if not (mark := study.dir.root / f"{name}.killed").exists():
        mark.touch()
        stages.write_lanes = lose_the_worker
    return run(study, *arguments)


def with_fate(task, fate):
    return replace(task, run=fate, arguments=(task.name, task.run, *task.arguments))


def endless(study):
    write_text(study.dir.root / "process", str(os.getpid()))
    time.sleep(600)


def started(workers):
    return LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address=":0",
        silence_logs=logging.CRITICAL,
    )


def processes_of(dask):
    return {nanny.pid for nanny in dask.workers.values()}


def results_of(records):
    return {name: record["result"] for name, record in records.items()}


def test_records_are_those_of_this_process_and_nothing_is_at_work_after_ctrl_c(tmp_path):
    here, study = tiny_study(tmp_path / "here"), tiny_study(tmp_path / "there")
    names = ("table4-target-to-target", "table4-tstr-smote")
    real = [task for task in registry.tasks_of(study, ["cross_corpus"]) if task.name in names]
    process = study.dir.root / "process"
    with started(workers=1) as dask:
        with pytest.raises(KeyboardInterrupt):
            with Cluster(study.dir.root, dask.scheduler_address) as executor:
                assert executor.jobs == 1
                found = run_all(study, [*real, a_task("a", *names)], executor)
                with pytest.raises(InputError, match="worker tcp://127.*table: cannot be used"):
                    run_all(study, [Task("bad", "bad", refuse)], executor)
                with pytest.raises(ZeroDivisionError, match="deep inside"):
                    run_all(study, [Task("worse", "worse", fail)], executor)
                future = executor.submit(study, [Task("long", "long", endless)])
                while not process.exists() and not future.done():
                    time.sleep(0.1)
                raise KeyboardInterrupt
        with pytest.raises(ProcessLookupError):
            os.kill(int(process.read_text()), 0)
        of_tasks = found["a"]["result"]["process"]
        assert of_tasks not in {os.getpid(), *processes_of(dask)}
    expected = run_here(here, real)
    assert {name: found[name]["result"] for name in names} == expected and len(expected) == 2
    assert found["a"]["result"]["threads"] == "1"


@pytest.mark.slow
def test_two_workers_killed_and_replaced_leave_the_same_bits(tmp_path):
    """One as its training ends, one with its work done; their tasks go on elsewhere."""
    changes = {"models": ("m1",)}
    names = ["cross_validation", "toy"]
    studies = [tiny_study(tmp_path / name, **changes) for name in ("local", "cluster")]
    local, study = studies
    tasks = registry.tasks_of(study, names)
    with Workers(2) as workers:
        expected = run_all(local, tasks, workers)
    fates = {"toy": killed_once, "train-m1": killed_in_training}
    fated = [with_fate(t, fates[t.name]) if t.name in fates else t for t in tasks]
    with started(workers=2) as dask:
        before = processes_of(dask)
        with Cluster(study.dir.root, dask.scheduler_address) as executor:
            found = run_all(study, fated, executor)
            assert executor.jobs == 2
        assert not processes_of(dask) & before
    assert results_of(found) == results_of(expected) and set(fates) < set(found)
    written = [
        {
            str(path.relative_to(one.dir.root)): path.read_bytes()
            for kind in ("npz", "parquet")
            for path in one.dir.root.rglob(f"*.{kind}")
            if "cache" not in path.parts
        }
        for one in studies
    ]
    assert written[0] == written[1] and len(written[0]) > 5


def test_what_a_lost_worker_finished_is_not_done_again(tmp_path):
    study = tiny_study(tmp_path)
    once = runner.run(Opening.of(study), [a_task("a")])
    both = runner.run(Opening.of(study), [a_task("a", group="g"), a_task("b", group="g")])
    assert log_of(study) == ["a", "b"]
    assert both["a"] == once["a"] and both["b"]["task"] == "b"


def take_the_place(study):
    with hold(study.dir.root / "place"):
        return {}


def test_a_place_that_a_lost_worker_still_holds_is_waited_for(tmp_path, monkeypatch):
    study = tiny_study(tmp_path)
    work = pickle.dumps((Opening.of(study), [Task("a", "a", take_the_place)], versions()))
    with ExitStack() as held:
        held.enter_context(hold(tmp_path / "place"))
        monkeypatch.setattr(cluster.time, "sleep", lambda _: held.close())
        assert cluster._in_process(work, "tcp://there")["a"]["result"] == {}


class Growing:
    """An executor without a worker until something is waited for, and then with two."""

    accelerator, jobs = False, 0

    def __init__(self):
        self.given = []

    def submit(self, study, tasks):
        self.given.append((tasks, future := Future()))
        for tasks, given in self.given if self.jobs else ():
            record = {"kind": "test", "work": 1.0, "seconds": 1.0}
            given.set_result({task.name: record for task in tasks})
        return future

    def wait(self, running, _, how):
        self.jobs = 2
        return wait(running, 0.01, how)


def test_workers_may_come_late_and_more_of_them(tmp_path, monkeypatch):
    executor, out = Growing(), io.StringIO()
    monkeypatch.setattr(runner, "wait", executor.wait)
    monkeypatch.setattr(sys, "stderr", out)
    records = run_all(tiny_study(tmp_path), [a_task("a"), a_task("b")], executor)
    assert set(records) == {"a", "b"} and len(executor.given) == 2
    assert "waiting for a worker" in out.getvalue()


def test_another_version_or_folder_on_a_worker_is_refused_by_name(tmp_path):
    study = tiny_study(tmp_path)

    def refusal(wanted, opening):
        with pytest.raises(InputError) as caught:
            cluster._in_process(pickle.dumps((opening, [a_task("a")], wanted)), "tcp://there")
        return str(caught.value)

    opening, here = Opening.of(study), versions()
    said = refusal(here | {"aegan": "9.9"}, opening)
    assert said.startswith(f"worker tcp://there: has aegan {here['aegan']}, but the command 9.9; ")
    said = refusal(here, replace(opening, root=str(tmp_path / "elsewhere")))
    assert said.startswith(f"worker tcp://there: {tmp_path}/elsewhere/study.json: not there")
    assert "must see --workdir" in said
    assert "another study's" in refusal(here, replace(opening, config_hash="other"))
    assert not (tmp_path / "log").exists()


def test_no_scheduler_is_one_line(monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT", 0.3)
    with pytest.raises(InputError, match="--executor=dask://127.0.0.1:9: no scheduler answers"):
        Cluster(Path("root"), "dask://127.0.0.1:9")


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("dask://host", "write dask://HOST:PORT"),
        ("dask://host:8786", 'dask is not installed; run pip install -e ".[cluster]"'),
    ],
)
def test_a_wrong_executor_is_refused_before_jax_is_imported(address, said):
    code = "import runpy, sys; sys.modules |= {'jax': None, 'distributed': None}; "
    code += "runpy.run_module('experiments.paper', run_name='__main__', alter_sys=True)"
    arguments = [sys.executable, "-c", code, "--config=configs/toy.py", f"--executor={address}"]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2 and line.startswith(f"error: flag --executor={address}: ")
    assert said in line
