"""Fully connected networks, the only kind there is in Table 1."""

from __future__ import annotations

import flax.linen as nn
import jax

from aegan.models.dense import dot_general

INITIALISERS = {
    "glorot_uniform": nn.initializers.glorot_uniform,
    "he_uniform": nn.initializers.he_uniform,
    "lecun_normal": nn.initializers.lecun_normal,
}


class Trunk(nn.Module):
    """Fully connected: ReLU after every layer, ``widths`` of them."""

    widths: tuple[int, ...]
    initialiser: str = "glorot_uniform"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        for i, width in enumerate(self.widths):
            x = nn.relu(_dense(width, f"hidden{i}", self.initialiser)(x))
        return x


class MLP(nn.Module):
    """Fully connected: ReLU after every hidden layer, the output layer linear."""

    hidden: tuple[int, ...]
    out: int
    initialiser: str = "glorot_uniform"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        for i, width in enumerate(self.hidden):
            x = nn.relu(_dense(width, f"hidden{i}", self.initialiser)(x))
        return _dense(self.out, "output", self.initialiser)(x)


def _dense(width: int, name: str, initialiser: str) -> nn.Dense:
    kernel_init = INITIALISERS[initialiser]()
    return nn.Dense(width, name=name, kernel_init=kernel_init, dot_general=dot_general)
