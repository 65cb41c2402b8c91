"""M2's train step in PyTorch on the CPU, as a user would write it instead, to be timed.

Two forms of one mathematics, that of ``aegan.learning.schedule.train_step``: ``Eager``, in the
manner of the usual tutorials, and ``Tuned``, with every pass that can be shared shared and nothing
computed that is not used. Neither is compiled. Needs the extra ``bench``.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss

from aegan.bench.jobs import Candidate
from aegan.errors import InputError
from aegan.learning.schedule import labelled, train_step
from aegan.learning.steps import Learner, key_of, pass_keys
from aegan.models import m1, m2
from aegan.models.model import Labelled, Params, Step
from aegan.system.workers import usable_cores
from aegan.training import lanes
from aegan.training.job import Job

Points = tuple[Tensor, Tensor]  # values (n, width) and one-hot labels (n, classes)


def tensors(batch: Labelled) -> Points:
    """Copies of rows and labels."""
    return tuple(torch.tensor(np.asarray(part)) for part in batch)


def networks_from(params: Params) -> dict[str, nn.Sequential]:
    """aegan's parameters as one ``nn.Sequential`` per network, ReLU between the layers."""
    networks = {}
    for name in sorted(params):
        layers = params[name].get("trunk", params[name]) | params[name].get("head", {})
        modules: list[nn.Module] = []
        for layer in (*(f"hidden{i}" for i in range(len(layers) - 1)), "output"):
            kernel, bias = (torch.tensor(np.asarray(layers[layer][k])) for k in ("kernel", "bias"))
            # Not initialised: that would draw from PyTorch's global generator.
            linear = nn.utils.skip_init(nn.Linear, *kernel.shape)
            linear.load_state_dict({"weight": kernel.T, "bias": bias})
            modules += [linear, nn.ReLU()]
        networks[name] = nn.Sequential(*modules[:-1])
    return networks


def _says(network: nn.Module, rows: Tensor, labels: Tensor, value: float) -> Tensor:
    """Mean cross-entropy of a discriminator's logits of rows that are to be called ``value``."""
    logits = network(torch.cat([rows, labels], dim=1))
    return binary_cross_entropy_with_logits(logits, torch.full_like(logits, value))


class Eager:
    """As tutorials have it: detached fakes, a pass per batch, the forward pass made anew.

    Raises:
        InputError: a learner that is not M2's by SGD.
    """

    fused = False  # SGD in one kernel for all its tensors

    def __init__(self, learner: Learner, params: Params, seed: int = 0) -> None:
        model = learner.model
        sgd = all(rule.optimiser == "sgd" for rule in learner.rules)
        if type(model) is not m2.M2 or not sgd or learner.fresh_z:
            raise InputError("the PyTorch step is M2's: SGD, a mixture prior, no fresh z in step 5")
        self.prior, self.reduction = model.prior, model.reduction
        self.networks = networks_from(params)
        self.encoder, self.decoder = self.networks[m1.ENCODER], self.networks[m1.DECODER]
        self.d1 = self.networks[m1.CODE_DISCRIMINATOR]
        self.d2 = self.networks[m2.FEATURE_DISCRIMINATOR]
        self.optimisers = {
            step: torch.optim.SGD(
                [p for name in step.learns for p in self.networks[name].parameters()],
                lr=rule.rate,
                momentum=rule.momentum,
                fused=self.fused,
            )
            for step, rule in zip(model.steps, learner.rules, strict=True)
        }
        self.generator = torch.Generator().manual_seed(seed)
        self.means = torch.tensor(self.prior.means(model.classes))
        self.one_hot = torch.eye(model.classes)
        self.zeros = torch.zeros(learner.batch_size, 1)
        self.both = torch.cat([torch.ones_like(self.zeros), self.zeros])

    def draw(self, rows: int) -> Points:
        """Points of the prior, their classes drawn uniformly."""
        index = torch.randint(len(self.means), (rows,), generator=self.generator)
        noise = torch.randn(rows, self.prior.latent, generator=self.generator)
        return self.means[index] + self.prior.spread * noise, self.one_hot[index]

    def reconstruction(self, x: Tensor) -> Tensor:
        """Loss of step 1: the sum or the mean over the features, the mean over the rows."""
        squares = mse_loss(self.decoder(self.encoder(x)), x, reduction="sum")
        return squares / (len(x) if self.reduction == "sum" else x.numel())

    def update(self, step: Step, loss: Tensor) -> Tensor:
        """Gradients from zero, then one step of SGD; the loss without its graph."""
        self.optimisers[step].zero_grad(set_to_none=True)
        loss.backward()
        self.optimisers[step].step()
        return loss.detach()

    def step(self, real: Points, first: Points, second: Points) -> list[Tensor]:
        """All five steps on one batch, in training space.

        ``first`` are the prior's points for step 2, ``second`` those for steps 4 and 5. Returns
        the losses, () each, in the order of the model's.
        """
        (x, labels), (z, z_labels) = real, second
        values = [self.update(m1.AUTOENCODER_STEP, self.reconstruction(x))]
        encoded = self.encoder(x).detach()
        loss = _says(self.d1, encoded, labels, 1) + _says(self.d1, *first, 0)
        values.append(self.update(m1.CODE_STEP, loss))
        loss = _says(self.d1, self.encoder(x), labels, 0)
        values.append(self.update(m1.ENCODER_STEP, loss))
        fake = self.decoder(z).detach()
        loss = _says(self.d2, fake, z_labels, 1) + _says(self.d2, x, labels, 0)
        values.append(self.update(m2.FEATURE_STEP, loss))
        loss = _says(self.d2, self.decoder(z), z_labels, 0)
        return [*values, self.update(m2.GENERATOR_STEP, loss)]


class Tuned(Eager):
    """By hand: one encoder pass for steps 2 and 3, one decoder pass for 4 and 5, both sides of a
    discriminator in one pass of twice the height, no gradients of a frozen network, fused SGD.
    """

    fused = True

    def discriminate(self, network: nn.Sequential, ones: Points, zeros: Points) -> Tensor:
        """Sum of the mean cross-entropies of rows that are called 1 and rows called 0."""
        rows = torch.cat([torch.cat(pair) for pair in zip(ones, zeros, strict=True)], dim=1)
        # The mean over twice the rows is half the sum of the two means.
        return 2 * binary_cross_entropy_with_logits(network(rows), self.both)

    def deceive(self, step: Step, network: nn.Sequential, points: Points) -> Tensor:
        """An update that passes rows off as 0 to a frozen discriminator; returns the loss."""
        network.requires_grad_(False)
        logits = network(torch.cat(points, dim=1))
        value = self.update(step, binary_cross_entropy_with_logits(logits, self.zeros))
        network.requires_grad_(True)
        return value

    def step(self, real: Points, first: Points, second: Points) -> list[Tensor]:
        (x, labels), (z, z_labels) = real, second
        values = [self.update(m1.AUTOENCODER_STEP, self.reconstruction(x))]
        codes = self.encoder(x)
        loss = self.discriminate(self.d1, (codes.detach(), labels), first)
        values.append(self.update(m1.CODE_STEP, loss))
        values.append(self.deceive(m1.ENCODER_STEP, self.d1, (codes, labels)))
        synthetic = self.decoder(z)
        loss = self.discriminate(self.d2, (synthetic.detach(), z_labels), real)
        values.append(self.update(m2.FEATURE_STEP, loss))
        return [*values, self.deceive(m2.GENERATOR_STEP, self.d2, (synthetic, z_labels))]


FORMS: dict[str, type[Eager]] = {"eager": Eager, "tuned": Tuned}


def candidate(job: Job, form: str) -> Candidate:
    """Half an epoch of every lane in PyTorch, one after the other, on as many threads as ours."""
    params = jax.device_get(lanes.init_lanes(job.learner, job.lanes).params)
    models = [FORMS[form](job.learner, lanes.lane_of(params, i), seed=i) for i in range(job.number)]
    half = max(1, job.learner.batches // 2)
    batches = [tensors(_batch(job, i)) for i in range(half)]
    rows = job.learner.batch_size
    torch.set_num_threads(usable_cores())

    def call() -> None:
        for model in models:
            for batch in batches:
                model.step(batch, model.draw(rows), model.draw(rows))

    return Candidate(call, half * job.number)


def _batch(job: Job, index: int) -> Labelled:
    """A batch of an epoch in training space, as the first lane would see it unshuffled."""
    rows = index * job.learner.batch_size + jnp.arange(job.learner.batch_size)
    return labelled(job.learner, job.table, lanes.lane_of(job.lanes, 0), rows)


def parity(job: Job, form: str) -> float:
    """The worst relative difference of a form from aegan's step, both in float32.

    Both start from the first lane's state and take two steps on its first batch with the same
    draws; in the second one, momentum counts. The number is the largest of

    * |a - b| / |b| of every loss of every step,
    * max |a - b| / max |b - initial| of every leaf of the parameters after the last step,

    with a of PyTorch and b of aegan. So the update is compared, not the weight that hides it; its
    floor is float32's 6e-8 times max |b| / max |b - initial|. What only one of the two leaves alone
    gives infinity, and a NaN gives NaN.
    """
    learner, batch = job.learner, _batch(job, 0)
    state = lanes.lane_of(lanes.init_lanes(learner, job.lanes), 0)
    initial, other = _weights(networks_from(state.params)), FORMS[form](learner, state.params)
    aegan_step, worst = jax.jit(train_step, static_argnums=(0, 4)), []
    for key in jax.random.split(jax.random.key(0)):
        keys = pass_keys(learner.model, key)
        draws = [
            m1.drawn(learner.model, {}, key_of(p, keys), batch) for p in (m1.DRAWN, m2.GENERATED)
        ]
        state, losses = aegan_step(learner, state, key, batch, 0)
        found = other.step(tensors(batch), *map(tensors, draws))
        worst += [_ratio(a.numpy() - b, b) for a, b in zip(found, np.asarray(losses), strict=True)]
    after = zip(
        _weights(other.networks), _weights(networks_from(state.params)), initial, strict=True
    )
    return float(np.max([*worst, *(_ratio(a - b, b - c) for a, b, c in after)]))  # NaN if any is


def _weights(networks: dict[str, nn.Sequential]) -> list[np.ndarray]:
    return [p.detach().numpy() for network in networks.values() for p in network.parameters()]


def _ratio(difference: np.ndarray, scale: np.ndarray) -> float:
    """max |difference| / max |scale|; 0 where both are 0."""
    top, bottom = (float(np.max(np.abs(part))) for part in (difference, scale))
    return top / bottom if bottom else (np.inf if top else 0.0)
