"""The networks of Table 1 as pure functions over explicit parameters.

A ``Networks`` holds Flax Linen modules (architecture only, hashable); the parameters are a plain
dict with one entry per network, and every function here takes both. All networks work on the
training space: standardised features times the configured gain.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from aegan.models.dense import dot_general
from aegan.models.priors import Draw

ENCODER = "encoder"
DECODER = "decoder"
CODE_DISCRIMINATOR = "code_discriminator"  # the paper's D1
FEATURE_DISCRIMINATOR = "feature_discriminator"  # the paper's D2
AUXILIARY = "auxiliary"  # the paper's AUX, on D2's trunk
CODE_GENERATOR = "code_generator"  # the paper's CG

Params = dict[str, Any]  # network name -> its Flax parameters

INITIALISERS = {
    "glorot_uniform": nn.initializers.glorot_uniform,
    "he_uniform": nn.initializers.he_uniform,
    "lecun_normal": nn.initializers.lecun_normal,
}


def _dense(width: int, name: str, kernel_init: nn.initializers.Initializer) -> nn.Dense:
    return nn.Dense(width, name=name, kernel_init=kernel_init, dot_general=dot_general)


class MLP(nn.Module):
    """Fully connected: ReLU after every hidden layer, the output layer linear."""

    hidden: tuple[int, ...]
    out: int
    initialiser: str = "glorot_uniform"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        kernel_init = INITIALISERS[self.initialiser]()
        for i, width in enumerate(self.hidden):
            x = nn.relu(_dense(width, f"hidden{i}", kernel_init)(x))
        return _dense(self.out, "output", kernel_init)(x)


class Trunk(nn.Module):
    """The layers that D2 and AUX share: fully connected, every layer with ReLU."""

    widths: tuple[int, ...]
    initialiser: str = "glorot_uniform"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        kernel_init = INITIALISERS[self.initialiser]()
        for i, width in enumerate(self.widths):
            x = nn.relu(_dense(width, f"hidden{i}", kernel_init)(x))
        return x


@dataclass(frozen=True)
class Sizes:
    """Layer widths; the feature dimension and the classes come from the data (Table 1)."""

    features: int  # 1582 in the paper
    classes: int  # 4 in the paper
    encoder: tuple[int, ...]  # hidden layers; the decoder mirrors them
    code: int  # bottleneck: 2 (M1, M2) or 256 (M3)
    latent: int  # dimension of z: the code's for a mixture prior, 20 for M3
    code_discriminator: tuple[int, ...]
    feature_discriminator: tuple[int, ...]
    auxiliary: tuple[int, ...]
    code_generator: tuple[int, ...]
    initialiser: str = "glorot_uniform"


@dataclass(frozen=True)
class Networks:
    """The modules of one model; ``None`` where the model has no such network."""

    sizes: Sizes
    encoder: MLP
    decoder: MLP
    code_discriminator: MLP
    feature_trunk: Trunk | None
    feature_head: MLP | None
    auxiliary: MLP | None
    code_generator: MLP | None


def build_networks(names: tuple[str, ...], sizes: Sizes) -> Networks:
    """The modules of a model that has the networks ``names``."""

    def mlp(name: str, hidden: tuple[int, ...], out: int) -> MLP | None:
        return MLP(hidden, out, sizes.initialiser) if name in names else None

    has_d2 = FEATURE_DISCRIMINATOR in names
    return Networks(
        sizes=sizes,
        encoder=MLP(sizes.encoder, sizes.code, sizes.initialiser),
        decoder=MLP(sizes.encoder[::-1], sizes.features, sizes.initialiser),
        code_discriminator=MLP(sizes.code_discriminator, 1, sizes.initialiser),
        feature_trunk=Trunk(sizes.feature_discriminator, sizes.initialiser) if has_d2 else None,
        feature_head=mlp(FEATURE_DISCRIMINATOR, (), 1),
        auxiliary=mlp(AUXILIARY, sizes.auxiliary, sizes.classes),
        code_generator=mlp(CODE_GENERATOR, sizes.code_generator, sizes.code),
    )


def init_params(nets: Networks, key: jax.Array) -> Params:
    """Fresh parameters. Each network has a key of its own, the same in every model."""
    s = nets.sizes
    inputs = {
        ENCODER: (nets.encoder, s.features),
        DECODER: (nets.decoder, s.code),
        CODE_DISCRIMINATOR: (nets.code_discriminator, s.code + s.classes),
        CODE_GENERATOR: (nets.code_generator, s.latent + s.classes),
        AUXILIARY: (nets.auxiliary, s.feature_discriminator[-1]),
        "trunk": (nets.feature_trunk, s.features + s.classes),
        "head": (nets.feature_head, s.feature_discriminator[-1]),
    }
    params = {
        name: module.init(jax.random.fold_in(key, i), jnp.zeros((1, width)))["params"]
        for i, (name, (module, width)) in enumerate(inputs.items())
        if module is not None
    }
    if nets.feature_trunk is not None:
        params[FEATURE_DISCRIMINATOR] = {"trunk": params.pop("trunk"), "head": params.pop("head")}
    return params


def encode(nets: Networks, params: Mapping[str, Any], x: jax.Array) -> jax.Array:
    """Features (n, features) -> codes (n, code)."""
    return nets.encoder.apply({"params": params[ENCODER]}, x)


def decode(nets: Networks, params: Mapping[str, Any], codes: jax.Array) -> jax.Array:
    """Codes (n, code) -> features (n, features)."""
    return nets.decoder.apply({"params": params[DECODER]}, codes)


def prior_codes(nets: Networks, params: Mapping[str, Any], draw: Draw) -> jax.Array:
    """What D1 compares codes with: z itself, or CG(z, c) where there is a code generator."""
    if nets.code_generator is None:
        return draw.z
    return nets.code_generator.apply(
        {"params": params[CODE_GENERATOR]}, jnp.concatenate([draw.z, draw.labels], axis=-1)
    )


def generate(nets: Networks, params: Mapping[str, Any], draw: Draw) -> jax.Array:
    """Synthetic features (n, features): dec(z), or dec(CG(z, c)) for M3."""
    return decode(nets, params, prior_codes(nets, params, draw))


def code_logits(nets: Networks, d1: Any, codes: jax.Array, labels: jax.Array) -> jax.Array:
    """D1's logit (n,) that a code was encoded from a real row rather than drawn from the prior."""
    x = jnp.concatenate([codes, labels], axis=-1)
    return nets.code_discriminator.apply({"params": d1}, x)[:, 0]


def feature_trunk(nets: Networks, d2: Any, x: jax.Array, labels: jax.Array) -> jax.Array:
    """Last hidden layer (n, 100) of D2."""
    return nets.feature_trunk.apply({"params": d2["trunk"]}, jnp.concatenate([x, labels], axis=-1))


def feature_logits(nets: Networks, d2: Any, x: jax.Array, labels: jax.Array) -> jax.Array:
    """D2's logit (n,) that a row is synthetic."""
    return feature_head(nets, d2, feature_trunk(nets, d2, x, labels))


def feature_head(nets: Networks, d2: Any, hidden: jax.Array) -> jax.Array:
    """D2's logit (n,) from its last hidden layer."""
    return nets.feature_head.apply({"params": d2["head"]}, hidden)[:, 0]


def class_logits(nets: Networks, auxiliary: Any, hidden: jax.Array) -> jax.Array:
    """AUX's class logits (n, classes) from D2's last hidden layer."""
    return nets.auxiliary.apply({"params": auxiliary}, hidden)


def count_params(params: Any) -> int:
    """Number of scalars in a tree of parameters."""
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))
