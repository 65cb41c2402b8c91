"""Numbers in words: a figure reads the same wherever it stands."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Results = dict[str, Any]

DASH = "\u2013"


def number(value: Any) -> float | None:
    """``value`` as a finite float, else None."""
    if value is None or isinstance(value, (str, bool)):
        return None
    value = float(value)
    return value if math.isfinite(value) else None


def plain(value: float | None) -> str:
    """About three significant digits, or a dash."""
    value = number(value)
    if value is None:
        return DASH
    if 0 < abs(value) < 0.005:
        return "<0.01" if value > 0 else ">-0.01"
    if abs(value) >= 1e6:
        return f"{value:.1e}"
    return f"{value:.{_digits(value)}f}"


def percent(value: float | None, digits: int = 1) -> str:
    value = number(value)
    return DASH if value is None else f"{100 * value:z.{digits}f}"


def signed(value: float | None) -> str:
    """About three significant digits and a sign."""
    value = number(value)
    return DASH if value is None else f"{value:+z.{_digits(value)}f}"


def points(value: float | None) -> str:
    """A difference of UAR or of shares in points."""
    value = number(value)
    return DASH if value is None else f"{100 * value:+z.1f}"


def _digits(value: float) -> int:
    return 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0


UNITS = {
    "%": percent,
    "points": points,
    "plain": plain,
    "ratio": plain,
    "signed": signed,
    "difference": signed,
    "": plain,
}


@dataclass(frozen=True)
class Estimate:
    """A mean and its 95 % interval, in the units of results.json; None where there is no value."""

    mean: float | None = None
    low: float | None = None
    high: float | None = None

    @classmethod
    def of(cls, summary: Mapping[str, Any] | None) -> Estimate:
        """Of a summary in results.json: ``mean`` and ``ci95``."""
        summary = summary or {}
        return cls(number(summary.get("mean")), *map(number, summary.get("ci95") or ()))

    @property
    def half_width(self) -> float | None:
        return None if self.low is None or self.high is None else (self.high - self.low) / 2

    def said(self, unit: str = "plain") -> str:
        """As "48.1 [45.0, 51.2]", or a dash; ``unit`` as in ``UNITS``."""
        show = UNITS[unit]
        if self.mean is None or self.half_width is None:
            return show(self.mean)
        return f"{show(self.mean)} [{show(self.low)}, {show(self.high)}]"

    def short(self, unit: str = "plain") -> tuple[str, str]:
        """The mean and, with as many decimals, half the width of the interval: "48.1", " ±3.1"."""
        text = UNITS[unit](self.mean)
        if self.mean is None or self.half_width is None:
            return text, ""
        scale, digits = 100 if unit in ("%", "points") else 1, len(text.partition(".")[2])
        return text, f" \u00b1{scale * self.half_width:.{digits}f}"


def said(summary: Mapping[str, Any] | None, unit: str = "plain") -> str:
    """A summary in results.json as "48.1 [45.0, 51.2]", or a dash; ``unit`` as in ``UNITS``."""
    return Estimate.of(summary).said(unit)
