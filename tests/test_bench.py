"""The benchmark's command: what it refuses, what it writes, its parts, and its jobs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace

import jax
import numpy as np
import pytest
from bench_jobs import bench_config, small_job
from commands import QUICK, ROOT, command, finish, start

from aegan.bench import benchmark
from aegan.bench.benchmark import NOTES, Task, run_benchmark, tasks
from aegan.bench.jobs import job_of, learner_for, training_of
from aegan.bench.memory import planned_bytes, state_bytes
from aegan.bench.timing import Part, section, spread
from aegan.errors import InputError
from aegan.learning.cost import flops_per_update, products
from aegan.run import programs
from aegan.run.config import read_config
from aegan.run.plan import learner_of
from aegan.training import strategy
from aegan.training.job import Job
from aegan.training.trainers import open_trainer

TINY = [f"--config.{name}={value}" for name, value in {
    "hidden": "(16,8)",
    "features": 12,
    "folds": 2,
    "lanes": "(3,)",
    "batch_sizes": "(4,)",
    "batches": 2,
    "rounds": 1,
    "square": 8,
    "torch": False,
}.items()]  # fmt: skip
# A machine for the benchmark may lack these.
ABSENT = ("ml_collections", "imblearn", "matplotlib", "jinja2", "openTSNE", "opensmile")


def test_a_job_has_the_shape_asked_for_and_holds_nothing_out():
    job = small_job(folds=4)
    assert job.number == 4
    assert job.lanes.n_valid.tolist() == [0] * 4 and job.lanes.n_train.tolist() == [8] * 4
    learner, model = job.learner, job.learner.model
    assert learner.batches == 2 and {rule.every for rule in learner.rules} == {1}
    assert model.encoder == model.feature_discriminator == (16, 8) and model.features == 12
    assert flops_per_update(learner) == 2 * sum(p.multiply_adds for p in products(learner, 0))
    model = job_of(bench_config(hidden=()), "m3").learner.model  # the paper's
    assert model.encoder == (1000, 700, 300) and model.code == 256


@pytest.mark.parametrize("model", ["m1", "m2", "m3", "m4"])
def test_a_model_learns_as_its_config_says(model):
    read = read_config(programs.load(model))
    whole = learner_of(read.model.for_data(1582, 4), read, 16)
    rules = tuple(replace(rule, every=1) for rule in whole.rules)
    ours = learner_for(
        bench_config(features=1582, hidden=(), batch_sizes=(16,), batches=16), model, 4
    )
    assert ours == replace(whole, rules=rules)


def test_a_candidate_trains_and_says_so_if_a_lane_diverges():
    job = small_job()
    with open_trainer(strategy.VMAP, job) as trainer:
        candidate = training_of(job, trainer)
        before = trainer.state()
        assert candidate() == 2 * 2
        after = trainer.state()
        moved = jax.tree.map(lambda a, b: np.abs(a - b).max(), before.params, after.params)
        assert max(jax.tree.leaves(moved)) > 1e-4
    broken = job.lanes._replace(mean=job.lanes.mean.at[0].set(np.nan))
    job = Job(job.learner, job.table, broken)
    with (
        open_trainer(strategy.VMAP, job) as trainer,
        pytest.raises(InputError, match="m2, batches of 4: a lane diverged"),
    ):
        training_of(job, trainer)()


def test_memory_grows_with_lanes():
    two, four = (small_job(folds=folds) for folds in (2, 4))
    assert state_bytes(four) == 2 * state_bytes(two)
    assert planned_bytes(four) - planned_bytes(two) >= state_bytes(two)


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("--config.rounds=0", "config.rounds=0: must be 1 or more"),
        ("--config.folds=1", "config.folds=1: must be 2 or more"),
        ("--config.models=('m9',)", "config.models=('m9',): must be of m1, m2, m3, m4"),
        ("--config.precision=float8", "must be one of float32, tensorfloat32, bfloat16"),
        ("--config.metrics.rows=5", "config.metrics.rows=5: must be 100 or more"),
        ("--config.metrics.tested=0", "config.metrics.tested=0: must be 1 or more"),
        ("--config.metrics.rbf=()", "config.metrics.rbf=(): must be values of C above 0"),
        ("--config.hidden=(8,0)", "config.hidden=(8, 0): must be 1 or more, each of them"),
        ("--config.round=3", "the config has no field 'round' (did you mean 'rounds'?)"),
        ("--config.metrics.c=3", "the config has no field 'metrics.c'"),
        ("--config=configs/bench.py:fast", "no variant 'fast'"),
        ("--config=m2", "--config=m2: is none of the benchmark's"),
        ("--config=bensh", "did you mean bench?"),
        ("--workdir=/proc/bench", "--workdir=/proc/bench: cannot be written"),
    ],
)
def test_bad_values_are_refused_in_one_line(tmp_path, argument, said):
    done = command(tmp_path, f"--workdir={tmp_path / 'b'}", argument, name="bench")
    assert done.status == 2 and said in done.err
    assert len(done.err.strip().splitlines()) == 1 and not (tmp_path / "b").exists()


# --- parts in processes of their own -------------------------------------------------------------


def fine(config, until):
    return Part(
        [section("Table", "", [{"name": "row", **spread([1.0])}])], {"overlap": spread([2.0])}
    )


class InPlace:
    """A pool whose one process is this one."""

    def __init__(self, jobs, environment):
        self.environment = environment

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def submit(self, call, measure, config, until):
        self.call = lambda: (measure(config, until), {"platform": "cpu"})
        return self

    def result(self, timeout):
        return self.call()


def raising(error):
    def measure(config, until):
        raise error

    return measure


def test_a_part_that_fails_or_is_cut_leaves_the_others(monkeypatch):
    parts = {
        "good": fine,
        "wrong": raising(ValueError("bad\nworse")),
        "late": raising(TimeoutError()),
        "killed": raising(BrokenProcessPool()),
    }
    made = [Task(name, measure, bench_config(), 9, name == "good" and "_64" or None)
            for name, measure in parts.items()]  # fmt: skip
    monkeypatch.setattr(benchmark, "Pool", InPlace)
    monkeypatch.setattr(benchmark, "tasks", lambda config: [*made, replace(made[0], name="last")])
    written = []
    failed = run_benchmark(bench_config(), written.append)
    assert failed == ["wrong: ValueError: bad", "killed: its process ended"]
    assert len(written) == 5
    assert [len(found["sections"]) for found in written] == [2, 3, 4, 5, 6]
    assert written[0]["headline"]["overlap_64"]["median"] == 2.0
    titles = [one["title"] for one in written[-1]["sections"]]
    assert titles == [
        "good: Table",
        "wrong: failed",
        "late: cut",
        "killed: failed",
        "last: Table",
        "Parts",
    ]
    states = [row["detail"] for row in written[-1]["sections"][-1]["rows"]]
    assert states == ["ended", "failed", "cut", "failed", "ended"]
    assert "cut after 9 s" in written[-1]["sections"][2]["rows"][0]["reason"]


def test_what_there_is_no_time_for_is_not_begun(monkeypatch):
    monkeypatch.setattr(benchmark, "Pool", None)
    monkeypatch.setattr(benchmark, "tasks", lambda config: [Task("a", fine, config, 0.5)])
    written = []
    assert run_benchmark(bench_config(), written.append) == []
    assert "no time left" in written[0]["sections"][0]["rows"][0]["reason"]


def sleeping(config, until):
    time.sleep(60)


@pytest.mark.slow
def test_a_part_is_ended_when_its_seconds_are_over():
    started = time.time()
    _, _, state = benchmark._measured(Task("sleeper", sleeping, bench_config(), 12), 12)
    assert state == benchmark.CUT and time.time() - started < 40


def test_the_parts_on_a_gpu_hold_what_is_asked_for():
    found = {task.name: task for task in tasks(bench_config("gpu", batch_sizes=(64, 16, 256)))}
    assert [*found][0] == "M2, batch 64" and {"M2, batch 16", "M2, batch 256"} <= {*found}
    buffers = [task.flags for name, task in found.items() if "command buffers" in name]
    assert len(buffers) == 2 and buffers[0].endswith("command_buffer=")
    assert "deterministic" in found["the same twice, and alone"].flags
    assert found["M2, batch 64, TF32"].config.precision == "tensorfloat32"
    suffixes = [task.suffix for task in found.values() if task.suffix is not None]
    named = [s for s in suffixes if s]
    assert len({*named}) == len(named), "two parts would write one headline"


def test_the_benchmark_is_there_without_what_it_does_not_need(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "experiments.bench", "--config=bench:gpu", "--config.rounds=0"],
        env=os.environ | {"PYTHONPATH": blocking(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    # All is imported and the config read before this is said.
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: config.rounds=0: must be 1 or more\n"


def blocking(folder) -> str:
    """A PYTHONPATH on which whoever imports what may be absent is told that it is."""
    (folder / "sitecustomize.py").write_text(
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] in {ABSENT}:\n"
        "            raise ModuleNotFoundError(f'{name} is absent', name=name)\n"
        "sys.meta_path.insert(0, Absent())\n"
    )
    return os.pathsep.join([str(folder), str(ROOT)])


def patient():
    """In the command: a busy machine cuts nothing."""
    given = benchmark.tasks
    benchmark.tasks = lambda config: [replace(task, seconds=900) for task in given(config)]


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["quick", "gpu"])
def test_the_whole_benchmark_on_tiny_networks(tmp_path, variant):
    folder = tmp_path / "bench"
    own = ["--config.metrics.rows=120", "--config.metrics.tested=30", "--config.memory=True"]
    own += ["--config.steps=True"]
    running = start(
        tmp_path,
        f"--config=bench:{variant}",
        *TINY,
        *(own if variant == "quick" else ["--config.seconds=9000"]),
        f"--workdir={folder}",
        name="bench",
        environment={"PYTHONPATH": blocking(tmp_path), "XLA_FLAGS": QUICK},
        before=patient,
    )
    done = finish(running, tmp_path)
    assert done.status == 0, done.err
    results = json.loads((folder / "bench.json").read_text())
    # Scripts look at the top level.
    assert results["headline"].items() <= results.items()
    for name, entry in results["headline"].items():
        assert any(name.startswith(known) for known in NOTES)
        if "torch" in name:
            assert entry["value"] is None and entry["reason"]
        else:
            assert 0 <= entry["min"] <= entry["median"] <= entry["max"] and entry["n"] >= 1, name
    parts = results["sections"][-1]["rows"]
    assert len(parts) >= 4 and {row["detail"] for row in parts} == {"ended"}
    if variant == "gpu":
        assert results["bits_differ"]["median"] == results["tests_failed"]["median"] == 0
        assert results["lane_alone"]["median"] < 1e-3
    else:
        assert results["predictions_differ"]["median"] == 0
    lines = [line for line in done.out.splitlines() if str(folder) not in line]
    assert max(map(len, lines)) <= 80
