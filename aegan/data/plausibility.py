"""What functionals of one contour cannot be, told from their openSMILE names; and the mend.

openSMILE computes many functionals of one contour (of a descriptor over an utterance), say its
quartiles, their distances and its mean. They are tied to each other: a first quartile above the
third belongs to no contour. A generator knows of these ties only what it has learnt.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

_OPENSMILE = re.compile(r"_sma|__Turn")  # in every contour's name; others may mean other things
_QUANTILE = re.compile(r"(percentile|quartile)(\d+(?:\.\d+)?)")
_LEVEL = re.compile(r"upleveltime(\d+)")
_RANGE = re.compile(r"range|(iqr|pctlrange)(\d)-(\d)")
_SPREAD = rf"{_RANGE.pattern}|stddev|variance|linregerr[AQ]"
_ROUNDING = 1e-5  # of the sizes compared: float32, and the seven digits of SMILExtract's text
_SLACK = 1e-3  # of the bound of the kurtosis, which comes from sums of fourth powers
_FRAME = 0.01  # seconds between two frames: no utterance is shorter
_CONFIRMED = 1e-3  # share of training rows that may break a rule that is to be kept
_ROWS_AT_ONCE = 4096
_LARGEST = float(np.finfo(np.float32).max)

Contour = Mapping[str, int]  # functional -> column


@dataclass(frozen=True, eq=False)
class Rule:
    """One thing that holds for every real row, checked in ``checks`` places of a row."""

    name: str
    checks: int
    excess: Callable[[np.ndarray], np.ndarray]  # (rows, dim) float64 -> (rows, checks), > 0: broken
    mend: Callable[[np.ndarray], None]  # moves rows (rows, dim) float64 onto the rule, in place


@dataclass(frozen=True)
class Breach:
    """How often a rule is broken."""

    rule: str
    checks: int  # per row
    rows: float  # share of rows that break it anywhere
    places: float  # share of all checks that fail


def rules_of(names: Sequence[str]) -> tuple[Rule, ...]:
    """The rules that the columns ``names`` allow to check; none for names not of openSMILE.

    All but one hold for every recording. The mean may leave percentiles 1 and 99 where a
    recording is silent for the most part, or where a set takes them over voiced frames alone.
    """
    contours = _contours(names)

    def any_of(pattern: str) -> list[int]:
        return [at for c in contours for name, at in c.items() if re.fullmatch(pattern, name)]

    def all_of(*functionals: str) -> list[list[int]]:
        return [[c[name] for name in functionals] for c in contours if c.keys() >= {*functionals}]

    rules = (
        _rising("quantiles in order", [_quantiles(c) for c in contours]),
        _between("mean between minimum and maximum", all_of("amean", "min", "max")),
        _between(
            "mean between percentiles 1 and 99", all_of("amean", "percentile1.0", "percentile99.0")
        ),
        _not_negative("ranges and deviations at least 0", any_of(_SPREAD)),
        _distances("ranges are the distance of their ends", _ranges(contours)),
        _shares("up-level times in [0, 1], falling", [_levels(c) for c in contours]),
        _not_negative("positions of extremes at least 0", any_of("maxPos|minPos")),
        _not_negative(
            "duration above 0, onsets at least 0",
            any_of("numOnsets|onsetRate"),
            durations=any_of("duration"),
        ),
        _moments("kurtosis at least skewness squared + 1", all_of("skewness", "kurtosis")),
    )
    return tuple(rule for rule in rules if rule.checks)


def breaches(rules: Sequence[Rule], features: np.ndarray) -> tuple[Breach, ...]:
    """How often raw ``features`` (rows, dim) break each rule, and "any rule" at the end."""
    rows = np.zeros(len(rules) + 1)
    places = np.zeros(len(rules) + 1)
    for start in range(0, len(features), _ROWS_AT_ONCE):
        block = features[start : start + _ROWS_AT_ONCE].astype(np.float64)
        anywhere = np.zeros((len(rules), len(block)), dtype=bool)
        for i, rule in enumerate(rules):
            broken = rule.excess(block) > 0
            places[i] += broken.sum()
            anywhere[i] = broken.any(axis=1)
        rows += [*anywhere.sum(axis=1), anywhere.any(axis=0).sum()]
    places[-1] = places.sum()
    n = max(len(features), 1)
    said = [(rule.name, rule.checks) for rule in rules]
    said.append(("any rule", sum(rule.checks for rule in rules)))
    return tuple(
        Breach(name, checked, float(broken / n), float(failed / n / checked))
        for (name, checked), broken, failed in zip(said, rows, places, strict=True)
        if checked
    )


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
    for rule in rules_of(names):
        if rule.name in rules:
            rule.mend(x)
    return np.clip(x, -_LARGEST, _LARGEST).astype(np.float32)


def _contours(names: Sequence[str]) -> list[Contour]:
    """The contours of openSMILE: 'mfcc_sma[0]_amean' is the functional 'amean' of 'mfcc_sma[0]'."""
    contours: dict[str, dict[str, int]] = {}
    for column, name in enumerate(names):
        contour, _, functional = name.rpartition("_")
        if _OPENSMILE.search(contour):
            contours.setdefault(contour, {})[functional] = column
    return list(contours.values())


def _quantiles(contour: Contour, kind: str = "") -> list[int]:
    """Columns that must rise: minimum, quantiles (of a kind), maximum, as far as there are any."""
    places = {} if kind else {"min": -np.inf, "max": np.inf}
    for name in contour:
        match = _QUANTILE.fullmatch(name)
        if match and name.startswith(kind):
            places[name] = float(match[2]) * (25 if match[1] == "quartile" else 1)
    return [contour[name] for name in sorted(places, key=places.get) if name in contour]


def _levels(contour: Contour) -> list[int]:
    """Columns of the shares of time above a level, which must fall as the level rises."""
    found = {int(match[1]): at for n, at in contour.items() if (match := _LEVEL.fullmatch(n))}
    return [found[level] for level in sorted(found)]


def _ranges(contours: Sequence[Contour]) -> list[list[int]]:
    """Column of a range, of its lower end and of its upper end."""
    found = []
    for contour in contours:
        percentiles = dict(enumerate(_quantiles(contour, "percentile")))  # pctlrange counts them
        for match in filter(None, map(_RANGE.fullmatch, contour)):
            kind, *ends = match.groups()
            if kind is None:
                places = [contour.get("min"), contour.get("max")]
            elif kind == "iqr":
                places = [contour.get(f"quartile{end}") for end in ends]
            else:
                places = [percentiles.get(int(end)) for end in ends]
            if None not in places:
                found.append([contour[match[0]], *places])
    return found


def _array(columns: Sequence, width: int) -> np.ndarray:
    """(width, n) from n lists of columns."""
    return np.array(columns, dtype=int).reshape(-1, width).T


def _above(x: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Excess of some columns over others that should not be below them."""
    return x[:, low] - x[:, high] - _ROUNDING * (np.abs(x[:, low]) + np.abs(x[:, high]))


def _rising(name: str, chains: Sequence[Sequence[int]]) -> Rule:
    low, high = _array([step for chain in chains for step in pairwise(chain)], 2)

    def mend(x: np.ndarray) -> None:
        for chain in chains:
            x[:, chain] = np.sort(x[:, chain], axis=1)

    return Rule(name, len(low), lambda x: _above(x, low, high), mend)


def _between(name: str, columns: Sequence[Sequence[int]]) -> Rule:
    """The first column of each three lies between the others."""
    mean, low, high = _array(columns, 3)
    below, above = np.r_[low, mean], np.r_[mean, high]

    def mend(x: np.ndarray) -> None:
        x[:, mean] = np.clip(x[:, mean], x[:, low], np.maximum(x[:, low], x[:, high]))

    return Rule(name, len(below), lambda x: _above(x, below, above), mend)


def _not_negative(name: str, columns: Sequence[int], durations: Sequence[int] = ()) -> Rule:
    """Columns at least 0, and durations above it."""

    def excess(x: np.ndarray) -> np.ndarray:
        return np.hstack([np.where(x[:, durations] > 0, -1.0, 1.0), -x[:, columns]])

    def mend(x: np.ndarray) -> None:
        x[:, columns] = np.maximum(x[:, columns], 0)
        x[:, durations] = np.maximum(x[:, durations], _FRAME)

    columns, durations = _array(columns, 1)[0], _array(durations, 1)[0]
    return Rule(name, len(columns) + len(durations), excess, mend)


def _distances(name: str, ranges: Sequence[Sequence[int]]) -> Rule:
    spread, low, high = _array(ranges, 3)

    def excess(x: np.ndarray) -> np.ndarray:
        size = np.abs(x[:, low]) + np.abs(x[:, high]) + np.abs(x[:, spread])
        return np.abs(x[:, high] - x[:, low] - x[:, spread]) - _ROUNDING * size

    def mend(x: np.ndarray) -> None:
        x[:, spread] = np.where(excess(x) > 0, x[:, high] - x[:, low], x[:, spread])

    return Rule(name, len(spread), excess, mend)


def _shares(name: str, chains: Sequence[Sequence[int]]) -> Rule:
    """Columns in [0, 1] that fall along each chain."""
    columns = np.array([column for chain in chains for column in chain], dtype=int)
    higher, lower = _array([step for chain in chains for step in pairwise(chain)], 2)

    def excess(x: np.ndarray) -> np.ndarray:
        shares = x[:, columns]
        return np.hstack([-shares, shares - 1 - _ROUNDING, _above(x, lower, higher)])

    def mend(x: np.ndarray) -> None:
        for chain in chains:
            shares = np.clip(x[:, chain], 0, 1)
            x[:, chain] = np.minimum.accumulate(shares, axis=1)

    return Rule(name, 2 * len(columns) + len(lower), excess, mend)


def _moments(name: str, columns: Sequence[Sequence[int]]) -> Rule:
    skewness, kurtosis = _array(columns, 2)

    def excess(x: np.ndarray) -> np.ndarray:
        bound = x[:, skewness] ** 2 + 1
        # openSMILE writes 0 for a contour that does not move.
        flat = (x[:, skewness] == 0) & (x[:, kurtosis] == 0)
        return np.where(flat, -1.0, bound - x[:, kurtosis] - _SLACK * bound)

    def mend(x: np.ndarray) -> None:
        x[:, kurtosis] = np.where(excess(x) > 0, x[:, skewness] ** 2 + 1, x[:, kurtosis])

    return Rule(name, len(kurtosis), excess, mend)
