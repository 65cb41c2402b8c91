"""M3: an InfoGAN, M2 with a code generator CG in front of the decoder (section 4.2).

z is a standard normal and the class reaches the row by CG(z, c) alone. AUX, on D2's trunk, reads
the class back from the row: that bounds the mutual information of rows and classes from below.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp

from aegan.models import losses
from aegan.models.m1 import CODE_STEP, DECODER, DRAWN, ENCODED, M1
from aegan.models.m2 import FEATURE_STEP, GENERATED, GENERATOR_LOSS, GENERATOR_STEP, M2
from aegan.models.model import Labelled, Loss, Network, Params
from aegan.models.priors import NormalPrior, Prior

CODE_GENERATOR = "code_generator"  # the paper's CG
AUXILIARY = "auxiliary"  # the paper's AUX
INFORMATION = Loss("information", "-Q", "information", "Information (AUX)")


def generator_loss(
    model: M3, params: Params, batch: Labelled, generated: Labelled
) -> tuple[jax.Array, jax.Array]:
    """Step 5, eq. (9): D2 takes the rows for real, and AUX reads their class; D2 is frozen."""
    rows, labels = generated
    hidden = model.feature_trunk(params, rows, labels)
    adversarial = losses.generator_adversarial(model.feature_head(params, hidden))
    if not model.aux_sees_label:
        hidden = model.feature_trunk(params, rows, jnp.zeros_like(labels))
    return adversarial, losses.information(model.apply(AUXILIARY, params, hidden), labels)


M3_DRAWN = replace(DRAWN, networks=(CODE_GENERATOR,))
M3_GENERATED = replace(GENERATED, networks=(CODE_GENERATOR, DECODER))


@dataclass(frozen=True)
class M3(M2):
    """M2's networks, CG and AUX (Table 1); M1's ``radius`` and ``spread`` have no meaning."""

    name = "m3"
    title = "M3: InfoGAN with a code generator"
    about = (
        "An InfoGAN in an auto-encoder: a code generator turns noise and a class label into a "
        "code, the decoder turns the code into a row, and the class must be readable from the "
        "row."
    )
    steps = (
        M1.steps[0],
        replace(CODE_STEP, sees=(ENCODED, M3_DRAWN)),
        M1.steps[2],
        replace(FEATURE_STEP, sees=(M3_GENERATED,)),
        replace(
            GENERATOR_STEP,
            learns=(CODE_GENERATOR, DECODER, AUXILIARY),
            losses=(GENERATOR_LOSS, INFORMATION),
            loss=generator_loss,
            sees=(M3_GENERATED,),
            through=M3_GENERATED,
            weights=lambda model: (1.0, model.information_weight),
        ),
    )

    encoder: tuple[int, ...] = (1000, 700, 300)
    code: int = 256
    code_generator: tuple[int, ...] = (140,)
    auxiliary: tuple[int, ...] = (128,)
    latent: int = 20
    information_weight: float = 1.0  # lambda of eq. (3)
    aux_sees_label: bool = True  # as printed; False: AUX reads D2's trunk with the label zeroed

    def networks(self) -> dict[str, Network]:
        generator = self.mlp(self.code_generator, self.code)
        auxiliary = self.mlp(self.auxiliary, self.classes)
        return super().networks() | {
            CODE_GENERATOR: Network(3, self.latent + self.classes, generator),
            AUXILIARY: Network(4, self.feature_discriminator[-1], auxiliary),
        }

    @property
    def prior(self) -> Prior:
        """p_z: a standard normal."""
        return NormalPrior(self.latent)

    def prior_codes(self, params: Params, key: jax.Array, labels: jax.Array) -> jax.Array:
        """What D1 compares codes with, and what is decoded: CG(z, c), (n, code)."""
        z = self.prior.sample(key, labels)
        return self.apply(CODE_GENERATOR, params, jnp.hstack([z, labels]))
