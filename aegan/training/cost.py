"""How many operations training takes, counted from the matrix products of a train step."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, NamedTuple

from aegan.models import declarations as d
from aegan.models import networks as n
from aegan.models.declarations import Model
from aegan.models.networks import Sizes


class Product(NamedTuple):
    """A matrix product of a dense layer, whose weights are (inputs, outputs).

    "forward" is (rows, inputs) times the weights, "inputs" the gradient of the layer's inputs,
    (rows, outputs) times the weights transposed, and "weights" that of its weights,
    (rows, inputs) transposed times (rows, outputs).
    """

    kind: Literal["forward", "inputs", "weights"]
    rows: int
    inputs: int
    outputs: int

    @property
    def multiply_adds(self) -> int:
        """Of the one product, the same for every kind."""
        return self.rows * self.inputs * self.outputs


def _forward(widths: tuple[int, ...], rows: int) -> list[Product]:
    return [Product("forward", rows, a, b) for a, b in pairwise(widths)]


def _backward(
    widths: tuple[int, ...], rows: int, *, weights: bool = True, below: bool = True
) -> list[Product]:
    """From the last layer to the first; without ``weights`` of a frozen network.

    ``below`` is whether something below the network's first layer learns.
    """
    found = []
    for position, (a, b) in reversed(list(enumerate(pairwise(widths)))):
        if weights:
            found.append(Product("weights", rows, a, b))
        if below or position:
            found.append(Product("inputs", rows, a, b))
    return found


def products(
    model: Model, sizes: Sizes, batch_size: int, fresh_z: bool = False, update_d2: bool = True
) -> tuple[Product, ...]:
    """Every matrix product that one lane's train step cannot avoid, in the order of its steps.

    Forward once, backward once for the inputs (not needed at a network's first layer unless
    something below it learns) and once for the weights (not needed where they are frozen).

    Args:
        model: the model.
        sizes: its layer widths.
        batch_size: rows of a batch; the discriminators learn on twice as many.
        fresh_z: step 5 draws a z of its own.
        update_d2: whether step 4 trains D2, as in one epoch of every ``d2_every``.
    """
    s, batch, both = sizes, batch_size, 2 * batch_size
    encoder = (s.features, *s.encoder, s.code)
    decoder = encoder[::-1]
    d1 = (s.code + s.classes, *s.code_discriminator, 1)
    has_generator = n.CODE_GENERATOR in model.networks
    generator = (s.latent + s.classes, *s.code_generator, s.code) if has_generator else ()

    found = _forward(encoder, batch) + _forward(decoder, batch)  # step 1
    found += _backward(decoder, batch) + _backward(encoder, batch, below=False)
    found += _forward(encoder, batch) + _forward(generator, batch)  # step 2
    found += _forward(d1, both) + _backward(d1, both, below=False)
    found += _forward(d1, batch) + _backward(d1, batch, weights=False)  # step 3
    found += _backward(encoder, batch, below=False)
    if d.GENERATOR not in model.steps:
        return tuple(found)

    d2 = (s.features + s.classes, *s.feature_discriminator, 1)
    generated = _forward(generator, batch) + _forward(decoder, batch)
    found += generated  # step 4
    if update_d2:
        found += _forward(d2, both) + _backward(d2, both, below=False)
    if fresh_z:  # step 5
        found += generated
    found += _forward(d2, batch)
    if n.AUXILIARY in model.networks:
        auxiliary = (s.feature_discriminator[-1], *s.auxiliary, s.classes)
        found += _forward(auxiliary, batch) + _backward(auxiliary, batch)
    found += _backward(d2, batch, weights=False)
    found += _backward(decoder, batch, below=has_generator)
    found += _backward(generator, batch, below=False)
    return tuple(found)


def multiply_adds_per_row(model: Model, sizes: Sizes, d2_every: int, fresh_z: bool) -> float:
    """Multiply-adds of the matrix products that one training row costs, averaged over epochs."""
    with_d2, without = (
        sum(p.multiply_adds for p in products(model, sizes, 1, fresh_z, update_d2))
        for update_d2 in (True, False)
    )
    return without + (with_d2 - without) / d2_every


def flops_per_update(
    model: Model, sizes: Sizes, batch_size: int, d2_every: int = 1, fresh_z: bool = False
) -> float:
    """Floating-point operations of one lane's train step, a multiply-add counted as two."""
    return 2.0 * batch_size * multiply_adds_per_row(model, sizes, d2_every, fresh_z)
