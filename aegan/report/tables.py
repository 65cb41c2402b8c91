"""The main table of a report as data, and a table's text, Markdown and HTML."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

Results = dict[str, Any]

SIMULATED = "Simulated corpus: these figures say nothing about real speech."
DASH = "\u2013"
REFERENCES = {
    "real": "Real rows of set-1",
    "class_mean": "Class mean",
    "class_gaussian": "Class Gaussian",
    "smote": "SMOTE",
    "jitter": "Jitter",
}
UARS = ("trts_set1", "trts_set2", "tstr_set1", "tstr_set2")
TITLES = {
    "trts_set1": "TRTS set-1 (%)",
    "trts_set2": "TRTS set-2 (%)",
    "tstr_set1": "TSTR set-1 (%)",
    "tstr_set2": "TSTR set-2 (%)",
    "real_to_real": "Real \u2192 real (%)",
    "fid": "FID",
    "fid_real": "FID floor",
    "fid_over_floor": "FID above floor",
    "variance_ratio": "Variance ratio",
    "nn_distance": "Nearest-row distance",
    "copies": "Copies (%)",
}
MAIN_COLUMNS = (*UARS, "fid", "fid_over_floor", "variance_ratio", "nn_distance", "copies")
_PERCENT = {*UARS, "real_to_real", "copies"}


@dataclass(frozen=True)
class Cell:
    """A mean and its 95 % interval, in the units of results.json; None where there is no value."""

    mean: float | None
    low: float | None = None
    high: float | None = None

    @property
    def half_width(self) -> float | None:
        return None if self.low is None or self.high is None else (self.high - self.low) / 2


@dataclass(frozen=True)
class Row:
    """One line of the main table: who (``kind``: model, paper, real or trivial) and its cells."""

    kind: str
    label: str
    cells: dict[str, Cell]


@dataclass(frozen=True)
class Table:
    """A finished table of strings; the first column names the row, ``marked`` rows stand out."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    marked: tuple[int, ...] = ()
    text_columns: tuple[int, ...] = ()  # columns of words, beside the first
    badges: Mapping[str, str] = field(default_factory=dict)  # text of a cell -> its CSS class


def leak_banner(leaks: Sequence[str]) -> list[str]:
    """The banner over figures that leaks, in words, may have made too good; none without leaks."""
    if not leaks:
        return []
    others = f"; and {len(leaks) - 3} more" if len(leaks) > 3 else ""
    return [
        "Leaks were allowed: training and test parts share speakers, sessions or rows, so the "
        f"figures may be too good. First: {'; '.join(leaks[:3])}{others}."
    ]


def banners(results: Results) -> list[str]:
    """What a reader has to know before any figure."""
    corpus = results["corpus"]
    found = [SIMULATED] if corpus["simulated"] else []
    leaks = [leak["words"] for leak in corpus.get("leaks") or ()]
    return found + leak_banner(leaks)


def number(value: Any) -> float | None:
    """``value`` as a finite float, else None."""
    if value is None or isinstance(value, (str, bool)):
        return None
    value = float(value)
    return value if math.isfinite(value) else None


def cell(summary: Results | None) -> Cell:
    """The cell of one metric's summary in results.json."""
    summary = summary or {}
    low, high = summary.get("ci95") or (None, None)
    return Cell(number(summary.get("mean")), number(low), number(high))


def cells(summaries: Results) -> dict[str, Cell]:
    return {key: cell(summaries.get(key)) for key in MAIN_COLUMNS}


def plain(value: float | None) -> str:
    """About three significant digits, or a dash."""
    value = number(value)
    if value is None:
        return DASH
    if 0 < abs(value) < 0.005:
        return "<0.01" if value > 0 else ">-0.01"
    if abs(value) >= 1e6:
        return f"{value:.1e}"
    digits = 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0
    return f"{value:.{digits}f}"


def percent(value: float | None, digits: int = 1) -> str:
    value = number(value)
    return DASH if value is None else f"{100 * value:.{digits}f}"


def show(metric: str, value: float | None) -> str:
    """A value as printed: UAR and shares in per cent, everything else as it is."""
    return percent(value) if metric in _PERCENT else plain(value)


def show_cell(metric: str, c: Cell) -> str:
    if c.mean is None or c.half_width is None:
        return show(metric, c.mean)
    return f"{show(metric, c.mean)} [{show(metric, c.low)}, {show(metric, c.high)}]"


def printed(metric: str, value: float | None) -> str:
    """A figure of the paper with the two decimals it is printed with."""
    value = number(value)
    return DASH if value is None else f"{value * (100 if metric in _PERCENT else 1):.2f}"


def model_name(results: Results) -> str:
    return str(results["model"]).upper()


def main_rows(results: Results) -> list[Row]:
    """Model, paper, real rows, ceiling and floor, trivial generators: the main table as data."""
    metrics, paper = results["metrics"], results.get("paper")
    rows = [Row("model", f"{model_name(results)}, this run", cells(metrics))]
    if paper:
        rows.append(paper_row("Paper, IEMOCAP", paper))
    return rows + reference_rows(metrics, results.get("references") or {})


def paper_row(label: str, paper: Results) -> Row:
    """The paper's printed figures, keys as in ``MAIN_COLUMNS``."""
    return Row("paper", label, {key: Cell(number(paper.get(key))) for key in MAIN_COLUMNS})


def reference_rows(metrics: Results, references: Results) -> list[Row]:
    """Real rows, ceiling and floor (of ``metrics``, any model's), trivial generators."""
    rows = []
    for key, label in REFERENCES.items():
        if key in references:
            kind = "real" if key == "real" else "trivial"
            rows.append(Row(kind, label, cells(references[key])))
        if key == "real":
            empty = {column: Cell(None) for column in MAIN_COLUMNS}
            bounds = {
                "tstr_set2": cell(metrics.get("real_to_real")),
                "fid": cell(metrics.get("fid_real")),
            }
            rows.append(Row("real", "Real \u2192 real", {**empty, **bounds}))
    return rows


def strings(row: Row, columns: Sequence[str]) -> tuple[str, ...]:
    """A line of the main table."""
    if row.kind == "paper":
        return (row.label, *(printed(column, row.cells[column].mean) for column in columns))
    return (row.label, *(show_cell(column, row.cells[column]) for column in columns))


def chance(results: Results) -> float:
    return 1 / len(results["corpus"]["classes"])


def main_table(results: Results) -> Table:
    """The model beside the paper, real speech and the four trivial generators."""
    rows = main_rows(results)
    caption = (
        f"{model_name(results)} beside the paper's printed figures and generators that need no "
        "training. Mean over folds, 95 % interval in brackets. Compare the first line with "
        "\u201cReal rows of set-1\u201d, which is what a faithful generator would score, and with "
        "\u201cReal \u2192 real\u201d, which holds the ceiling of TSTR on set-2 and the floor of "
        f"FID. Chance is {percent(chance(results))} %."
    )
    header = ("Generator", *(TITLES[column] for column in MAIN_COLUMNS))
    lines = [strings(row, MAIN_COLUMNS) for row in rows]
    verdict = results.get("verdict") or {}
    words = {REFERENCES[k]: word for k, word in (verdict.get("references") or {}).items()}
    if not words:
        return Table(caption, header, tuple(lines), marked=(0,))
    words[rows[0].label] = verdict.get("word")
    lines = [(*line, str(words.get(line[0]) or DASH)) for line in lines]
    header = (*header, "Verdict by the same rule")
    return Table(caption, header, tuple(lines), marked=(0,), text_columns=(len(header) - 1,))


def to_markdown(table: Table) -> str:
    """A GitHub table with its caption in front."""

    def line(items: Iterable[str]) -> str:
        return "| " + " | ".join(i.replace("|", "\\|").replace("\n", " ") for i in items) + " |"

    left = {0, *table.text_columns}
    rule = [":--" if i in left else "--:" for i in range(len(table.header))]
    marked = {i: f"**{table.rows[i][0]}**" for i in table.marked}
    body = [line((marked.get(i, row[0]), *row[1:])) for i, row in enumerate(table.rows)]
    return "\n".join((table.caption, "", line(table.header), line(rule), *body))


def to_html(table: Table) -> str:
    """A ``<table>`` in a box that scrolls by itself; every text is escaped."""

    def item(tag: str, column: int, text: str) -> str:
        words = column in table.text_columns
        kind = ' class="words"' if words else ""
        scope = ' scope="col"' if tag == "th" else ""
        if column == 0:
            tag, scope = "th", ' scope="row"' if tag == "td" else scope
        value, _, interval = text.partition(" [")
        badge = table.badges.get(text) if tag == "td" else None
        if badge:
            return f'<td{kind}><span class="badge {badge}">{escape(text)}</span></td>'
        if tag == "td" and not words and interval:
            return f"<td>{escape(value)} <small>[{escape(interval)}</small></td>"
        return f"<{tag}{scope}{kind}>{escape(text)}</{tag}>"

    # "set-1" must not break at its hyphen in a narrow head.
    header = (text.replace("set-", "set\u2011") for text in table.header)
    head = "".join(item("th", i, text) for i, text in enumerate(header))
    body = "".join(
        f"<tr{' class=marked' if r in table.marked else ''}>"
        + "".join(item("td", i, text) for i, text in enumerate(row))
        + "</tr>\n"
        for r, row in enumerate(table.rows)
    )
    label = escape(table.caption.partition(".")[0], quote=True)
    return (
        f'<p class="caption">{escape(table.caption)}</p>\n'
        f'<div class="scroll" tabindex="0" role="region" aria-label="{label}"><table>'
        f"<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>"
    )


_SHORT = {
    "trts_set1": "TRTS-1",
    "trts_set2": "TRTS-2",
    "tstr_set1": "TSTR-1",
    "tstr_set2": "TSTR-2",
    "fid": "FID",
    "fid_over_floor": "-floor",
    "variance_ratio": "var",
}

_SHORT_LABELS = {
    REFERENCES["real"]: "Real rows",
    REFERENCES["class_gaussian"]: "Gaussian",
    "Paper, IEMOCAP": "Paper",
}


def _short_cell(row: Row, column: str, half_widths: bool) -> tuple[str, str]:
    """A cell in two parts, so that decimal points stand in line: up to one decimal, the rest."""
    c = row.cells[column]
    if column not in UARS or c.mean is None:
        return (printed if row.kind == "paper" else show)(column, c.mean), ""
    if row.kind == "paper":
        text = printed(column, c.mean)
        return text[:-1], text[-1]
    spread = c.half_width if half_widths else None
    return show(column, c.mean), "" if spread is None else f" \u00b1{show(column, spread)}"


def _grid(rows: Sequence[Row], half_widths: bool) -> list[list[str]]:
    """The strings of the terminal's table, first the header."""
    columns = [[_short_cell(row, column, half_widths) for row in rows] for column in _SHORT]
    tails = [max(len(tail) for _, tail in column) for column in columns]
    grid = [["", *_SHORT.values()]]
    for i, row in enumerate(rows):
        label = _SHORT_LABELS.get(row.label, row.label[:20])
        pairs = zip(columns, tails, strict=True)
        grid.append([label, *(column[i][0] + column[i][1].ljust(width) for column, width in pairs)])
    return grid


def text_table(results: Results) -> str:
    """The main table for a terminal: at most 80 columns, half-widths of the 95 % intervals.

    Below it the verdict. UAR in per cent; nearest-row distance and copies are in the report alone.
    """
    rows = main_rows(results)
    for half_widths, gap in ((True, "  "), (True, " "), (False, "  "), (False, " ")):
        grid = _grid(rows, half_widths)
        widths = [max(len(line[i]) for line in grid) for i in range(len(grid[0]))]
        lines = [
            gap.join(
                f"{text:<{width}}" if i == 0 else f"{text:>{width}}"
                for i, (text, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in grid
        ]
        if max(map(len, lines)) <= 80:
            break
    lines.insert(1, "-" * max(map(len, lines)))
    note = (
        "TRTS: SVM trained on real rows, tested on synthetic; TSTR the reverse; -1, -2: set-1, "
        f"set-2. UAR in %, \u00b1 half the 95 % interval; chance {percent(chance(results))}. "
        f"{'Paper: as printed, IEMOCAP. ' if results.get('paper') else ''}"
        "More TRTS than Real rows is not better. -floor: FID less its floor, at equal numbers "
        "of rows. var: variance within classes, real = 1."
    )
    verdict = results.get("verdict") or {}
    short = f"Verdict: {verdict.get('word') or 'none'}"
    if verdict.get("reasons"):
        short += f" ({'; '.join(map(str, verdict['reasons']))})"
    lines += [*textwrap.wrap(note, 80), "", *textwrap.wrap(short, 80)]
    for banner in banners(results):
        lines += textwrap.wrap(banner, 80)
    return "\n".join(lines)
