"""How many operations training takes: the matrix products of a train step, read off its trace."""

from __future__ import annotations

from functools import cache, partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp

from aegan.learning.schedule import init_state, train_step
from aegan.learning.steps import Learner
from aegan.models.model import Labelled


class Product(NamedTuple):
    """A matrix product of a dense layer, whose weights are (inputs, outputs).

    "forward" is (rows, inputs) times the weights; "inputs" and "weights" are the gradients of the
    layer's inputs and of its weights.
    """

    kind: Literal["forward", "inputs", "weights"]
    rows: int
    inputs: int
    outputs: int

    @property
    def multiply_adds(self) -> int:
        """Of the one product, the same for every kind."""
        return self.rows * self.inputs * self.outputs


@cache
def products(learner: Learner, epoch: int) -> tuple[Product, ...]:
    """The products of a lane's train step in an epoch, in order, less what the compiler drops."""
    model, n = learner.model, learner.batch_size
    rows = partial(jax.ShapeDtypeStruct, dtype=jnp.float32)
    key = jax.eval_shape(jax.random.key, 0)
    state = jax.eval_shape(partial(init_state, learner), key)
    batch = Labelled(rows((n, model.features)), rows((n, model.classes)))
    step = partial(train_step, learner, epoch=epoch)
    return tuple(_products(jax.make_jaxpr(step)(state, key, batch).jaxpr))


def _products(jaxpr: Any) -> list[Product]:
    found: list[Product] = []
    needed = {v for v in jaxpr.outvars if not hasattr(v, "val")}
    for equation in reversed(jaxpr.eqns):
        if not needed.isdisjoint(equation.outvars):
            needed.update(v for v in equation.invars if not hasattr(v, "val"))
            found = _of_equation(equation) + found
    return found


def _of_equation(equation: Any) -> list[Product]:
    parameters = equation.params
    if equation.primitive.name == "dot_general":
        (a, b), (c, d) = (v.aval.shape for v in equation.invars)
        return {
            ((1,), (0,)): [Product("forward", a, b, d)],
            ((1,), (1,)): [Product("inputs", a, c, b)],
            ((0,), (0,)): [Product("weights", a, b, d)],
        }[parameters["dimension_numbers"][0]]
    # Of a choice between platforms the last one is the plain form.
    inner = parameters.get("jaxpr") or parameters.get("call_jaxpr")
    inner = inner or parameters.get("branches", (None,))[-1]
    inner = getattr(inner, "jaxpr", inner)
    return _products(inner) * parameters.get("length", 1) if hasattr(inner, "eqns") else []


def flops_per_update(learner: Learner) -> float:
    """Floating-point operations (two per multiply-add) of a train step, mean over its epochs."""
    cycle = max((rule.every for rule in learner.rules), default=0)
    if not cycle:
        return 0.0  # nothing is trained
    epochs = [sum(p.multiply_adds for p in products(learner, epoch)) for epoch in range(cycle)]
    return 2.0 * sum(epochs) / cycle
