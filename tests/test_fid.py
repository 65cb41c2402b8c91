"""The Frechet distance against closed forms and scipy, the net against its definition."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from aegan.metrics.fid import (
    FidNet,
    FidProtocol,
    Moments,
    activations,
    fid_scores,
    frechet_distance,
    halves,
    moments,
    train_net,
)

seeds = st.integers(0, 2**31)


def covariance(rng, size, rank=None):
    root = rng.standard_normal((size, rank or 2 * size))
    return root @ root.T


@given(seed=seeds)
@settings(max_examples=25, deadline=None)
def test_closed_forms(seed):
    """Equal covariances leave the means; commuting ones the sum of (sqrt(p) - sqrt(q))^2."""
    rng = np.random.default_rng(seed)
    shared = covariance(rng, 5)
    a, b = rng.standard_normal((2, 5))
    found = frechet_distance(Moments(a, shared), Moments(b, shared))
    assert found == pytest.approx(np.sum((a - b) ** 2), rel=1e-9, abs=1e-9)
    p, q = rng.uniform(0, 4, (2, 5))
    basis = np.linalg.qr(rng.standard_normal((5, 5)))[0]
    found = frechet_distance(Moments(a, basis * p @ basis.T), Moments(b, basis * q @ basis.T))
    wanted = np.sum((a - b) ** 2) + np.sum((np.sqrt(p) - np.sqrt(q)) ** 2)
    assert found == pytest.approx(wanted, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("size", [3, 20, 64])
def test_equals_sqrtm_where_that_is_sound(size):
    rng = np.random.default_rng(size)
    a = Moments(rng.standard_normal(size), covariance(rng, size) + np.eye(size))
    b = Moments(rng.standard_normal(size), covariance(rng, size) + np.eye(size))
    root = scipy.linalg.sqrtm(a.covariance @ b.covariance).real
    wanted = np.sum((a.mean - b.mean) ** 2) + np.trace(a.covariance + b.covariance - 2 * root)
    assert frechet_distance(a, b) == pytest.approx(wanted, rel=1e-8)


@given(seed=seeds, n=st.integers(1, 8), m=st.integers(1, 8), scale=st.sampled_from([1e-3, 1, 1e3]))
@settings(max_examples=60, deadline=None)
def test_any_sets_of_rows(seed, n, m, scale):
    """Rank-deficient sets and single rows: finite, real, not negative, symmetric, zero if equal."""
    rng = np.random.default_rng(seed)
    a = moments(rng.standard_normal((n, 6)) * scale)
    b = moments(np.maximum(rng.standard_normal((m, 6)), 0) * scale)
    found = frechet_distance(a, b)
    assert isinstance(found, float) and np.isfinite(found) and found >= 0
    assert found == pytest.approx(frechet_distance(b, a), rel=1e-9, abs=1e-9 * scale**2)
    assert frechet_distance(a, a) <= 1e-11 * max(np.trace(a.covariance), 1e-12)
    # To a collapsed set: the distance of the means plus the other's variance.
    wanted = np.sum((a.mean - 1) ** 2) + np.trace(a.covariance)
    assert frechet_distance(a, moments(np.ones((30, 6)))) == pytest.approx(wanted)


def test_moments_are_numpys():
    rows = np.random.default_rng(0).standard_normal((30, 4)).astype(np.float32)
    found = moments(rows)
    np.testing.assert_allclose(found.mean, rows.mean(axis=0, dtype=np.float64))
    np.testing.assert_allclose(found.covariance, np.cov(rows.astype(np.float64), rowvar=False))
    with pytest.raises(ValueError):
        moments(np.empty((0, 4)))


@pytest.fixture(scope="module")
def rows_and_labels():
    rng = np.random.default_rng(0)
    labels = (np.arange(400) % 4).astype(np.int32)
    centres = rng.standard_normal((4, 30)) * 2
    return (centres[labels] + rng.standard_normal((400, 30))).astype(np.float32), labels


def test_net_is_the_papers(rows_and_labels, recwarn):
    rows, labels = rows_and_labels
    net = train_net(rows, labels, FidProtocol(), seed=1)
    assert [w.shape for w in net.weights] == [(30, 64), (64, 64), (64, 64)]
    assert [b.shape for b in net.biases] == [(64,)] * 3
    hidden = rows.astype(np.float64)
    for weight, bias in zip(net.weights, net.biases, strict=True):
        hidden = np.where(hidden @ weight + bias > 0, hidden @ weight + bias, 0)
    found = activations(net, rows)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, hidden, rtol=1e-12, atol=1e-12)
    # The layer knows the classes: nearest class mean of the activations.
    means = np.stack([found[labels == k].mean(axis=0) for k in range(4)])
    nearest = np.linalg.norm(found[:, None] - means, axis=2).argmin(axis=1)
    assert np.mean(nearest == labels) > 0.9
    assert not recwarn.list
    again = train_net(rows, labels, FidProtocol(), seed=1)
    assert all(np.array_equal(a, b) for a, b in zip(net.weights, again.weights, strict=True))
    other = train_net(rows, labels, FidProtocol(), seed=2)
    assert not np.array_equal(net.weights[0], other.weights[0])


def identity_net(dim):
    """Activations equal to positive rows, so that distances can be worked out by hand."""
    return FidNet((np.eye(dim, dtype=np.float32),) * 3, (np.zeros(dim, np.float32),) * 3)


def test_scores_are_what_they_say():
    rng = np.random.default_rng(1)
    real = rng.uniform(0, 1, (61, 5))
    synthetic = rng.uniform(0.5, 1.5, (90, 5))
    protocol = FidProtocol(splits=3)
    found = fid_scores((identity_net(5),), real, synthetic, protocol)
    as32 = [moments(r) for r in (synthetic, real)]
    assert found.fid == pytest.approx(frechet_distance(*as32), rel=1e-5)
    pairs = halves(61, protocol)
    for a, b in pairs:
        assert len(a) == len(b) == 30 and len(np.union1d(a, b)) == 60
    floor = [frechet_distance(moments(real[a]), moments(real[b])) for a, b in pairs]
    assert found.fid_real == pytest.approx(np.mean(floor), rel=1e-5)
    assert found.fid_over_floor > 0.5
    assert found == fid_scores((identity_net(5),), real, synthetic, protocol)


def test_fresh_draws_of_the_same_distribution_sit_on_the_floor():
    rng = np.random.default_rng(2)
    real, fresh, few = (rng.gamma(2.0, 1.0, (n, 4)) for n in (2000, 3000, 300))
    protocol = FidProtocol(splits=20)
    over = fid_scores((identity_net(4),), real, fresh, protocol).fid_over_floor
    far = fid_scores((identity_net(4),), real, fresh + 0.5, protocol).fid_over_floor
    assert abs(over) < 0.05 and far == pytest.approx(1.0, abs=0.15)
    # Matched N also with fewer synthetic rows than half of set-1.
    assert abs(fid_scores((identity_net(4),), real, few, protocol).fid_over_floor) < 0.1


def test_real_rows_are_the_floor():
    real = np.random.default_rng(3).uniform(0, 1, (40, 4))
    found = fid_scores((identity_net(4),), real, None, FidProtocol())
    assert (found.fid, found.fid_over_floor) == (0, 0) and found.fid_real > 0
