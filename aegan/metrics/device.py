"""What of the metrics a GPU or TPU computes: Gram matrices of SVMs, and the nets of the FID.

The answers are those of numpy and scikit-learn up to rounding; libsvm and the rest stay on the
processor. jax is imported where a device may be in use and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import is_dataclass
from functools import cache
from importlib.util import find_spec
from threading import Lock
from typing import Any, Literal

import numpy as np
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import shuffle

Choice = Literal["auto", "on", "off"]  # on: with a CPU, too
CHOICES = ("auto", "on", "off")
Layers = list[tuple[np.ndarray, np.ndarray]]  # weights (in, out) and biases (out,), float32

# The threads of an evaluation share the device: one at a time holds what it computes there.
_ALONE = Lock()


def plugin_installed() -> bool:
    """Whether jax could have another device than a CPU; it is not asked, for it would take it."""
    return any(map(find_spec, ("jax_plugins", "libtpu")))


@cache
def used(choice: Choice) -> str | None:
    """Kind of the device that computes; None: numpy and scikit-learn do.

    "auto" takes jax's own device unless it is a CPU, and does not import jax without need.
    """
    if choice == "off" or (choice == "auto" and not plugin_installed()):
        return None
    import jax

    first = jax.local_devices()[0]
    return None if choice == "auto" and first.platform == "cpu" else first.device_kind


def settings_of(protocol: Any) -> dict[str, Any]:
    """Fields of a protocol, a dataclass, as JSON values: ``device`` as the one used, if any."""
    values = {n: settings_of(v) if is_dataclass(v) else v for n, v in vars(protocol).items()}
    device = used(values.pop("device", "off"))
    return values if device is None else values | {"device": device}


def gram(rows: np.ndarray, gamma: float | None) -> np.ndarray:
    """Kernel (n, n) of z-scored ``rows`` (n, dim) float32: linear, float32, or rbf, float64.

    Products are float32 whatever the device's own choice is. That is enough for rbf, whose
    distances are put together in float64: it moves a kernel of gamma "scale" by some 1e-7, and
    libsvm keeps it as float32.
    """
    import jax
    import jax.numpy as jnp

    with _ALONE:
        there = jnp.asarray(rows)
        products = jax.device_get(jnp.inner(there, there, precision=jax.lax.Precision.HIGHEST))
        del there
    if gamma is None:
        return products
    squares = np.einsum("ij,ij->i", rows, rows, dtype=np.float64)
    kernel = products.astype(np.float64)
    kernel *= -2
    kernel += squares[:, None]
    kernel += squares
    np.maximum(kernel, 0, out=kernel)
    np.fill_diagonal(kernel, 0)
    kernel *= -gamma
    return np.exp(kernel, out=kernel)


def train_mlps(
    rows: np.ndarray,
    labels: np.ndarray,
    hidden: Sequence[int],
    batch_size: int,
    epochs: int,
    seeds: Sequence[int],
) -> list[Layers]:
    """The MLPClassifier of each seed after so many calls of ``partial_fit``, all at once.

    First weights and the order of rows are scikit-learn's, so it is the same net up to rounding
    (which grows over the updates). As there, each call shuffles by the seed anew, but the first by
    what the first weights left of it.

    Args:
        rows: (n, dim) float32.
        labels: (n,).
        hidden: widths.
        batch_size: of an update, at most n.
        epochs: calls.
        seeds: of the nets.
    """
    classes, number = np.unique(labels), len(rows)
    starts, orders = [], []
    for seed in seeds:
        state = np.random.RandomState(seed)
        # A call with one row shuffles nothing, and at this rate it changes no weight.
        net = MLPClassifier(tuple(hidden), random_state=state, learning_rate_init=1e-30)
        net.partial_fit(rows[:1], labels[:1], classes=classes)
        starts.append(list(zip(net.coefs_, net.intercepts_, strict=True)))
        own = [shuffle(np.arange(number), random_state=state)]
        own += [shuffle(np.arange(number), random_state=seed)] * (epochs - 1)
        # The last batch of an epoch may be smaller: -1 is no row.
        batches = np.pad(own, ((0, 0), (0, -number % batch_size)), constant_values=-1)
        orders.append(batches.reshape(-1, batch_size).astype(np.int32))
    kind = MLPClassifier()
    step = np.arange(1, len(orders[0]) + 1)
    rates = kind.learning_rate_init * np.sqrt(1 - kind.beta_2**step) / (1 - kind.beta_1**step)
    targets = LabelBinarizer().fit(classes).transform(labels).astype(np.float32)
    import jax

    with _ALONE:
        stacked = jax.tree.map(lambda *each: np.stack(each), *starts)
        trained = _adam()(stacked, np.stack(orders), rates.astype(np.float32), rows, targets)
        trained = jax.device_get(trained)
    return [jax.tree.map(lambda each, i=i: each[i], trained) for i in range(len(seeds))]


@cache
def _adam() -> Callable[..., Layers]:
    """A program: nets (stacked), their batches, rates, rows and targets -> trained nets."""
    import jax
    import jax.numpy as jnp
    import optax

    kind = MLPClassifier()

    def train(
        start: Layers, batches: jax.Array, rates: jax.Array, rows: jax.Array, targets: jax.Array
    ) -> Layers:
        # One output is the logit of the second of two classes.
        several = targets.shape[1] > 1
        error = optax.softmax_cross_entropy if several else optax.sigmoid_binary_cross_entropy

        def loss(net: Layers, batch: jax.Array) -> jax.Array:
            *below, (weights, biases) = net
            x, y, there = rows[batch], targets[batch], batch >= 0
            for weight, bias in below:
                x = jax.nn.relu(x @ weight + bias)
            each = error(x @ weights + biases, y).reshape(len(batch))
            penalty = sum(jnp.sum(weight**2) for weight, _ in net) * kind.alpha / 2
            return (jnp.where(there, each, 0).sum() + penalty) / there.sum()

        def update(state: tuple, given: tuple) -> tuple[tuple, None]:
            net, mean, square = state
            batch, rate = given
            g = jax.grad(loss)(net, batch)
            mean = jax.tree.map(lambda m, g: kind.beta_1 * m + (1 - kind.beta_1) * g, mean, g)
            square = jax.tree.map(
                lambda v, g: kind.beta_2 * v + (1 - kind.beta_2) * g**2, square, g
            )
            # Not optax's: its epsilon is beside the corrected root.
            net = jax.tree.map(
                lambda w, m, v: w - rate * m / (jnp.sqrt(v) + kind.epsilon), net, mean, square
            )
            return (net, mean, square), None

        nothing = jax.tree.map(jnp.zeros_like, start)
        with jax.default_matmul_precision("float32"):
            (net, *_), _ = jax.lax.scan(update, (start, nothing, nothing), (batches, rates))
        return net

    return jax.jit(jax.vmap(train, in_axes=(0, 0, None, None, None)))
