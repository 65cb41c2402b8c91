"""A model that only tests know: what a new one has to say, and all that it has to say."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import jax
import jax.numpy as jnp

from aegan.models import losses
from aegan.models.m1 import AUTOENCODER_STEP, CODE_STEP, DECODER, ENCODER_STEP
from aegan.models.m2 import FEATURE_STEP, GENERATED, GENERATOR_LOSS, GENERATOR_STEP, M2
from aegan.models.m3 import AUXILIARY, INFORMATION, generator_loss
from aegan.models.model import Labelled, Loss, Network, Params, Pass, Step
from aegan.run.schema import positive, widths

NOISE = "noise"


def autoencoder_loss(model: M9, params: Params, batch: Labelled) -> tuple[jax.Array]:
    decoded = model.decode_labelled(params, model.encode(params, batch.values), batch.labels)
    return (losses.reconstruction(batch.values, decoded, model.reduction),)


def noised(model: M9, params: Params, key: jax.Array, batch: Labelled) -> Labelled:
    return Labelled(model.noise_of(params, key, len(batch.labels)), batch.labels)


def noise_loss(
    model: M9, params: Params, batch: Labelled, noised: Labelled, generated: Labelled
) -> tuple[jax.Array]:
    """The noise is to be a share of the rows: (|noise|^2 - share |row|^2)^2."""
    noise, rows = (jnp.square(made.values).mean(axis=1) for made in (noised, generated))
    return (jnp.square(noise - model.noise_size * rows),)


OWN_GENERATED = replace(GENERATED, networks=(DECODER, NOISE))
NOISED = Pass(noised, (NOISE,), stream=3)


@dataclass(frozen=True)
class M9(M2):
    """M2 with a decoder that reads the label, M3's AUX, and noise of a network of its own."""

    name = "m9"
    title = "M9: M2 with labels in the decoder and learned noise"
    steps = (
        replace(AUTOENCODER_STEP, loss=autoencoder_loss),
        CODE_STEP,
        ENCODER_STEP,
        replace(FEATURE_STEP, sees=(OWN_GENERATED,)),
        replace(
            GENERATOR_STEP,
            learns=(DECODER, NOISE, AUXILIARY),
            losses=(GENERATOR_LOSS, INFORMATION),
            loss=generator_loss,
            sees=(OWN_GENERATED,),
            through=OWN_GENERATED,
            weights=lambda model: (1.0, model.information_weight),
        ),
        Step(
            "noise",
            learns=(NOISE,),
            losses=(Loss("noise_size", "noise", "size of the noise", "Learned noise"),),
            loss=noise_loss,
            sees=(NOISED, OWN_GENERATED),  # which step 5 has changed
            through=NOISED,
        ),
    )

    auxiliary: tuple[int, ...] = (128,)
    noise: Annotated[tuple[int, ...], widths] = (16,)
    noise_inputs: int = 4
    noise_size: Annotated[float, positive] = 0.01
    information_weight: float = 1.0
    aux_sees_label: bool = True

    def networks(self) -> dict[str, Network]:
        decoder = self.mlp(self.encoder[::-1], self.features)
        auxiliary = self.mlp(self.auxiliary, self.classes)
        return super().networks() | {
            DECODER: Network(1, self.code + self.classes, decoder),
            AUXILIARY: Network(4, self.feature_discriminator[-1], auxiliary),
            NOISE: Network(9, self.noise_inputs, self.mlp(self.noise, self.features)),
        }

    def decode_labelled(self, params: Params, codes: jax.Array, labels: jax.Array) -> jax.Array:
        return self.apply(DECODER, params, jnp.hstack([codes, labels]))

    def noise_of(self, params: Params, key: jax.Array, rows: int) -> jax.Array:
        return self.apply(NOISE, params, jax.random.normal(key, (rows, self.noise_inputs)))

    def generate(self, params: Params, key: jax.Array, labels: jax.Array) -> jax.Array:
        code_key, noise_key = jax.random.split(key)
        codes = self.prior_codes(params, code_key, labels)
        rows = self.decode_labelled(params, codes, labels)
        return rows + self.noise_of(params, noise_key, len(labels))
