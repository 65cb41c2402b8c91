"""The rule by which a claim is decided: a figure's interval against a condition, part by part."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Estimate = Mapping[str, Any]  # {"mean", "ci95", "values"}

HOLDS, FAILS, UNDECIDED = "holds", "does not hold", "undecided"
VERDICTS = (HOLDS, FAILS, UNDECIDED)

RULE = (
    "Every part is a figure with its 95 % interval. A part that puts A above B holds if the "
    "interval of the paired difference A less B lies above 0, and does not hold if it lies below "
    "0; one that puts a figure above or below a limit is decided in the same way at the limit. A "
    "part that calls two figures alike, within x, holds if the interval of their difference lies "
    "within x to both sides, and does not hold if it lies wholly outside. Anything else is "
    "undecided, and so is a figure without an interval; only the course of a loss and the measures "
    "of one embedding, which have none, are compared with their limits as they are. A claim holds "
    "if all its parts hold, does not hold if any does not, and is undecided otherwise; a part that "
    "was not measured is undecided. Parts that stand beside a claim do not count."
)


@dataclass(frozen=True)
class Condition:
    """What a figure has to meet: between ``low`` and ``high`` it holds, outside it does not."""

    low: float
    high: float
    words: str  # "above 0", for readers

    def verdict(self, value: Estimate, pointwise: bool = False) -> str:
        """By the interval; ``pointwise`` by the mean, where no interval can exist."""
        mean = value["mean"]
        interval = (mean, mean) if pointwise and mean is not None else value["ci95"]
        if interval is None:
            return UNDECIDED
        first, last = interval
        if self.low < first and last < self.high:
            return HOLDS
        return FAILS if last < self.low or first > self.high else UNDECIDED


def _number(value: float, unit: str) -> str:
    scaled = 100 * value if unit in ("points", "%") else value
    return f"{scaled:.3g}" + (f" {unit}" if unit in ("points", "%") and value else "")


def above(limit: float, unit: str = "") -> Condition:
    return Condition(limit, math.inf, f"above {_number(limit, unit)}")


def below(limit: float, unit: str = "") -> Condition:
    return Condition(-math.inf, limit, f"below {_number(limit, unit)}")


def within(reach: float, unit: str = "", centre: float = 0.0) -> Condition:
    around = f" of {centre:g}" if centre else ""
    return Condition(centre - reach, centre + reach, f"within {_number(reach, unit)}{around}")


UNKNOWN = {"mean": None, "ci95": None, "values": []}


def one_part(
    what: str,
    value: Estimate | float | None,
    condition: Condition,
    unit: str = "",
    *,
    deciding: bool = True,
) -> Iterable[dict[str, Any]]:
    """One part; a bare number is decided pointwise.

    Where the study has no such figure a deciding part is undecided, and another is left out.
    """
    measured = value is not None
    if not measured:
        if not deciding:
            return
        value = UNKNOWN
    pointwise = not isinstance(value, Mapping)
    if pointwise:
        value = {"mean": float(value), "ci95": None, "values": []}
    yield {
        "what": what,
        "value": {name: value.get(name) for name in ("mean", "ci95", "values")},
        "unit": unit,
        "condition": condition.words,
        "verdict": condition.verdict(value, pointwise),
        "deciding": deciding,
        "measured": measured,
    }


def overall(parts: Sequence[Mapping[str, Any]]) -> str:
    """The verdict of a claim from those of its deciding parts."""
    words = {part["verdict"] for part in parts if part["deciding"]}
    if FAILS in words:
        return FAILS
    return HOLDS if words == {HOLDS} else UNDECIDED
