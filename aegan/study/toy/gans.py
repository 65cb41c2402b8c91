"""The two GANs of Fig. 1, which learn four 2-D Gaussians from a 2-D standard normal.

Same layers, batches and updates. The InfoGAN's generator reads a label beside z, and its
discriminator has an auxiliary head; eq. (3) with lambda = ``config.toy.information_weight``. As in
section 4.3 the head reads the discriminator's trunk as it is: the information term updates the
generator and the head alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from aegan.models import losses
from aegan.models.networks import MLP, Trunk
from aegan.models.priors import MixturePrior, random_labels
from aegan.run.schema import at_least, positive, widths

COMPONENTS = 4

# Streams of random numbers under the key of a seed.
_INIT, _TRAINING, _SAMPLE, _TARGET = range(4)


@dataclass(frozen=True)
class Settings:
    """``config.toy``."""

    seeds: Annotated[int, at_least(1)] = 5
    radius: Annotated[float, positive] = 4.0  # of the target's four means
    spread: Annotated[float, positive] = 1.0  # deviation of its components
    hidden: Annotated[tuple[int, ...], widths] = (32, 32)
    batch_size: Annotated[int, at_least(1)] = 128
    updates: Annotated[int, at_least(1)] = 16_000  # of each network, the same for both GANs
    rate: Annotated[float, positive] = 0.02  # of SGD
    information_weight: Annotated[float, at_least(0)] = 1.0  # lambda of eq. (3)
    # Drawn from each, for measures and panels; 5 % of them have to be two.
    points: Annotated[int, at_least(40)] = 2000


class Networks(NamedTuple):
    """The networks of a GAN, their parameters, or gradients of those."""

    generator: Any  # z (and a label) -> a point
    trunk: Any  # a point -> what both heads read
    head: Any  # -> the logit that a point is synthetic
    auxiliary: Any  # -> the logits of the label; without parameters in the vanilla GAN


@dataclass(frozen=True)
class Gan:
    """One of the two; hashable."""

    settings: Settings
    labelled: bool  # the InfoGAN

    @property
    def target(self) -> MixturePrior:
        return MixturePrior(2, self.settings.radius, self.settings.spread)

    @property
    def nets(self) -> Networks:
        hidden = self.settings.hidden
        return Networks(MLP(hidden, 2), Trunk(hidden), MLP((), 1), MLP((), COMPONENTS))


class Points(NamedTuple):
    """What a generator reads, or points of the target."""

    z: jax.Array  # (n, 2)
    labels: jax.Array  # (n, 4), one-hot; the vanilla GAN leaves them unread


def init(s: Gan, key: jax.Array) -> Networks:
    """Fresh parameters."""
    hidden = s.settings.hidden[-1]
    inputs = (2 + COMPONENTS * s.labelled, 2, hidden, hidden)
    several = zip(s.nets, jax.random.split(key, 4), inputs, strict=True)
    found = Networks(*(net.init(key, jnp.zeros((1, width))) for net, key, width in several))
    return found if s.labelled else found._replace(auxiliary={})


def draw_source(s: Gan, key: jax.Array, n: int) -> Points:
    """``n`` points of the standard normal, each with a label drawn uniformly."""
    z_key, label_key = jax.random.split(key)
    labels = jax.random.randint(label_key, (n,), 0, COMPONENTS)
    z = jax.random.normal(z_key, (n, 2))
    return Points(z, jax.nn.one_hot(labels, COMPONENTS))


def draw_target(s: Gan, key: jax.Array, n: int) -> Points:
    """``n`` points of the mixture with their components."""
    labels, key = random_labels(key, n, COMPONENTS)
    return Points(s.target.sample(key, labels), labels)


def generate(s: Gan, generator: Any, source: Points) -> jax.Array:
    """Points (n, 2) of the source brought to the target."""
    code = jnp.concatenate(source, axis=-1) if s.labelled else source.z
    return s.nets.generator.apply(generator, code)


def discriminator_loss(
    discriminator: tuple[Any, Any], s: Gan, synthetic: jax.Array, real: jax.Array
) -> jax.Array:
    """Eq. (1) for D, which calls a synthetic point 1; ``discriminator`` is trunk and head."""
    trunk, head = discriminator
    hidden = s.nets.trunk.apply(trunk, jnp.concatenate([synthetic, real]))
    fake, true = jnp.split(s.nets.head.apply(head, hidden)[:, 0], [len(synthetic)])
    return losses.feature_discriminator(fake, true).mean()


def generator_loss(
    trained: tuple[Any, Any], s: Gan, trunk: Any, head: Any, source: Points
) -> jax.Array:
    """Eq. (3) for G in the form that does not saturate; ``trained`` is G and the auxiliary head."""
    generator, auxiliary = trained
    hidden = s.nets.trunk.apply(trunk, generate(s, generator, source))
    loss = losses.generator_adversarial(s.nets.head.apply(head, hidden)[:, 0])
    if s.labelled:
        told = losses.information(s.nets.auxiliary.apply(auxiliary, hidden), source.labels)
        loss += s.settings.information_weight * told
    return loss.mean()


@partial(jax.jit, static_argnums=0)
def train(s: Gan, keys: jax.Array) -> Any:
    """The trained generators of all seeds, stacked; ``keys`` (seeds,)."""
    optimiser = optax.sgd(s.settings.rate)  # as in section 4.3
    batch = s.settings.batch_size

    def update(carry: tuple, key: jax.Array) -> tuple[tuple, None]:
        nets, d_state, g_state = carry
        real_key, z_key = jax.random.split(key)
        real = draw_target(s, real_key, batch).z
        source = draw_source(s, z_key, batch)

        discriminator = (nets.trunk, nets.head)
        synthetic = generate(s, nets.generator, source)
        slope = jax.grad(discriminator_loss)(discriminator, s, synthetic, real)
        step, d_state = optimiser.update(slope, d_state)
        trunk, head = optax.apply_updates(discriminator, step)

        trained = (nets.generator, nets.auxiliary)
        slope = jax.grad(generator_loss)(trained, s, trunk, head, source)
        step, g_state = optimiser.update(slope, g_state)
        generator, auxiliary = optax.apply_updates(trained, step)
        return (Networks(generator, trunk, head, auxiliary), d_state, g_state), None

    def one(key: jax.Array) -> Any:
        nets = init(s, jax.random.fold_in(key, _INIT))
        d_state = optimiser.init((nets.trunk, nets.head))
        g_state = optimiser.init((nets.generator, nets.auxiliary))
        steps = jax.random.split(jax.random.fold_in(key, _TRAINING), s.settings.updates)
        (nets, _, _), _ = jax.lax.scan(update, (nets, d_state, g_state), steps)
        return nets.generator

    return jax.vmap(one)(keys)


@partial(jax.jit, static_argnums=0)
def sample(s: Gan, generators: Any, keys: jax.Array) -> tuple[Points, jax.Array]:
    """Points of the source, and what every seed's generator makes of them: (seeds, points, 2).

    z and labels of a seed are the same for both models.
    """

    def one(generator: Any, key: jax.Array) -> tuple[Points, jax.Array]:
        source = draw_source(s, jax.random.fold_in(key, _SAMPLE), s.settings.points)
        return source, generate(s, generator, source)

    return jax.vmap(one)(generators, keys)


@partial(jax.jit, static_argnums=(0, 2))
def sample_target(s: Gan, keys: jax.Array, n: int) -> Points:
    """``n`` points of the target per seed, (seeds, n, 2), with their components."""
    return jax.vmap(lambda key: draw_target(s, jax.random.fold_in(key, _TARGET), n))(keys)
