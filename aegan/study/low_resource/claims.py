"""What the paper claims of Fig. 6.

The paper's mode decides, for so the paper did it; the honest one stands beside, but not at
P = 100 %, where both are one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from aegan.study.low_resource.results import compared_of, gains_of
from aegan.study.rule import ALIKE, Claim, Condition, Estimate, Part, above, below, figure, within

LOW_PERCENT = 40  # "P less than 40 %"
LARGE_PERCENT = 80  # "higher values of P"

_SCOPE = "low_resource/scopes/target"
_MODES = {"paper": "", "honest": ", honest mode"}


def _part(mode: str, what: str, value: Estimate | None, condition: Condition) -> Part:
    return Part(what + _MODES[mode], value, condition, "points", deciding=mode == "paper")


def _of_mode(percents: list[float], mode: str) -> list[float]:
    return [percent for percent in percents if mode == "paper" or percent < 100]


def _rows_help(experiments: Mapping[str, Any], classes: int) -> Iterator[Part]:
    found = figure(experiments, _SCOPE)
    if not (found and found["percents"] and found["sizes"]):
        return
    gains, compared = gains_of(found), compared_of(found)
    percents, sizes = sorted(found["percents"]), sorted(found["sizes"])
    least, size = percents[0], sizes[-1]
    # What the paper says of small P is not tested at a large one.
    small = len(percents) > 1 and least < LARGE_PERCENT
    large = [percent for percent in percents if percent >= LARGE_PERCENT and len(sizes) > 1]
    steps = list(zip(sizes, sizes[1:], strict=False)) if small else []
    alike = within(ALIKE, "points")
    for mode in _MODES:
        part = partial(_part, mode)
        for percent in _of_mode(percents, mode):
            value = gains.get((mode, "m1", percent, size))
            yield part(f"M1, {size} rows: gain at P = {percent:g} %", value, above(0))
        value, words = None, "gain at small P less gain at large P"
        if small:
            value = figure(experiments, f"low_resource/gain_low_less_high/target/{mode}")
            words = f"gain at P = {least:g} % less gain at {percents[-1]:g} %"
        yield part(f"M1, {size} rows: {words}", value, above(0))
        for less, more in steps:
            value = compared.get((mode, least, ("m1", more), ("m1", less)))
            yield part(f"M1, P = {least:g} %: {more} rows less {less} rows", value, above(0))
        if not steps:
            yield part("M1, small P: more rows less fewer", None, above(0))
        for percent in _of_mode(large, mode):
            less, more = sizes[-2:]
            value = compared.get((mode, percent, ("m1", more), ("m1", less)))
            yield part(f"M1, P = {percent:g} %: {more} rows less {less} rows, alike", value, alike)
        if not large:
            what = f"M1, P from {LARGE_PERCENT} % on: the two largest numbers of rows, alike"
            yield part(what, None, alike)


def _three_models(experiments: Mapping[str, Any], classes: int) -> Iterator[Part]:
    found = figure(experiments, _SCOPE)
    if not (found and found["percents"] and found["sizes"]):
        return
    gains, compared = gains_of(found), compared_of(found)
    percents, size = sorted(found["percents"]), max(found["sizes"])
    ends = {True: (above(0), ""), False: (below(ALIKE, "points"), ", none to speak of")}
    for mode in _MODES:
        part = partial(_part, mode)
        for percent in _of_mode(percents, mode):
            value = compared.get((mode, percent, ("m1", size), ("m2", size)))
            what = f"P = {percent:g} %: M1 less M2, alike"
            yield part(what, value, within(ALIKE, "points"))
        for model in ("m1", "m2"):
            # 100 % of the study, if it has it: there both modes are one.
            value = gains.get((mode, model, 100, size)) if mode == "paper" else None
            yield part(f"{model.upper()}, {size} rows: gain at P = 100 %", value, above(0))
        for low, (condition, end) in ends.items():
            if not any((percent < LOW_PERCENT) is low for percent in percents):
                where = f"{'below' if low else 'from'} P = {LOW_PERCENT} %{'' if low else ' on'}"
                yield part(f"M3, {size} rows: gain {where}{end}", None, condition)
        for percent in _of_mode(percents, mode):
            condition, end = ends[percent < LOW_PERCENT]
            value = gains.get((mode, "m3", percent, size))
            yield part(f"M3, {size} rows: gain at P = {percent:g} %{end}", value, condition)


CLAIMS = (
    Claim(9, "Fig. 6a", _rows_help, {"large": LARGE_PERCENT}),
    Claim(10, "Fig. 6b", _three_models, {"low": LOW_PERCENT, "alike": ALIKE}),
)
