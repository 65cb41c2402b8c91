"""What ``configs/m1.py`` and its like say, as typed values; ``defaults.py`` explains them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Annotated, Any

from aegan.errors import InputError
from aegan.models.model import Model, get_model
from aegan.models.networks import INITIALISERS
from aegan.run.schema import (
    at_least,
    distinct_seeds,
    grid,
    one_of,
    plain,
    positive,
    share,
    typed,
    widths,
)
from aegan.training.strategy import AUTO, STRATEGIES

Count = Annotated[int, at_least(1)]
Widths = Annotated[tuple[int, ...], widths]


@dataclass(frozen=True)
class DataConfig:
    """``config.data``: the corpus and how it is cut and standardised."""

    path: str
    classes: tuple[str, ...]
    folds: Annotated[int, at_least(2)]
    allow_leaks: bool
    licence: str
    statistics: Annotated[str, one_of("fold", "speaker")]
    clip: Annotated[float, positive]
    simulated_rows: int
    simulated_features: int
    simulated_seed: Annotated[int, at_least(0)]


@dataclass(frozen=True)
class Architecture:
    """The fields of ``config.model`` that Table 1 has; a model takes those that it knows."""

    name: str
    encoder: Widths
    code: Count
    code_discriminator: Widths
    feature_discriminator: Widths
    auxiliary: Widths
    code_generator: Widths
    latent: Count
    radius: Annotated[float, positive]
    spread: Annotated[float, positive]


@dataclass(frozen=True)
class StepConfig:
    """``config.train.steps``: the optimiser of one step."""

    rate: Annotated[float, positive]
    momentum: Annotated[float, share]


@dataclass(frozen=True)
class TrainConfig:
    """``config.train``: how long, in what batches, by what rules."""

    updates: Count
    min_epochs: Count
    epochs: Annotated[int | None, at_least(1)]
    batch_size: Count
    gain: Annotated[float, positive]
    reduction: Annotated[str, one_of("sum", "mean")]
    init: Annotated[str, one_of(*INITIALISERS)]
    optimiser: Annotated[str, one_of("sgd", "adam")]
    d2_every: Count
    fresh_z: bool
    information_weight: Annotated[float, at_least(0)]
    aux_sees_label: bool
    matmul_precision: Annotated[str, one_of("float32", "tensorfloat32", "bfloat16")]
    checkpoint_seconds: Annotated[float, at_least(0)]
    strategy: Annotated[str, one_of(AUTO, *STRATEGIES)]
    steps: dict[str, StepConfig]


@dataclass(frozen=True)
class SampleConfig:
    """``config.sample``."""

    rows: Count


@dataclass(frozen=True)
class MetricsConfig:
    """``config.metrics``."""

    kernel: Annotated[str, one_of("linear", "rbf")]
    c_grid: Annotated[tuple[float, ...], grid]
    inner_folds: Annotated[int, at_least(2)]
    tie: Annotated[float, share]
    max_search_rows: Annotated[int, at_least(100)]
    fid_nets: Count


@dataclass(frozen=True)
class RunConfig:
    """A whole config of ``experiments.run``."""

    variant: str
    seeds: Annotated[tuple[int, ...], distinct_seeds]
    only_folds: tuple[int, ...]
    data: DataConfig
    train: TrainConfig
    sample: SampleConfig
    metrics: MetricsConfig
    model: Model  # its dimensions are not known yet
    written: Mapping[str, Any] = field(compare=False)  # as config.json holds it


def listed(classes: Sequence[str]) -> list[str]:
    """Names of classes; on the command line, calm,tense is one text."""
    names = [name.strip() for text in classes for name in text.split(",")]
    return [name for name in names if name]


def read_config(config: Any, places: Mapping[str, str] | None = None) -> RunConfig:
    """A config, as ml_collections or plain dicts hold it, checked and typed.

    Args:
        config: the fields of ``defaults.py``.
        places: how messages call a section, where it is not its own: {"data": "config.source"}.

    Raises:
        InputError: a value that no run could use, by its field.
    """
    values, places = plain(config), places or {}
    values["data"]["classes"] = listed(values["data"]["classes"])
    section = places.get("model", "config.model")
    typed(Architecture, values["model"], section)
    kind = get_model(values["model"]["name"])
    shared = {f.name: values["train"][f.name] for f in fields(kind) if f.name in values["train"]}
    model = typed(kind, {**values["model"], **shared}, section)
    found = typed(RunConfig, {**values, "model": model, "written": values}, places=places)
    for step in kind.steps:
        if step.name not in found.train.steps:
            section = places.get("train", "config.train")
            raise InputError(f"{section}.steps.{step.name}: is missing; {kind.name} has this step")
    return found
