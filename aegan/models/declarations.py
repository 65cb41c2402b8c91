"""M1, M2 and M3, each one declaration: its networks, its prior, the steps it takes.

To add a model, declare it here and give it a config; nothing else branches on a model's name.
"""

from __future__ import annotations

from dataclasses import dataclass

from aegan.errors import InputError
from aegan.models import networks as n

# The five steps of section 4.3, in the order in which a batch takes them.
AUTOENCODER = "autoencoder"  # step 1
CODE_DISCRIMINATOR = "code_discriminator"  # step 2
ENCODER = "encoder"  # step 3
FEATURE_DISCRIMINATOR = "feature_discriminator"  # step 4
GENERATOR = "generator"  # step 5
STEPS = (AUTOENCODER, CODE_DISCRIMINATOR, ENCODER, FEATURE_DISCRIMINATOR, GENERATOR)


@dataclass(frozen=True)
class Model:
    """A generator: what it is made of and how it learns (section 4.2, Table 1)."""

    name: str
    title: str
    networks: tuple[str, ...]
    prior: str  # "mixture" or "normal"
    steps: tuple[str, ...]

    def updated_by(self, step: str) -> tuple[str, ...]:
        """The networks that a step updates; all others are frozen in it."""
        updates = {
            AUTOENCODER: (n.ENCODER, n.DECODER),
            CODE_DISCRIMINATOR: (n.CODE_DISCRIMINATOR,),
            ENCODER: (n.ENCODER,),
            FEATURE_DISCRIMINATOR: (n.FEATURE_DISCRIMINATOR,),
            GENERATOR: (n.CODE_GENERATOR, n.DECODER, n.AUXILIARY),
        }
        return tuple(name for name in updates[step] if name in self.networks)


M1 = Model(
    name="m1",
    title="M1: adversarial auto-encoder with a mixture prior",
    networks=(n.ENCODER, n.DECODER, n.CODE_DISCRIMINATOR),
    prior="mixture",
    steps=(AUTOENCODER, CODE_DISCRIMINATOR, ENCODER),
)

M2 = Model(
    name="m2",
    title="M2: M1 with a discriminator on the features",
    networks=(*M1.networks, n.FEATURE_DISCRIMINATOR),
    prior="mixture",
    steps=STEPS,
)

M3 = Model(
    name="m3",
    title="M3: InfoGAN with a code generator",
    networks=(*M2.networks, n.CODE_GENERATOR, n.AUXILIARY),
    prior="normal",
    steps=STEPS,
)

MODELS = {model.name: model for model in (M1, M2, M3)}


def get_model(name: str) -> Model:
    """The declared model of that name; ``InputError`` if there is none."""
    if name not in MODELS:
        raise InputError(f"config.model.name: no model {name!r}; choose from {', '.join(MODELS)}")
    return MODELS[name]
