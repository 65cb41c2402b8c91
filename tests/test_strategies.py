"""Ways to run lanes: the same results whichever is taken, and the choice between them."""

from __future__ import annotations

from functools import lru_cache

import jax
import numpy as np
import pytest
from helpers import initial, same_bits, small_run, trained

from aegan.training import strategy as s
from aegan.training.trainers import Job, open_trainer

EPOCHS = 3


def job_of(name: str, lane_list=None) -> Job:
    run = small_run(name)
    return Job(run.learner, run.schedule, run.table(), run.lanes(lane_list))


@lru_cache
def by(strategy: str, name: str = "m3"):
    """States and losses of the small run after three epochs, in calls of one and of two."""
    with open_trainer(strategy, job_of(name)) as trainer:
        trainer.load(initial(name))
        calls = [trainer.run(0, 1), trainer.run(1, 2)]
        history = np.concatenate([call.history for call in calls])
        return trainer.state(), history, calls[-1].diverged


def assert_close(state, other) -> None:
    for a, b in zip(*map(jax.tree.leaves, (state, other)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("strategy", s.STRATEGIES)
def test_every_strategy_trains_every_lane_alike(strategy):
    state, history, diverged = by(strategy)
    whole, whole_history = trained("m3", EPOCHS)
    assert_close(state, whole)
    moved = np.abs(
        np.asarray(whole.params["encoder"]["hidden0"]["kernel"])
        - np.asarray(initial("m3").params["encoder"]["hidden0"]["kernel"])
    ).max()
    assert moved > 1e-2, "no training, no test"
    np.testing.assert_allclose(history, whole_history, rtol=1e-4)
    assert history.shape == (EPOCHS, 2, 6, 6) and diverged.tolist() == [0] * 6
    assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(state))


def test_vmap_has_the_bits_of_one_call():
    state, history, _ = by(s.VMAP)
    assert same_bits((state, history), jax.tree.map(np.asarray, trained("m3", EPOCHS)))
