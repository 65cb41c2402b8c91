"""Every loss against hand-worked values and gradients, and at extreme logits."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aegan.models import losses

# D = sigmoid(logit): logit log 3 is D = 3/4, logit -log 3 is D = 1/4, logit 0 is D = 1/2.
LOG3 = math.log(3.0)
LOGITS = jnp.array([0.0, LOG3, -LOG3])
TO_ONE = np.array([math.log(2), math.log(4 / 3), math.log(4)])  # -log D
TO_ZERO = np.array([math.log(2), math.log(4), math.log(4 / 3)])  # -log(1 - D)
SLOPE_TO_ONE = np.array([-1 / 2, -1 / 4, -3 / 4])  # D - 1
SLOPE_TO_ZERO = np.array([1 / 2, 3 / 4, 1 / 4])  # D
EXTREME = jnp.array([-1e4, -100.0, 100.0, 1e4])


def gradient(loss, *args, argnum=0):
    return jax.grad(lambda *a: loss(*a).sum(), argnums=argnum)(*args)


def assert_close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-7)


def test_reconstruction_by_sum_and_mean():
    x = jnp.array([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]])
    y = jnp.array([[1.0, 0.0, 0.0], [1.0, -1.0, 2.0]])
    assert_close(losses.reconstruction(x, y, "sum"), [13.0, 6.0])  # 0 + 4 + 9; 1 + 1 + 4
    assert_close(losses.reconstruction(x, y, "mean"), [13 / 3, 2.0])
    by_sum = gradient(lambda y: losses.reconstruction(x, y, "sum"), y)
    assert_close(by_sum, [[0, -4, -6], [2, -2, 4]])  # 2 (x' - x)
    assert_close(gradient(lambda y: losses.reconstruction(x, y, "mean"), y), np.array(by_sum) / 3)
    assert_close(losses.reconstruction(x, x, "sum"), [0.0, 0.0])


TWO_SIDED = (losses.code_discriminator, losses.feature_discriminator)
ONE_SIDED = (losses.encoder_adversarial, losses.generator_adversarial)


@pytest.mark.parametrize("loss", TWO_SIDED)
def test_discriminators(loss):
    """First argument: what the paper calls 1 (encoded, synthetic); second: what it calls 0."""
    second = LOGITS[::-1]
    assert_close(loss(LOGITS, second), TO_ONE + TO_ZERO[::-1])
    assert_close(gradient(loss, LOGITS, second), SLOPE_TO_ONE)
    assert_close(gradient(loss, LOGITS, second, argnum=1), SLOPE_TO_ZERO[::-1])


@pytest.mark.parametrize("loss", ONE_SIDED)
def test_adversaries_want_the_label_of_the_other_side(loss):
    assert_close(loss(LOGITS), TO_ZERO)
    assert_close(gradient(loss, LOGITS), SLOPE_TO_ZERO)


def test_information():
    # Softmax of (log 1, log 2, log 5) is (1/8, 2/8, 5/8).
    logits = jnp.log(jnp.array([[1.0, 2.0, 5.0], [1.0, 2.0, 5.0], [1.0, 1.0, 1.0]]))
    labels = jnp.eye(3)[jnp.array([0, 2, 1])]
    assert_close(losses.information(logits, labels), [math.log(8), math.log(8 / 5), math.log(3)])
    expected = [[-7 / 8, 2 / 8, 5 / 8], [1 / 8, 2 / 8, -3 / 8], [1 / 3, -2 / 3, 1 / 3]]
    assert_close(gradient(lambda u: losses.information(u, labels), logits), expected)


@pytest.mark.parametrize("loss", [*TWO_SIDED, *ONE_SIDED])
def test_extreme_logits_have_the_exact_value_and_a_slope(loss):
    """softplus(1e4) = 1e4 and softplus(-1e4) = 0 in float32; a lost case pulls in full."""
    logits = (EXTREME, EXTREME)[: 2 if loss in TWO_SIDED else 1]
    one_sided = [0.0, math.exp(-100), 100.0, 1e4]
    assert_close(loss(*logits), [1e4, 100.0, 100.0, 1e4] if loss in TWO_SIDED else one_sided)
    for i in range(len(logits)):
        slopes = np.asarray(gradient(loss, *logits, argnum=i))
        assert np.isfinite(slopes).all() and np.abs(slopes).max() == pytest.approx(1.0)


def test_extreme_class_logits_stay_finite():
    logits = jnp.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 0.0]])
    labels = jnp.eye(3)[jnp.array([0, 0])]
    assert_close(losses.information(logits, labels), [0.0, 2e4])
    slopes = gradient(lambda u: losses.information(u, labels), logits)
    assert_close(slopes, [[0, 0, 0], [-1, 1, 0]])


def test_losses_are_per_row_without_rank_promotion():
    with jax.numpy_rank_promotion("raise"):
        assert losses.code_discriminator(LOGITS, LOGITS).shape == (3,)
        with pytest.raises(ValueError, match="rank_promotion"):
            losses.code_discriminator(LOGITS[:, None], LOGITS)
