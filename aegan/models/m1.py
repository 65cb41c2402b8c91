"""M1: an adversarial auto-encoder with one 2-D Gaussian per class as its prior (section 4.2).

D1 tells encoded rows from draws of the prior and the encoder learns to pass the one off as the
other, so that the decoder turns a draw of a class's Gaussian into a row of that class.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import jax
import jax.numpy as jnp

from aegan.models import losses
from aegan.models.model import Labelled, Loss, Model, Network, Params, Pass, Step
from aegan.models.priors import MixturePrior, Prior, random_labels

ENCODER = "encoder"
DECODER = "decoder"
CODE_DISCRIMINATOR = "code_discriminator"  # the paper's D1


def encoded(model: M1, params: Params, _: jax.Array | None, batch: Labelled) -> Labelled:
    """enc(x) with the labels of x."""
    return Labelled(model.encode(params, batch.values), batch.labels)


def drawn(model: M1, params: Params, key: jax.Array, batch: Labelled) -> Labelled:
    """As many codes of the prior, of classes drawn uniformly."""
    labels, key = random_labels(key, *batch.labels.shape)
    return Labelled(model.prior_codes(params, key, labels), labels)


def on_both(
    logits: Callable[[Labelled], jax.Array], first: Labelled, second: Labelled
) -> tuple[jax.Array, jax.Array]:
    """A discriminator's logits (n,) on two batches, in one pass of twice the height."""
    rows, labels = (jnp.concatenate(pair) for pair in zip(first, second, strict=True))
    return tuple(jnp.split(logits(Labelled(rows, labels)), [len(first.labels)]))


def autoencoder_loss(model: M1, params: Params, batch: Labelled) -> tuple[jax.Array]:
    """Step 1: ||x - dec(enc(x))||^2."""
    decoded = model.decode(params, model.encode(params, batch.values))
    return (losses.reconstruction(batch.values, decoded, model.reduction),)


def code_discriminator_loss(
    model: M1, params: Params, batch: Labelled, encoded: Labelled, drawn: Labelled
) -> tuple[jax.Array]:
    """Step 2, eqs. (4) and (5): D1 calls encoded rows 1 and draws of the prior 0."""
    return (losses.code_discriminator(*on_both(model.code_logits(params), encoded, drawn)),)


def encoder_loss(model: M1, params: Params, batch: Labelled, encoded: Labelled) -> tuple[jax.Array]:
    """Step 3: the encoder makes D1 take its codes for draws of the prior."""
    return (losses.encoder_adversarial(model.code_logits(params)(encoded)),)


ENCODED = Pass(encoded, (ENCODER,))
DRAWN = Pass(drawn, stream=0)
AUTOENCODER_STEP = Step(
    "autoencoder",
    learns=(ENCODER, DECODER),
    losses=(Loss("reconstruction", "rec", "reconstruction", "Reconstruction"),),
    loss=autoencoder_loss,
)
CODE_STEP = Step(
    "code_discriminator",
    learns=(CODE_DISCRIMINATOR,),
    losses=(Loss("code_discriminator", "D1", "D1", "D1 against the encoder"),),
    loss=code_discriminator_loss,
    sees=(ENCODED, DRAWN),
)
ENCODER_STEP = Step(
    "encoder",
    learns=(ENCODER,),
    losses=(Loss("encoder_adversarial", "enc", "encoder", "D1 against the encoder"),),
    loss=encoder_loss,
    sees=(ENCODED,),
    through=ENCODED,
)


@dataclass(frozen=True)
class M1(Model):
    """Encoder, decoder and D1 of Table 1; the decoder mirrors the encoder."""

    name = "m1"
    title = "M1: adversarial auto-encoder with a mixture prior"
    about = (
        "An adversarial auto-encoder: its two-dimensional code is pressed into one Gaussian per "
        "class, and new rows are drawn from those Gaussians and decoded."
    )
    steps = (AUTOENCODER_STEP, CODE_STEP, ENCODER_STEP)

    encoder: tuple[int, ...] = (1000, 500, 100)
    code: int = 2
    code_discriminator: tuple[int, ...] = (1000, 500, 100)
    radius: float = 4.0  # of the means of the prior's components
    spread: float = 1.0  # standard deviation of a component
    reduction: str = "sum"  # of the squared error over the features, or "mean"

    def networks(self) -> dict[str, Network]:
        widths, decoder = self.encoder, self.encoder[::-1]
        d1 = self.code + self.classes
        return {
            ENCODER: Network(0, self.features, self.mlp(widths, self.code)),
            DECODER: Network(1, self.code, self.mlp(decoder, self.features)),
            CODE_DISCRIMINATOR: Network(2, d1, self.mlp(self.code_discriminator, 1)),
        }

    @property
    def prior(self) -> Prior:
        """p_z: a Gaussian per class."""
        return MixturePrior(self.code, self.radius, self.spread)

    def for_data(self, features: int, classes: int) -> Self:
        # Refuses a mixture of more components than the code has room for.
        jax.eval_shape(self.prior.sample, jax.random.key(0), jnp.zeros((1, classes)))
        return super().for_data(features, classes)

    def encode(self, params: Params, x: jax.Array) -> jax.Array:
        """enc(x): features (n, features) -> codes (n, code)."""
        return self.apply(ENCODER, params, x)

    def decode(self, params: Params, codes: jax.Array) -> jax.Array:
        """dec: codes (n, code) -> features (n, features)."""
        return self.apply(DECODER, params, codes)

    def prior_codes(self, params: Params, key: jax.Array, labels: jax.Array) -> jax.Array:
        """What D1 compares codes with, for one-hot labels (n, classes): z itself, (n, code)."""
        return self.prior.sample(key, labels)

    def generate(self, params: Params, key: jax.Array, labels: jax.Array) -> jax.Array:
        return self.decode(params, self.prior_codes(params, key, labels))

    def code_logits(self, params: Params) -> Callable[[Labelled], jax.Array]:
        """D1's logit (n,) that a code was encoded from a real row."""
        return lambda codes: self.apply(CODE_DISCRIMINATOR, params, jnp.hstack(codes))[:, 0]
