"""The networks and losses of the paper once more, written from Table 1 and section 4.3.

Parameters come as the library's dicts; nothing else of it is used.
"""

from __future__ import annotations

import jax.numpy as jnp

# What a step may change, from the table of section 4.3.
UPDATED = {
    "autoencoder": {"encoder", "decoder"},
    "code_discriminator": {"code_discriminator"},
    "encoder": {"encoder"},
    "feature_discriminator": {"feature_discriminator"},
    "generator": {"decoder", "code_generator", "auxiliary"},
}


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


def paper_loss(step: str, params, x, labels, z, z_labels, model):
    """The loss of a step, written plainly on probabilities, as a function of all parameters.

    Of ``model`` only ``reduction``, ``information_weight`` and ``aux_sees_label`` are read.
    """
    if step == "autoencoder":
        error = (x - mlp(params["decoder"], mlp(params["encoder"], x))) ** 2
        return error.sum(axis=1).mean() if model.reduction == "sum" else error.mean()
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
    seen = z_labels if model.aux_sees_label else 0 * z_labels
    scores = jnp.exp(mlp(params["auxiliary"], d2_hidden(params, rows, seen)))
    right = (scores * z_labels).sum(axis=1) / scores.sum(axis=1)
    return loss - model.information_weight * jnp.log(right).mean()
