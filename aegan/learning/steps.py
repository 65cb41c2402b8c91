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

from aegan.models.model import Labelled, Model, Params, Pass, Step


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

    def rule(self, step: Step) -> StepRule:
        """How a step learns."""
        return self.rules[self.model.steps.index(step)]

    def init_optimisers(self, params: Params) -> dict[str, Any]:
        """One optimiser state per step, each over the networks that the step updates."""
        return {
            step.name: rule.transform().init(_part(params, step.learns))
            for step, rule in zip(self.model.steps, self.rules, strict=True)
        }


class Forward(NamedTuple):
    """What a pass made, and its way back."""

    made: Labelled
    pullback: Callable[[jax.Array], tuple[Params]]  # cotangent of the values -> gradients


Updated = tuple[Params, Any, tuple[jax.Array, ...]]  # what learns, optimiser state, mean losses


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

    ``params`` are those of all networks, of which ``step.learns`` alone are differentiated, the
    optimiser's state is the step's own, ``batch`` has real rows (n, features) in training space
    with their labels (n, classes), and ``done`` the passes that the step sees.
    """
    by_way = step.through.networks if step.through else ()
    direct = _part(params, [name for name in step.learns if name not in by_way])

    def loss(direct: Params, values: jax.Array | None) -> tuple[jax.Array, tuple[jax.Array, ...]]:
        seen = {which: done[which].made for which in step.sees}
        if step.through:
            seen[step.through] = seen[step.through]._replace(values=values)
        terms = step.loss(learner.model, {**params, **direct}, batch, *seen.values())
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
    return optax.apply_updates(own, changes), opt_state, losses


def key_of(which: Pass, keys: jax.Array, fresh: bool = False) -> jax.Array | None:
    """The key of a pass out of ``pass_keys``; None if it draws nothing."""
    stream = which.fresh if fresh else which.stream
    return None if stream is None else keys[stream]


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
    In epochs (from 0) in which a step idles, its losses are NaN.
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

        run = partial(update, learner, step, batch=batch, done=done)

        def turn(_: Any, now: Updated, run: Any = run, params: Params = params) -> Updated:
            return run({**params, **now[0]}, now[1])

        if step.idles:
            # A loop of one turn or of none: unlike lax.cond it updates networks where they lie.
            turns = epoch % learner.rule(step).every == 0
            turns = int(turns) if isinstance(epoch, int) else turns.astype(jnp.int32)
            nothing = (jnp.float32(jnp.nan),) * len(step.losses)
            before = _part(params, step.learns), opt_states[step.name], nothing
            own, opt_state, terms = jax.lax.fori_loop(0, turns, turn, before)
        else:
            own, opt_state, terms = run(params, opt_states[step.name])
        params = {**params, **own}
        opt_states[step.name] = opt_state
        losses += terms
        for which in [which for which in done if set(which.networks) & set(step.learns)]:
            del done[which]
    return params, opt_states, losses
