"""Fig. 1 and section 3.1: a vanilla GAN and an InfoGAN from one normal to four.

Both learn a mixture of four 2-D Gaussians from a 2-D standard normal, with the same layers, batches
and updates. The InfoGAN's generator reads a label beside z, and its discriminator has an auxiliary
head; eq. (3) with lambda = ``toy.information_weight``. As in section 4.3 the head reads the
discriminator's trunk as it is: the information term updates the generator and the head alone.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from aegan.errors import InputError
from aegan.learning import losses
from aegan.metrics.intervals import estimate
from aegan.models.networks import MLP, Trunk
from aegan.models.priors import MixturePrior, draw
from aegan.study.study import Study
from aegan.study.tasks import Records, Task
from aegan.system.files import replacing

TASK = "toy"
GAN = "gan"
INFOGAN = "infogan"
MODELS = (GAN, INFOGAN)
MEASURES = ("overlap", "spread", "flatness")

COMPONENTS = 4
SHARE = 0.05  # of the points, that a component needs to count
REACH = 3.0  # standard deviations of the target about a mean that are its mode
# Least deviation of a cluster along any axis, for a line has none: over the target's deviation ...
LEAST_SD = 0.01
LEAST_OF_ALL = 1e-4  # ... and over that of all points, so that a covariance can be inverted

# Streams of random numbers under the key of a seed.
_INIT, _TRAINING, _SAMPLE, _TARGET = range(4)

DEFINITIONS = {
    "overlap": "Share of points expected in the wrong cluster: the mean of 1 less the largest "
    "posterior under a Gaussian mixture fitted to the points without labels, with one component "
    "for each target mean that 5 % of the points lie nearest to.",
    "spread": "Standard deviation within the fitted clusters over the target's; 1 = as wide.",
    "flatness": "Minor over major axis of the fitted clusters, weighted by their points; 1 = "
    "round, 0 = a line.",
    "modes": "Target components with 5 % of the points within three of its standard deviations.",
}


@dataclass(frozen=True)
class Setting:
    """What one of the two GANs is and how it trains; hashable."""

    target: MixturePrior
    hidden: tuple[int, ...]  # widths, of the generator and of the discriminator
    batch_size: int
    updates: int  # of the discriminator, each followed by one of the generator
    rate: float  # of SGD, for both networks
    information_weight: float  # lambda of eq. (3)
    labelled: bool  # the InfoGAN

    @property
    def generator(self) -> MLP:
        """z (and a label) -> a point."""
        return MLP(self.hidden, self.target.latent)

    @property
    def trunk(self) -> Trunk:
        """A point -> what both heads read."""
        return Trunk(self.hidden)

    @property
    def head(self) -> MLP:
        """-> the logit that a point is synthetic."""
        return MLP((), 1)

    @property
    def auxiliary(self) -> MLP:
        """-> the logits of the label (InfoGAN)."""
        return MLP((), COMPONENTS)


class Networks(NamedTuple):
    """Parameters of a GAN, or gradients of them."""

    generator: Any
    trunk: Any
    head: Any
    auxiliary: Any  # {} of the vanilla GAN


class Source(NamedTuple):
    """What a generator reads."""

    z: jax.Array  # (n, 2), standard normal
    labels: jax.Array  # (n, 4), one-hot; the vanilla GAN leaves them unread


class Measured(NamedTuple):
    """What the definitions say, of one model and seed; None where a point is not finite."""

    overlap: float | None
    spread: float | None
    flatness: float | None
    modes: int
    clusters: np.ndarray  # (n,) int, the target component that a point's cluster began at


def check(toy: Mapping[str, Any]) -> None:
    """Refuses values of ``config.toy`` that no GAN could use, naming the field.

    Raises:
        InputError: such a value.
    """

    def need(ok: bool, field: str, mend: str) -> None:
        if not ok:
            raise InputError(f"config.toy.{field}={toy[field]!r}: {mend}")

    def whole(value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and value > 0

    for field in ("seeds", "batch_size", "updates"):
        need(whole(toy[field]), field, "must be 1 or more")
    least = math.ceil(2 / SHARE)
    need(whole(toy["points"]) and toy["points"] >= least, "points", f"must be {least} or more")
    need(bool(toy["hidden"]) and all(map(whole, toy["hidden"])), "hidden", "must be widths above 0")
    for field in ("radius", "spread", "rate"):
        need(math.isfinite(toy[field]) and toy[field] > 0, field, "must be above 0")
    weight = toy["information_weight"]
    need(math.isfinite(weight) and weight >= 0, "information_weight", "must be 0 or more")


def tasks(study: Study) -> list[Task]:
    """One task: all seeds of both models, seconds."""
    work = float(study.config["toy"]["updates"])
    return [Task(TASK, "Fig. 1: GAN and InfoGAN on four Gaussians", run, kind=TASK, work=work)]


def run(study: Study) -> dict:
    """Trains, measures, and writes the points of seed 0 to ``table("toy")``."""
    toy = study.config["toy"]
    gan = setting(toy)
    models = {GAN: gan, INFOGAN: replace(gan, labelled=True)}
    keys = jax.vmap(jax.random.key)(jnp.arange(toy["seeds"]))
    source, points = {}, {}
    for name, model in models.items():
        params = train(model, keys)
        source, points[name] = jax.device_get(sample(model, params, keys, toy["points"]))
    target = jax.device_get(sample_target(gan, keys, toy["points"]))

    per_seed, clusters = [], {}
    for seed in range(toy["seeds"]):
        for name in MODELS:
            found = measure(points[name][seed], gan.target)._asdict()
            chosen = found.pop("clusters")
            clusters.setdefault(name, chosen)  # of the first seed
            per_seed.append({"seed": seed, "model": name} | found)
    ideal = [measure(rows, gan.target)._asdict() for rows in target.z]

    panels = (
        ("source", source.z[0], np.zeros(toy["points"], int)),
        ("target", target.z[0], target.labels[0].argmax(axis=1)),
        *((name, points[name][0], clusters[name]) for name in MODELS),
    )
    table = pd.concat(
        pd.DataFrame({"panel": name, "x": xy[:, 0], "y": xy[:, 1], "cluster": cluster})
        for name, xy, cluster in panels
    )
    with replacing(study.dir.table(TASK)) as path:
        table.to_parquet(path, index=False)
    return {
        "per_seed": per_seed,
        "target": {name: [found[name] for found in ideal] for name in (*MEASURES, "modes")},
    }


def results(study: Study, records: Records) -> dict:
    """Of both models over the seeds, which are independent; differences paired by seed."""
    record = records[TASK]
    found: dict[str, Any] = {"per_seed": record["per_seed"]}

    def values(model: str, measure: str) -> list[float | None]:
        return [row[measure] for row in record["per_seed"] if row["model"] == model]

    for name in (*MEASURES, "modes"):
        found[name] = {model: estimate(values(model, name)) for model in MODELS}
    for name in MEASURES:
        pairs = zip(values(INFOGAN, name), values(GAN, name), strict=True)
        differences = [None if None in pair else pair[0] - pair[1] for pair in pairs]
        found[name]["difference"] = estimate(differences)
    found["target"] = {name: estimate(seeds) for name, seeds in record["target"].items()}
    return found | {"definitions": DEFINITIONS}


def setting(toy: Mapping[str, Any]) -> Setting:
    """The vanilla GAN of ``config.toy``."""
    return Setting(
        target=MixturePrior(2, toy["radius"], toy["spread"]),
        hidden=tuple(toy["hidden"]),
        batch_size=toy["batch_size"],
        updates=toy["updates"],
        rate=toy["rate"],
        information_weight=toy["information_weight"],
        labelled=False,
    )


def init(s: Setting, key: jax.Array) -> Networks:
    """Fresh parameters."""
    keys = jax.random.split(key, 4)
    code = jnp.zeros((1, s.target.latent + COMPONENTS * s.labelled))
    point = jnp.zeros((1, s.target.latent))
    hidden = jnp.zeros((1, s.hidden[-1]))
    return Networks(
        s.generator.init(keys[0], code),
        s.trunk.init(keys[1], point),
        s.head.init(keys[2], hidden),
        s.auxiliary.init(keys[3], hidden) if s.labelled else {},
    )


def draw_source(s: Setting, key: jax.Array, n: int) -> Source:
    """``n`` points of the source, each with a label drawn uniformly."""
    z_key, label_key = jax.random.split(key)
    labels = jax.random.randint(label_key, (n,), 0, COMPONENTS)
    return Source(
        jax.random.normal(z_key, (n, s.target.latent)), jax.nn.one_hot(labels, COMPONENTS)
    )


def generate(s: Setting, generator: Any, source: Source) -> jax.Array:
    """Points (n, 2) of the source brought to the target."""
    code = jnp.concatenate(source, axis=-1) if s.labelled else source.z
    return s.generator.apply(generator, code)


def discriminator_loss(
    discriminator: tuple[Any, Any], s: Setting, synthetic: jax.Array, real: jax.Array
) -> jax.Array:
    """Eq. (1) for D, which calls a synthetic point 1; ``discriminator`` is trunk and head."""
    trunk, head = discriminator
    hidden = s.trunk.apply(trunk, jnp.concatenate([synthetic, real]))
    logits = s.head.apply(head, hidden)[:, 0]
    fake, true = jnp.split(logits, [len(synthetic)])
    return losses.feature_discriminator(fake, true).mean()


def generator_loss(
    trained: tuple[Any, Any], s: Setting, trunk: Any, head: Any, source: Source
) -> jax.Array:
    """Eq. (3) for G in the form that does not saturate; ``trained`` is G and the auxiliary head."""
    generator, auxiliary = trained
    hidden = s.trunk.apply(trunk, generate(s, generator, source))
    loss = losses.generator_adversarial(s.head.apply(head, hidden)[:, 0])
    if s.labelled:
        told = losses.information(s.auxiliary.apply(auxiliary, hidden), source.labels)
        loss += s.information_weight * told
    return loss.mean()


@partial(jax.jit, static_argnums=0)
def train(s: Setting, keys: jax.Array) -> Any:
    """The trained generators of all seeds, stacked; ``keys`` (seeds,)."""
    optimiser = optax.sgd(s.rate)  # as in section 4.3

    def update(carry: tuple, key: jax.Array) -> tuple[tuple, None]:
        nets, d_state, g_state = carry
        real_key, z_key = jax.random.split(key)
        real = draw(s.target, real_key, s.batch_size, COMPONENTS).z
        source = draw_source(s, z_key, s.batch_size)

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
        steps = jax.random.split(jax.random.fold_in(key, _TRAINING), s.updates)
        (nets, _, _), _ = jax.lax.scan(update, (nets, d_state, g_state), steps)
        return nets.generator

    return jax.vmap(one)(keys)


@partial(jax.jit, static_argnums=(0, 3))
def sample(s: Setting, generators: Any, keys: jax.Array, n: int) -> tuple[Source, jax.Array]:
    """What every seed's generator makes of ``n`` points of the source: (seeds, n, 2).

    z and labels of a seed are the same for both models.
    """

    def one(generator: Any, key: jax.Array) -> tuple[Source, jax.Array]:
        source = draw_source(s, jax.random.fold_in(key, _SAMPLE), n)
        return source, generate(s, generator, source)

    return jax.vmap(one)(generators, keys)


@partial(jax.jit, static_argnums=(0, 2))
def sample_target(s: Setting, keys: jax.Array, n: int) -> Source:
    """``n`` points of the target per seed, (seeds, n, 2), with their components."""

    def one(key: jax.Array) -> Source:
        return Source(*draw(s.target, jax.random.fold_in(key, _TARGET), n, COMPONENTS))

    return jax.vmap(one)(keys)


def measure(points: np.ndarray, target: MixturePrior) -> Measured:
    """Overlap, spread, flatness and modes of points (n, 2), which need no labels."""
    means = target.means(COMPONENTS).astype(float)
    if not np.isfinite(points).all():
        return Measured(None, None, None, 0, np.zeros(len(points), int))
    points = np.ascontiguousarray(points, dtype=float)
    distances = np.linalg.norm(points[:, None] - means, axis=2)
    nearest = distances.argmin(axis=1)
    modes = int(((distances < REACH * target.spread).mean(axis=0) >= SHARE).sum())
    counts = np.bincount(nearest, minlength=COMPONENTS)
    held = np.flatnonzero(counts >= SHARE * len(points))
    least = max(LEAST_SD * target.spread, LEAST_OF_ALL * float(points.std(axis=0).max())) ** 2
    mixture = GaussianMixture(
        len(held),
        reg_covar=least,
        max_iter=500,
        weights_init=counts[held] / counts[held].sum(),
        means_init=np.stack([points[nearest == k].mean(axis=0) for k in held]),
        precisions_init=np.stack(
            [np.linalg.inv(_covariance(points[nearest == k], least)) for k in held]
        ),
        init_params="random_from_data",
        random_state=0,
    )
    with warnings.catch_warnings():
        # Points without clusters: the mixture after so many rounds is as good as any.
        warnings.simplefilter("ignore", ConvergenceWarning)
        posteriors = mixture.fit(points).predict_proba(points)
    axes = np.linalg.eigvalsh(mixture.covariances_)  # squared, ascending
    return Measured(
        overlap=float((1 - posteriors.max(axis=1)).mean()),
        spread=float(np.sqrt(mixture.weights_ @ axes.mean(axis=1)) / target.spread),
        flatness=float(mixture.weights_ @ np.sqrt(axes[:, 0] / axes[:, 1])),
        modes=modes,
        clusters=held[posteriors.argmax(axis=1)],
    )


def _covariance(points: np.ndarray, least: float) -> np.ndarray:
    """(2, 2), with ``least`` added to the variances."""
    centred = points - points.mean(axis=0)
    return centred.T @ centred / len(points) + least * np.eye(points.shape[1])
