"""M2's train step in PyTorch, as a user would write it instead, to be timed.

Forms of one mathematics, that of ``aegan.learning.schedule.train_step``: ``Eager``, in the manner
of the usual tutorials; ``Tuned``, with every pass that can be shared shared and nothing computed
that is not used; ``Compiled``, that by Inductor; ``Graphed``, that as one CUDA graph, on a GPU
alone. Needs the extra ``bench``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import jax
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss

from aegan.errors import InputError
from aegan.learning.schedule import labelled, train_step
from aegan.learning.steps import Learner, key_of, pass_keys
from aegan.models import m1, m2
from aegan.models.model import Labelled, Params
from aegan.system.workers import usable_cores
from aegan.training import lanes
from aegan.training.job import Job

Points = Sequence[Tensor]  # values (n, width) and one-hot labels (n, classes)


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


def _cross_entropy(network: nn.Module, points: Points, targets: Tensor) -> Tensor:
    return binary_cross_entropy_with_logits(network(torch.cat(tuple(points), dim=1)), targets)


class Eager:
    """As tutorials have it: detached fakes, a pass per batch, the forward pass made anew.

    Raises:
        InputError: a learner that is not M2's by SGD.
    """

    fused = False  # SGD in one kernel for all its tensors

    def __init__(self, learner: Learner, params: Params, seed: int = 0) -> None:
        self.device = device()
        model, n = learner.model, learner.batch_size
        sgd = all(rule.optimiser == "sgd" for rule in learner.rules)
        if type(model) is not m2.M2 or not sgd or learner.fresh_z:
            raise InputError("the PyTorch step is M2's: SGD, a mixture prior, no fresh z in step 5")
        self.prior, self.reduction = model.prior, model.reduction
        self.networks = {k: net.to(self.device) for k, net in networks_from(params).items()}
        self.encoder, self.decoder = self.networks[m1.ENCODER], self.networks[m1.DECODER]
        self.d1 = self.networks[m1.CODE_DISCRIMINATOR]
        self.d2 = self.networks[m2.FEATURE_DISCRIMINATOR]
        self.optimisers = [
            torch.optim.SGD(
                [p for name in step.learns for p in self.networks[name].parameters()],
                lr=rule.rate,
                momentum=rule.momentum,
                fused=self.fused,
            )
            for step, rule in zip(model.steps, learner.rules, strict=True)
        ]
        self.generator = torch.Generator(self.device).manual_seed(seed)
        self.means = torch.tensor(self.prior.means(model.classes), device=self.device)
        self.one_hot = torch.eye(model.classes, device=self.device)
        self.ones, self.zeros = (
            fill(n, 1, device=self.device) for fill in (torch.ones, torch.zeros)
        )
        self.both = torch.cat([self.ones, self.zeros])

    def draw(self, rows: int) -> Points:
        """Points of the prior, their classes drawn uniformly."""
        own = {"generator": self.generator, "device": self.device}
        index = torch.randint(len(self.means), (rows,), **own)
        noise = torch.randn(rows, self.prior.latent, **own)
        return self.means[index] + self.prior.spread * noise, self.one_hot[index]

    def train(self, real: Points) -> None:
        """All five steps on one batch, with points of its own."""
        rows = len(real[0])
        self.step(real, self.draw(rows), self.draw(rows))

    def step(self, real: Points, first: Points, second: Points) -> list[Tensor]:
        """All five steps on one batch, in training space, each after those before have learnt.

        ``first`` are the prior's points for step 2, ``second`` those for steps 4 and 5. Returns
        the losses, () each, in the order of the model's.
        """
        values = []
        losses = self.losses(real, first, second)
        for optimiser, loss in zip(self.optimisers, losses, strict=True):
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            values.append(loss.detach())
        return values

    def losses(self, real: Points, first: Points, second: Points) -> Iterator[Tensor]:
        """The loss of each step; the next is asked for when the networks have learnt from it."""
        (x, labels), (z, z_labels) = real, second
        yield self.reconstruction(x)
        encoded = _cross_entropy(self.d1, (self.encoder(x).detach(), labels), self.ones)
        yield encoded + _cross_entropy(self.d1, first, self.zeros)
        yield _cross_entropy(self.d1, (self.encoder(x), labels), self.zeros)
        fake = _cross_entropy(self.d2, (self.decoder(z).detach(), z_labels), self.ones)
        yield fake + _cross_entropy(self.d2, real, self.zeros)
        yield _cross_entropy(self.d2, (self.decoder(z), z_labels), self.zeros)

    def reconstruction(self, x: Tensor) -> Tensor:
        """Loss of step 1: the sum or the mean over the features, the mean over the rows."""
        squares = mse_loss(self.decoder(self.encoder(x)), x, reduction="sum")
        return squares / (len(x) if self.reduction == "sum" else x.numel())


class Tuned(Eager):
    """By hand: one encoder pass for steps 2 and 3, one decoder pass for 4 and 5, both sides of a
    discriminator in one pass of twice the height, no gradients of a frozen network, fused SGD.
    """

    fused = True

    def losses(self, real: Points, first: Points, second: Points) -> Iterator[Tensor]:
        (x, labels), (z, z_labels) = real, second
        yield self.reconstruction(x)
        yield from self._against(self.d1, self.encoder(x), labels, zeros=first)
        yield from self._against(self.d2, self.decoder(z), z_labels, zeros=real)

    def _against(
        self, network: nn.Module, rows: Tensor, labels: Tensor, zeros: Points
    ) -> Iterator[Tensor]:
        """A discriminator calls rows 1 and ``zeros`` 0; frozen, it is made to call the rows 0."""
        both = (torch.cat(pair) for pair in zip((rows.detach(), labels), zeros, strict=True))
        # The mean over twice the rows is half the sum of the two means.
        yield 2 * _cross_entropy(network, both, self.both)
        network.requires_grad_(False)
        yield _cross_entropy(network, (rows, labels), self.zeros)
        network.requires_grad_(True)


class Compiled(Tuned):
    """The networks and the ways back through them compiled."""

    def __init__(self, learner: Learner, params: Params, seed: int = 0) -> None:
        super().__init__(learner, params, seed)
        for name in ("encoder", "decoder", "d1", "d2"):
            setattr(self, name, torch.compile(getattr(self, name)))


class Graphed(Tuned):
    """A step with its draws and updates as one CUDA graph, which the GPU replays."""

    def __init__(self, learner: Learner, params: Params, seed: int = 0) -> None:
        super().__init__(learner, params, seed)
        for optimiser, rule in zip(self.optimisers, learner.rules, strict=True):
            # Before the capture, in which a first step's way of making them would be recorded.
            for parameter in optimiser.param_groups[0]["params"] if rule.momentum else ():
                optimiser.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
        self._twin = Tuned(learner, params, seed)
        self._graphs: dict[str, tuple[list[Points], Callable[[], None], list[Tensor]]] = {}

    def step(self, *points: Points) -> list[Tensor]:
        return self._replay("step", Tuned.step, *points)

    def train(self, real: Points) -> None:
        def run(form: Tuned, real: Points) -> list[Tensor]:
            return Tuned.step(form, real, form.draw(len(real[0])), form.draw(len(real[0])))

        self._replay("train", run, real)

    def _replay(self, name: str, run: Callable[..., list[Tensor]], *points: Points) -> list[Tensor]:
        """``run`` of the points, captured when it is first asked for by its name."""
        if name not in self._graphs:
            own, losses = [tuple(map(torch.clone, one)) for one in points], []

            def body() -> None:
                losses[:] = run(self, *own)

            replay = capture(body, lambda: run(self._twin, *own), self.generator)
            self._graphs[name] = own, replay, losses
        own, replay, losses = self._graphs[name]
        for mine, given in zip(own, points, strict=True):
            for a, b in zip(mine, given, strict=True):
                a.copy_(b)
        replay()
        return losses


def capture(
    body: Callable[[], object], like: Callable[[], object], generator: torch.Generator
) -> Callable[[], None]:
    """What replays ``body``, which is recorded and not done; ``like`` readies the libraries."""
    graph, stream = torch.cuda.CUDAGraph(), torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(3):
            like()
    torch.cuda.synchronize()
    graph.register_generator_state(generator)
    with torch.cuda.graph(graph):
        body()
    return graph.replay


FORMS: dict[str, type[Eager]] = {
    "eager": Eager,
    "compiled": Compiled,
    "tuned": Tuned,
    "graphs": Graphed,
}


def device() -> str:
    """Where jax computes, as PyTorch calls it; ``InputError`` if PyTorch cannot compute there."""
    backend = jax.default_backend()
    if backend == "cpu":
        return "cpu"
    if backend != "gpu" or not torch.cuda.is_available():
        raise InputError(f"PyTorch {torch.__version__} finds no {backend} here")
    return "cuda"


def settle() -> None:
    """Waits until a GPU has done what it was given."""
    if device() == "cuda":
        torch.cuda.synchronize()


def training_of(job: Job, form: str) -> Callable[[], int]:
    """Half an epoch of every lane in PyTorch, one after the other, on as many threads as ours.

    A call returns how many train steps of single lanes it did.
    """
    params = jax.device_get(lanes.init_lanes(job.learner, job.lanes).params)
    every = range(job.number)
    models = [FORMS[form](job.learner, lanes.lane_of(params, i), seed=i) for i in every]
    half = max(1, job.learner.batches // 2)
    batches = [_tensors(_batch(job, i)) for i in range(half)]
    torch.set_num_threads(usable_cores())
    # TF32 where jax was told to use it.
    torch.backends.cuda.matmul.allow_tf32 = jax.config.jax_default_matmul_precision != "float32"

    def call() -> int:
        for model in models:
            for batch in batches:
                model.train(batch)
        settle()
        return half * job.number

    return call


def _batch(job: Job, index: int) -> Labelled:
    """A batch of an epoch in training space, as the first lane would see it unshuffled.

    Standardised by numpy: where a unit lies at its kink, rounding decides its gradient, and none
    of the first batch does so.
    """
    rows = index * job.learner.batch_size + np.arange(job.learner.batch_size)
    lane = lanes.lane_of(job.lanes, 0)
    lane = lane._replace(mean=np.asarray(lane.mean), scale=np.asarray(lane.scale))
    table = job.table._replace(features=np.asarray(job.table.features))
    return labelled(job.learner, table, lane, rows)


def _tensors(batch: Labelled) -> Points:
    return [torch.tensor(np.asarray(part), device=device()) for part in batch]


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
    initial, other = weights_of(networks_from(state.params)), FORMS[form](learner, state.params)
    aegan_step, worst = jax.jit(train_step, static_argnums=(0, 4)), []
    for key in jax.random.split(jax.random.key(0)):
        keys = [key_of(which, pass_keys(learner.model, key)) for which in (m1.DRAWN, m2.GENERATED)]
        points = [_tensors(m1.drawn(learner.model, {}, own, batch)) for own in keys]
        state, losses = aegan_step(learner, state, key, batch, 0)
        found = np.array([loss.item() for loss in other.step(_tensors(batch), *points)])
        worst += [*map(_ratio, found - losses, np.asarray(losses))]
    after = weights_of(other.networks), weights_of(networks_from(state.params)), initial
    worst += [_ratio(a - b, b - c) for a, b, c in zip(*after, strict=True)]
    return float(np.max(worst))  # NaN if any is


def weights_of(networks: dict[str, nn.Sequential]) -> list[np.ndarray]:
    """All weights and biases, in the order of the networks and their layers."""
    return [p.detach().cpu().numpy() for network in networks.values() for p in network.parameters()]


def _ratio(difference: np.ndarray, scale: np.ndarray) -> float:
    """max |difference| / max |scale|; 0 where both are 0."""
    top, bottom = (float(np.max(np.abs(part))) for part in (difference, scale))
    return top / bottom if bottom else (np.inf if top else 0.0)
