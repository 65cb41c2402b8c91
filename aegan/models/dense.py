"""The matrix product of a dense layer, with its gradients written out."""

from __future__ import annotations

from typing import Any

import jax
from jax import lax

_OUTPUT = (((1,), (0,)), ((), ()))  # x @ w
_INPUTS = (((1,), (1,)), ((), ()))  # g @ w.T, and w @ g.T
_WEIGHTS = (((0,), (0,)), ((), ()))  # x.T @ g

# Multiply-adds of a product. Tiny ones gain nothing, and XLA (jax 0.10), which turns them back
# late, aborts if they have an axis of lanes.
TURNED_FROM = 2**15


@jax.custom_vjp
def product(x: jax.Array, w: jax.Array) -> jax.Array:
    """x @ w: (n, inputs), (inputs, outputs) -> (n, outputs)."""
    return lax.dot_general(x, w, _OUTPUT)


def inputs_gradient(gradient: jax.Array, w: jax.Array) -> jax.Array:
    """g @ w.T: (n, outputs), (inputs, outputs) -> (n, inputs)."""

    def straight(gradient: jax.Array, w: jax.Array) -> jax.Array:
        return lax.dot_general(gradient, w, _INPUTS)

    def turned(gradient: jax.Array, w: jax.Array) -> jax.Array:
        # (w @ g.T).T, which XLA's routine on a CPU, Eigen's, does up to four times as fast. The
        # barrier keeps XLA from turning the product back.
        return lax.optimization_barrier(lax.dot_general(w, gradient, _INPUTS)).T

    if len(gradient) * w.size < TURNED_FROM:
        return straight(gradient, w)
    return lax.platform_dependent(gradient, w, cpu=turned, default=straight)


def weights_gradient(x: jax.Array, gradient: jax.Array) -> jax.Array:
    """x.T @ g: (n, inputs), (n, outputs) -> (inputs, outputs)."""
    return lax.dot_general(x, gradient, _WEIGHTS)


# Differentiated by jax, the weights' gradient comes out as (outputs, inputs) and is turned. Under
# vmap XLA does not fold that into the product: the optimiser then reads the gradient column by
# column, a tenth to a fifth of the whole train step on a CPU.
product.defvjp(
    lambda x, w: (product(x, w), (x, w)),
    lambda kept, g: (inputs_gradient(g, kept[1]), weights_gradient(kept[0], g)),
)


def dot_general(x: jax.Array, w: jax.Array, dimension_numbers: Any, **_: Any) -> jax.Array:
    """``product`` as Flax's ``Dense`` wants it; the precision is jax's default_matmul_precision."""
    if dimension_numbers != _OUTPUT:
        raise ValueError(f"a dense layer multiplies (n, inputs) rows, not {dimension_numbers}")
    return product(x, w)
