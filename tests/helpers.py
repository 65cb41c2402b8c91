"""Small models and an independent rendering of the paper's networks, shared by the core's tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from aegan.data.audit import row_digests
from aegan.data.corpus import Corpus
from aegan.data.folds import Fold, Standardiser, fit_standardiser, make_folds
from aegan.data.simulate import simulated_corpus
from aegan.learning.schedule import Lane, LaneState, Schedule, Table
from aegan.learning.steps import Learner, StepRule
from aegan.models.declarations import MODELS, STEPS
from aegan.models.networks import Sizes, build_networks, init_params
from aegan.models.priors import MixturePrior, NormalPrior
from aegan.sampling.generator import Generator, constant_columns, networks_of_a_draw
from aegan.training import lanes

# What a checkpoint belongs to.
META = {
    "features": ["a", "b"],
    "feature_set": "IS10",
    "corpus_hash": "c" * 16,
    "config_hash": "a" * 16,
}
CASES = [(name, step) for name, model in MODELS.items() for step in model.steps]


@contextmanager
def strict_jax() -> Iterator[None]:
    """Reused keys and silent rank promotion are errors."""
    with jax.debug_key_reuse(True), jax.numpy_rank_promotion("raise"):
        yield


def tiny_sizes(name: str, features: int = 12, classes: int = 4) -> Sizes:
    mixture = MODELS[name].prior == "mixture"
    return Sizes(
        features=features,
        classes=classes,
        encoder=(8, 6),
        code=2 if mixture else 5,
        latent=2 if mixture else 3,
        code_discriminator=(7, 6),
        feature_discriminator=(9, 7),
        auxiliary=(5,),
        code_generator=(6,),
    )


def tiny_learner(
    name: str,
    *,
    features: int = 12,
    rate: float = 0.1,
    momentum: float = 0.0,
    reduction: str = "sum",
    information_weight: float = 1.0,
    aux_sees_label: bool = True,
) -> Learner:
    """A learner of a few hundred parameters, every step with the same rule."""
    model = MODELS[name]
    return Learner(
        model=model,
        nets=build_networks(model.networks, tiny_sizes(name, features)),
        rules=tuple((step, StepRule(rate, momentum)) for step in STEPS if step in model.steps),
        reduction=reduction,
        information_weight=information_weight,
        aux_sees_label=aux_sees_label,
    )


def tiny_schedule(name: str, **changes) -> Schedule:
    sizes = tiny_sizes(name)
    mixture = MODELS[name].prior == "mixture"
    prior = MixturePrior(sizes.latent, 4.0, 1.0) if mixture else NormalPrior(sizes.latent)
    fields = {"batch_size": 4, "batches": 2, "d2_every": 2, "fresh_z": False}
    fields |= {"gain": 0.2, "clip": 10.0}
    return Schedule(prior=prior, **(fields | changes))


def random_params(learner: Learner, seed: int = 0):
    """Parameters of a learner with biases that are not zero; no compiling, unlike fresh ones."""
    rng = np.random.default_rng(seed)
    shapes = jax.eval_shape(lambda key: init_params(learner.nets, key), jax.random.key(0))
    return jax.tree.map(lambda w: np.float32(0.4 * rng.normal(size=w.shape)), shapes)


def rows_and_labels(seed: int, n: int, features: int = 12, classes: int = 4):
    """(n, features) rows in training space and (n, classes) one-hot labels."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, features)).astype(np.float32)
    return x, np.eye(classes, dtype=np.float32)[np.arange(n) % classes]


def same_bits(a, b) -> bool:
    """Whether two trees of arrays are equal bit for bit (NaN equal to NaN)."""
    if jax.tree.structure(a) != jax.tree.structure(b):
        return False
    return all(_bytes(x) == _bytes(y) for x, y in zip(*map(jax.tree.leaves, (a, b)), strict=True))


def _bytes(leaf) -> tuple:
    is_key = isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    array = np.asarray(jax.random.key_data(leaf) if is_key else leaf)
    return array.dtype, array.shape, array.tobytes()


def copy(tree):
    """A copy that a donating call cannot take away."""
    return jax.tree.map(jnp.copy, tree)


class Run(NamedTuple):
    """A tiny training of M1, M2 or M3 on unequal folds; the same object for every test."""

    corpus: Corpus
    folds: tuple[Fold, ...]
    stats: tuple[Standardiser, ...]
    learner: Learner
    schedule: Schedule
    lane_list: tuple[tuple[int, int], ...]

    def table(self, corpus: Corpus | None = None) -> Table:
        return lanes.make_table(corpus or self.corpus)

    def lanes(self, lane_list=None, stats=None) -> Lane:
        largest_train = max(len(fold.train) for fold in self.folds)
        largest_valid = max(len(fold.valid) for fold in self.folds)
        return lanes.make_lanes(
            self.folds,
            stats or self.stats,
            lane_list or self.lane_list,
            largest_train,
            largest_valid,
        )

    def lane(self, index: int) -> Lane:
        """One of the lanes."""
        with jax.debug_key_reuse(False):  # taking one key out of an array of keys counts as a use
            return lanes.lane_of(self.lanes(), index)

    def train(self, state, first: int, count: int, table=None, stacked=None):
        """State and losses (count, 2, lanes, losses) after some epochs; ``state`` lives on."""
        stacked = self.lanes() if stacked is None else stacked
        table = self.table() if table is None else table
        state, history = lanes.run_epochs(
            self.learner,
            self.schedule,
            table,
            stacked,
            copy(state),
            jnp.int32(first),
            jnp.int32(count),
            CAPACITY,
        )
        return state, np.asarray(history)[:count]


CAPACITY = 4  # epochs per call


@lru_cache
def small_run(name: str) -> Run:
    """Five folds of 70 to 100 training rows and two seeds for the first, 12 features."""
    corpus = simulated_corpus(rows=110, dim=12, seed=0)
    first = np.flatnonzero(corpus.sessions == corpus.sessions[0])
    keep = np.setdiff1d(np.arange(110), first[::2])
    names = ("features", "labels", "speakers", "sessions", "files")
    corpus = replace(corpus, **{field: getattr(corpus, field)[keep] for field in names})
    folds = make_folds(corpus, 5)
    batch_size = 8
    return Run(
        corpus=corpus,
        folds=folds,
        stats=tuple(fit_standardiser(corpus.features, fold.train) for fold in folds),
        learner=tiny_learner(name, rate=0.003, momentum=0.9),
        schedule=tiny_schedule(
            name,
            batch_size=batch_size,
            batches=-(-max(len(fold.train) for fold in folds) // batch_size),
        ),
        lane_list=((0, 0), (0, 1), (0, 2), (0, 3), (0, 4), (1, 0)),
    )


@lru_cache
def initial(name: str) -> LaneState:
    """States of all lanes of ``small_run`` before the first batch."""
    run = small_run(name)
    return lanes.init_lanes(run.learner, run.lanes())


@lru_cache
def trained(name: str, epochs: int = 3):
    """States and losses of ``small_run`` after some epochs, in one call."""
    return small_run(name).train(initial(name), 0, epochs)


def generator_of(run: Run, fold: int, gain: float = 0.2, params=None) -> Generator:
    """A generator on the corpus of ``run``: with ``params``, or M3's lane after three epochs."""
    chosen = run.folds[fold]
    params = params or lanes.lane_of(trained("m3", 3)[0], fold).params
    return Generator(
        nets=run.learner.nets,
        prior=run.schedule.prior,
        params=networks_of_a_draw(jax.device_get(params)),
        gain=gain,
        standardiser=fit_standardiser(run.corpus.features, chosen.train),
        constant=constant_columns(run.corpus.features, chosen.train),
        classes=run.corpus.classes,
        contract=run.corpus.contract,
        trained_on=row_digests(run.corpus.features[chosen.train]),
        rules=("a rule",),
        passport={
            "model": run.learner.model.name,
            "run_hash": "0123456789abcdef",
            "seed": 0,
            "fold": fold,
        },
    )


# --- the networks and losses once more, written from Table 1 and section 4.3 ------------------
# Parameters come as the library's dicts; nothing else of it is used.


def dense(p, x):
    return x @ p["kernel"] + p["bias"][None]


def relu_layers(p, x):
    for i in range(sum(name.startswith("hidden") for name in p)):
        y = dense(p[f"hidden{i}"], x)
        x = y * (y > 0)
    return x


def mlp(p, x):
    return dense(p["output"], relu_layers(p, x))


def beside(*parts):
    return jnp.concatenate(parts, axis=1)


def d2_hidden(params, x, labels):
    return relu_layers(params["feature_discriminator"]["trunk"], beside(x, labels))


def d2(params, x, labels):
    """Probability that a row is synthetic."""
    head = params["feature_discriminator"]["head"]["output"]
    return _sigmoid(dense(head, d2_hidden(params, x, labels))[:, 0])


def d1(params, codes, labels):
    """Probability that a code is encoded."""
    return _sigmoid(mlp(params["code_discriminator"], beside(codes, labels))[:, 0])


def _sigmoid(x):
    return 1 / (1 + jnp.exp(-x))


def prior_side(params, z, labels):
    """What the prior offers to D1: z, or CG(z, c)."""
    if "code_generator" not in params:
        return z
    return mlp(params["code_generator"], beside(z, labels))


def synthetic_rows(params, z, labels):
    return mlp(params["decoder"], prior_side(params, z, labels))


def paper_loss(step: str, params, x, labels, z, z_labels, learner: Learner):
    """The loss of a step, written plainly on probabilities, as a function of all parameters."""
    if step == "autoencoder":
        error = (x - mlp(params["decoder"], mlp(params["encoder"], x))) ** 2
        return error.sum(axis=1).mean() if learner.reduction == "sum" else error.mean()
    if step == "code_discriminator":  # encoded = 1, prior = 0
        encoded = d1(params, mlp(params["encoder"], x), labels)
        drawn = d1(params, prior_side(params, z, z_labels), z_labels)
        return -(jnp.log(encoded) + jnp.log(1 - drawn)).mean()
    if step == "encoder":
        return -jnp.log(1 - d1(params, mlp(params["encoder"], x), labels)).mean()
    rows = synthetic_rows(params, z, z_labels)
    if step == "feature_discriminator":  # synthetic = 1, real = 0
        fake, real = d2(params, rows, z_labels), d2(params, x, labels)
        return -(jnp.log(fake) + jnp.log(1 - real)).mean()
    assert step == "generator"
    loss = -jnp.log(1 - d2(params, rows, z_labels)).mean()
    if "auxiliary" not in params:
        return loss
    seen = z_labels if learner.aux_sees_label else 0 * z_labels
    scores = jnp.exp(mlp(params["auxiliary"], d2_hidden(params, rows, seen)))
    right = (scores * z_labels).sum(axis=1) / scores.sum(axis=1)
    return loss - learner.information_weight * jnp.log(right).mean()


# What a step may change, from the table of section 4.3 (not from the library).
UPDATED = {
    "autoencoder": {"encoder", "decoder"},
    "code_discriminator": {"code_discriminator"},
    "encoder": {"encoder"},
    "feature_discriminator": {"feature_discriminator"},
    "generator": {"decoder", "code_generator", "auxiliary"},
}
