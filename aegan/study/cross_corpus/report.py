"""Table 4 and the differences in it; UAR in %, differences in points."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from aegan.report.kit.documents import Fold, Section
from aegan.report.kit.numbers import Estimate, Results, said
from aegan.report.kit.tables import Table, tabulate
from aegan.report.paper import cross_corpus_figures
from aegan.report.tables import REFERENCES
from aegan.study.cross_corpus.tasks import NAME
from aegan.study.cross_validation.report import means
from aegan.study.words import (
    STATISTICS,
    chance,
    corpora,
    corpus_name,
    definitions,
    drawn_over,
    in_terminal,
    measured,
    models,
    notes,
    of_experiment,
    pair_title,
    short,
    told,
)

_COLUMNS = {
    "trts": ("%", "points", "Metric 1, TRTS"),
    "tstr": ("%", "points", "Metric 2, TSTR"),
    "fid": ("plain", "signed", "FID"),
    "fid_over_floor": ("plain", "", "FID above floor"),
}
_PAIRS = ("m2-m1", "m3-m2", "m3-m1")


def sections(results: Results, folder: Path | None) -> Iterator[Section]:
    found = of_experiment(results, NAME)
    chosen = found["statistics"]
    others = (
        Fold(f"The same with the {STATISTICS.get(other, other)}", tuple(_tables(results, other)))
        for other in found["tables"]
        if other != chosen
    )
    yield measured(
        results,
        "both",
        "Table 4: across corpora",
        f"{STATISTICS.get(chosen, chosen).capitalize()}; {found['draws']} draws of "
        f"{found['rows_per_class']} rows of each class balance the target where an SVM learns "
        "from it.",
        *_tables(results, chosen),
        *others,
        notes(found),
        definitions(found),
    )


def _tables(results: Results, statistics: str) -> Iterator[Table]:
    yield target_table(results, statistics)
    if (of_experiment(results, NAME).get("differences") or {}).get(statistics):
        yield differences_table(results, statistics)


def target_table(results: Results, statistics: str) -> Table:
    """Table 4 with one way of standardising the target."""
    found, titles = of_experiment(results, NAME), models(results)
    table = found["tables"][statistics]
    names = titles | REFERENCES | {"real": "Real rows of the source"}
    lines: list[tuple[str, Results, bool]] = []
    for key in (key for key in names if key in table):
        title = f"{names[key]}, this study" if key in titles else names[key]
        values = {name: said(table[key].get(name), unit) for name, (unit, *_) in _COLUMNS.items()}
        lines.append((title, values, key in titles))
        if printed := cross_corpus_figures(key):
            values = {name: f"{100 * printed[name]:.2f}" for name in ("trts", "tstr")}
            values["fid"] = f"{printed['fid']:.2f}"
            lines.append((f"{names[key]}, paper, IEMOCAP to MSP-IMPROV", values, False))
    if found.get("target_to_target") and statistics == found["statistics"]:
        ceiling = {"tstr": said(found["target_to_target"], "%")}
        lines.append(("Real rows of the target, other speakers", ceiling, False))
    columns = {"Generator": lambda line: line[0]}
    for name, (unit, _, title) in _COLUMNS.items():
        title += " (%)" if unit == "%" else ""
        columns[title] = lambda line, name=name: line[1].get(name)
    bare = _bare(value for key in names for value in (table.get(key) or {}).values())
    caption = told(NAME, "table", drawn_over=drawn_over(results), chance=chance(results), bare=bare)
    return tabulate(caption, lines, columns, marked=lambda line: line[2])


def _bare(values: Iterable[Results | None]) -> bool:
    """Whether there is a figure without an interval."""
    found = map(Estimate.of, values)
    return any(one.mean is not None and one.half_width is None for one in found)


def differences_table(results: Results, statistics: str) -> Table:
    """Paired differences of Table 4."""
    found = of_experiment(results, NAME)["differences"][statistics]
    pairs = [pair for pair in dict.fromkeys((*_PAIRS, *found)) if pair in found]
    columns = {"Pair": pair_title}
    for name, (_, unit, title) in _COLUMNS.items():
        if unit:
            title += " (points)" if unit == "points" else ""
            columns[title] = lambda pair, n=name, u=unit: said(found[pair].get(n), u)
    bare = _bare(found[pair].get(name) for pair in pairs for name in _COLUMNS)
    return tabulate(told(NAME, "differences", bare=bare), pairs, columns)


def in_short(results: Results) -> list[str]:
    """What an SVM that learned from each model's rows recognises in the target."""
    found = of_experiment(results, NAME)
    tstr = means(found["tables"][found["statistics"]], "tstr")
    ceiling = Estimate.of(found.get("target_to_target")).mean
    return [
        told(
            NAME,
            "in_short",
            target=corpus_name(results["target"]),
            tstr={key: value for key, value in tstr.items() if key in models(results)},
            real=tstr.get("real"),
            ceiling=ceiling,
        )
    ]


def summary(results: Results) -> list[str]:
    """Table 4 in short."""
    found = of_experiment(results, NAME)
    table = found["tables"][found["statistics"]]
    names = {"real": "Real rows", "class_gaussian": "Gaussian", "class_mean": "Class mean"}
    names = models(results) | names
    columns = {
        "": names.get,
        "metric 1": lambda key: short(table[key].get("trts"), "%"),
        "metric 2": lambda key: short(table[key].get("tstr"), "%"),
        "FID": lambda key: short(table[key].get("fid"), "plain"),
    }
    rows = tabulate("", [key for key in names if key in table], columns)
    return in_terminal(f"Table 4, {corpora(results)}:", rows)
