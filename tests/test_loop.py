"""The training loop: to the end from checkpoints, and back to before a lane went wrong."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache

import jax
import numpy as np
import pytest
from builders import small_run
from helpers import META, same_bits

from aegan.training import hosts, loop, processes
from aegan.training import strategy as s
from aegan.training.checkpoints import open_keeper
from aegan.training.job import Job, Trained, only
from aegan.training.lanes import init_lanes
from aegan.training.trainers import Vmapped, open_trainer

NAMES = [f"lane {i}" for i in range(6)]
OFTEN, NEVER = 0.0, 1e9  # seconds between checkpoints


def job(rate: float | None = None) -> Job:
    """Six lanes of M1; with a rate for all steps that is not their own."""
    own = small_run("m1").job()
    rules = own.learner.rules
    if rate is not None:
        rules = tuple(replace(rule, rate=rate) for rule in rules)
    return replace(own, learner=replace(own.learner, rules=rules))


def keeper_of(folder, given: Job):
    return open_keeper(folder, META, given.lanes.key, len(given.learner.model.losses()))


class Failing(Vmapped):
    """A trainer in which lanes go wrong in given epochs (from 1)."""

    failing: dict[int, int] = {}

    def run(self, first: int, count: int) -> Trained:
        histories = []
        for epoch in range(first, first + count):
            history, diverged = super().run(epoch, 1)
            histories.append(history)
            for lane, when in self.failing.items():
                if epoch + 1 == when:
                    broken = jax.tree.map(lambda w, i=lane: w.at[i].set(np.nan), self._state.params)
                    diverged = diverged.copy()
                    diverged[lane] = diverged[lane] or when
                    self._state = self._state._replace(params=broken, diverged=diverged)
        return Trained(np.concatenate(histories), np.asarray(self._state.diverged))


class FailingEarlierTheSecondTime(Failing):
    """As on a device that does not compute the same bits twice."""

    attempts = 0

    def begin(self) -> None:
        super().begin()
        self.failing = {3: 4 if self.attempts == 0 else 2}
        self.attempts += 1


@pytest.fixture
def train(monkeypatch, tmp_path):
    """``train_lanes`` by a given trainer, with its checkpoints under ``tmp_path``."""

    def call(trainer: type, epochs: int, save_every: float, folder: str = "one", **along):
        @contextmanager
        def opened(strategy, job):
            yield trainer(job)

        monkeypatch.setattr(loop, "open_trainer", opened)
        with keeper_of(tmp_path / folder, job()) as keeper:
            return loop.train_lanes(job(), "vmap", keeper, epochs, save_every, NAMES, **along)

    return call


@lru_cache
def reference(epochs: int):
    """States and losses of the same training where nothing goes wrong."""
    trainer = Vmapped(job())
    trainer.begin()
    history = np.concatenate([trainer.run(epoch, 1).history for epoch in range(epochs)])
    return trainer.state(), history


def assert_lane(state, lane: int, epochs: int, mark: int) -> None:
    expected = reference(epochs)[0] if epochs else init_lanes(job().learner, job().lanes)
    expected = only(expected, lane)._replace(diverged=np.array([mark], np.int32))
    assert same_bits(only(state, lane), jax.tree.map(np.asarray, expected)), lane


@pytest.mark.parametrize("save_every", [OFTEN, NEVER])
def test_training_does_not_depend_on_checkpoints(train, save_every):
    end = train(Vmapped, 5, save_every)
    state, history = reference(5)
    assert end.epochs == 5 and end.seconds > 0
    assert same_bits((end.state, end.history), (state, history))


def test_states_along_the_way_change_nothing_and_survive_an_interruption(train):
    kept, parts = {}, {}
    end = train(Vmapped, 5, OFTEN, along=(1, 3, 4), keep=kept.__setitem__)
    assert list(kept) == [1, 3, 4]
    for epoch, state in kept.items():
        assert same_bits(state, reference(epoch)[0]), epoch
    assert same_bits((end.state, end.history), reference(5))
    train(Vmapped, 3, NEVER, "cut", along=(1, 3, 4), keep=parts.__setitem__)
    assert list(parts) == [1, 3]  # kept before the checkpoint of epoch 3
    train(Vmapped, 5, NEVER, "cut", along=(1, 3, 4), keep=parts.__setitem__)
    assert same_bits(parts, kept)


def test_a_lane_that_went_wrong_is_marked_along_the_way(train, monkeypatch):
    monkeypatch.setattr(Failing, "failing", {2: 2})
    kept = {}
    train(Failing, 4, NEVER, along=(1, 3), keep=kept.__setitem__)
    assert kept[1].diverged.tolist() == [0] * 6
    assert kept[3].diverged.tolist() == [0, 0, 2, 0, 0, 0]
    assert_lane(kept[3], 1, 3, 0)


def test_training_goes_on_where_it_ended(train, capsys):
    first = train(Vmapped, 3, NEVER)
    end = train(Vmapped, 5, NEVER)
    assert "goes on after epoch 3 of 5" in capsys.readouterr().out
    assert same_bits((end.state, end.history), reference(5)) and end.seconds > first.seconds
    again = train(Vmapped, 5, NEVER)
    assert same_bits((again.state, again.history), reference(5)) and again.seconds == end.seconds


@pytest.mark.parametrize("save_every", [OFTEN, NEVER])
def test_a_lane_that_goes_wrong_ends_with_its_state_before_that_epoch(train, save_every, capsys):
    """Three lanes in calls of one epoch and of several; two in the same epoch."""

    class Trainer(Failing):
        failing = {2: 3, 4: 5, 0: 5}

    end = train(Trainer, 6, save_every)
    for lane, (epochs, mark) in {2: (2, 3), 4: (4, 5), 0: (4, 5)}.items():
        assert_lane(end.state, lane, epochs, mark)
    for lane in (1, 3, 5):
        assert_lane(end.state, lane, 6, 0)
        assert same_bits(end.history[:, :, lane], reference(6)[1][:, :, lane])
    assert same_bits(end.history[:2, :, 2], reference(6)[1][:2, :, 2])
    told = capsys.readouterr()
    said = [line for line in (told.out + told.err).splitlines() if "diverged" in line]
    assert len(said) == 3 and any("lane 2 diverged in epoch 3" in line for line in said)
    # On from the checkpoint, with a trainer in which nothing goes wrong: they train no more.
    end = train(Vmapped, 8, save_every)
    for lane, (epochs, mark) in {2: (2, 3), 4: (4, 5), 0: (4, 5), 1: (8, 0)}.items():
        assert_lane(end.state, lane, epochs, mark)


def test_a_lane_that_goes_wrong_at_once_or_earlier_on_the_way_back(train):
    class AtOnce(Failing):
        failing = {1: 1}

    end = train(AtOnce, 2, NEVER)
    assert_lane(end.state, 1, 0, 1)
    assert_lane(end.state, 0, 2, 0)
    end = train(FailingEarlierTheSecondTime, 5, NEVER, "other")
    assert_lane(end.state, 3, 1, 2)
    assert_lane(end.state, 0, 5, 0)


@pytest.mark.parametrize("strategy", [s.VMAP, s.SHARDED, s.PROCESSES])
def test_every_strategy_goes_back_and_on(strategy, monkeypatch, tmp_path):
    """With a rate by which some lane goes wrong by itself, but not at once; bit for bit."""
    monkeypatch.setattr(processes, "usable_cores", lambda: 2)
    for rate in (0.05, 0.06, 0.07, 0.09, 0.12):
        with open_trainer(strategy, job(rate)) as trainer:
            trainer.begin()
            diverged, whole = trainer.run(0, 8).diverged, trainer.state()
            late = [lane for lane in range(6) if diverged[lane] > 1]
            if not late or diverged.all():
                continue
            trainer.begin()
            trainer.run(0, int(diverged[late[0]]) - 1)
            before = trainer.state()
        break
    else:
        pytest.fail("no rate here makes a lane go wrong late: give others")
    given = job(rate)
    with keeper_of(tmp_path, given) as keeper:
        end = loop.train_lanes(given, strategy, keeper, 8, OFTEN, NAMES)
    assert end.state.diverged.tolist() == diverged.tolist()
    for lane in np.flatnonzero(diverged == 0):
        assert same_bits(only(end.state, lane), only(whole, lane))
    expected = only(before, late[0])._replace(diverged=diverged[late[0] :][:1])
    assert same_bits(only(end.state, late[0]), expected)


def test_all_hosts_train_as_long_as_the_first_says(train, monkeypatch):
    counts = []

    class Trainer(Vmapped):
        def run(self, first: int, count: int) -> Trained:
            counts.append(count)
            return super().run(first, count)

    monkeypatch.setattr(hosts, "agree", lambda value: 2 if type(value) is int else value)
    end = train(Trainer, 6, NEVER)
    assert counts == [1, 2, 2, 1]
    assert same_bits((end.state, end.history), reference(6))
