"""What ``configs/bench.py`` says, as typed values."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from aegan.errors import InputError
from aegan.run.config import Count
from aegan.run.schema import at_least, each, is_number, is_whole, one_of, typed

MODELS = ("m1", "m2", "m3", "m4")
PRECISIONS = ("float32", "tensorfloat32", "bfloat16")

_above_0 = each(lambda value: is_whole(value) and value > 0, "must be 1 or more, each of them")
_widths = each(lambda n: is_whole(n) and n > 0, "must be 1 or more, each of them", empty=True)
_costs = each(lambda value: is_number(value) and value > 0, "must be values of C above 0")
_models = each(MODELS.__contains__, f"must be of {', '.join(MODELS)}")
Counts = Annotated[tuple[int, ...], _above_0]
Costs = Annotated[tuple[float, ...], _costs]


@dataclass(frozen=True)
class SvmConfig:
    """``config.metrics``: rows of the metric stage and values of C by kernel."""

    rows: Annotated[int, at_least(100)] = 4424  # IEMOCAP's 5530 less a fifth
    tested: Count = 1106
    linear: Costs = (1e-3, 1e-2)  # C of the linear kernel
    rbf: Costs = (1.0, 10.0)


@dataclass(frozen=True)
class BenchConfig:
    """A whole config of ``experiments.bench``."""

    variant: str = "default"
    models: Annotated[tuple[str, ...], _models] = ("m2", "m1", "m3", "m4")  # the first leads
    features: Count = 1582
    hidden: Annotated[tuple[int, ...], _widths] = ()  # of encoder, D1 and D2; empty: the paper's
    batch_sizes: Counts = (16, 64)  # the first, training's default, has the headline
    folds: Annotated[int, at_least(2)] = 5
    lanes: Counts = (1, 15)  # vmapped, beside the folds
    batches: Count = 16  # of an epoch of the first model; the others take half
    rounds: Count = 6  # every candidate once in each; the other models take three at most
    epoch_rows: Count = 4424  # of the epochs that times are told of: IEMOCAP's 5530 less a fifth
    precision: Annotated[str, one_of(*PRECISIONS)] = "float32"  # of products
    square: Annotated[int, at_least(8)] = 2048  # edge of the product that the rate is measured by
    torch: bool = True  # False, or no PyTorch: not run
    steps: bool = True  # the schedule's steps one by one
    memory: bool = True  # planned, of one more lane
    accelerator: bool = False  # what only matters on a GPU or TPU, see ``benchmark.tasks``
    commands: str = ""  # "simulated", or a table: whole commands are timed on it
    metrics: SvmConfig | None = SvmConfig()
    seconds: Count = 7200  # all of it ends within so many; what is left then is not run


def changed(config: BenchConfig, changes: Mapping[str, str]) -> BenchConfig:
    """The config with fields, {"metrics.rows": "600"}, of other values, written as in Python.

    ``InputError``: a field that there is not, or a value that does not fit.
    """
    values = asdict(config)
    for name, text in changes.items():
        *sections, field = name.split(".")
        section: Any = values
        for one in sections:
            section = section.get(one) if isinstance(section, dict) else None
        if not isinstance(section, dict) or field not in section:
            near = difflib.get_close_matches(field, section or values, n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            where = "aegan/bench/config.py lists them"
            raise InputError(f"the config has no field {name!r}{hint}; {where}")
        try:
            value = ast.literal_eval(text)
        except (SyntaxError, ValueError):
            value = text
        several = isinstance(section[field], tuple) and not isinstance(value, (tuple, list))
        section[field] = (value,) if several else value
    return typed(BenchConfig, values)
