"""Tables 2 and 3, their differences, and Fig. 3."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from aegan.report.figures import loss_words, losses
from aegan.report.kit.documents import Section
from aegan.report.kit.figures import Figure
from aegan.report.kit.numbers import Estimate, Results, percent, plain, said
from aegan.report.kit.tables import Table, tabulate
from aegan.report.tables import (
    MAIN_COLUMNS,
    TITLES,
    UARS,
    Row,
    cells,
    paper_row,
    reference_rows,
)
from aegan.study.words import (
    chance,
    corpus_name,
    in_terminal,
    measured,
    of_experiment,
    pair_title,
    short,
    table_at,
    told,
)

NAME = "cross_validation"
# In the order in which the claims need them.
_PAIRS = ("m2-m1", "m1-m3", "m3-m1", "m3-m2", "m2-m3")
_DIFFERENCES = {
    **{key: ("points", TITLES[key].replace("(%)", "(points)")) for key in UARS},
    "fid": ("signed", "FID"),
    "fid_over_floor": ("signed", "FID above floor"),
    "variance_ratio": ("signed", "Variance ratio"),
}


def sections(results: Results, folder: Path | None) -> Iterator[Section]:
    found = of_experiment(results, NAME)
    paths = [f"{run['run']}/results.json" for run in found["models"].values() if run.get("run")]
    yield measured(
        results,
        "source",
        "Tables 2 and 3: cross-validation",
        models_table(results),
        differences_table(found),
        sets_table(found),
        told(NAME, "runs", paths=paths) if paths else None,
    )
    pictures = _figures(found, folder) if folder else ()
    title = "Fig. 3: losses over the training"
    yield measured(results, "source", title, *pictures, losses_table(found))


def _figures(found: Results, folder: Path) -> Iterator[Figure]:
    for place, (model, run) in enumerate(found["models"].items()):
        figure = losses(run, table_at(folder, run["run"], "losses.parquet"), model)
        if figure.panels:
            yield replace(figure, caption="As above.") if place else figure


def models_table(results: Results) -> Table:
    """Tables 2 and 3: every model beside its printed figures, then real rows and references."""
    found = of_experiment(results, NAME)
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
        told(NAME, "models", chance=chance(results)),
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
    differences = found["differences"]
    pairs = pairs_once(differences)
    columns = {"Pair": pair_title}
    for key, (unit, title) in _DIFFERENCES.items():
        if any(key in differences[pair] for pair in pairs):
            columns[title] = lambda pair, k=key, u=unit: said(differences[pair].get(k), u)
    return tabulate(told(NAME, "differences"), pairs, columns)


def sets_table(found: Results) -> Table:
    """Set-1 less set-2 of each model."""
    columns = {
        "Model": lambda item: item[0].upper(),
        "TRTS (points)": lambda item: said(item[1].get("trts"), "points"),
        "TSTR (points)": lambda item: said(item[1].get("tstr"), "points"),
    }
    return tabulate(told(NAME, "sets"), (found.get("sets") or {}).items(), columns)


def losses_table(found: Results) -> Table:
    """Whether the losses of Fig. 3 converge, and validation follows training."""
    rows = [
        (f"{model.upper()}, {words}", of_model[name])
        for model, of_model in (found.get("losses") or {}).items()
        for name, (words, _) in loss_words(_training(found, model), list(of_model)).items()
    ]
    columns = {
        "Loss": lambda item: item[0],
        "Relative change": lambda item: plain(item[1].get("convergence")),
        "Training, last fifth": lambda item: plain(item[1].get("training")),
        "Validation, last fifth": lambda item: plain(item[1].get("validation")),
        "Correlation of the curves": lambda item: plain(item[1].get("correlation")),
    }
    return tabulate(told(NAME, "losses"), rows, columns)


def _training(found: Results, model: str) -> Results | None:
    return found["models"].get(model, {}).get("training")


def in_short(results: Results) -> list[str]:
    """What an SVM learns from each model's rows, their FID, and lanes in trouble."""
    found = of_experiment(results, NAME)
    runs = {key: run["metrics"] for key, run in found["models"].items()}
    gaussian = means(
        {"": (found.get("references") or {}).get("class_gaussian") or {}}, "fid_over_floor"
    )
    text = told(
        NAME,
        "in_short",
        corpus=corpus_name(results["source"]),
        tstr=means(runs, "tstr_set2"),
        ceilings=list(means(runs, "real_to_real").values()),
        fid=means(runs, "fid_over_floor"),
        gaussian=list(gaussian.values()),
        chance=chance(results),
    )
    return [text, *_troubles(found)]


def means(table: Mapping[str, Any], metric: str) -> dict[str, float]:
    """Per key of the table the mean of a metric, where there is one."""
    found = {key: Estimate.of(row.get(metric)).mean for key, row in table.items()}
    return {key: value for key, value in found.items() if value is not None}


def _troubles(found: Results) -> Iterator[str]:
    """Lanes that diverged or collapsed."""
    for key, run in found["models"].items():
        for status in ("diverged", "collapsed"):
            lanes = [lane for lane in run["lanes"] if lane["status"] == status]
            if lanes:
                names = "; ".join(f"seed {lane['seed']}, fold {lane['fold']}" for lane in lanes)
                count = f"{len(lanes)} of {len(run['lanes'])} lanes"
                yield f"Note: {count} of {key.upper()} {status}: {names}."


def summary(results: Results) -> list[str]:
    """Tables 2 and 3 in short."""
    found = of_experiment(results, NAME)
    references = found.get("references") or {}
    rows = {key.upper(): run["metrics"] for key, run in found["models"].items()}
    names = {"real": "Real rows", "class_gaussian": "Gaussian", "class_mean": "Class mean"}
    rows |= {name: references[key] for key, name in names.items() if key in references}
    columns = {
        "": lambda item: item[0],
        "TRTS-2": lambda item: short(item[1].get("trts_set2"), "%"),
        "TSTR-2": lambda item: short(item[1].get("tstr_set2"), "%"),
        "FID-floor": lambda item: short(item[1].get("fid_over_floor"), "plain"),
        "var": lambda item: short(item[1].get("variance_ratio"), "plain"),
    }
    head = f"Tables 2 and 3, {corpus_name(results['source'])}"
    head += f" (UAR in %, chance {percent(chance(results))}; \u00b1 half the 95 % interval):"
    return in_terminal(head, tabulate("", rows.items(), columns))
