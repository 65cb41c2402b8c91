"""The benchmark's command: what it refuses, what it writes, and its jobs."""

from __future__ import annotations

import json
from importlib.util import find_spec

import jax
import numpy as np
import pytest
from commands import command

from aegan.bench import jobs
from aegan.bench.headline import NOTES
from aegan.bench.jobs import Shape
from aegan.errors import InputError
from aegan.training import strategy
from aegan.training.cost import products
from aegan.training.job import Job
from aegan.training.trainers import open_trainer

TINY = (
    "--config.hidden=(16,8)",
    "--config.features=12",
    "--config.models=('m2',)",
    "--config.folds=2",
    "--config.seeds=1",
    "--config.batch_size=4",
    "--config.batches=2",
    "--config.rounds=1",
    "--config.metrics.rows=120",
    "--config.metrics.tested=30",
    "--config.scaling.batches=(1,2,3)",
    "--config.scaling.lanes=()",
    "--config.scaling.batch_sizes=(4,)",
    "--config.scaling.features=()",
)


def small(**changes) -> Shape:
    fields = {"features": 12, "batch_size": 4, "batches": 2, "folds": 2, "hidden": (16, 8)}
    return Shape("m2", **(fields | changes))


def test_a_job_has_the_shape_asked_for_and_holds_nothing_out():
    job = jobs.job_of(small(seeds=2))
    assert job.number == 4
    assert job.lanes.n_valid.tolist() == [0] * 4 and job.lanes.n_train.tolist() == [8] * 4
    assert job.schedule.batches == 2 and job.schedule.d2_every == 1
    sizes = job.learner.nets.sizes
    assert sizes.encoder == sizes.feature_discriminator == (16, 8) and sizes.features == 12
    counted = products(job.learner.model, sizes, 4)
    assert jobs.flops_of(job) == 2 * sum(p.multiply_adds for p in counted)


def test_the_papers_sizes_are_the_default():
    sizes = jobs.job_of(Shape("m3", features=20, batch_size=2, batches=1, folds=2)).learner.nets
    assert sizes.sizes.encoder == (1000, 700, 300) and sizes.sizes.code == 256


def test_a_candidate_trains_and_says_so_if_a_lane_diverges():
    job = jobs.job_of(small())
    with open_trainer(strategy.VMAP, job) as trainer:
        candidate = jobs.training_of(job, trainer)
        assert candidate.steps == 2 * 2
        before = trainer.state()
        candidate.call()
        after = trainer.state()
        moved = jax.tree.map(lambda a, b: np.abs(a - b).max(), before.params, after.params)
        assert max(jax.tree.leaves(moved)) > 1e-4
    broken = job.lanes._replace(mean=job.lanes.mean.at[0].set(np.nan))
    job = Job(job.learner, job.schedule, job.table, broken)
    with (
        open_trainer(strategy.VMAP, job) as trainer,
        pytest.raises(InputError, match="m2, batches of 4: a lane diverged"),
    ):
        jobs.training_of(job, trainer)


def test_memory_grows_with_lanes():
    two, four = (jobs.memory_of(jobs.job_of(small(folds=folds))) for folds in (2, 4))
    assert four["state"] == 2 * two["state"]
    assert four["planned"] - two["planned"] >= two["state"]


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("--config.rounds=0", "config.rounds=0: must be 1 or more"),
        ("--config.folds=1", "config.folds=1: must be 2 or more"),
        ("--config.models=('m4',)", "must be of m1, m2, m3"),
        ("--config.matmul_precision=float8", "must be one of float32"),
        ("--config.metrics.rows=5", "config.metrics.rows"),
        ("--config.metrics.rbf=()", "config.metrics.rbf=[]: must be values of C above 0"),
        ("--config.scaling.features=(5,400)", "config.scaling.features=[5, 400]: must be 20"),
        ("--config.hidden=(8,0)", "config.hidden=[8, 0]: must be 1 or more"),
        ("--config.round=3", "the config has no field 'round'"),
        ("--config=configs/bench.py:fast", "no variant 'fast'"),
    ],
)
def test_bad_values_are_refused_in_one_line(tmp_path, argument, said):
    done = command(tmp_path, argument, f"--workdir={tmp_path / 'b'}", name="bench")
    assert done.status == 2 and said in done.err
    assert len(done.err.strip().splitlines()) == 1 and not (tmp_path / "b").exists()


@pytest.mark.slow
def test_the_whole_benchmark_on_tiny_networks(tmp_path):
    folder = tmp_path / "bench"
    done = command(tmp_path, *TINY, f"--workdir={folder}", name="bench")
    assert done.status == 0, done.err
    results = json.loads((folder / "bench.json").read_text())
    # Scripts look at the top level.
    assert {name: results[name] for name in NOTES} == results["headline"]
    for name, entry in results["headline"].items():
        if "torch" in name and find_spec("torch") is None or name == "linear_in_lanes":
            assert entry["value"] is None and entry["reason"]
        else:
            assert 0 <= entry["min"] <= entry["median"] <= entry["max"] and entry["n"] >= 1, name
    assert results["predictions_differ"]["median"] == 0
    text = (folder / "bench.md").read_text()
    assert "M2: seconds" in text and "Scaling: rows" in text
    lines = [line for line in done.out.splitlines() if str(folder) not in line]
    assert max(map(len, lines)) <= 80
