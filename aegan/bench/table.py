"""The results of a benchmark as a Markdown document and as lines for the terminal."""

from __future__ import annotations

import math
import operator
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from aegan.report.kit.numbers import DASH, number
from aegan.system.screen import WIDTH

NOT_RUN = "not run"
_HOLDS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
# Units that are scaled to the size of a table's largest median, the largest first.
_SCALES = {
    "s": ((1.0, "s"), (1e-3, "ms"), (1e-6, "\u00b5s")),
    "FLOP/s": ((1e12, "TFLOP/s"), (1e9, "GFLOP/s"), (1e6, "MFLOP/s"), (1.0, "FLOP/s")),
    "B": ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B")),
}


def markdown(results: Mapping[str, Any]) -> str:
    """The document: what was run and where, the headline and a table per section.

    Args:
        results: of bench.json. ``command``, ``variant``, ``versions`` and ``device`` (names and
            values); ``headline``, measurements by name, with ``targets`` by name, [">=", 0.8];
            ``sections`` of ``title``, ``note``, ``unit`` and ``rows``, which are measurements with
            a ``name``; and, if there, ``date``. A measurement has ``median``, ``min``, ``max`` and
            ``n``, or ``value`` None and a ``reason``; either may have a ``detail``. Values in s,
            FLOP/s and B are scaled, other units are shown as they are.
    """
    date = f", {results['date']}" if results.get("date") else ""
    parts = [
        f"# Benchmark, {results['variant']}",
        f"`{results['command']}`{date}",
        _pairs("Device", results["device"]),
        _pairs("Versions", results["versions"]),
    ]
    headline = _headline(results)
    if headline:
        parts.append("## Headline")
        rows = [{"name": _words(name), **entry} for name, entry in headline.items()]
        targets = [_target(results, name, entry) for name, entry in headline.items()]
        parts += _table(rows, "", targets if any(targets) else None)
    for section in results["sections"]:
        parts.append(f"## {section['title']}")
        if section.get("note"):
            parts.append(textwrap.fill(section["note"], WIDTH))
        parts += _table(section["rows"], section["unit"])
    return "\n\n".join(parts) + "\n"


def screen_lines(results: Mapping[str, Any]) -> list[str]:
    """The headline figures, whether each reached its target, in lines of at most 80 columns."""
    headline = _headline(results)
    width = min(max((len(_words(name)) for name in headline), default=0), WIDTH // 2)
    lines = []
    for name, entry in headline.items():
        text, target = _words(name).ljust(width), _target(results, name, entry)
        if _median(entry) is None:
            reason = entry.get("reason")
            text += f"  {NOT_RUN}" + (f": {reason}" if reason else "")
            target = target.removesuffix(f", {NOT_RUN}")
        else:
            unit, scale = _scale(entry.get("unit", ""), [entry])
            text += f"  {figures(entry['median'], scale)}{unit and f' {unit}'}"
            if entry["n"] > 1:
                text += f" ({_range(entry, scale)}, n = {entry['n']})"
        text += f"; target {target}" if target else ""
        # Columns are kept by blanks that must neither break nor collapse.
        head, rest = text[:width], text[width:]
        wrapped = textwrap.wrap(
            head.replace(" ", "\xa0") + rest,
            WIDTH,
            initial_indent="  ",
            subsequent_indent=" " * (width + 4),
            break_on_hyphens=False,
        )
        lines += [line.replace("\xa0", " ") for line in wrapped]
    return lines


def figures(value: float, scale: float = 1.0) -> str:
    """``value / scale`` to three significant figures; an unscaled int as it is."""
    if isinstance(value, int) and scale == 1.0:
        return str(value)
    value = float(value) / scale
    if value == 0:
        return "0"
    value = float(f"{value:.2e}")  # so that 9.999 counts as 10.0
    size = math.floor(math.log10(abs(value)))
    if not -5 <= size < 6:
        return f"{value:.2e}"
    return f"{value:.{max(2 - size, 0)}f}"


def _headline(results: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The headline, with the targets that nothing was measured for."""
    found = dict(results["headline"])
    for name in results.get("targets") or {}:
        found.setdefault(name, {"value": None, "reason": "not measured"})
    return found


def _median(entry: Mapping[str, Any]) -> float | None:
    """The median, or None where there is no finite one."""
    return number(entry.get("median"))


def _target(results: Mapping[str, Any], name: str, entry: Mapping[str, Any]) -> str:
    """The target and whether it was reached, ">= 0.8, reached"; empty where there is none."""
    target = (results.get("targets") or {}).get(name)
    if target is None:
        return ""
    sign, bound = target
    value = _median(entry)
    word = NOT_RUN
    if value is not None:
        word = "reached" if _HOLDS[sign](value, bound) else "not reached"
    return f"{sign} {bound:g}, {word}"


def _scale(unit: str, entries: Sequence[Mapping[str, Any]]) -> tuple[str, float]:
    """The unit to show, and what its one is in ``unit``."""
    largest = max((abs(_median(entry) or 0.0) for entry in entries), default=0.0)
    scales = _SCALES.get(unit, ((1.0, unit),))
    scale, shown = next((s for s in scales if largest >= s[0]), scales[-1])
    return (shown, scale) if largest else (unit, 1.0)


def _range(entry: Mapping[str, Any], scale: float) -> str:
    return f"{figures(entry['min'], scale)} to {figures(entry['max'], scale)}"


def _table(
    rows: Sequence[Mapping[str, Any]], unit: str, targets: Sequence[str] | None = None
) -> list[str]:
    """A padded table, and below it the rows' details and reasons, which would make it wide."""
    unit, scale = _scale(unit, rows)
    header = ["", f"median ({unit})" if unit else "median", "min to max", "n"]
    lines, below = [], []
    for i, row in enumerate(rows):
        own, own_scale = _scale(row["unit"], [row]) if row.get("unit") else ("", scale)
        line = [row["name"], NOT_RUN, DASH, DASH]
        if _median(row) is not None:
            value = figures(row["median"], own_scale) + (own and f" {own}")
            several = row["n"] > 1
            line[1:] = [value, _range(row, own_scale) if several else DASH, str(row["n"])]
        lines.append([*line, targets[i] or DASH] if targets else line)
        said = [row[key] for key in ("reason", "detail") if row.get(key)]
        if said:
            below += textwrap.wrap(
                f"- {row['name']}: {'; '.join(said)}", WIDTH, subsequent_indent="  "
            )
    grid = [[*header, "target"] if targets else header, *lines]
    grid = [[item.replace("|", "\\|").replace("\n", " ") for item in line] for line in grid]
    widths = [max(map(len, column), default=0) for column in zip(*grid, strict=True)]
    widths = [max(width, 3) for width in widths]
    left = {0, 4}
    text = [
        "| "
        + " | ".join(
            item.ljust(width) if i in left else item.rjust(width)
            for i, (item, width) in enumerate(zip(line, widths, strict=True))
        )
        + " |"
        for line in grid
    ]
    rule = [
        ":" + "-" * (width - 1) if i in left else "-" * (width - 1) + ":"
        for i, width in enumerate(widths)
    ]
    text.insert(1, "| " + " | ".join(rule) + " |")
    return ["\n".join(text), *(["\n".join(below)] if below else [])]


def _pairs(title: str, values: Mapping[str, Any]) -> str:
    text = ", ".join(f"{_words(name)} {value}" for name, value in values.items())
    return textwrap.fill(f"{title}: {text}.", WIDTH, break_on_hyphens=False)


def _words(name: str) -> str:
    return name.replace("_", " ")
