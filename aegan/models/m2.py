"""M2: M1 with a second discriminator, on the features (section 4.2).

D2 tells synthetic rows from real ones and the decoder learns to make rows that it takes for real.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from aegan.models import losses
from aegan.models.m1 import DECODER, M1, on_both
from aegan.models.model import Labelled, Loss, Network, Params, Pass, Step
from aegan.models.priors import random_labels

FEATURE_DISCRIMINATOR = "feature_discriminator"  # the paper's D2
TRUNK, HEAD = "feature_discriminator/trunk", "feature_discriminator/head"
D2_LOSS = Loss("feature_discriminator", "D2", "D2", "D2 against the generator")
GENERATOR_LOSS = Loss("generator_adversarial", "gen", "generator", "D2 against the generator")


def generated(model: M2, params: Params, key: jax.Array, batch: Labelled) -> Labelled:
    """As many synthetic rows, of classes drawn uniformly."""
    labels, key = random_labels(key, *batch.labels.shape)
    return Labelled(model.generate(params, key, labels), labels)


def feature_discriminator_loss(
    model: M2, params: Params, batch: Labelled, generated: Labelled
) -> tuple[jax.Array]:
    """Step 4, eqs. (6) and (7): D2 calls synthetic rows 1 and real ones 0."""
    return (losses.feature_discriminator(*on_both(model.feature_logits(params), generated, batch)),)


def generator_loss(
    model: M2, params: Params, batch: Labelled, generated: Labelled
) -> tuple[jax.Array]:
    """Step 5, eq. (8): the decoder makes D2 take its rows for real."""
    return (losses.generator_adversarial(model.feature_logits(params)(generated)),)


GENERATED = Pass(generated, (DECODER,), stream=1, fresh=2)
# Steps 1, 2, 3 and 5 run in every epoch and step 4 in every second: so the generators train two
# epochs for each of D2 (section 4.3).
FEATURE_STEP = Step(
    "feature_discriminator",
    learns=(FEATURE_DISCRIMINATOR,),
    losses=(D2_LOSS,),
    loss=feature_discriminator_loss,
    sees=(GENERATED,),
    idles=True,
)
GENERATOR_STEP = Step(
    "generator",
    learns=(DECODER,),
    losses=(GENERATOR_LOSS,),
    loss=generator_loss,
    sees=(GENERATED,),
    through=GENERATED,
)


@dataclass(frozen=True)
class M2(M1):
    """M1's networks and D2, a trunk with a head of its own (Table 1)."""

    name = "m2"
    title = "M2: M1 with a discriminator on the features"
    about = (
        "M1 with a second discriminator, which judges the decoded rows, so that the decoder also "
        "learns to make rows that pass for real ones."
    )
    steps = (*M1.steps, FEATURE_STEP, GENERATOR_STEP)

    feature_discriminator: tuple[int, ...] = (1000, 500, 100)

    def networks(self) -> dict[str, Network]:
        widths = self.feature_discriminator
        return super().networks() | {
            TRUNK: Network(5, self.features + self.classes, self.trunk(widths)),
            HEAD: Network(6, widths[-1], self.mlp((), 1)),
        }

    def feature_trunk(self, params: Params, x: jax.Array, labels: jax.Array) -> jax.Array:
        """Last hidden layer (n, 100) of D2."""
        return self.apply(TRUNK, params, jnp.hstack([x, labels]))

    def feature_head(self, params: Params, hidden: jax.Array) -> jax.Array:
        """D2's logit (n,) from its last hidden layer."""
        return self.apply(HEAD, params, hidden)[:, 0]

    def feature_logits(self, params: Params) -> Callable[[Labelled], jax.Array]:
        """D2's logit (n,) that a row is synthetic."""
        return lambda rows: self.feature_head(params, self.feature_trunk(params, *rows))
