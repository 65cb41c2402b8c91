"""One update of one step of section 4.3: value and gradient on what learns, by its own optimiser.

The loss differentiates the networks that learn and nothing else, so the others are frozen. Steps
that see the same pass share it: a ``Forward`` carries its result and the way back to the
parameters, and is pulled back once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from aegan.models.model import Labelled, Model, Params, Pass, Step, networks_of_rows

AVERAGE = "average"  # of an averaging learner's optimiser states: the mean weights


@dataclass(frozen=True)
class StepRule:
    """How a step learns: by the paper's SGD or by Adam, in one epoch of every ``every``."""

    rate: float
    momentum: float = 0.0  # SGD's momentum, or Adam's b1
    optimiser: str = "sgd"
    every: int = 1

    def transform(self) -> optax.GradientTransformation:
        """The optax optimiser."""
        if self.optimiser == "adam":
            return optax.adam(self.rate, b1=self.momentum)
        return optax.sgd(self.rate, momentum=self.momentum or None)


@dataclass(frozen=True)
class Learner:
    """Everything static that training needs; hashable, so that it can be a static argument."""

    model: Model
    rules: tuple[StepRule, ...]  # of the model's steps, in their order
    batch_size: int
    batches: int  # per epoch, the same for every fold: from the largest training part
    gain: float  # training space = gain * clipped z-score
    clip: float
    fresh_z: bool = False  # step 5 draws a z of its own instead of reusing step 4's
    average_from: int | None = None  # the update, from 0, from which weights of rows are averaged

    def rule(self, step: Step) -> StepRule:
        """How a step learns."""
        return self.rules[self.model.steps.index(step)]

    def init_optimisers(self, params: Params) -> dict[str, Any]:
        """One optimiser state per step, each over the networks that the step updates.

        If it averages, also the weights that rows are made with, under ``AVERAGE``.
        """
        states = {
            step.name: rule.transform().init(_part(params, step.learns))
            for step, rule in zip(self.model.steps, self.rules, strict=True)
        }
        if self.average_from is not None:
            states[AVERAGE] = jax.tree.map(jnp.copy, _part(params, networks_of_rows(self.model)))
        return states


class Forward(NamedTuple):
    """What a pass made, and its way back."""

    made: Labelled
    pullback: Callable[[jax.Array], tuple[Params]]  # cotangent of the values -> gradients


class Updated(NamedTuple):
    """What an update of a step gives."""

    own: Params  # of the networks that learn
    opt_state: Any
    losses: tuple[jax.Array, ...]  # () each: means over the batch


def _part(params: Params, names: Sequence[str]) -> Params:
    return {name: params[name] for name in names}


def forward(
    model: Model, which: Pass, params: Params, key: jax.Array | None, batch: Labelled
) -> Forward:
    """A pass, with the gradients of its networks to be had."""

    def run(own: Params) -> tuple[jax.Array, jax.Array]:
        return which.run(model, {**params, **own}, key, batch)

    values, pullback, labels = jax.vjp(run, _part(params, which.networks), has_aux=True)
    return Forward(Labelled(values, labels), pullback)


def pass_keys(model: Model, key: jax.Array) -> jax.Array:
    """The keys of a batch's passes, by the number of their stream."""
    passes = [p for step in model.steps for p in step.sees]
    streams = [n for p in passes for n in (p.stream, p.fresh) if n is not None]
    return jax.random.split(key, max(streams, default=0) + 1)


def update(
    learner: Learner,
    step: Step,
    params: Params,
    opt_state: Any,
    batch: Labelled,
    done: Mapping[Pass, Forward],
) -> Updated:
    """One update of what a step learns.

    Args:
        learner: the model and its rules.
        step: of the model.
        params: of all networks; only those of ``step.learns`` are differentiated.
        opt_state: of this step.
        batch: real rows (n, features) in training space with their labels (n, classes).
        done: the passes that the step sees.
    """
    by_way = step.through.networks if step.through else ()
    direct = _part(params, [name for name in step.learns if name not in by_way])

    def loss(direct: Params, values: jax.Array | None) -> tuple[jax.Array, tuple[jax.Array, ...]]:
        seen = [
            done[which].made._replace(values=values) if which is step.through else done[which].made
            for which in step.sees
        ]
        terms = step.loss(learner.model, {**params, **direct}, batch, *seen)
        means = tuple(term.mean() for term in terms)
        weights = step.weights(learner.model) if step.weights else (1.0,) * len(means)
        return sum(weight * mean for weight, mean in zip(weights, means, strict=True)), means

    if step.through is None:
        (_, losses), grads = jax.value_and_grad(loss, has_aux=True)(direct, None)
    else:
        way = done[step.through]
        (_, losses), (grads, cotangent) = jax.value_and_grad(loss, (0, 1), has_aux=True)(
            direct, way.made.values
        )
        grads |= _part(way.pullback(cotangent)[0], [n for n in by_way if n in step.learns])
    own = _part(params, step.learns)
    changes, opt_state = learner.rule(step).transform().update(grads, opt_state, own)
    return Updated(optax.apply_updates(own, changes), opt_state, losses)


@partial(jax.jit, static_argnums=(0, 1))
def update_alone(
    learner: Learner,
    step: str,
    params: Params,
    opt_state: Any,
    key: jax.Array,
    x: jax.Array,
    labels: jax.Array,
) -> tuple[Params, Any, tuple[jax.Array, ...]]:
    """One step by itself, by its name, compiled.

    Args:
        learner: the model and its rules.
        step: name of a step of the model, "encoder".
        params: of all networks.
        opt_state: of this step, as ``Learner.init_optimisers`` makes it.
        key: of the batch.
        x: (n, features), training space.
        labels: (n, classes), one-hot.

    Returns:
        All parameters, the step's optimiser state, and its losses, () each.
    """
    (found,) = (one for one in learner.model.steps if one.name == step)
    batch, keys = Labelled(x, labels), pass_keys(learner.model, key)
    done = {
        which: forward(learner.model, which, params, key_of(which, keys), batch)
        for which in found.sees
    }
    own, opt_state, losses = update(learner, found, params, opt_state, batch, done)
    return {**params, **own}, opt_state, losses


def key_of(which: Pass, keys: jax.Array, fresh: bool = False) -> jax.Array | None:
    """The key of a pass out of ``pass_keys``; None if it draws nothing."""
    if which.stream is None:
        return None
    return keys[which.fresh if fresh else which.stream]


def all_steps(
    learner: Learner,
    params: Params,
    opt_states: Mapping[str, Any],
    key: jax.Array,
    batch: Labelled,
    epoch: jax.Array | int,
) -> tuple[Params, dict[str, Any], tuple[jax.Array, ...]]:
    """The model's steps on one batch, in their order, each seeing what those before have learnt.

    A pass is done when the first step sees it, and again once one of its networks has changed.
    In epochs (from 0) in which a step idles, its losses are 0.
    """
    model, opt_states = learner.model, dict(opt_states)
    keys = pass_keys(model, key)
    done: dict[Pass, Forward] = {}
    losses: tuple[jax.Array, ...] = ()
    for step in model.steps:
        for which in step.sees:
            fresh = learner.fresh_z and which is step.through and which.fresh is not None
            if fresh or which not in done:
                done[which] = forward(model, which, params, key_of(which, keys, fresh), batch)
        one = _maybe_idle if step.idles else update
        epochs = (epoch,) if step.idles else ()
        after = one(learner, step, params, opt_states[step.name], batch, done, *epochs)
        params = {**params, **after.own}
        opt_states[step.name] = after.opt_state
        losses += after.losses
        stale = [which for which in done if set(which.networks) & set(step.learns)]
        for which in stale:
            del done[which]
        if stale:  # what is done again draws the same: no reuse of a key by mistake
            keys = jax.random.clone(keys)
    return params, opt_states, losses


def _maybe_idle(
    learner: Learner,
    step: Step,
    params: Params,
    opt_state: Any,
    batch: Labelled,
    done: Mapping[Pass, Forward],
    epoch: jax.Array | int,
) -> Updated:
    """``update`` as a loop of one turn or of none.

    Unlike lax.cond it updates the networks where they lie, without a copy.
    """

    def turn(_: jax.Array, before: Updated) -> Updated:
        everything = {**params, **before.own}
        return update(learner, step, everything, before.opt_state, batch, done)

    turns = epoch % learner.rule(step).every == 0
    turns = int(turns) if isinstance(epoch, int) else turns.astype(jnp.int32)
    nothing = (jnp.float32(0),) * len(step.losses)
    return jax.lax.fori_loop(
        0, turns, turn, Updated(_part(params, step.learns), opt_state, nothing)
    )
