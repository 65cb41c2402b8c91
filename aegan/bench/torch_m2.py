"""M2's train step in PyTorch on the CPU, as a user would write it instead, to be timed.

Two forms of one mathematics, that of ``aegan.learning.schedule.train_step``: ``Eager``, in the
manner of the usual tutorials, and ``Tuned``, with every pass that can be shared shared and nothing
computed that is not used. Neither is compiled. ``parity`` compares a form with aegan's step.

Needs the extra ``bench``: without PyTorch, importing this module raises ``InputError``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np

from aegan.errors import InputError
from aegan.learning.schedule import LaneState, Schedule, train_step
from aegan.learning.steps import Learner
from aegan.models import declarations as d
from aegan.models import networks as n
from aegan.models.priors import MixturePrior, draw

try:
    import torch
    from torch import Tensor, nn
    from torch.nn import functional as F
except ImportError as error:
    raise InputError('PyTorch is not installed: pip install -e ".[bench]"') from error

Points = tuple[Tensor, Tensor]  # z (n, latent) and one-hot labels (n, classes)

_aegan_step = jax.jit(train_step, static_argnums=(0, 1))


@contextmanager
def threads(count: int) -> Iterator[None]:
    """PyTorch on ``count`` threads inside the block, as before after it."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def tensor(array: Any) -> Tensor:
    """A float32 copy of an array of numpy or jax."""
    return torch.tensor(np.asarray(array, np.float32))


def _layers(name: str, network: n.Params) -> list[dict[str, Any]]:
    """The dense layers of a network's parameters, from input to output."""
    if name == n.FEATURE_DISCRIMINATOR:
        network = {**network["trunk"], **network["head"]}
    hidden = (f"hidden{i}" for i in range(len(network) - 1))
    return [network[layer] for layer in (*hidden, "output")]


def networks_from(params: n.Params) -> dict[str, nn.Sequential]:
    """aegan's parameters as one ``nn.Sequential`` per network, ReLU between the layers."""
    networks = {}
    for name, network in params.items():
        modules: list[nn.Module] = []
        for layer in _layers(name, network):
            # Not initialised: that would draw from PyTorch's global generator.
            linear = nn.utils.skip_init(nn.Linear, *np.shape(layer["kernel"]))
            with torch.no_grad():
                linear.weight.copy_(tensor(layer["kernel"]).T)
                linear.bias.copy_(tensor(layer["bias"]))
            modules += [linear, nn.ReLU()]
        networks[name] = nn.Sequential(*modules[:-1])
    return networks


def params_of(networks: dict[str, nn.Sequential]) -> n.Params:
    """The inverse of ``networks_from``: numpy copies in aegan's layout."""
    params: n.Params = {}
    for name, network in networks.items():
        *hidden, output = (
            {
                "kernel": linear.weight.detach().numpy().T.copy(),
                "bias": linear.bias.detach().numpy().copy(),
            }
            for linear in network
            if isinstance(linear, nn.Linear)
        )
        trunk = {f"hidden{i}": layer for i, layer in enumerate(hidden)}
        if name == n.FEATURE_DISCRIMINATOR:
            params[name] = {"trunk": trunk, "head": {"output": output}}
        else:
            params[name] = {**trunk, "output": output}
    return params


def _beside(rows: Tensor, labels: Tensor) -> Tensor:
    return torch.cat([rows, labels], dim=1)


class TorchM2(ABC):
    """What both forms share: networks, one SGD per step, draws from the prior."""

    fused = False  # SGD in one kernel for all its tensors

    def __init__(self, learner: Learner, schedule: Schedule, params: n.Params, seed: int = 0):
        sgd = all(rule.optimiser == "sgd" for _, rule in learner.rules)
        mixture = isinstance(schedule.prior, MixturePrior)
        if learner.model != d.M2 or not sgd or not mixture or schedule.fresh_z:
            raise InputError("the PyTorch step is M2's: SGD, a mixture prior, no fresh z in step 5")
        self.prior = schedule.prior
        self.reduction = learner.reduction
        self.classes = learner.nets.sizes.classes
        self.batch_size = schedule.batch_size
        self.networks = networks_from(params)
        self.encoder = self.networks[n.ENCODER]
        self.decoder = self.networks[n.DECODER]
        self.d1 = self.networks[n.CODE_DISCRIMINATOR]
        self.d2 = self.networks[n.FEATURE_DISCRIMINATOR]
        rules = dict(learner.rules)
        self.optimisers = {
            step: torch.optim.SGD(
                [p for name in d.M2.updated_by(step) for p in self.networks[name].parameters()],
                lr=rules[step].rate,
                momentum=rules[step].momentum,
                fused=self.fused,
            )
            for step in d.M2.steps
        }
        self.generator = torch.Generator().manual_seed(seed)
        self.means = tensor(self.prior.means(self.classes))
        self.one_hot = torch.eye(self.classes)

    def draw(self, rows: int) -> Points:
        """Points of the prior, their classes drawn uniformly."""
        index = torch.randint(self.classes, (rows,), generator=self.generator)
        noise = torch.randn(rows, self.prior.latent, generator=self.generator)
        return self.means[index] + self.prior.spread * noise, self.one_hot[index]

    def reconstruction(self, x: Tensor) -> Tensor:
        """Loss of step 1: the sum or the mean over the features, the mean over the rows."""
        squares = F.mse_loss(self.decoder(self.encoder(x)), x, reduction="sum")
        return squares / (len(x) if self.reduction == "sum" else x.numel())

    def update(self, step: str, loss: Tensor) -> Tensor:
        """Gradients from zero, then one step of SGD; the loss without its graph."""
        self.optimisers[step].zero_grad(set_to_none=True)
        loss.backward()
        self.optimisers[step].step()
        return loss.detach()

    def step(
        self,
        x: Tensor,
        labels: Tensor,
        update_d2: bool = True,
        first: Points | None = None,
        second: Points | None = None,
    ) -> Tensor:
        """All five steps on one batch.

        Args:
          x: (batch, features), training space; as many rows as the schedule's batches.
          labels: (batch, classes), one-hot.
          update_d2: whether step 4 runs; its loss is NaN where it does not.
          first: the prior's points for step 2; drawn where not given.
          second: those for steps 4 and 5.

        Returns:
          The losses (5,) in the order of ``schedule.loss_names``.
        """
        first = first or self.draw(len(x))
        second = second or self.draw(len(x))
        return torch.stack(self.five_steps(x, labels, update_d2, first, second))

    @abstractmethod
    def five_steps(
        self, x: Tensor, labels: Tensor, update_d2: bool, first: Points, second: Points
    ) -> list[Tensor]:
        """The five losses, () each, of a step with given points."""


class Eager(TorchM2):
    """As tutorials have it: detached fakes, a pass per batch, the forward pass made anew."""

    def five_steps(
        self, x: Tensor, labels: Tensor, update_d2: bool, first: Points, second: Points
    ) -> list[Tensor]:
        bce = F.binary_cross_entropy_with_logits
        values = [self.update(d.AUTOENCODER, self.reconstruction(x))]

        z, z_labels = first
        encoded = self.d1(_beside(self.encoder(x).detach(), labels))
        drawn = self.d1(_beside(z, z_labels))
        loss = bce(encoded, torch.ones_like(encoded)) + bce(drawn, torch.zeros_like(drawn))
        values.append(self.update(d.CODE_DISCRIMINATOR, loss))

        encoded = self.d1(_beside(self.encoder(x), labels))
        values.append(self.update(d.ENCODER, bce(encoded, torch.zeros_like(encoded))))

        z, z_labels = second
        if update_d2:
            fake = self.d2(_beside(self.decoder(z).detach(), z_labels))
            real = self.d2(_beside(x, labels))
            loss = bce(fake, torch.ones_like(fake)) + bce(real, torch.zeros_like(real))
            values.append(self.update(d.FEATURE_DISCRIMINATOR, loss))
        else:
            values.append(torch.tensor(torch.nan))

        fake = self.d2(_beside(self.decoder(z), z_labels))
        values.append(self.update(d.GENERATOR, bce(fake, torch.zeros_like(fake))))
        return values


class Tuned(TorchM2):
    """By hand: one encoder pass for steps 2 and 3, one decoder pass for 4 and 5, both sides of a
    discriminator in one pass of twice the height, no gradients of a frozen network, fused SGD.
    """

    fused = True

    def __init__(self, learner: Learner, schedule: Schedule, params: n.Params, seed: int = 0):
        super().__init__(learner, schedule, params, seed)
        self.zeros = torch.zeros(self.batch_size, 1)
        self.both = torch.cat([torch.ones_like(self.zeros), self.zeros])
        self.nan = torch.tensor(torch.nan)

    def discriminate(self, network: nn.Sequential, ones: Points, zeros: Points) -> Tensor:
        """Sum of the mean cross-entropies of rows that are called 1 and rows called 0."""
        rows = _beside(torch.cat([ones[0], zeros[0]]), torch.cat([ones[1], zeros[1]]))
        # The mean over twice the rows is half the sum of the two means.
        return 2 * F.binary_cross_entropy_with_logits(network(rows), self.both)

    def deceive(self, step: str, network: nn.Sequential, rows: Tensor, labels: Tensor) -> Tensor:
        """An update that passes rows off as 0 to a frozen discriminator; returns the loss."""
        network.requires_grad_(False)
        loss = F.binary_cross_entropy_with_logits(network(_beside(rows, labels)), self.zeros)
        value = self.update(step, loss)
        network.requires_grad_(True)
        return value

    def five_steps(
        self, x: Tensor, labels: Tensor, update_d2: bool, first: Points, second: Points
    ) -> list[Tensor]:
        values = [self.update(d.AUTOENCODER, self.reconstruction(x))]

        codes = self.encoder(x)
        loss = self.discriminate(self.d1, (codes.detach(), labels), first)
        values.append(self.update(d.CODE_DISCRIMINATOR, loss))
        values.append(self.deceive(d.ENCODER, self.d1, codes, labels))

        z, z_labels = second
        synthetic = self.decoder(z)
        if update_d2:
            loss = self.discriminate(self.d2, (synthetic.detach(), z_labels), (x, labels))
            values.append(self.update(d.FEATURE_DISCRIMINATOR, loss))
        else:
            values.append(self.nan)
        values.append(self.deceive(d.GENERATOR, self.d2, synthetic, z_labels))
        return values


FORMS: dict[str, type[TorchM2]] = {"eager": Eager, "tuned": Tuned}


def parity(
    learner: Learner,
    schedule: Schedule,
    params: n.Params,
    key: jax.Array,
    x: Any,
    labels: Any,
    form: str,
    update_d2: bool = True,
    count: int = 2,
) -> float:
    """The worst relative difference of a form from aegan's step, both in float32.

    Both start from ``params`` with fresh optimisers and take ``count`` steps on the same batch with
    the same draws; from the second step on, momentum counts. The number is the largest of

    * |a - b| / |b| of every loss of every step,
    * max |a - b| / max |b - initial| of every leaf of the parameters after the last step,

    with a of PyTorch and b of aegan. So the update is compared, not the weight that hides it; its
    floor is float32's 6e-8 times max |b| / max |b - initial|. What only one of the two leaves alone
    gives infinity, and a NaN of only one gives NaN.

    Args:
      learner, schedule: of M2.
      params: initial parameters, in aegan's layout.
      key: of both steps' draws.
      x: (batch, features), training space.
      labels: (batch, classes), one-hot.
      form: a name in ``FORMS``.
      update_d2: whether step 4 runs.
      count: steps taken.
    """
    other = FORMS[form](learner, schedule, params)
    state = LaneState(params, learner.init_optimisers(params), jax.numpy.int32(0))
    worst = []
    for step_key in jax.random.split(key, count):
        first, second, _ = jax.random.split(step_key, 3)  # as train_step splits it
        points = (draw(schedule.prior, k, *labels.shape) for k in (first, second))
        given = [(tensor(p.z), tensor(p.labels)) for p in points]
        state, expected = _aegan_step(learner, schedule, state, step_key, x, labels, update_d2)
        found = other.step(tensor(x), tensor(labels), update_d2, *given).numpy()
        expected = np.asarray(expected)
        silent = np.isnan(expected) & np.isnan(found)
        worst += [_ratio(a - b, b) for a, b in zip(found[~silent], expected[~silent], strict=True)]

    after = (params_of(other.networks), jax.device_get(state.params), jax.device_get(params))
    leaves = zip(*(jax.tree.leaves(dict(tree)) for tree in after), strict=True)
    worst += [_ratio(a - b, b - initial) for a, b, initial in leaves]
    return float(np.max(worst))  # NaN if any is


def _ratio(difference: np.ndarray, scale: np.ndarray) -> float:
    """max |difference| / max |scale|; 0 where both are 0."""
    top, bottom = (float(np.max(np.abs(part))) for part in (difference, scale))
    return top / bottom if bottom else (np.inf if top else 0.0)
