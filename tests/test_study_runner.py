"""Tasks in worker processes: each once, in order of need, on one thread, resumable."""

from __future__ import annotations

import io
import multiprocessing
import os
import signal
import sys
import time
from concurrent.futures import wait

import pytest
from study_helpers import run_all, tiny_study

from aegan.errors import InputError
from aegan.study import runner
from aegan.study.experiment import Task
from aegan.study.projection import Projection
from aegan.study.runner import Workers, records_of, remaining, run_tasks
from aegan.system.files import read_json

# What the workers run.


def note(study, name):
    """Leaves a line in the log, and the threads that it may use."""
    with open(study.dir.root / "log", "a") as log:
        log.write(f"{name}\n")
    return {"name": name, "threads": os.environ.get("OMP_NUM_THREADS"), "process": os.getpid()}


def together(study, several):
    """Several of them at once."""
    note(study, "+".join(name for (name,) in several))
    return [{"name": name} for (name,) in several]


def refuse(study):
    raise InputError("this table: cannot be used; mend it")


def die(study):
    os.kill(os.getpid(), signal.SIGKILL)


def fail(study):
    raise ZeroDivisionError("deep inside")


def sleepy(study, name, seconds):
    time.sleep(seconds)
    return {"name": name, "done": time.time()}


def train(study, model):
    """Leaves a file where a run would."""
    (study.dir.run(model).root / "kept").mkdir(parents=True)
    (study.dir.run(model).root / "kept" / "of").write_text(study.dir.root.name)
    return note(study, f"train-{model}")


def a_task(name, *needs, work=1.0, group=""):
    more = {"run_group": together if group else None, "group": group}
    return Task(name, name, note, (name,), needs, kind="test", work=work, **more)


@pytest.fixture
def study(tmp_path):
    return tiny_study(tmp_path)


@pytest.fixture(scope="module")
def pool():
    with Workers(2) as workers:
        yield workers


@pytest.fixture
def workers(pool):
    """The pool, as it is on a CPU."""
    pool.accelerator, pool.jobs = False, 2
    return pool


def log_of(study):
    return (study.dir.root / "log").read_text().split()


def test_needs_come_first_and_everything_runs_once(study, workers):
    tasks = [a_task("a"), a_task("b", "a"), a_task("c", "a"), a_task("d", "b", "c")]
    records = run_all(study, tasks, workers)
    log = log_of(study)
    assert sorted(log) == ["a", "b", "c", "d"]
    assert log[0] == "a" and log[-1] == "d"
    results = {name: record["result"] for name, record in records.items()}
    assert {name: result["name"] for name, result in results.items()} == {n: n for n in "abcd"}
    assert all(result["threads"] == "1" for result in results.values())
    assert all(result["process"] != os.getpid() for result in results.values())


def test_only_tasks_without_a_record_run_again(study, workers):
    tasks = [a_task("a"), a_task("b", "a"), a_task("c", "b")]
    run_all(study, tasks, workers)
    study.dir.record("b").unlink()
    run_all(study, tasks, workers)
    run_all(study, tasks, workers)
    assert log_of(study) == ["a", "b", "c", "b"]
    files = {path.name for path in (study.dir.root / "tasks").iterdir()}
    assert files == {"a.json", "b.json", "c.json"}  # whole files alone


def test_two_workers_work_at_the_same_time(study, workers):
    tasks = [Task(name, name, sleepy, (name, 1.0), kind="sleep") for name in "abcd"]
    run_all(study, [Task("warm", "warm", sleepy, ("warm", 0.5), kind="sleep")], workers)
    started = time.perf_counter()
    run_all(study, tasks, workers)
    assert time.perf_counter() - started < 3.5  # four seconds of sleep


def test_the_bar_ticks_while_a_task_runs(study, workers, monkeypatch):
    """Its clock goes on, in at most 80 columns, though no task has ended."""
    out = io.StringIO()
    monkeypatch.setattr(runner, "wait", lambda running, _, how: wait(running, 0.05, how))
    monkeypatch.setattr(sys, "stderr", out)
    words = "a task with a name that is longer than the bar has room for " * 3
    run_all(study, [Task("a", words, sleepy, ("a", 0.5), kind="sleep")], workers)
    lines = [line for line in out.getvalue().replace("\r", "\n").split("\n") if "0/1" in line]
    assert len(lines) > 2 and max(map(len, lines)) <= 80


def test_bad_input_ends_the_study_as_it_is(study, workers):
    with pytest.raises(InputError, match="this table: cannot be used; mend it"):
        run_all(study, [a_task("a"), Task("bad", "bad", refuse, (), ("a",))], workers)
    assert set(records_of(study.dir, [a_task("a"), a_task("bad")])) == {"a"}


def test_a_fault_of_ours_is_not_swallowed(study, workers):
    with pytest.raises(ZeroDivisionError, match="deep inside"):
        run_all(study, [Task("bad", "bad", fail)], workers)


def test_an_accelerator_runs_the_ready_tasks_of_a_group_in_one_call(study, workers):
    workers.accelerator, workers.jobs = True, 1
    tasks = [a_task(name, "first", group=group) for name, group in ("xg", "yg", "zh")]
    records = run_all(study, [a_task("first"), *tasks, a_task("w", "x", group="g")], workers)
    assert {"x+y", "z", "w"} < set(log_of(study))
    assert records["y"]["result"] == {"name": "y"}
    assert records["x"]["seconds"] == records["y"]["seconds"]


def test_what_two_studies_both_train_is_done_once(tmp_path, workers):
    studies = [tiny_study(tmp_path / name) for name in ("first", "second")]
    studies.append(tiny_study(tmp_path / "third", m1__train__updates=10))
    tasks = [Task("train-m1", "M1", train, ("m1",), ()), a_task("a", "train-m1")]
    asked = [(study, tasks) for study in studies]
    records, left = remaining(asked)
    assert records == {} and [job.twin for job in left.values()][:4] == [
        None,
        None,
        studies[0],
        None,
    ]
    found = run_tasks(asked, workers)
    assert [log_of(study) for study in studies] == [["train-m1", "a"], ["a"], ["train-m1", "a"]]
    assert found[1]["train-m1"] == found[0]["train-m1"] != found[2]["train-m1"]
    kept = [(study.dir.run("m1").root / "kept" / "of").read_text() for study in studies]
    assert kept == ["first", "first", "third"]
    assert run_tasks(asked, None) == found  # nothing is left to run


def test_the_longest_way_starts_first(study):
    tasks = [a_task("short"), a_task("long", work=9), a_task("head")]
    tasks.append(a_task("tail", "head", work=20))
    pace = {"some": {"kind": "test", "seconds": 3, "work": 3}}
    projection = Projection(None, pace)
    ways = projection.ways(tasks)
    assert sorted(ways, key=ways.get, reverse=True) == ["head", "tail", "long", "short"]
    assert ways == {"short": 1, "long": 9, "head": 21, "tail": 20}
    assert projection.wall_seconds(tasks, 1) == 31
    assert projection.wall_seconds(tasks, 2) == 21  # head and tail one after the other


def test_projection_learns_the_pace_of_a_kind_and_keeps_it(tmp_path):
    def record(seconds, work):
        return {"kind": "test", "seconds": seconds, "work": work}

    projection = Projection(tmp_path, {"a": record(4, 2)})
    assert projection.seconds(a_task("t", work=3)) == 6
    projection.learn(record(30, 3))
    projection.learn(record(10, 1))
    assert projection.seconds(a_task("t", work=3)) == 30  # the median of 2, 10, 10
    projection.keep()
    later = Projection(tmp_path, {})
    assert later.seconds(a_task("t", work=3)) == 30
    assert later.measured([a_task("t")]) and not later.measured([Task("u", "u", note, kind="new")])


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"test": 3}', '{"test": ["x"]}', "nonsense"])
def test_a_damaged_timings_file_counts_for_nothing(tmp_path, text):
    (tmp_path / "timings.json").write_text(text)
    projection = Projection(tmp_path, {})
    assert not projection.measured([a_task("t")])
    projection.learn({"kind": "test", "seconds": 1, "work": 1})
    projection.keep()
    assert read_json(tmp_path / "timings.json") == {"test": [1.0]}


def test_a_killed_worker_is_said_and_nothing_is_lost(study):
    others = set(multiprocessing.active_children())
    with pytest.raises(InputError, match="a worker process was killed"):
        with Workers(1) as workers:
            run_all(study, [a_task("a"), Task("dead", "dead", die, (), ("a",))], workers)
    assert set(records_of(study.dir, [a_task("a"), a_task("dead")])) == {"a"}
    assert set(multiprocessing.active_children()) <= others


def test_a_corpus_that_changed_meanwhile_is_noticed(study):
    study.identity["config_hash"] = "another hash"
    with Workers(1) as workers:
        with pytest.raises(InputError, match="a corpus changed while the study began"):
            run_all(study, [a_task("a")], workers)
