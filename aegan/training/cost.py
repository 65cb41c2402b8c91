"""How many operations training takes, counted from the layers."""

from __future__ import annotations

from aegan.models import declarations as d
from aegan.models import networks as n
from aegan.models.declarations import Model
from aegan.models.networks import Sizes


def _layers(*widths: int) -> list[int]:
    """Multiply-adds per row of each dense layer."""
    return [a * b for a, b in zip(widths[:-1], widths[1:], strict=True)]


def multiply_adds_per_row(model: Model, sizes: Sizes, d2_every: int, fresh_z: bool) -> float:
    """Multiply-adds of the matrix products that one training row costs, averaged over epochs.

    Forward once, backward once for the inputs (not needed at a network's first layer unless
    something below it learns) and once for the weights (not needed where they are frozen).
    """
    s = sizes
    encoder = _layers(s.features, *s.encoder, s.code)
    decoder = _layers(s.code, *s.encoder[::-1], s.features)
    d1 = _layers(s.code + s.classes, *s.code_discriminator, 1)
    enc, dec, d1_sum = sum(encoder), sum(decoder), sum(d1)

    step_1 = 3 * (enc + dec) - encoder[0]
    step_2 = enc + 2 * (3 * d1_sum - d1[0])
    step_3 = (2 * enc - encoder[0]) + 2 * d1_sum
    total = step_1 + step_2 + step_3
    generator = _layers(s.latent + s.classes, *s.code_generator, s.code)
    cg = sum(generator) if n.CODE_GENERATOR in model.networks else 0
    total += cg  # step 2's draws
    if d.GENERATOR in model.steps:
        trunk = _layers(s.features + s.classes, *s.feature_discriminator)
        d2 = sum(trunk) + s.feature_discriminator[-1]
        forward = dec + cg
        total += forward * (2 if fresh_z else 1)
        total += 2 * (3 * d2 - trunk[0]) / d2_every
        backward = 2 * dec + (2 * cg - generator[0] if cg else -decoder[0])
        total += 2 * d2 + backward
        if n.AUXILIARY in model.networks:
            total += 3 * sum(_layers(s.feature_discriminator[-1], *s.auxiliary, s.classes))
    return float(total)


def flops_per_update(
    model: Model, sizes: Sizes, batch_size: int, d2_every: int = 1, fresh_z: bool = False
) -> float:
    """Floating-point operations of one lane's train step, a multiply-add counted as two."""
    return 2.0 * batch_size * multiply_adds_per_row(model, sizes, d2_every, fresh_z)
