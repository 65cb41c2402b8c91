"""Tables 2 and 3, their differences, and Fig. 3."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from aegan.report.figures import loss_words, losses
from aegan.report.kit.documents import Section
from aegan.report.kit.figures import Figure
from aegan.report.kit.numbers import Estimate, Results, percent, plain
from aegan.report.kit.tables import Table, tabulate
from aegan.report.tables import MAIN_COLUMNS, TITLES, UARS, Row, cells, paper_row, reference_rows
from aegan.study import words as W

NAME = "cross_validation"
SHORT = {  # columns of a terminal's table
    "TRTS-2": ("trts_set2", "%"),
    "TSTR-2": ("tstr_set2", "%"),
    "FID-floor": ("fid_over_floor", "plain"),
    "var": ("variance_ratio", "plain"),
}
# In the order in which the claims need them.
_PAIRS = ("m2-m1", "m1-m3", "m3-m1", "m3-m2", "m2-m3")
_DIFFERENCES = {
    **{key: ("points", TITLES[key].replace("(%)", "(points)")) for key in UARS},
    "fid": ("signed", "FID"),
    "fid_over_floor": ("signed", "FID above floor"),
    "variance_ratio": ("signed", "Variance ratio"),
}


def sections(results: Results, folder: Path | None) -> Iterator[Section]:
    found = W.of_experiment(results, NAME)
    paths = [f"{run['run']}/results.json" for run in found["models"].values() if run.get("run")]
    yield W.measured(
        results,
        "source",
        "Tables 2 and 3: cross-validation",
        models_table(results),
        differences_table(found),
        sets_table(found),
        W.told(NAME, "runs", paths=paths) if paths else None,
    )
    pictures = _figures(found, folder) if folder else ()
    title = "Fig. 3: losses over the training"
    yield W.measured(results, "source", title, *pictures, losses_table(found))


def _figures(found: Results, folder: Path) -> Iterator[Figure]:
    for place, (model, run) in enumerate(found["models"].items()):
        figure = losses(run, W.table_at(folder, run["run"], "losses.parquet"), model)
        if figure.panels:
            yield replace(figure, caption="As above.") if place else figure


def models_table(results: Results) -> Table:
    """Tables 2 and 3: every model beside its printed figures, then real rows and references."""
    found = W.of_experiment(results, NAME)
    rows: list[tuple[Row, str | None]] = []
    for model, run in found["models"].items():
        word = (run.get("verdict") or {}).get("word")
        rows.append((Row("model", f"{model.upper()}, this study", cells(run["metrics"])), word))
        if run.get("paper"):
            rows.append((paper_row(f"{model.upper()}, paper, IEMOCAP", run["paper"]), None))
    metrics = next(iter(found["models"].values()))["metrics"]
    rows += [(row, None) for row in reference_rows(metrics, found.get("references") or {})]
    columns = {"Generator": lambda item: item[0].label}
    for column in MAIN_COLUMNS:
        columns[TITLES[column]] = lambda item, column=column: item[0].said(column)
    columns[verdict := "Verdict on the rows"] = lambda item: item[1]
    return tabulate(
        W.told(NAME, "models", chance=W.chance(results)),
        rows,
        columns,
        words=(verdict,),
        marked=lambda item: item[0].kind == "model",
    )


def pairs_once(found: Collection[str]) -> list[str]:
    """Each pair of models once, in the order in which the claims need them."""
    kept: list[str] = []
    for pair in (*_PAIRS, *(pair for pair in found if "real" not in pair)):
        turned = "-".join(reversed(pair.split("-")))
        if pair in found and not {pair, turned} & set(kept):
            kept.append(pair)
    return kept


def differences_table(found: Results) -> Table:
    """Paired differences between the models of Tables 2 and 3."""
    less = found["differences"]
    rows = {W.pair_title(pair): less[pair] for pair in pairs_once(less)}
    columns = {title: (key, unit) for key, (unit, title) in _DIFFERENCES.items()
               if any(key in row for row in rows.values())}  # fmt: skip
    return W.grid(W.told(NAME, "differences"), "Pair", rows, columns)


def sets_table(found: Results) -> Table:
    """Set-1 less set-2 of each model."""
    rows = {model.upper(): value for model, value in (found.get("sets") or {}).items()}
    columns = {"TRTS (points)": ("trts", "points"), "TSTR (points)": ("tstr", "points")}
    return W.grid(W.told(NAME, "sets"), "Model", rows, columns)


def losses_table(found: Results) -> Table:
    """Whether the losses of Fig. 3 converge, and validation follows training."""
    rows = {}
    for model, ends in (found.get("losses") or {}).items():
        training = found["models"].get(model, {}).get("training")
        for name, (words, _) in loss_words(training, list(ends)).items():
            values = {key: plain(value) for key, value in ends[name].items()}
            rows[f"{model.upper()}, {words}"] = values
    columns = {
        "Relative change": ("convergence", ""),
        "Training, last fifth": ("training", ""),
        "Validation, last fifth": ("validation", ""),
        "Correlation of the curves": ("correlation", ""),
    }
    return W.grid(W.told(NAME, "losses"), "Loss", rows, columns)


def in_short(results: Results) -> list[str]:
    """What an SVM learns from each model's rows, their FID, and lanes in trouble."""
    found = W.of_experiment(results, NAME)
    runs = {key: run["metrics"] for key, run in found["models"].items()}
    gaussian = (found.get("references") or {}).get("class_gaussian") or {}
    gaussian = Estimate.of(gaussian.get("fid_over_floor")).mean
    text = W.told(
        NAME,
        "in_short",
        corpus=W.corpus_name(results["source"]),
        tstr=means(runs, "tstr_set2"),
        ceilings=list(means(runs, "real_to_real").values()),
        fid=means(runs, "fid_over_floor"),
        gaussian=gaussian,
        chance=W.chance(results),
    )
    return [text, *troubles({m.upper(): run["lanes"] for m, run in found["models"].items()})]


def means(table: Mapping[str, Any], metric: str) -> dict[str, float]:
    """Per key of the table the mean of a metric, where there is one."""
    found = {key: Estimate.of(row.get(metric)).mean for key, row in table.items()}
    return {key: value for key, value in found.items() if value is not None}


def troubles(runs: Mapping[str, Sequence[Results]]) -> Iterator[str]:
    """Lanes that diverged or collapsed, of runs by their titles."""
    for title, lanes in runs.items():
        for status in ("diverged", "collapsed"):
            bad = [lane for lane in lanes if lane["status"] == status]
            if bad:
                names = "; ".join(f"seed {lane['seed']}, fold {lane['fold']}" for lane in bad)
                yield f"Note: {len(bad)} of {len(lanes)} lanes of {title} {status}: {names}."


def summary(results: Results) -> list[str]:
    """Tables 2 and 3 in short."""
    found = W.of_experiment(results, NAME)
    metrics = {key: run["metrics"] for key, run in found["models"].items()}
    head = f"Tables 2 and 3, {W.corpus_name(results['source'])} (UAR in %, chance "
    head += f"{percent(W.chance(results))}; \u00b1 half the 95 % interval):"
    rows = W.some(results, (found.get("references") or {}) | metrics)
    return W.in_terminal(head, rows, SHORT)
