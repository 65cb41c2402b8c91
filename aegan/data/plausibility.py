"""What functionals of one contour cannot be, told from their openSMILE names; and the mend.

openSMILE computes many functionals of one contour (of a descriptor over an utterance), say its
quartiles, their distances and its mean. They are tied to each other: a first quartile above the
third belongs to no contour. A generator that draws columns one by one knows nothing of that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

# Ends of the order first to last, as far as a feature set has them (IS10 has no min and max).
_ORDER = ("min", "percentile1.0", "quartile1", "quartile2", "quartile3", "percentile99.0", "max")
_QUARTILES = {"quartile1", "quartile2", "quartile3"}
_SPREADS = {  # spread -> the ends whose distance it is
    "iqr1-2": ("quartile1", "quartile2"),
    "iqr2-3": ("quartile2", "quartile3"),
    "iqr1-3": ("quartile1", "quartile3"),
    "pctlrange0-1": ("percentile1.0", "percentile99.0"),
    "range": ("min", "max"),
}
_DEVIATIONS = ("stddev", "variance", "linregerrA", "linregerrQ")
_POSITIONS = ("maxPos", "minPos")
_SHARES = ("upleveltime75", "upleveltime90")
_COUNTS = ("numOnsets", "onsetRate")
_ROUNDING = 1e-5  # of the sizes compared: float32, and the seven digits of SMILExtract's text
_FRAME = 0.01  # seconds between two frames: no utterance is shorter
_ROWS_AT_ONCE = 4096


@dataclass(frozen=True, eq=False)
class Rule:
    """One thing that holds for every real row, checked in ``checks`` places of a row."""

    name: str
    checks: int
    excess: Callable[[np.ndarray], np.ndarray]  # (rows, dim) float64 -> (rows, checks), > 0: broken


@dataclass(frozen=True)
class Breach:
    """How often a rule is broken."""

    rule: str
    checks: int  # per row
    rows: float  # share of rows that break it anywhere
    places: float  # share of all checks that fail


def _contours(names: Sequence[str]) -> list[dict[str, int]]:
    """Functional -> column, per contour: 'mfcc_sma[0]_amean' is the functional 'amean'."""
    contours: dict[str, dict[str, int]] = {}
    for column, name in enumerate(names):
        contour, _, functional = name.rpartition("_")
        contours.setdefault(contour, {})[functional] = column
    return list(contours.values())


def _pairs(contours: list[dict[str, int]], low: str, high: str) -> list[tuple[int, int]]:
    return [(c[low], c[high]) for c in contours if low in c and high in c]


def _ordered(pairs: Sequence[tuple[int, int]]) -> Callable[[np.ndarray], np.ndarray]:
    low, high = np.array(pairs, dtype=int).reshape(-1, 2).T

    def excess(x: np.ndarray) -> np.ndarray:
        return x[:, low] - x[:, high] - _ROUNDING * (np.abs(x[:, low]) + np.abs(x[:, high]))

    return excess


def _chain(contour: Mapping[str, int]) -> list[int]:
    return [contour[name] for name in _ORDER if name in contour]


def _extremes(contour: Mapping[str, int]) -> tuple[int, int] | None:
    """Columns of the lowest and the highest value of a contour, as far as it has both."""
    low = {"min", "percentile1.0"} & contour.keys()
    high = {"max", "percentile99.0"} & contour.keys()
    return (_chain(contour)[0], _chain(contour)[-1]) if low and high else None


def _columns(contours: list[dict[str, int]], functionals: Sequence[str]) -> np.ndarray:
    found = [c[name] for c in contours for name in functionals if name in c]
    return np.array(found, dtype=int)


def _at_least(columns: np.ndarray, low: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda x: low - x[:, columns]


def _spread_triples(contours: list[dict[str, int]]) -> np.ndarray:
    """(n, 3): spread, lower end, upper end."""
    found = [
        (c[spread], c[low], c[high])
        for c in contours
        for spread, (low, high) in _SPREADS.items()
        if spread in c and low in c and high in c
    ]
    return np.array(found, dtype=int).reshape(-1, 3)


def _unequal(x: np.ndarray, spread: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    size = np.abs(x[:, low]) + np.abs(x[:, high]) + np.abs(x[:, spread])
    return np.abs(x[:, high] - x[:, low] - x[:, spread]) - _ROUNDING * size


def rules_of(names: Sequence[str]) -> tuple[Rule, ...]:
    """The rules that the columns ``names`` allow to check; none for names not of openSMILE."""
    contours = _contours(names)
    rules: list[Rule] = []

    def add(name: str, checks: int, excess: Callable[[np.ndarray], np.ndarray]) -> None:
        if checks:
            rules.append(Rule(name, checks, excess))

    quantiles = [c for c in contours if _QUARTILES <= c.keys()]
    steps = [pair for c in quantiles for pair in zip(_chain(c), _chain(c)[1:], strict=False)]
    add("quartiles and percentiles in order", len(steps), _ordered(steps))

    bounded = [(c["amean"], _extremes(c)) for c in contours if "amean" in c and _extremes(c)]
    means = [pair for mean, (low, high) in bounded for pair in ((low, mean), (mean, high))]
    add("mean between the extremes", len(means), _ordered(means))

    spreads = _columns(contours, (*_SPREADS, *_DEVIATIONS))
    add("ranges and deviations at least 0", len(spreads), _at_least(spreads, 0))

    spread, low, high = _spread_triples(contours).T
    add(
        "ranges are the distance of their ends",
        len(spread),
        partial(_unequal, spread=spread, low=low, high=high),
    )

    shares = _columns(contours, _SHARES)
    levels = _pairs(contours, "upleveltime90", "upleveltime75")

    def off_share(x: np.ndarray) -> np.ndarray:
        return np.concatenate(
            [-x[:, shares], x[:, shares] - 1 - _ROUNDING, _ordered(levels)(x)], axis=1
        )

    checks = 2 * len(shares) + len(levels)
    add("up-level times in [0, 1], 90 % at most 75 %", checks, off_share)

    places = _columns(contours, _POSITIONS)
    add("positions of extremes at least 0", len(places), _at_least(places, 0))

    turns = _columns(contours, ("duration",))
    counts = _columns(contours, _COUNTS)

    def off_turn(x: np.ndarray) -> np.ndarray:
        return np.concatenate([np.where(x[:, turns] > 0, -1.0, 1.0), -x[:, counts]], axis=1)

    add("duration above 0, onsets at least 0", len(turns) + len(counts), off_turn)

    moments = np.array(_pairs(contours, "skewness", "kurtosis"), dtype=int).reshape(-1, 2)

    def low_kurtosis(x: np.ndarray) -> np.ndarray:
        skewness, kurtosis = x[:, moments[:, 0]], x[:, moments[:, 1]]
        bound = skewness**2 + 1
        # openSMILE writes 0 for a contour that does not move.
        flat = (skewness == 0) & (kurtosis == 0)
        return np.where(flat, -1.0, bound - kurtosis - 1e-3 * bound)

    add("kurtosis at least skewness squared + 1", len(moments), low_kurtosis)
    return tuple(rules)


def breaches(rules: Sequence[Rule], features: np.ndarray) -> tuple[Breach, ...]:
    """How often raw ``features`` (rows, dim) break each rule, and "any rule" at the end."""
    rows = np.zeros(len(rules) + 1)
    places = np.zeros(len(rules))
    for start in range(0, len(features), _ROWS_AT_ONCE):
        block = features[start : start + _ROWS_AT_ONCE].astype(np.float64)
        anywhere = np.zeros(len(block), dtype=bool)
        for i, rule in enumerate(rules):
            broken = rule.excess(block) > 0
            places[i] += broken.sum()
            rows[i] += broken.any(axis=1).sum()
            anywhere |= broken.any(axis=1)
        rows[-1] += anywhere.sum()
    n = max(len(features), 1)
    checks = [rule.checks for rule in rules]
    found = [
        Breach(rule.name, rule.checks, float(rows[i] / n), float(places[i] / n / rule.checks))
        for i, rule in enumerate(rules)
    ]
    if rules:
        share = float(places.sum() / n / sum(checks))
        found.append(Breach("any rule", sum(checks), float(rows[-1] / n), share))
    return tuple(found)


def project(names: Sequence[str], features: np.ndarray) -> np.ndarray:
    """Rows (rows, dim) that keep every rule of ``rules_of(names)``, as float32.

    Quantiles are put in order, ranges become the distance of their ends, all else is moved to the
    nearest bound. A row that keeps every rule stays as it is, up to rounding. The row's class may
    become a little harder or easier to tell: compare TSTR before and after.
    """
    x = features.astype(np.float64)
    contours = _contours(names)
    for contour in contours:
        chain, extremes = _chain(contour), _extremes(contour)
        if _QUARTILES <= contour.keys():
            x[:, chain] = np.sort(x[:, chain], axis=1)
        if "amean" in contour and extremes:
            mean = contour["amean"]
            x[:, mean] = np.clip(x[:, mean], *(x[:, end] for end in extremes))
    for functionals, low, high in (
        ((*_SPREADS, *_DEVIATIONS, *_POSITIONS, *_COUNTS), 0, np.inf),
        (_SHARES, 0, 1),
        (("duration",), _FRAME, np.inf),
    ):
        columns = _columns(contours, functionals)
        x[:, columns] = np.clip(x[:, columns], low, high)
    spread, low, high = _spread_triples(contours).T
    distance = x[:, high] - x[:, low]
    x[:, spread] = np.where(_unequal(x, spread, low, high) > 0, distance, x[:, spread])
    for low_level, high_level in _pairs(contours, "upleveltime90", "upleveltime75"):
        x[:, low_level] = np.minimum(x[:, low_level], x[:, high_level])
    for skewness, kurtosis in _pairs(contours, "skewness", "kurtosis"):
        flat = (x[:, skewness] == 0) & (x[:, kurtosis] == 0)
        bound = x[:, skewness] ** 2 + 1
        x[:, kurtosis] = np.where(flat, 0.0, np.maximum(x[:, kurtosis], bound))
    return x.astype(np.float32)
