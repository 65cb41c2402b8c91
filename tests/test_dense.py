"""The matrix product of a dense layer and its gradients."""

from __future__ import annotations

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aegan.models import dense

SIZES = [(4, 6, 2), (1, 1, 1), (3, 1, 5), (16, 100, 50), (64, 40, 30)]  # rows, inputs, outputs
TURNED = (64, 40, 30)


def operands(rows, inputs, outputs, lanes=()):
    rng = np.random.default_rng(0)
    shapes = (rows, inputs), (inputs, outputs), (rows, outputs)
    return [rng.standard_normal(lanes + shape, dtype=np.float32) for shape in shapes]


def with_gradients(x, w, gradient):
    output, pullback = jax.vjp(dense.product, x, w)
    return output, *pullback(gradient)


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("lanes", [(), (3,)])
def test_product_and_gradients(sizes, lanes):
    x, w, gradient = operands(*sizes, lanes)
    assert (sizes[0] * sizes[1] * sizes[2] >= dense.TURNED_FROM) == (sizes[0] > 4)
    function = jax.vmap(with_gradients) if lanes else with_gradients
    found = jax.jit(function)(x, w, gradient)
    expected = x @ w, gradient @ w.swapaxes(-1, -2), x.swapaxes(-1, -2) @ gradient
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="products are turned on a CPU only")
@pytest.mark.parametrize("lanes", [(), (3,)])
def test_a_cpu_turns_the_inputs_gradient_and_xla_does_not_turn_it_back(lanes):
    rows, inputs, outputs = TURNED
    function = jax.vmap(dense.inputs_gradient) if lanes else dense.inputs_gradient
    _, w, gradient = operands(*TURNED, lanes)

    # Between elementwise operations, as in a network.
    def layer(gradient, w):
        return jnp.maximum(function(jnp.tanh(gradient), w), 0)

    program = jax.jit(layer).lower(gradient, w).compile().as_text()
    shape = ",".join(map(str, (*lanes, inputs, rows)))
    assert len(re.findall(r" dot\(", program)) == 1
    assert re.search(rf"f32\[{shape}\]\S* dot\(", program)


def test_layers_multiply_rows_only():
    with pytest.raises(ValueError, match="rows"):
        dense.dot_general(jnp.ones((2, 3)), jnp.ones((3, 4)), (((0,), (0,)), ((), ())))
