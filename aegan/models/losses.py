"""The losses of section 4.3, one value per row, on logits.

Equations (4) to (9) are printed without the leading minus; the text ("minimise cross-entropy") is
right, and that is what stands here. The paper's labels are the reverse of the usual ones: D1 calls
an encoded row 1 and a draw from the prior 0; D2 calls a synthetic row 1 and a real one 0.
Cross-entropies are ``softplus`` of a logit: -log D = softplus(-logit), -log(1 - D) =
softplus(logit), finite for every finite logit.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import optax


def reconstruction(x: jax.Array, reconstructed: jax.Array, reduction: str) -> jax.Array:
    """Step 1, ||x - x'||^2: (n, features) twice -> (n,).

    ``reduction`` over the features is "sum" (the norm as printed) or "mean".
    """
    squares = jnp.square(x - reconstructed)
    return squares.sum(axis=-1) if reduction == "sum" else squares.mean(axis=-1)


def code_discriminator(encoded_logits: jax.Array, prior_logits: jax.Array) -> jax.Array:
    """Step 2, eqs. (4) and (5): -log D1(encoded) - log(1 - D1(prior)); (n,) twice -> (n,)."""
    return jax.nn.softplus(-encoded_logits) + jax.nn.softplus(prior_logits)


def encoder_adversarial(encoded_logits: jax.Array) -> jax.Array:
    """Step 3: -log(1 - D1(encoded)), the encoder passing its codes off as the prior's; (n,)."""
    return jax.nn.softplus(encoded_logits)


def feature_discriminator(synthetic_logits: jax.Array, real_logits: jax.Array) -> jax.Array:
    """Step 4, eqs. (6) and (7): -log D2(synthetic) - log(1 - D2(real)); (n,) twice -> (n,)."""
    return jax.nn.softplus(-synthetic_logits) + jax.nn.softplus(real_logits)


def generator_adversarial(synthetic_logits: jax.Array) -> jax.Array:
    """Step 5, eq. (8) and the first term of (9): -log(1 - D2(synthetic)); (n,)."""
    return jax.nn.softplus(synthetic_logits)


def information(class_logits: jax.Array, labels: jax.Array) -> jax.Array:
    """-Q of eq. (9): -log q(c | synthetic row), AUX's cross-entropy; (n, classes) twice -> (n,).

    Q is InfoGAN's lower bound on the mutual information, less the constant entropy of c.
    """
    return optax.softmax_cross_entropy(class_logits, labels)
