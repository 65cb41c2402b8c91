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
        kernel_init = INITIALISERS[self.initialiser]()
        for i, width in enumerate(self.widths):
            layer = nn.Dense(
                width, name=f"hidden{i}", kernel_init=kernel_init, dot_general=dot_general
            )
            x = nn.relu(layer(x))
        return x


class MLP(nn.Module):
    """Fully connected: ReLU after every hidden layer, the output layer linear."""

    hidden: tuple[int, ...]
    out: int
    initialiser: str = "glorot_uniform"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        kernel_init = INITIALISERS[self.initialiser]()
        for i, width in enumerate(self.hidden):
            layer = nn.Dense(
                width, name=f"hidden{i}", kernel_init=kernel_init, dot_general=dot_general
            )
            x = nn.relu(layer(x))
        output = nn.Dense(self.out, name="output", kernel_init=kernel_init, dot_general=dot_general)
        return output(x)
