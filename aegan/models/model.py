"""What a model is made of: networks, passes that its steps share, steps, and how it makes rows.

A model is a value: a frozen dataclass whose fields are its layer widths and weights, and whose
methods are pure functions of explicit parameters. Everything else (the train step, validation,
what a generator file keeps, names and labels of losses, the cost estimate) follows from it.
"""

from __future__ import annotations

from collections import UserDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, reduce
from operator import getitem
from typing import Any, ClassVar, NamedTuple, Self

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from aegan.errors import InputError
from aegan.models.networks import MLP, Trunk
from aegan.speakers.effects import Effects

Params = dict[str, Any]  # network name -> its Flax parameters


class Labelled(NamedTuple):
    """Rows or codes, each with its class."""

    values: jax.Array  # (n, width)
    labels: jax.Array  # (n, classes), one-hot


@dataclass(frozen=True)
class Network:
    """One network: a module of Flax and what it needs to be initialised."""

    number: int  # of its initial key: its own, the same in every model
    inputs: int  # width of its input
    module: nn.Module


@dataclass(frozen=True, eq=False)
class Pass:
    """A forward pass for several steps, done again only when its ``networks`` have changed."""

    run: Callable[[Any, Params, jax.Array | None, Labelled], Labelled]  # model, params, key, batch
    networks: tuple[str, ...] = ()  # that it goes through, so that steps can learn by way of it
    stream: int | None = None  # of random numbers, where it draws any: a number of its own
    fresh: int | None = None  # stream of the second draw that config.train.fresh_z asks for


class Loss(NamedTuple):
    """A loss by its names."""

    name: str  # its column in losses.parquet
    label: str  # on the progress bar
    words: str  # in tables, and in a plot of several
    panel: str  # title of the plot; losses of one panel are drawn together


@dataclass(frozen=True, eq=False)
class Step:
    """One step of the schedule: which networks learn, and what they minimise.

    ``loss(model, params, batch, *seen)`` gives each of ``losses`` by row, (n,); ``seen`` is what
    the passes of ``sees`` made. Only ``learns`` are updated: directly, or by way of the pass
    ``through``, whose result is then differentiated in place of the networks it went through.
    """

    name: str  # that of config.train.steps
    learns: tuple[str, ...]
    losses: tuple[Loss, ...]
    loss: Callable[..., tuple[jax.Array, ...]]
    sees: tuple[Pass, ...] = ()
    through: Pass | None = None  # one of ``sees``
    weights: Callable[[Any], tuple[float, ...]] | None = None  # of the losses; None: 1 for each
    idles: bool = False  # runs in one epoch of every config.train.d2_every, and else not at all


MODELS: dict[str, type[Model]] = {}


@dataclass(frozen=True)
class Model:
    """Base of all models. A subclass with a ``name`` is known by it from then on.

    Fields other than the dimensions are taken from ``config.model`` and ``config.train``, by name.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    about: ClassVar[str] = ""  # a sentence or two for its report
    steps: ClassVar[tuple[Step, ...]]
    margins: ClassVar[bool] = False  # whether its rows are moved to the columns' margins

    features: int = 0  # width of a row; 0 until the data is known
    classes: int = 0
    init: str = "glorot_uniform"  # how weights begin: a key of ``networks.INITIALISERS``

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "name" in cls.__dict__:
            other = MODELS.setdefault(cls.name, cls)
            if other.__qualname__ != cls.__qualname__:
                raise ValueError(f"model {cls.name!r}: {other} has this name; give another")
            MODELS[cls.name] = cls

    def networks(self) -> dict[str, Network]:
        """The networks by name; "name/part" where one is made of parts."""
        raise TypeError(f"{type(self).__name__} must define networks")

    def generate(self, params: Params, key: jax.Array, labels: jax.Array) -> jax.Array:
        """Synthetic rows (n, features) in training space, of one-hot labels (n, classes)."""
        raise TypeError(f"{type(self).__name__} must define generate")

    def for_data(self, features: int, classes: int) -> Self:
        """The model for rows of so many features and classes; ``InputError`` if it cannot be."""
        return replace(self, features=features, classes=classes)

    def for_rows(self, labels: Sequence[np.ndarray], speakers: Sequence[np.ndarray]) -> Self:
        """The model for training parts of these labels and speakers, a fold each."""
        return self

    def given(
        self, effects: Effects, rows: np.ndarray, labels: np.ndarray, speakers: np.ndarray
    ) -> Params:
        """Parameters that the training rows (n, features) give in closed form; nothing learns them.

        Rows and their ``effects`` are in training space, speakers (n,) numbers.
        """
        return {}

    def without_speaker(self, params: Params) -> Params:
        """Parameters whose rows are of nobody in particular, where the model knows of speakers."""
        return params

    def mlp(self, hidden: tuple[int, ...], out: int) -> MLP:
        """A fully connected network with this model's initialiser."""
        return MLP(hidden, out, self.init)

    def trunk(self, widths: tuple[int, ...]) -> Trunk:
        """Layers that two heads share, with this model's initialiser."""
        return Trunk(widths, self.init)

    def apply(self, network: str, params: Mapping[str, Any], x: jax.Array) -> jax.Array:
        """A network, by its name in ``networks``, on (n, inputs)."""
        own = reduce(getitem, network.split("/"), params)
        return self.networks()[network].module.apply({"params": own}, x)

    def init_params(self, key: jax.Array) -> Params:
        """Fresh parameters, each network's by a key of its own."""
        flat = {}
        for name, network in self.networks().items():
            own, x = jax.random.fold_in(key, network.number), jnp.zeros((1, network.inputs))
            flat[name] = network.module.init(own, x)["params"]
        return traverse_util.unflatten_dict(flat, sep="/")

    @classmethod
    def losses(cls) -> tuple[Loss, ...]:
        """All losses, in the order of the steps."""
        return tuple(loss for step in cls.steps for loss in step.losses)


class _Seen(UserDict):
    """Parameters that remember which networks were asked for."""

    def __init__(self, params: Params) -> None:
        self.names: set[str] = set()
        super().__init__(params)

    def __getitem__(self, name: str) -> Any:
        self.names.add(name)
        return super().__getitem__(name)


@cache
def networks_of_rows(model: Model) -> tuple[str, ...]:
    """Names of the networks that ``generate`` goes through: those a generator file keeps."""
    names: set[str] = set()

    def rows(params: Params, key: jax.Array) -> None:
        seen = _Seen(params)
        model.generate(seen, key, jnp.zeros((1, model.classes)))
        names.update(seen.names)

    key = jax.random.key(0)
    jax.eval_shape(rows, jax.eval_shape(model.init_params, key), key)
    return tuple(sorted(names))


def get_model(name: str) -> type[Model]:
    """The model of that name; ``InputError`` if there is none."""
    if name not in MODELS:
        raise InputError(f"config.model.name: no model {name!r}; choose from {', '.join(MODELS)}")
    return MODELS[name]
