"""How long training will take here: counted operations over a measured rate."""

from __future__ import annotations

import time

import jax
import jax.numpy as jnp

from aegan.learning.cost import products
from aegan.run.plan import Plan

# Share of the matrix-product rate that the whole train step reaches, gathers, activations,
# optimisers and the validation pass included.
SHARE_OF_RATE = 0.7
PROBE_SECONDS = 0.3


def training_seconds(plan: Plan) -> float:
    """Estimated seconds of training, compiling left out."""
    largest = max(products(plan.learner), key=lambda product: product.inputs * product.outputs)
    lanes = len(plan.lanes)
    x = jnp.ones((lanes, plan.learner.batch_size, largest.inputs))
    w = jnp.ones((lanes, largest.inputs, largest.outputs))
    product = jax.jit(lambda x, w: x @ w)
    product(x, w).block_until_ready()
    started, count = time.perf_counter(), 0
    while time.perf_counter() - started < PROBE_SECONDS:
        product(x, w).block_until_ready()
        count += 1
    spent = time.perf_counter() - started
    rate = 2.0 * x.size * largest.outputs * count / spent
    return plan.flops / (rate * SHARE_OF_RATE)
