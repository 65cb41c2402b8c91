"""Table 4 and the differences in it; UAR in %, differences in points."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from aegan.report.kit.documents import Fold, Section
from aegan.report.kit.numbers import Estimate, Results
from aegan.report.kit.tables import Table
from aegan.report.paper import cross_corpus_figures
from aegan.report.tables import REFERENCES
from aegan.study import words as W
from aegan.study.cross_corpus.tasks import NAME
from aegan.study.cross_validation.report import means


def sections(results: Results, folder: Path | None) -> Iterator[Section]:
    found = W.of_experiment(results, NAME)
    chosen = found["statistics"]
    others = (
        Fold(f"The same with the {W.STATISTICS.get(other, other)}", tuple(_tables(results, other)))
        for other in found["tables"]
        if other != chosen
    )
    yield W.measured(
        results,
        "both",
        "Table 4: across corpora",
        f"{W.STATISTICS.get(chosen, chosen).capitalize()}; {found['draws']} draws of "
        f"{found['rows_per_class']} rows of each class balance the target where an SVM learns "
        "from it.",
        *_tables(results, chosen),
        *others,
        W.notes(found),
        W.definitions(found),
    )


def _tables(results: Results, statistics: str) -> Iterator[Table]:
    yield target_table(results, statistics)
    if (W.of_experiment(results, NAME).get("differences") or {}).get(statistics):
        yield differences_table(results, statistics)


def target_table(results: Results, statistics: str) -> Table:
    """Table 4 with one way of standardising the target."""
    found, titles = W.of_experiment(results, NAME), W.models(results)
    table = found["tables"][statistics]
    names = titles | REFERENCES | {"real": "Real rows of the source"}
    names = {key: title for key, title in names.items() if key in table}
    rows: dict[str, Results] = {}
    for key, title in names.items():
        rows[f"{title}, this study" if key in titles else title] = table[key]
        if printed := cross_corpus_figures(key):
            values = {name: f"{100 * printed[name]:.2f}" for name in ("trts", "tstr")}
            values |= {"fid": f"{printed['fid']:.2f}"}
            rows[f"{title}, paper, IEMOCAP to MSP-IMPROV"] = values
    bare = _bare(value for key in names for value in table[key].values())
    if found.get("target_to_target") and statistics == found["statistics"]:
        rows["Real rows of the target, other speakers"] = {"tstr": found["target_to_target"]}
    columns = {
        "Metric 1, TRTS (%)": ("trts", "%"),
        "Metric 2, TSTR (%)": ("tstr", "%"),
        "FID": ("fid", "plain"),
        "FID above floor": ("fid_over_floor", "plain"),
    }
    values = {"drawn_over": W.drawn_over(results), "chance": W.chance(results), "bare": bare}
    marked = [f"{title}, this study" for title in titles.values()]
    return W.grid(W.told(NAME, "table", **values), "Generator", rows, columns, marked)


def _bare(values: Iterable[Results | None]) -> bool:
    """Whether there is a figure without an interval."""
    found = map(Estimate.of, values)
    return any(one.mean is not None and one.half_width is None for one in found)


def differences_table(results: Results, statistics: str) -> Table:
    """Paired differences of Table 4."""
    found = W.of_experiment(results, NAME)["differences"][statistics]
    pairs = dict.fromkeys(("m2-m1", "m3-m2", "m3-m1", *found))
    rows = {W.pair_title(pair): found[pair] for pair in pairs if pair in found}
    columns = {
        "Metric 1, TRTS (points)": ("trts", "points"),
        "Metric 2, TSTR (points)": ("tstr", "points"),
        "FID": ("fid", "signed"),
    }
    bare = _bare(row.get(key) for row in rows.values() for key, _ in columns.values())
    return W.grid(W.told(NAME, "differences", bare=bare), "Pair", rows, columns)


def in_short(results: Results) -> list[str]:
    """What an SVM that learned from each model's rows recognises in the target."""
    found = W.of_experiment(results, NAME)
    tstr = means(found["tables"][found["statistics"]], "tstr")
    ceiling = Estimate.of(found.get("target_to_target")).mean
    return [
        W.told(
            NAME,
            "in_short",
            target=W.corpus_name(results["target"]),
            tstr={key: value for key, value in tstr.items() if key in W.models(results)},
            real=tstr.get("real"),
            ceiling=ceiling,
        )
    ]


def summary(results: Results) -> list[str]:
    """Table 4 in short."""
    found = W.of_experiment(results, NAME)
    columns = {"metric 1": ("trts", "%"), "metric 2": ("tstr", "%"), "FID": ("fid", "plain")}
    rows = W.some(results, found["tables"][found["statistics"]])
    return W.in_terminal(f"Table 4, {W.corpora(results)}:", rows, columns)
