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
_HOLDS = {">=": operator.ge, "<=": operator.le}
# Units that are scaled to the size of a table's largest median, the largest first.
_SCALES = {
    "s": ((1.0, "s"), (1e-3, "ms"), (1e-6, "\u00b5s")),
    "B": ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B")),
    "": ((1.0, ""),),
}


def markdown(results: Mapping[str, Any]) -> str:
    """The document: what was run and where, the headline and a table per section.

    ``results`` are those of bench.json: what ``benchmark.run_benchmark`` found, with the
    ``command``, its ``date``, ``variant``, ``versions`` and ``device`` (names and values).
    """
    rows = [{"name": _words(name), **entry} for name, entry in results["headline"].items()]
    parts = [
        f"# Benchmark, {results['variant']}",
        f"`{results['command']}`, {results['date']}",
        _pairs("Device", results["device"]),
        _pairs("Versions", results["versions"]),
    ]
    if rows:  # at first there are none
        targets = [_target(results, name) or DASH for name in results["headline"]]
        parts += ["## Headline", *_table(rows, "", targets)]
    for section in results["sections"]:
        parts += [f"## {section['title']}", textwrap.fill(section["note"], WIDTH)]
        parts += _table(section["rows"], section["unit"])
    return "\n\n".join(filter(None, parts)) + "\n"


def screen_lines(results: Mapping[str, Any]) -> list[str]:
    """The headline figures, whether each reached its target, in lines of at most 80 columns."""
    width, lines = max(map(len, results["headline"]), default=0), []
    for name, entry in results["headline"].items():
        target = _target(results, name)
        if number(entry.get("median")) is None:
            text = f"{NOT_RUN}: {entry['reason']}"
            target = target.removesuffix(f", {NOT_RUN}")
        else:
            between = f" ({_range(entry)}, n = {entry['n']})" if entry["n"] > 1 else ""
            text = figures(entry["median"]) + between
        # Columns are kept by blanks that must neither break nor collapse.
        lines += textwrap.wrap(
            _words(name).ljust(width).replace(" ", "\xa0")
            + f"  {text}{target and f'; target {target}'}",
            WIDTH,
            initial_indent="  ",
            subsequent_indent=" " * (width + 4),
            break_on_hyphens=False,
        )
    return [line.replace("\xa0", " ") for line in lines]


def figures(value: float, scale: float = 1.0) -> str:
    """``value / scale`` to three significant figures; an unscaled int as it is."""
    if isinstance(value, int) and scale == 1.0:
        return str(value)
    value = float(f"{float(value) / scale:.2e}")  # so that 9.999 counts as 10.0
    if value == 0:
        return "0"
    size = math.floor(math.log10(abs(value)))
    return f"{value:.{max(2 - size, 0)}f}" if -5 <= size < 6 else f"{value:.2e}"


def _range(entry: Mapping[str, Any], scale: float = 1.0) -> str:
    return f"{figures(entry['min'], scale)} to {figures(entry['max'], scale)}"


def _target(results: Mapping[str, Any], name: str) -> str:
    """The target and whether it was reached, ">= 0.8, reached"; empty where there is none."""
    if name not in results["targets"]:
        return ""
    sign, bound = results["targets"][name]
    value, word = number(results["headline"][name].get("median")), NOT_RUN
    if value is not None:
        word = "reached" if _HOLDS[sign](value, bound) else "not reached"
    return f"{sign} {bound:g}, {word}"


def _table(rows: Sequence[Mapping[str, Any]], unit: str, targets: Sequence[str] = ()) -> list[str]:
    """A padded table, and below it the rows' details and reasons, which would make it wide."""
    largest = max(abs(number(row.get("median")) or 0.0) for row in rows)
    fitting = [one for one in _SCALES[unit] if largest >= one[0]] or _SCALES[unit][-1:]
    scale, unit = fitting[0] if largest else (1.0, unit)
    grid = [["", f"median ({unit})" if unit else "median", "min to max", "n"]]
    below = []
    for row in rows:
        cells = [NOT_RUN, DASH, DASH]
        if number(row.get("median")) is not None:
            between = _range(row, scale) if row["n"] > 1 else DASH
            cells = [figures(row["median"], scale), between, str(row["n"])]
        grid.append([row["name"], *cells])
        said = "; ".join(row[key] for key in ("reason", "detail") if row.get(key))
        line = f"- {row['name']}: {said}" if said else ""
        below += textwrap.wrap(line, WIDTH, subsequent_indent="  ")
    if targets:
        grid = [[*line, last] for line, last in zip(grid, ["target", *targets], strict=True)]
    widths = [max(3, *map(len, column)) for column in zip(*grid, strict=True)]
    cells = [f"{side}{width}" for side, width in zip("<>>><", widths, strict=False)]
    grid.insert(1, [format(":", f"-{cell}") for cell in cells])
    text = "\n".join(f"| {' | '.join(map(format, line, cells))} |" for line in grid)
    return [text, "\n".join(below)] if below else [text]


def _pairs(title: str, values: Mapping[str, Any]) -> str:
    text = ", ".join(f"{_words(name)} {value}" for name, value in values.items())
    return textwrap.fill(f"{title}: {text}.", WIDTH, break_on_hyphens=False)


def _words(name: str) -> str:
    return name.replace("_", " ")
