"""What functionals of one contour cannot be, told from their openSMILE names; and the mend.

Functionals of one contour (a descriptor over an utterance) are tied to each other: a first quartile
above the third belongs to no contour. A generator knows of these ties only what it has learnt.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

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
        _rising("quantiles in order", [_chain(c, _percentile) for c in contours]),
        _between("mean between minimum and maximum", all_of("amean", "min", "max")),
        _between(
            "mean between percentiles 1 and 99", all_of("amean", "percentile1.0", "percentile99.0")
        ),
        _not_negative("ranges and deviations at least 0", any_of(_SPREAD)),
        _distances("ranges are the distance of their ends", _ranges(contours)),
        _shares("up-level times in [0, 1], falling", [_chain(c, _level) for c in contours]),
        _not_negative("positions of extremes at least 0", any_of("maxPos|minPos")),
        _not_negative(
            "duration above 0, onsets at least 0",
            any_of("numOnsets|onsetRate"),
            durations=any_of("duration"),
        ),
        _moments("kurtosis at least skewness squared + 1", all_of("skewness", "kurtosis")),
    )
    return tuple(rule for rule in rules if rule.checks)


class Ties(NamedTuple):
    """Columns of one contour that bound each other."""

    low: np.ndarray  # (k,) int: columns that are never above those of ``high``
    high: np.ndarray  # (k,) int
    gap: np.ndarray  # (k,) int: the column of their distance, or -1
    passes: tuple[np.ndarray, ...]  # numbers of pairs; those of a pass have no column in common
    skewness: np.ndarray  # (m,) int
    kurtosis: np.ndarray  # (m,) int: at least the square of the skewness and 1
    contours: tuple[np.ndarray, ...]  # columns of each contour


def ties_of(names: Sequence[str]) -> Ties:
    """Quantiles, ranges, up-level times and moments that are tied, by their openSMILE names."""
    contours = _contours(names)
    ends = {(low, high): gap for gap, low, high in _ranges(contours)}
    pairs = [step for c in contours for step in pairwise(_chain(c, _percentile))]
    pairs += [(low, high) for c in contours for high, low in pairwise(_chain(c, _level))]
    pairs = list(dict.fromkeys([*pairs, *ends]))
    passes: list[list[int]] = []
    taken: list[set[int]] = []
    for number, pair in enumerate(pairs):
        free = (k for k, columns in enumerate(taken) if columns.isdisjoint(pair))
        k = next(free, len(passes))
        if k == len(passes):
            passes.append([])
            taken.append(set())
        passes[k].append(number)
        taken[k].update(pair)
    columns = tuple(np.array(list(c.values())) for c in contours)
    gaps = np.array([ends.get(pair, -1) for pair in pairs], dtype=int)
    moments = [
        (c["skewness"], c["kurtosis"]) for c in contours if c.keys() >= {"skewness", "kurtosis"}
    ]
    return Ties(*_array(pairs, 2), gaps, tuple(map(np.array, passes)), *_array(moments, 2), columns)


def breaches(rules: Sequence[Rule], features: np.ndarray) -> tuple[Breach, ...]:
    """How often raw ``features`` (rows, dim) break each rule, and "any rule" at the end."""
    if not rules:
        return ()
    rows = np.zeros(len(rules) + 1)
    places = np.zeros(len(rules) + 1)
    for start in range(0, len(features), _ROWS_AT_ONCE):
        block = features[start : start + _ROWS_AT_ONCE].astype(np.float64)
        broken = [rule.excess(block) > 0 for rule in rules]
        broken.append(np.hstack(broken))
        rows += [of_rule.any(axis=1).sum() for of_rule in broken]
        places += [of_rule.sum() for of_rule in broken]
    names = [*(rule.name for rule in rules), "any rule"]
    checks = [rule.checks for rule in rules]
    checks.append(sum(checks))
    n = max(len(features), 1)
    found = zip(names, checks, (rows / n).tolist(), (places / n / checks).tolist(), strict=True)
    return tuple(Breach(*fields) for fields in found)


def confirmed(names: Sequence[str], features: np.ndarray) -> tuple[str, ...]:
    """The rules that real rows (rows, dim) keep, but for one in a thousand: names of rules."""
    found = breaches(rules_of(names), features)
    return tuple(b.rule for b in found[:-1] if b.rows <= _CONFIRMED)


def project(names: Sequence[str], features: np.ndarray, rules: Sequence[str]) -> np.ndarray:
    """Raw rows (rows, dim) moved onto the rules of these names, as float32.

    Quantiles are put in order, ranges become the distance of their ends, all else is moved to the
    nearest bound. Rules that training rows break should not be among them (see ``confirmed``).
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


def _chain(contour: Contour, rank: Callable[[str], float | None]) -> list[int]:
    """The columns of the functionals that have a rank, in its order."""
    ranks = {name: at for name in contour if (at := rank(name)) is not None}
    return [contour[name] for name in sorted(ranks, key=ranks.get)]


def _percentile(name: str) -> float | None:
    match = _QUANTILE.fullmatch(name)
    if match:
        return float(match[2]) * (25 if match[1] == "quartile" else 1)
    return {"min": -np.inf, "max": np.inf}.get(name)


def _level(name: str) -> int | None:
    match = _LEVEL.fullmatch(name)
    return int(match[1]) if match else None


def _ranges(contours: Sequence[Contour]) -> list[list[int]]:
    """Column of a range, of its lower end and of its upper end."""
    found = []
    for contour in contours:
        percentiles = {name: at for name, at in contour.items() if name.startswith("percentile")}
        counted = dict(enumerate(_chain(percentiles, _percentile)))
        for match in filter(None, map(_RANGE.fullmatch, contour)):
            kind, *ends = match.groups(default="")
            if kind == "pctlrange":
                places = [counted.get(int(end)) for end in ends]
            else:
                names = [f"quartile{end}" for end in ends] if kind else ["min", "max"]
                places = [contour.get(name) for name in names]
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
