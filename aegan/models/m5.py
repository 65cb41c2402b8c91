"""M5: new speakers, from the effects of class, speaker and the speaker's way with the class.

x = m_c + u + v_c + e, each drawn anew for every row: u as the training speakers differ from each
other and, in part, outside their span; v_c as their ways with the class do; e as rows of a speaker
in a class differ. In closed form (``aegan.speakers``); nothing is trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from aegan.errors import InputError
from aegan.models.m2 import FEATURE_STEP, GENERATOR_STEP, HEAD, M2, TRUNK, generated
from aegan.models.model import Model, Network, Params, Pass
from aegan.speakers.effects import Effects
from aegan.speakers.factors import RANK, SHARED_RANK, Factors, factors_of, shapes

FACTORS = "factors"
MEASURED = -1.0  # ``beyond``: as left-out training speakers have it
_MIXED = 30  # residuals that the mixed kind combines


@dataclass(frozen=True)
class M5(Model):
    """New speakers in closed form."""

    name = "m5"
    title = "M5: new speakers, by effects of class and speaker"
    about = (
        "Rows are the sum of a class, a speaker, the speaker's way with the class and a rest, and "
        "every synthetic row is of a speaker that nobody recorded."
    )
    steps = ()
    margins = True

    residual: str = "gaussian"  # or "mixed": of a few rows' residuals, the less private kind
    beyond: float = MEASURED  # share of a new speaker's variance outside the training speakers'
    speakers: int = 0  # sizes of the factors, from the data
    rank: int = 0
    shared_rank: int = 0

    def __post_init__(self) -> None:
        if self.residual not in ("gaussian", "mixed"):
            raise InputError(f"config.model.residual={self.residual!r}: must be gaussian or mixed")
        if self.beyond != MEASURED and not 0 <= self.beyond <= 1:
            what = f"must be a share from 0 to 1, or {MEASURED:g} for the measured one"
            raise InputError(f"config.model.beyond={self.beyond:g}: {what}")

    def networks(self) -> dict[str, Network]:
        return {}

    def for_rows(self, labels: Sequence[np.ndarray], speakers: Sequence[np.ndarray]) -> Self:
        rows = max(map(len, labels))
        largest_class = max(int(np.bincount(own).max()) for own in labels)
        return replace(
            self,
            speakers=max(len(np.unique(own)) for own in speakers),
            rank=min(RANK, largest_class),
            shared_rank=min(SHARED_RANK, rows),
        )

    @property
    def _sizes(self) -> tuple[int, ...]:
        return self.classes, self.features, self.speakers, self.rank, self.shared_rank

    def init_params(self, key: jax.Array) -> Params:
        of = shapes(self._sizes)._asdict()
        kinds = {name: jnp.int32 if name == "count" else jnp.float32 for name in of}
        empty = {name: jnp.zeros(shape, kinds[name]) for name, shape in of.items()}
        return super().init_params(key) | {FACTORS: empty}

    def given(
        self, effects: Effects, rows: np.ndarray, labels: np.ndarray, speakers: np.ndarray
    ) -> Params:
        beyond = None if self.beyond == MEASURED else self.beyond
        mixed = self.residual == "mixed"
        found = factors_of(effects, rows, labels, speakers, self._sizes, beyond, mixed)
        return {FACTORS: found._asdict()}

    def without_speaker(self, params: Params) -> Params:
        own = params[FACTORS]
        nobody = {name: jnp.zeros_like(own[name]) for name in ("speaker", "beyond")}
        return {**params, FACTORS: {**own, **nobody}}

    def generate(self, params: Params, key: jax.Array, labels: jax.Array) -> jax.Array:
        f, n = Factors(**params[FACTORS]), len(labels)
        keys = dict(zip(("u", "beyond", "v", "e"), jax.random.split(key, 4), strict=True))

        def noise(of: str, factor: jax.Array) -> jax.Array:
            return jax.random.normal(keys[of], (n, factor.shape[-2]))

        x = labels @ f.means
        x += noise("u", f.speaker) @ f.speaker + noise("beyond", f.beyond) @ f.beyond
        own = noise("v", f.ways)
        mixed = self.residual == "mixed"
        rest = self._mixture(keys["e"], labels, f.count) if mixed else noise("e", f.residual)
        for c in range(self.classes):
            of_class = labels[:, c : c + 1]
            x += (of_class * own) @ f.ways[c] + (of_class * rest) @ f.residual[c]
        return x

    def _mixture(self, key: jax.Array, labels: jax.Array, count: jax.Array) -> jax.Array:
        """Weights (n, rank): 30 rows of the class, signs at random, squares that sum to their
        number, since a factor is divided by its root."""
        which, sign, weigh = jax.random.split(key, 3)
        n, there = len(labels), labels @ count.astype(jnp.float32)
        place = jax.random.uniform(which, (n, _MIXED)) * there[:, None]
        place = jnp.minimum(place.astype(jnp.int32), count.max() - 1)
        square = jax.random.dirichlet(weigh, jnp.ones(_MIXED), (n,)) * there[:, None]
        value = jnp.sqrt(square) * jax.random.rademacher(sign, (n, _MIXED), jnp.float32)
        return jnp.zeros((n, self.rank)).at[jnp.arange(n)[:, None], place].add(value)


CORRECTION, NOISE = "correction", "noise"
MADE = Pass(generated, (CORRECTION, NOISE), stream=1, fresh=2)


class Scale(nn.Module):
    """Each column times a number that is learnt, from 0."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return x * self.param("scale", nn.initializers.zeros, (x.shape[-1],))[None]


@dataclass(frozen=True)
class AdversarialM5(M5):
    """M5 and a network that begins at nothing and adds what M2's D2 finds missing.

    Steps 4 and 5 of the paper's schedule: there is no code to learn.
    """

    name = "m5_adversarial"
    title = "M5 with an adversarial residual"
    about = (
        "New speakers by effects, as M5, and a network that adds to each row what a discriminator "
        "misses in it."
    )
    steps = (
        replace(FEATURE_STEP, sees=(MADE,)),
        replace(GENERATOR_STEP, learns=(CORRECTION, NOISE), sees=(MADE,), through=MADE),
    )

    feature_discriminator: tuple[int, ...] = (1000, 500, 100)
    encoder: tuple[int, ...] = (1000, 500, 100)  # the correction mirrors it, as a decoder does
    latent: int = 20

    feature_logits = M2.feature_logits
    feature_trunk = M2.feature_trunk
    feature_head = M2.feature_head

    def networks(self) -> dict[str, Network]:
        widths = self.feature_discriminator
        correction = self.mlp(self.encoder[::-1], self.features)
        return {
            TRUNK: Network(5, self.features + self.classes, self.trunk(widths)),
            HEAD: Network(6, widths[-1], self.mlp((), 1)),
            CORRECTION: Network(10, self.latent + self.classes, correction),
            NOISE: Network(11, self.features, Scale()),
        }

    def init_params(self, key: jax.Array) -> Params:
        params = super().init_params(key)
        nothing = jax.tree.map(jnp.zeros_like, params[CORRECTION]["output"])
        return {**params, CORRECTION: {**params[CORRECTION], "output": nothing}}

    def generate(self, params: Params, key: jax.Array, labels: jax.Array) -> jax.Array:
        linear, z, noise = jax.random.split(key, 3)
        code = jax.random.normal(z, (len(labels), self.latent))
        added = self.apply(CORRECTION, params, jnp.hstack([code, labels]))
        white = jax.random.normal(noise, (len(labels), self.features))
        return super().generate(params, linear, labels) + added + self.apply(NOISE, params, white)
