"""Training on whatever device there is: the benchmark runs these on a GPU, the suite on a CPU."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import jax
import numpy as np
import pytest
from bench_jobs import small_job

from aegan.bench.accelerator import apart, trained
from aegan.metrics import device
from aegan.metrics.fid import FidProtocol, train_nets
from aegan.training.job import Job, only
from aegan.training.trainers import Vmapped

pytestmark = pytest.mark.gpu
MODELS = ("m2", pytest.param("m3", marks=pytest.mark.slow))


job = cache(small_job)


@pytest.fixture(autouse=True)
def float32():
    """A GPU's own choice is TF32."""
    with jax.default_matmul_precision("float32"):
        yield


@cache
def once(model: str):
    """The state after an epoch."""
    return trained(job(model))


def start(of: Job):
    trainer = Vmapped(of)
    trainer.begin()
    return trainer.state()


@pytest.mark.parametrize("model", MODELS)
def test_training_moves_every_network_and_stays_finite(model):
    before, after = start(job(model)), once(model)
    for name, network in after.params.items():
        leaves = zip(jax.tree.leaves(network), jax.tree.leaves(before.params[name]), strict=True)
        assert max(np.abs(a - b).max() for a, b in leaves) > 0, name
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(after.params))
    assert not after.diverged.any()


def test_the_same_training_has_the_same_bits():
    first, again = once("m2"), trained(job("m2"))
    for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("model", MODELS)
def test_a_lane_is_the_fold_alone(model):
    of = job(model)
    for lane in range(of.number):
        alone = trained(Job(of.learner, of.table, only(of.lanes, lane)))
        assert apart(only(once(model), lane), alone, only(start(of), lane)) < 1e-3


def test_the_device_trains_as_a_processor_does():
    with jax.default_device(jax.local_devices(backend="cpu")[0]):
        own = small_job("m2")  # its table and lanes lie there
        assert apart(once("m2"), trained(own), start(own)) < 1e-3


def test_gram_matrices_are_a_processors():
    """In float32, whatever precision the device would choose."""
    rows = np.random.default_rng(0).standard_normal((200, 400)).astype(np.float32)
    exact = rows.astype(np.float64) @ rows.T.astype(np.float64)
    with jax.default_matmul_precision("bfloat16"):
        assert np.abs(device.gram(rows, None) - exact).max() < 1e-5 * exact.max()


def test_nets_are_a_processors():
    """The FID's, by scikit-learn, in whatever precision products are elsewhere."""
    rows = np.random.default_rng(0).standard_normal((150, 12)).astype(np.float32)
    labels, protocol = np.arange(150) % 4, FidProtocol(epochs=5, batch_size=32, net_seeds=(3, 0))
    with jax.default_matmul_precision("bfloat16"):
        found = train_nets(rows, labels, replace(protocol, device="on"))
    for net, own in zip(found, train_nets(rows, labels, protocol), strict=True):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), net, own)
