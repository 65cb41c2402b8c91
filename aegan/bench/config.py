"""What ``configs/bench.py`` says, as typed values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from aegan.run.config import Count
from aegan.run.schema import Rule, at_least, each, is_number, is_whole, one_of

MODELS = ("m1", "m2", "m3")


def _each_from(low: int) -> Rule:
    mend = f"must be {low} or more, each of them"
    return each(lambda value: is_whole(value) and value >= low, mend, empty=True)


Counts = Annotated[tuple[int, ...], _each_from(1)]
Widths = Annotated[tuple[int, ...], _each_from(20)]
Models = Annotated[tuple[str, ...], each(MODELS.__contains__, "must be of m1, m2, m3")]
_costs = each(lambda value: is_number(value) and value > 0, "must be values of C above 0")
Costs = Annotated[tuple[float, ...], _costs]


@dataclass(frozen=True)
class SvmConfig:
    """``config.metrics``: rows of the metric stage and values of C by kernel."""

    rows: Annotated[int, at_least(100)]
    tested: Count
    linear: Costs
    rbf: Costs


@dataclass(frozen=True)
class ScalingConfig:
    """``config.scaling``: the points of every curve of M2; none leaves it out."""

    batches: Counts
    lanes: Counts
    batch_sizes: Counts
    features: Widths


@dataclass(frozen=True)
class BenchConfig:
    """A whole config of ``experiments.bench``."""

    variant: str
    models: Models
    features: Count
    hidden: Counts
    folds: Annotated[int, at_least(2)]
    seeds: Count
    batch_size: Count
    batches: Count
    rounds: Count
    matmul_precision: Annotated[str, one_of("float32", "tensorfloat32", "bfloat16")]
    torch: bool
    compiling: bool
    metrics: SvmConfig
    scaling: ScalingConfig
