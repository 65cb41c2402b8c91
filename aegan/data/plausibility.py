"""What functionals of one contour cannot be, told from their openSMILE names; and the mend.

openSMILE computes many functionals of one contour (of a descriptor over an utterance), say its
quartiles, their distances and its mean. They are tied to each other: a first quartile above the
third belongs to no contour. A generator knows of these ties only what it has learnt.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

_OPENSMILE = re.compile(r"_sma|__Turn")  # in every contour's name; others may mean other things
_QUANTILE = re.compile(r"(percentile|quartile)(\d+(?:\.\d+)?)")
_LEVEL = re.compile(r"upleveltime(\d+)")
_IQR = re.compile(r"iqr(\d)-(\d)")
_PERCENTILE_RANGE = re.compile(r"pctlrange(\d)-(\d)")
_DEVIATIONS = ("stddev", "variance", "linregerrA", "linregerrQ")
_POSITIONS = ("maxPos", "minPos")
_COUNTS = ("numOnsets", "onsetRate")
_ROUNDING = 1e-5  # of the sizes compared: float32, and the seven digits of SMILExtract's text
_SLACK = 1e-3  # of the bound of the kurtosis, which comes from sums of fourth powers
_FRAME = 0.01  # seconds between two frames: no utterance is shorter
_CONFIRMED = 1e-3  # share of training rows that may break a rule that is to be kept
_ROWS_AT_ONCE = 4096
_LARGEST = float(np.finfo(np.float32).max)

Contour = Mapping[str, int]  # functional -> column

ORDER = "quantiles in order"
MEAN_IN_RANGE = "mean between minimum and maximum"
MEAN_IN_PERCENTILES = "mean between percentiles 1 and 99"
NOT_NEGATIVE = "ranges and deviations at least 0"
DISTANCE = "ranges are the distance of their ends"
LEVELS = "up-level times in [0, 1], falling"
POSITIONS = "positions of extremes at least 0"
TURN = "duration above 0, onsets at least 0"
KURTOSIS = "kurtosis at least skewness squared + 1"


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


def _contours(names: Sequence[str]) -> list[Contour]:
    """The contours of openSMILE: 'mfcc_sma[0]_amean' is the functional 'amean' of 'mfcc_sma[0]'."""
    contours: dict[str, dict[str, int]] = {}
    for column, name in enumerate(names):
        contour, _, functional = name.rpartition("_")
        if _OPENSMILE.search(contour):
            contours.setdefault(contour, {})[functional] = column
    return list(contours.values())


def _percentiles(contour: Contour) -> list[int]:
    """Columns of 'percentile1.0' and the like, rising."""
    found = {name: match for name in contour if (match := _QUANTILE.fullmatch(name))}
    rising = sorted(found, key=lambda name: float(found[name][2]))
    return [contour[name] for name in rising if name.startswith("percentile")]


def _chain(contour: Contour) -> list[int]:
    """Columns that must rise: minimum, quantiles, maximum, as far as there are any."""
    places = {"min": -np.inf, "max": np.inf}
    for name in contour:
        match = _QUANTILE.fullmatch(name)
        if match:
            places[name] = float(match[2]) * (25 if match[1] == "quartile" else 1)
    return [contour[name] for name in sorted(places, key=places.get) if name in contour]


def _levels(contour: Contour) -> list[int]:
    """Columns of the shares of time above a level, which must fall as the level rises."""
    found = {name: int(match[1]) for name in contour if (match := _LEVEL.fullmatch(name))}
    return [contour[name] for name in sorted(found, key=found.get)]


def _distances(contours: Sequence[Contour]) -> np.ndarray:
    """(n, 3): column of a range, of its lower end and of its upper end."""
    found = []
    for contour in contours:
        percentiles = _percentiles(contour)
        for name, column in contour.items():
            ends: list[int | None] = []
            if match := _IQR.fullmatch(name):
                ends = [contour.get(f"quartile{match[i]}") for i in (1, 2)]
            elif match := _PERCENTILE_RANGE.fullmatch(name):  # numbers count the percentiles
                places = [int(match[i]) for i in (1, 2)]
                ends = [percentiles[i] if i < len(percentiles) else None for i in places]
            elif name == "range":
                ends = [contour.get("min"), contour.get("max")]
            if ends and None not in ends:
                found.append((column, *ends))
    return np.array(found, dtype=int).reshape(-1, 3)


def _spreads(contours: Sequence[Contour]) -> np.ndarray:
    """Columns that cannot be negative: ranges of any kind, deviations, errors."""
    found = [
        column
        for contour in contours
        for name, column in contour.items()
        if name == "range"
        or name in _DEVIATIONS
        or _IQR.fullmatch(name)
        or _PERCENTILE_RANGE.fullmatch(name)
    ]
    return np.array(found, dtype=int)


def _columns(contours: Sequence[Contour], functionals: Sequence[str]) -> np.ndarray:
    found = [c[name] for c in contours for name in functionals if name in c]
    return np.array(found, dtype=int)


def _means(contours: Sequence[Contour], low: str, high: str) -> list[tuple[int, int, int]]:
    """Columns of mean, lower and upper bound, of contours that have all three."""
    return [(c["amean"], c[low], c[high]) for c in contours if {"amean", low, high} <= c.keys()]


def _moments(contours: Sequence[Contour]) -> np.ndarray:
    """(n, 2): columns of skewness and kurtosis."""
    found = [
        (c["skewness"], c["kurtosis"]) for c in contours if {"skewness", "kurtosis"} <= c.keys()
    ]
    return np.array(found, dtype=int).reshape(-1, 2)


def _steps(chain: Sequence[int]) -> list[tuple[int, int]]:
    return list(zip(chain, chain[1:], strict=False))


def _ordered(pairs: Sequence[tuple[int, int]]) -> Callable[[np.ndarray], np.ndarray]:
    """Excess of the first column of each pair over the second."""
    low, high = np.array(pairs, dtype=int).reshape(-1, 2).T

    def excess(x: np.ndarray) -> np.ndarray:
        return x[:, low] - x[:, high] - _ROUNDING * (np.abs(x[:, low]) + np.abs(x[:, high]))

    return excess


def _at_least(columns: np.ndarray, low: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda x: low - x[:, columns]


def _unequal(x: np.ndarray, triples: np.ndarray) -> np.ndarray:
    spread, low, high = triples.T
    size = np.abs(x[:, low]) + np.abs(x[:, high]) + np.abs(x[:, spread])
    return np.abs(x[:, high] - x[:, low] - x[:, spread]) - _ROUNDING * size


def _low_kurtosis(x: np.ndarray, moments: np.ndarray) -> np.ndarray:
    skewness, kurtosis = x[:, moments[:, 0]], x[:, moments[:, 1]]
    bound = skewness**2 + 1
    # openSMILE writes 0 for a contour that does not move.
    flat = (skewness == 0) & (kurtosis == 0)
    return np.where(flat, -1.0, bound - kurtosis - _SLACK * bound)


def rules_of(names: Sequence[str]) -> tuple[Rule, ...]:
    """The rules that the columns ``names`` allow to check; none for names not of openSMILE.

    All but one hold for every recording. The mean may leave percentiles 1 and 99 where a
    recording is silent for the most part, or where a set takes them over voiced frames alone.
    """
    contours = _contours(names)
    rules: list[Rule] = []

    def add(name: str, checks: int, excess: Callable[[np.ndarray], np.ndarray]) -> None:
        if checks:
            rules.append(Rule(name, checks, excess))

    steps = [step for contour in contours for step in _steps(_chain(contour))]
    add(ORDER, len(steps), _ordered(steps))

    for name, low, high in (
        (MEAN_IN_RANGE, "min", "max"),
        (MEAN_IN_PERCENTILES, "percentile1.0", "percentile99.0"),
    ):
        bounds = _means(contours, low, high)
        pairs = [pair for mean, a, b in bounds for pair in ((a, mean), (mean, b))]
        add(name, len(pairs), _ordered(pairs))

    spreads = _spreads(contours)
    add(NOT_NEGATIVE, len(spreads), _at_least(spreads, 0))

    triples = _distances(contours)
    add(DISTANCE, len(triples), partial(_unequal, triples=triples))

    levels = [_levels(contour) for contour in contours]
    shares = np.array([column for columns in levels for column in columns], dtype=int)
    falling = [(b, a) for columns in levels for a, b in _steps(columns)]

    def off_share(x: np.ndarray) -> np.ndarray:
        return np.concatenate(
            [-x[:, shares], x[:, shares] - 1 - _ROUNDING, _ordered(falling)(x)], axis=1
        )

    add(LEVELS, 2 * len(shares) + len(falling), off_share)

    places = _columns(contours, _POSITIONS)
    add(POSITIONS, len(places), _at_least(places, 0))

    turns, counts = _columns(contours, ("duration",)), _columns(contours, _COUNTS)

    def off_turn(x: np.ndarray) -> np.ndarray:
        return np.concatenate([np.where(x[:, turns] > 0, -1.0, 1.0), -x[:, counts]], axis=1)

    add(TURN, len(turns) + len(counts), off_turn)

    moments = _moments(contours)
    add(KURTOSIS, len(moments), partial(_low_kurtosis, moments=moments))
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


def confirmed(names: Sequence[str], features: np.ndarray) -> tuple[str, ...]:
    """The rules that real rows (rows, dim) keep, but for one in a thousand: names of rules."""
    found = breaches(rules_of(names), features)
    return tuple(b.rule for b in found[:-1] if b.rows <= _CONFIRMED)


def project(names: Sequence[str], features: np.ndarray, rules: Sequence[str]) -> np.ndarray:
    """Rows (rows, dim) moved onto the rules, as float32.

    Quantiles are put in order, ranges become the distance of their ends, all else is moved to the
    nearest bound. A row that keeps the rules stays as it is, up to rounding.

    Args:
        names: of the columns.
        features: rows in raw units.
        rules: names of the rules to keep; those that training rows break should not be among
            them (see ``confirmed``).
    """
    x = features.astype(np.float64)
    contours = _contours(names)

    def clip(columns: np.ndarray, low: float, high: float = np.inf) -> None:
        x[:, columns] = np.clip(x[:, columns], low, high)

    if ORDER in rules:
        for contour in contours:
            chain = _chain(contour)
            x[:, chain] = np.sort(x[:, chain], axis=1)
    for rule, low, high in (
        (MEAN_IN_RANGE, "min", "max"),
        (MEAN_IN_PERCENTILES, "percentile1.0", "percentile99.0"),
    ):
        for mean, a, b in _means(contours, low, high) if rule in rules else ():
            x[:, mean] = np.clip(x[:, mean], x[:, a], np.maximum(x[:, a], x[:, b]))
    if NOT_NEGATIVE in rules:
        clip(_spreads(contours), 0)
    if DISTANCE in rules:
        triples = _distances(contours)
        spread, low, high = triples.T
        distance = x[:, high] - x[:, low]
        x[:, spread] = np.where(_unequal(x, triples) > 0, distance, x[:, spread])
    if LEVELS in rules:
        for contour in contours:
            columns = _levels(contour)
            clip(np.array(columns, dtype=int), 0, 1)
            for higher, lower in _steps(columns):
                x[:, lower] = np.minimum(x[:, higher], x[:, lower])
    if POSITIONS in rules:
        clip(_columns(contours, _POSITIONS), 0)
    if TURN in rules:
        clip(_columns(contours, ("duration",)), _FRAME)
        clip(_columns(contours, _COUNTS), 0)
    if KURTOSIS in rules:
        skewness, kurtosis = _moments(contours).T
        low = _low_kurtosis(x, _moments(contours)) > 0
        x[:, kurtosis] = np.where(low, x[:, skewness] ** 2 + 1, x[:, kurtosis])
    return np.clip(x, -_LARGEST, _LARGEST).astype(np.float32)
