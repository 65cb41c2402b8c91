"""The paper's claims and the rule that decides them: each part one figure with one condition.

Only what the paper states is tested: that a figure is high is a claim of the paper, not a merit of
a model.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from aegan.study.words import texts

Estimate = Mapping[str, Any]  # {"mean", "ci95", "values"}

HOLDS, FAILS, UNDECIDED = "holds", "does not hold", "undecided"
VERDICTS = (HOLDS, FAILS, UNDECIDED)
SHORT = {HOLDS: "holds", FAILS: "not", UNDECIDED: "open"}  # in cells of wide tables

UNKNOWN = {"mean": None, "ci95": None, "values": []}

# --- thresholds, where the paper says "alike" or "most" without a figure -------------------------
ALIKE = 0.015  # UAR. Of Table 4 the paper calls 48.52 and 49.98 % "almost similar"
MOST = 0.5  # "most" rows, "most" codes: more than half
METRICS = {"trts": "metric 1 (TRTS)", "tstr": "metric 2 (TSTR)"}
MODELS = ("m1", "m2", "m3")  # of the paper


class Condition(NamedTuple):
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


def figure(tree: Any, path: str, missing: Any = None) -> Any:
    """A figure of nested results, "spread/m1"; ``missing`` where it is not there."""
    for key in path.split("/"):
        if not isinstance(tree, Mapping) or key not in tree:
            return missing
        tree = tree[key]
    return tree


class Part(NamedTuple):
    """One figure of a claim and what it has to meet; a bare number is decided as it is."""

    what: str
    value: Estimate | float | None  # None: the study has no such figure
    condition: Condition
    unit: str = ""  # "points" and "%" are printed times 100; "difference", "ratio", ""
    deciding: bool = True  # False: stands beside the claim and does not count

    def tested(self) -> dict[str, Any]:
        """The part with its verdict, for results.json."""
        value = UNKNOWN if self.value is None else self.value
        pointwise = not isinstance(value, Mapping)
        if pointwise:
            value = UNKNOWN | {"mean": float(value)}
        return {
            "what": self.what,
            "value": {name: value.get(name) for name in UNKNOWN},
            "unit": self.unit,
            "condition": self.condition.words,
            "verdict": self.condition.verdict(value, pointwise),
            "deciding": self.deciding,
            "measured": self.value is not None,
        }


@dataclass(frozen=True)
class Claim:
    """A claim of the paper; its words are "claim_<number>" of the experiment's ``words.txt``."""

    number: int
    where: str  # in the paper
    parts: Callable[[Mapping[str, Any], int], Iterable[Part]]  # of all results, number of classes
    limits: Mapping[str, float] = field(default_factory=dict)  # thresholds that its words name

    def tested(
        self, experiment: str, results: Mapping[str, Any], classes: int
    ) -> dict[str, Any] | None:
        """The claim with its verdict, for results.json; None if no deciding part was measured.

        Every deciding part is there, so that none holds by what is missing.
        """
        parts = [part.tested() for part in self.parts(results, classes)]
        parts = [part for part in parts if part["deciding"] or part["measured"]]
        if not any(part["deciding"] and part["measured"] for part in parts):
            return None
        short, sentence, differs = texts(experiment, f"claim_{self.number}", **self.limits)
        return {
            "number": self.number,
            "where": self.where,
            "short": short,
            "claim": sentence,
            "parts": parts,
            "verdict": overall(parts),
            "differs": differs,
        }


def overall(parts: Sequence[Mapping[str, Any]]) -> str:
    """The verdict of a claim from those of its deciding parts."""
    words = {part["verdict"] for part in parts if part["deciding"]}
    if FAILS in words:
        return FAILS
    return HOLDS if words == {HOLDS} else UNDECIDED
