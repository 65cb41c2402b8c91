"""The priors of Table 1: geometry, labels, and the moments of what is drawn."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aegan.errors import InputError
from aegan.models.priors import MixturePrior, NormalPrior, random_labels

N = 20_000


def test_four_means_lie_on_plus_and_minus_the_axes():
    means = MixturePrior(2, radius=4.0, spread=1.0).means(4)
    np.testing.assert_allclose(means, [[4, 0], [0, 4], [-4, 0], [0, -4]], atol=1e-6)
    assert means.dtype == np.float32


@pytest.mark.parametrize(("latent", "classes"), [(2, 2), (2, 3), (2, 4), (2, 7), (5, 4), (3, 6)])
def test_means_have_the_radius_and_differ(latent, classes):
    means = MixturePrior(latent, radius=3.0, spread=1.0).means(classes)
    assert means.shape == (classes, latent)
    np.testing.assert_allclose(np.linalg.norm(means, axis=1), 3.0, rtol=1e-6)
    gaps = np.linalg.norm(means[:, None] - means[None], axis=2)[~np.eye(classes, dtype=bool)]
    # On a circle neighbours are 2 r sin(pi / classes) apart, on axes r sqrt 2 at least.
    assert gaps.min() == pytest.approx(
        6 * np.sin(np.pi / classes) if latent == 2 else 3 * np.sqrt(2), rel=1e-5
    )


@pytest.mark.parametrize(("latent", "classes"), [(1, 3), (3, 7)])
def test_too_many_components_are_refused_with_the_mend(latent, classes):
    with pytest.raises(InputError, match="config.model.code.*at least"):
        MixturePrior(latent, 4.0, 1.0).means(classes)
    np.testing.assert_array_equal(MixturePrior(1, 4.0, 1.0).means(2), [[4], [-4]])


def drawn(prior, seed, n=N):
    """Points and one-hot labels, drawn uniformly."""
    labels, key = random_labels(jax.random.key(seed), n, 4)
    return prior.sample(key, labels), labels


def test_mixture_has_its_means_and_spread_class_by_class():
    prior = MixturePrior(2, radius=4.0, spread=0.5)
    z, labels = map(np.asarray, drawn(prior, 0))
    for c in range(4):
        own = z[labels.argmax(axis=1) == c]
        standard_error = 0.5 / np.sqrt(len(own))
        assert np.abs(own.mean(axis=0) - prior.means(4)[c]).max() < 5 * standard_error
        np.testing.assert_allclose(np.cov(own.T), 0.25 * np.eye(2), atol=0.02)


def test_normal_is_standard_and_independent_of_the_class():
    z, labels = map(np.asarray, drawn(NormalPrior(20), 1))
    assert z.shape == (N, 20)
    assert np.abs(z.mean(axis=0)).max() < 5 / np.sqrt(N)
    np.testing.assert_allclose(np.cov(z.T), np.eye(20), atol=0.06)
    by_class = np.stack([z[labels.argmax(axis=1) == c].mean(axis=0) for c in range(4)])
    assert np.abs(by_class).max() < 5 / np.sqrt(N / 4)


def test_labels_are_one_hot_and_uniform():
    labels = np.asarray(random_labels(jax.random.key(2), N, 4)[0])
    assert set(np.unique(labels)) == {0.0, 1.0}
    np.testing.assert_array_equal(labels.sum(axis=1), 1)
    deviation = np.sqrt(N * 0.25 * 0.75)
    assert np.abs(labels.sum(axis=0) - N / 4).max() < 5 * deviation


def test_no_key_is_used_twice():
    def draw(key):
        labels, key = random_labels(key, 8, 4)
        return MixturePrior(2, 4.0, 1.0).sample(key, labels)

    with jax.debug_key_reuse(True):
        assert np.isfinite(jax.jit(draw)(jax.random.key(5))).all()
        # So that the silence above means something.
        with pytest.raises(jax.errors.KeyReuseError):
            jax.jit(lambda key: (draw(key), draw(key)))(jax.random.key(5))


def test_points_are_of_the_given_labels():
    labels = jnp.eye(4)[jnp.array([2, 2, 0])]
    tight = MixturePrior(2, radius=4.0, spread=1e-6)
    points = tight.sample(jax.random.key(6), labels)
    np.testing.assert_allclose(points, [[-4, 0], [-4, 0], [4, 0]], atol=1e-4)
