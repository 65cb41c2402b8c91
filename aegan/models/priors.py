"""The priors p_z of Table 1: a mixture with one component per class, or a standard normal."""

from __future__ import annotations

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from aegan.errors import InputError


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
            needs = f"needs a code of 2 or of at least {-(-classes // 2)} dimensions"
            what = f"a mixture of {classes} components {needs}, not {self.latent}"
            raise InputError(f"config.model.code: {what}")
        return (self.radius * units).astype(np.float32)

    def sample(self, key: jax.Array, labels: jax.Array) -> jax.Array:
        """z (n, latent) for one-hot labels (n, classes)."""
        noise = jax.random.normal(key, (labels.shape[0], self.latent))
        means = jnp.asarray(self.means(labels.shape[1]))
        return means[labels.argmax(axis=1)] + self.spread * noise


@dataclass(frozen=True)
class NormalPrior:
    """Standard normal, the class carried by the label alone (M3: 20 dimensions)."""

    latent: int

    def sample(self, key: jax.Array, labels: jax.Array) -> jax.Array:
        """z (n, latent); the labels (n, classes) give only the number of points."""
        return jax.random.normal(key, (labels.shape[0], self.latent))


Prior = MixturePrior | NormalPrior


def random_labels(key: jax.Array, n: int, classes: int) -> tuple[jax.Array, jax.Array]:
    """One-hot labels (n, classes) drawn uniformly (section 5.1), and a key for what follows."""
    label_key, key = jax.random.split(key)
    return jax.nn.one_hot(jax.random.randint(label_key, (n,), 0, classes), classes), key
