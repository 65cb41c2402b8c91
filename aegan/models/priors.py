"""The priors p_z of Table 1: a mixture with one component per class, or a standard normal."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from aegan.errors import InputError


class Draw(NamedTuple):
    """Points drawn from a prior, each with the class it stands for."""

    z: jax.Array  # (n, latent)
    labels: jax.Array  # (n, classes), one-hot


@dataclass(frozen=True)
class MixturePrior:
    """One Gaussian per class, equal weights, means as far apart as they can be (M1, M2).

    The paper asks for four 2-D Gaussians "with orthogonal means", which do not exist; Fig. 2 says
    "maximally separated". In two dimensions the means lie evenly on a circle (for four classes:
    plus and minus the two axes); in more, on plus and minus the axes.
    """

    latent: int
    radius: float
    spread: float

    def means(self, classes: int) -> np.ndarray:
        """Component means, (classes, latent) float32."""
        if self.latent == 2:
            angles = 2 * math.pi * np.arange(classes) / classes
            units = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        elif classes <= 2 * self.latent:
            units = np.concatenate([np.eye(self.latent), -np.eye(self.latent)])[:classes]
        else:
            raise InputError(
                f"config.model.code: a mixture of {classes} components needs a code of 2 or of at "
                f"least {-(-classes // 2)} dimensions, not {self.latent}"
            )
        return (self.radius * units).astype(np.float32)

    def sample(self, key: jax.Array, labels: jax.Array) -> jax.Array:
        """z (n, latent) for one-hot labels (n, classes)."""
        noise = jax.random.normal(key, (labels.shape[0], self.latent))
        return labels @ jnp.asarray(self.means(labels.shape[1])) + self.spread * noise


@dataclass(frozen=True)
class NormalPrior:
    """Standard normal, the class carried by the label alone (M3: 20 dimensions)."""

    latent: int

    def sample(self, key: jax.Array, labels: jax.Array) -> jax.Array:
        """z (n, latent); the labels (n, classes) give only the number of points."""
        return jax.random.normal(key, (labels.shape[0], self.latent))


Prior = MixturePrior | NormalPrior


def draw(
    prior: Prior, key: jax.Array, n: int, classes: int, label: jax.Array | None = None
) -> Draw:
    """``n`` points with classes drawn uniformly (section 5.1), or all of the class ``label``."""
    label_key, z_key = jax.random.split(key)
    if label is None:
        index = jax.random.randint(label_key, (n,), 0, classes)
    else:
        index = jnp.full((n,), label)
    labels = jax.nn.one_hot(index, classes)
    return Draw(prior.sample(z_key, labels), labels)


def draw_labelled(prior: Prior, key: jax.Array, labels: jax.Array) -> Draw:
    """Points for given one-hot labels (n, classes)."""
    return Draw(prior.sample(key, labels), labels)
