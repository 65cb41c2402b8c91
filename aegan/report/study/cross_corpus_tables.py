"""The tables of the generators on another corpus; UAR in %, differences in points."""

from __future__ import annotations

from collections.abc import Iterable

from aegan.report.kit.numbers import DASH, Results, number, percent
from aegan.report.kit.tables import Table
from aegan.report.paper import cross_corpus_figures
from aegan.report.study.words import (
    MODELS,
    chance,
    drawn_over,
    experiment,
    pair_title,
    said,
)
from aegan.report.tables import REFERENCES

_TARGET_COLUMNS = (
    ("trts", "%", "Metric 1, TRTS (%)"),
    ("tstr", "%", "Metric 2, TSTR (%)"),
    ("fid", "plain", "FID"),
    ("fid_over_floor", "plain", "FID above floor"),
)


def target_table(results: Results, statistics: str) -> Table:
    """Table 4 with one way of standardising the target."""
    found = experiment(results, "cross_corpus")
    table = found["tables"][statistics]
    names = MODELS | REFERENCES | {"real": "Real rows of the source"}
    lines, marked = [], []
    for key in (key for key in names if key in table):
        title = f"{names[key]}, this study" if key in MODELS else names[key]
        if key in MODELS:
            marked.append(len(lines))
        values = (said(table[key].get(name), unit) for name, unit, _ in _TARGET_COLUMNS)
        lines.append((title, *values))
        printed = cross_corpus_figures(key)
        if printed:
            texts = (f"{100 * printed[name]:.2f}" for name in ("trts", "tstr"))
            fid = f"{printed['fid']:.2f}"
            lines.append((f"{names[key]}, paper, IEMOCAP to MSP-IMPROV", *texts, fid, DASH))
    if found.get("target_to_target") and statistics == found["statistics"]:
        ceiling = said(found["target_to_target"], "%")
        lines.append(("Real rows of the target, other speakers", DASH, ceiling, DASH, DASH))
    caption = (
        "Synthetic rows of generators trained on the whole source against the target corpus. "
        "\u201cReal rows of the source\u201d are what a faithful generator would score: see "
        "whether a model's rows serve the target better than the source's own. No interval is over "
        f"corpora; all are over {drawn_over(results)}. Chance is {percent(chance(results))} %."
    )
    caption += _bare(value for key in names for value in (table.get(key) or {}).values())
    header = ("Generator", *(title for _, _, title in _TARGET_COLUMNS))
    return Table(caption, header, tuple(lines), marked=tuple(marked))


def _bare(values: Iterable[Results | None]) -> str:
    """What to know of figures without an interval, empty where there is none of them."""
    known = (value for value in values if value and number(value.get("mean")) is not None)
    if all(value.get("ci95") for value in known):
        return ""
    return (
        " A figure without brackets has no interval, as where all draws of a balanced target are "
        "the same rows."
    )


def target_differences_table(results: Results, statistics: str) -> Table:
    """Paired differences of Table 4."""
    found = experiment(results, "cross_corpus")["differences"][statistics]
    pairs = [pair for pair in ("m2-m1", "m3-m2", "m3-m1") if pair in found]
    columns = (
        ("trts", "points", "Metric 1, TRTS (points)"),
        ("tstr", "points", "Metric 2, TSTR (points)"),
        ("fid", "signed", "FID"),
    )
    lines = tuple(
        (pair_title(pair), *(said(found[pair].get(name), unit) for name, unit, _ in columns))
        for pair in pairs
    )
    caption = (
        "Differences between models of the table above, paired. The paper's three models lie "
        "within 1.5 points on metric 1 and within 0.9 on metric 2."
    )
    caption += _bare(found[pair].get(name) for pair in pairs for name, _, _ in columns)
    return Table(caption, ("Pair", *(title for _, _, title in columns)), lines)
