"""The five update steps of section 4.3, each usable alone.

Every update takes and returns the whole dict of parameters and the optimiser state of its own
step, and touches only the networks its step updates: the loss differentiates those alone, so the
others are frozen by signature. Steps 2 and 3 share one encoder pass, steps 4 and 5 one generator
pass: a ``Forward`` carries the output and the way back to the parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from aegan.learning import losses
from aegan.models import declarations as d
from aegan.models import networks as n
from aegan.models.priors import Draw


@dataclass(frozen=True)
class StepRule:
    """Optimiser of one step: the paper's SGD, or Adam in a tuned variant."""

    rate: float
    momentum: float = 0.0  # SGD's momentum, or Adam's b1
    optimiser: str = "sgd"

    def transform(self) -> optax.GradientTransformation:
        """The optax optimiser."""
        if self.optimiser == "adam":
            return optax.adam(self.rate, b1=self.momentum)
        return optax.sgd(self.rate, momentum=self.momentum or None)


@dataclass(frozen=True)
class Learner:
    """Everything static that the steps need; hashable, so that it can be a static argument."""

    model: d.Model
    nets: n.Networks
    rules: tuple[tuple[str, StepRule], ...]  # step name -> its optimiser
    reduction: str  # of the squared error over the features: "sum" or "mean"
    information_weight: float  # lambda of eq. (3)
    aux_sees_label: bool  # False: AUX reads D2's trunk with the label input zeroed

    def optimiser(self, step: str) -> optax.GradientTransformation:
        """The optimiser of a step."""
        return dict(self.rules)[step].transform()

    def init_optimisers(self, params: n.Params) -> dict[str, Any]:
        """One optimiser state per step, each over the networks that the step updates."""
        return {
            step: self.optimiser(step).init(self.own(step, params)) for step in self.model.steps
        }

    def own(self, step: str, params: n.Params) -> n.Params:
        """The part of the parameters that a step updates."""
        return {name: params[name] for name in self.model.updated_by(step)}

    def apply(
        self, step: str, params: n.Params, opt_state: Any, grads: n.Params
    ) -> tuple[n.Params, Any]:
        """Parameters and optimiser state after one update of a step's networks."""
        own = self.own(step, params)
        updates, opt_state = self.optimiser(step).update(grads, opt_state, own)
        return {**params, **optax.apply_updates(own, updates)}, opt_state


class Forward(NamedTuple):
    """A forward pass and its way back."""

    output: jax.Array  # (n, width)
    pullback: Callable[[jax.Array], n.Params]  # cotangent of output -> gradients by network


def encoder_forward(learner: Learner, params: n.Params, x: jax.Array) -> Forward:
    """enc(x), for steps 2 and 3: codes (n, code), gradients of the encoder."""
    own = learner.own(d.ENCODER, params)
    codes, vjp = jax.vjp(lambda p: n.encode(learner.nets, p, x), own)
    return Forward(codes, lambda cotangent: vjp(cotangent)[0])


def generator_forward(learner: Learner, params: n.Params, draw: Draw) -> Forward:
    """dec(z) or dec(CG(z, c)), for steps 4 and 5: features, gradients of decoder and CG."""
    own = {k: v for k, v in learner.own(d.GENERATOR, params).items() if k != n.AUXILIARY}
    features, vjp = jax.vjp(lambda p: n.generate(learner.nets, p, draw), own)
    return Forward(features, lambda cotangent: vjp(cotangent)[0])


def update_autoencoder(
    learner: Learner, params: n.Params, opt_state: Any, x: jax.Array
) -> tuple[n.Params, Any, jax.Array]:
    """Step 1: encoder and decoder, towards a smaller ||x - x'||^2."""

    def loss(own: n.Params) -> jax.Array:
        reconstructed = n.decode(learner.nets, own, n.encode(learner.nets, own, x))
        return losses.reconstruction(x, reconstructed, learner.reduction).mean()

    value, grads = jax.value_and_grad(loss)(learner.own(d.AUTOENCODER, params))
    params, opt_state = learner.apply(d.AUTOENCODER, params, opt_state, grads)
    return params, opt_state, value


def _on_both(
    logits: Callable[[Any, jax.Array, jax.Array], jax.Array],
    parameters: Any,
    first: tuple[jax.Array, jax.Array],
    second: tuple[jax.Array, jax.Array],
) -> tuple[jax.Array, jax.Array]:
    """A discriminator on two batches of (rows, labels) in one pass of twice the height."""
    rows, labels = (jnp.concatenate(pair) for pair in zip(first, second, strict=True))
    return tuple(jnp.split(logits(parameters, rows, labels), [first[0].shape[0]]))


def update_code_discriminator(
    learner: Learner,
    params: n.Params,
    opt_state: Any,
    codes: jax.Array,
    labels: jax.Array,
    prior_codes: jax.Array,
    prior_labels: jax.Array,
) -> tuple[n.Params, Any, jax.Array]:
    """Step 2, eqs. (4) and (5): D1, encoded rows against draws from the prior."""

    def loss(own: n.Params) -> jax.Array:
        encoded, drawn = _on_both(
            lambda p, c, y: n.code_logits(learner.nets, p, c, y),
            own[n.CODE_DISCRIMINATOR],
            (codes, labels),
            (prior_codes, prior_labels),
        )
        return losses.code_discriminator(encoded, drawn).mean()

    value, grads = jax.value_and_grad(loss)(learner.own(d.CODE_DISCRIMINATOR, params))
    params, opt_state = learner.apply(d.CODE_DISCRIMINATOR, params, opt_state, grads)
    return params, opt_state, value


def update_encoder(
    learner: Learner, params: n.Params, opt_state: Any, encoded: Forward, labels: jax.Array
) -> tuple[n.Params, Any, jax.Array]:
    """Step 3: the encoder, with D1 frozen, passing its codes off as draws from the prior."""

    def loss(codes: jax.Array) -> jax.Array:
        logits = n.code_logits(learner.nets, params[n.CODE_DISCRIMINATOR], codes, labels)
        return losses.encoder_adversarial(logits).mean()

    value, cotangent = jax.value_and_grad(loss)(encoded.output)
    grads = encoded.pullback(cotangent)
    params, opt_state = learner.apply(d.ENCODER, params, opt_state, grads)
    return params, opt_state, value


def update_feature_discriminator(
    learner: Learner,
    params: n.Params,
    opt_state: Any,
    synthetic: jax.Array,
    synthetic_labels: jax.Array,
    x: jax.Array,
    labels: jax.Array,
) -> tuple[n.Params, Any, jax.Array]:
    """Step 4, eqs. (6) and (7): D2, synthetic rows against real ones."""

    def loss(own: n.Params) -> jax.Array:
        fake, real = _on_both(
            lambda p, rows, y: n.feature_logits(learner.nets, p, rows, y),
            own[n.FEATURE_DISCRIMINATOR],
            (synthetic, synthetic_labels),
            (x, labels),
        )
        return losses.feature_discriminator(fake, real).mean()

    value, grads = jax.value_and_grad(loss)(learner.own(d.FEATURE_DISCRIMINATOR, params))
    params, opt_state = learner.apply(d.FEATURE_DISCRIMINATOR, params, opt_state, grads)
    return params, opt_state, value


def generator_losses(
    learner: Learner, params: n.Params, auxiliary: Any, synthetic: jax.Array, labels: jax.Array
) -> tuple[jax.Array, jax.Array | None]:
    """The two terms of eq. (9) by row, (n,) each; the second is None without AUX."""
    nets, d2 = learner.nets, params[n.FEATURE_DISCRIMINATOR]
    hidden = n.feature_trunk(nets, d2, synthetic, labels)
    adversarial = losses.generator_adversarial(n.feature_head(nets, d2, hidden))
    if auxiliary is None:
        return adversarial, None
    if not learner.aux_sees_label:
        hidden = n.feature_trunk(nets, d2, synthetic, jnp.zeros_like(labels))
    return adversarial, losses.information(n.class_logits(nets, auxiliary, hidden), labels)


def update_generator(
    learner: Learner, params: n.Params, opt_state: Any, generated: Forward, labels: jax.Array
) -> tuple[n.Params, Any, tuple[jax.Array, ...]]:
    """Step 5, eqs. (8) and (9): decoder (M3: CG, decoder, AUX) against a frozen D2 and trunk.

    Returns the adversarial loss and, with AUX, the information loss (before lambda).
    """

    def loss(synthetic: jax.Array, auxiliary: Any) -> tuple[jax.Array, tuple[jax.Array, ...]]:
        terms = generator_losses(learner, params, auxiliary, synthetic, labels)
        values = tuple(term.mean() for term in terms if term is not None)
        weights = (1.0, learner.information_weight)
        return sum(w * v for w, v in zip(weights, values, strict=False)), values

    auxiliary = params.get(n.AUXILIARY)
    (_, values), (cotangent, aux_grads) = jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)(
        generated.output, auxiliary
    )
    grads = dict(generated.pullback(cotangent))
    if auxiliary is not None:
        grads[n.AUXILIARY] = aux_grads
    params, opt_state = learner.apply(d.GENERATOR, params, opt_state, grads)
    return params, opt_state, values
