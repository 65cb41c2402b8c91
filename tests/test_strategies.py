"""Ways to run lanes: the same results whichever is taken, and the choice between them."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import jax
import numpy as np
import pytest
from builders import initial, small_run, trained
from commands import QUICK, ROOT
from helpers import META, pairs, same_bits

from aegan.errors import InputError
from aegan.training import processes
from aegan.training import strategy as s
from aegan.training.checkpoints import Checkpoint, open_keeper
from aegan.training.job import only
from aegan.training.trainers import open_trainer

EPOCHS = 3


@lru_cache
def by(strategy: str, name: str = "m3"):
    """States and losses of the small run after three epochs, in calls of one and of two."""
    with open_trainer(strategy, small_run(name).job()) as trainer:
        trainer.begin()
        assert same_bits(trainer.state(), jax.tree.map(np.asarray, initial(name)))
        calls = [trainer.run(0, 1), trainer.run(1, 2)]
        history = np.concatenate([call.history for call in calls])
        return trainer.state(), history, calls[-1].diverged


def assert_close(state, other) -> None:
    for a, b in pairs(state, other):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


SLOW = [(s.PROCESSES, name) for name in ("m1", "m2", "m4", "m9")] + [(s.SEQUENTIAL, "m4")]
SLOW = [pytest.param(*way, marks=pytest.mark.slow) for way in SLOW]
ALONE = [(s.SEQUENTIAL, name) for name in ("m1", "m2", "m9")]  # each lane by itself


@pytest.mark.parametrize(
    ("strategy", "name"),
    [*((way, "m3") for way in s.STRATEGIES), *ALONE, *SLOW],
)
def test_every_strategy_trains_every_lane_alike(strategy, name):
    """Folds of different size, and two seeds."""
    assert len({len(fold.train) for fold in small_run(name).folds}) > 1
    state, history, diverged = by(strategy, name)
    whole, whole_history = trained(name, EPOCHS)
    assert_close(state, whole)
    kernels = [tree.params["encoder"]["hidden0"]["kernel"] for tree in (whole, initial(name))]
    assert np.abs(kernels[0] - kernels[1]).max() > 1e-2, "no training, no test"
    np.testing.assert_allclose(history, whole_history, rtol=1e-4)
    losses = len(small_run(name).learner.model.losses())
    assert history.shape == (EPOCHS, 2, 6, losses) and diverged.tolist() == [0] * 6
    assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(state))


def test_vmap_has_the_bits_of_one_call():
    state, history, _ = by(s.VMAP)
    assert same_bits((state, history), jax.tree.map(np.asarray, trained("m3", EPOCHS)))


# --- over several devices, in processes that are told to have them -------------------------------


def _keeper(folder: Path):
    run = small_run("m3")
    return open_keeper(folder, META, run.lanes().key, len(run.learner.model.losses()))


def _go_on(trainer, folder: Path, epochs: int = EPOCHS) -> tuple:
    """The checkpoint in ``folder`` trained to the end: states, losses and divergences."""
    with _keeper(folder) as keeper:
        found = keeper.restore(small_run("m3").like())
    trainer.load(found.state)
    trained = trainer.run(found.epochs, epochs - found.epochs)
    return trainer.state(), np.concatenate([found.history, trained.history]), trained.diverged


def _with_a_bad_lane():
    """States of which one lane's goes wrong in the first epoch."""
    state = jax.tree.map(np.array, initial("m3"))
    state.params["encoder"]["hidden0"]["kernel"][2] = np.nan
    return state


def _on_devices(folder: str, other: str | None) -> None:
    """Runs in a process with several devices: trains, saves, and goes on from another's save."""
    place, left = Path(folder), {}
    with open_trainer(s.SHARDED, small_run("m3").job()) as trainer:
        for attempt in ("whole", "again"):
            trainer.load(initial("m3"))
            calls = [trainer.run(0, 2)]
            if attempt == "whole":
                with _keeper(place / "checkpoints") as keeper:
                    keeper.save(Checkpoint(2, trainer.state(), calls[0].history, 1.0))
            calls.append(trainer.run(2, 1))
            history = np.concatenate([call.history for call in calls])
            left[attempt] = trainer.state(), history, calls[-1].diverged
        leaves = jax.tree.leaves(trainer._state)
        left["devices"] = {len(leaf.sharding.device_set) for leaf in leaves}
        left["rows"] = {s.data.shape[0] for leaf in leaves for s in leaf.addressable_shards}
        left["places"] = {leaf.shape[0] for leaf in leaves}
        left["resumed"] = _go_on(trainer, Path(other) if other else place / "checkpoints")
        trainer.load(_with_a_bad_lane())
        left["diverged"] = trainer.run(0, 1).diverged.tolist()
    (place / "left").write_bytes(pickle.dumps(left))


def on_devices(devices: int, folder: Path, other: Path | None = None) -> dict:
    folder.mkdir()
    arguments = (str(folder), str(other) if other else None)
    done = subprocess.run(
        [sys.executable, "-c", f"import test_strategies as t; t._on_devices(*{arguments!r})"],
        env={
            **os.environ,
            "JAX_PLATFORMS": "cpu",
            "NPROC": "1",
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), str(ROOT)]),
            "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices} {QUICK}",
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return pickle.loads((folder / "left").read_bytes())


@pytest.fixture(scope="module")
def four(tmp_path_factory) -> tuple[dict, Path]:
    """Four devices for six lanes."""
    folder = tmp_path_factory.mktemp("devices") / "four"
    return on_devices(4, folder), folder / "checkpoints"


@pytest.fixture(scope="module")
def five(four, tmp_path_factory) -> dict:
    """Five devices, which go on from the checkpoint of four."""
    return on_devices(5, tmp_path_factory.mktemp("devices") / "five", four[1])


@pytest.mark.parametrize("devices", [4, pytest.param(5, marks=pytest.mark.slow)])
def test_lanes_over_several_devices_are_those_of_one(devices, request):
    left = request.getfixturevalue("four")[0] if devices == 4 else request.getfixturevalue("five")
    whole, whole_history = trained("m3", EPOCHS)
    for state, history, diverged in (left["whole"], left["resumed"]):
        assert_close(state, whole)
        np.testing.assert_allclose(history, whole_history, rtol=1e-4)
        assert history.shape == (EPOCHS, 2, 6, 6) and diverged.tolist() == [0] * 6
    assert same_bits(left["whole"], left["again"])
    # Two places on each device, those beyond the six lanes with copies.
    assert left["devices"] == {devices} and left["rows"] == {2} and left["places"] == {2 * devices}
    assert left["diverged"] == [0, 0, 1, 0, 0, 0]


def test_one_device_goes_on_from_the_checkpoint_of_four(four):
    with open_trainer(s.VMAP, small_run("m3").job()) as trainer:
        state, history, _ = _go_on(trainer, four[1])
    assert_close(state, trained("m3", EPOCHS)[0])
    np.testing.assert_allclose(history, trained("m3", EPOCHS)[1], rtol=1e-4)


# --- a lane that goes wrong, a process that dies -------------------------------------------------


@pytest.mark.parametrize(
    "strategy",
    [
        s.VMAP,
        s.SEQUENTIAL,
        *(pytest.param(x, marks=pytest.mark.slow) for x in (s.SHARDED, s.PROCESSES)),
    ],
)
def test_a_lane_that_diverges_is_marked_and_the_others_train(strategy):
    with open_trainer(strategy, small_run("m3").job()) as trainer:
        trainer.load(_with_a_bad_lane())
        diverged = [trainer.run(epoch, 1).diverged.tolist() for epoch in range(2)]
        state = trainer.state()
    assert diverged == [[0, 0, 1, 0, 0, 0]] * 2
    whole = trained("m3", 2)[0]
    for lane in {*range(6)} - {2}:
        assert_close(only(state, lane), only(whole, lane))


def test_lanes_go_on_in_any_process_and_a_killed_one_is_one_line(monkeypatch):
    """Two processes, five lanes: each lane's epochs come in pieces, wherever one is idle."""
    monkeypatch.setattr(processes, "usable_cores", lambda: 2)
    five = small_run("m3").lane_list[:5]
    with open_trainer(s.PROCESSES, small_run("m3").job(five)) as trainer:
        assert trainer.pieces == trainer.jobs == 2
        trainer.load(jax.tree.map(lambda leaf: leaf[:5], initial("m3")))
        history = trainer.run(0, EPOCHS).history
        whole, whole_history = trained("m3", EPOCHS)
        assert_close(trainer.state(), jax.tree.map(lambda leaf: leaf[:5], whole))
        np.testing.assert_allclose(history, whole_history[:, :, :5], rtol=1e-4)
        for process in trainer._pool.processes:
            process.kill()
        with pytest.raises(InputError, match="a worker process was killed.*strategy=vmap") as error:
            trainer.run(EPOCHS, 1)
        assert "\n" not in str(error.value)


# --- the choice ----------------------------------------------------------------------------------


BIG, SMALL, MIDDLE = 3e13, 2e12, 9e12  # floating-point operations; MIDDLE: M2 of nEMO


@pytest.mark.parametrize(
    ("backend", "cores", "devices", "lane_count", "flops", "chosen"),
    [
        ("cpu", 8, 4, 6, BIG, s.SHARDED),
        ("gpu", 8, 4, 6, SMALL, s.SHARDED),
        ("gpu", 8, 1, 6, BIG, s.VMAP),
        ("gpu", 1, 1, 1, SMALL, s.VMAP),
        ("tpu", 8, 1, 6, BIG, s.VMAP),
        ("cpu", 8, 1, 6, BIG, s.PROCESSES),
        ("cpu", 8, 1, 6, SMALL, s.VMAP),
        ("cpu", 1, 1, 6, BIG, s.SEQUENTIAL),
        ("cpu", 8, 1, 1, BIG, s.SEQUENTIAL),
    ],
)
def test_auto_chooses_by_machine_and_work(
    backend, cores, devices, lane_count, flops, chosen, monkeypatch
):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    monkeypatch.setattr(s, "usable_cores", lambda: cores)
    assert s.choose(s.AUTO, lane_count, flops, 16, devices) == chosen


@pytest.mark.parametrize(
    ("batch_size", "flops", "chosen"),
    [
        (16, SMALL, s.VMAP),
        (16, MIDDLE, s.SEQUENTIAL),  # processes would not win their start back
        (16, BIG, s.PROCESSES),
        (64, MIDDLE, s.PROCESSES),
        (64, SMALL, s.VMAP),
    ],
)
def test_auto_takes_processes_where_they_win_back_their_start(
    batch_size, flops, chosen, monkeypatch
):
    monkeypatch.setattr(s, "usable_cores", lambda: 2)
    assert s.choose(s.AUTO, 5, flops, batch_size, 1) == chosen


def test_what_is_asked_for_is_taken_on_one_cpu_and_devices_are_those_of_all_hosts(monkeypatch):
    assert [s.choose(strategy, 6, SMALL, 16) for strategy in s.STRATEGIES] == list(s.STRATEGIES)
    monkeypatch.setattr(jax, "device_count", lambda: 2)
    assert s.choose(s.AUTO, 6, SMALL, 16) == s.SHARDED


def test_processes_on_a_gpu_are_refused(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    with pytest.raises(InputError, match="each take the whole gpu; give vmap or auto"):
        s.choose(s.PROCESSES, 6, BIG, 16)


@pytest.mark.parametrize("strategy", [s.VMAP, s.PROCESSES, s.SEQUENTIAL])
def test_a_strategy_of_one_host_is_refused_on_several(strategy, monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    with pytest.raises(InputError, match="uses one host of 2; give sharded or auto"):
        s.choose(strategy, 6, BIG, 16)
    assert s.choose(s.SHARDED, 6, BIG, 16) == s.SHARDED
