"""M4: M2 whose rows tell which component of the prior they came from (proposed in section 6).

z comes from M2's mixture, a Gaussian per class, and M3's AUX, on D2's trunk, reads the component
back from the row: that bounds the mutual information of rows and components from below. Component
and class are one, so the label that D2's trunk sees is the answer: with it AUX need not look at the
row. Hence ``aux_sees_label`` is False here: AUX reads the trunk with the label zeroed, rows alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from aegan.models.m1 import DECODER
from aegan.models.m2 import GENERATOR_LOSS, GENERATOR_STEP, M2
from aegan.models.m3 import AUXILIARY, INFORMATION, generator_loss
from aegan.models.model import Network


@dataclass(frozen=True)
class M4(M2):
    """M2's networks and AUX."""

    name = "m4"
    title = "M4: M2 with information on the prior's component"
    about = (
        "M2, an auto-encoder with a Gaussian per class as its prior and a discriminator on the "
        "rows, whose decoder also learns to make rows that tell which Gaussian they came from."
    )
    steps = (
        *M2.steps[:-1],
        replace(
            GENERATOR_STEP,
            learns=(DECODER, AUXILIARY),
            losses=(GENERATOR_LOSS, INFORMATION),
            loss=generator_loss,
            weights=lambda model: (1.0, model.information_weight),
        ),
    )

    auxiliary: tuple[int, ...] = (128,)
    information_weight: float = 1.0  # lambda
    aux_sees_label: bool = False

    def networks(self) -> dict[str, Network]:
        auxiliary = self.mlp(self.auxiliary, self.classes)
        inputs = self.feature_discriminator[-1]
        return super().networks() | {AUXILIARY: Network(4, inputs, auxiliary)}
