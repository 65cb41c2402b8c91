"""The tables of a run's report."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd

from aegan.report.kit.documents import Fact, paragraphs, words
from aegan.report.kit.numbers import UNITS, Estimate, Results, number, percent, plain, said
from aegan.report.kit.tables import Table, tabulate, to_text
from aegan.system.screen import WIDTH

ALL_ROWS = (
    "Nothing was held out: the generators saw every row, and no figure says how theirs serve on "
    "other speakers."
)
QUICK = "Quick variant: it shows the way; its figures mean nothing, whatever the corpus."
SIMULATED = "Simulated corpus: these figures say nothing about real speech."
REFERENCES = {
    "real": "Real rows of set-1",
    "class_mean": "Class mean",
    "class_gaussian": "Class Gaussian",
    "smote": "SMOTE",
    "jitter": "Jitter",
    "oversampling": "Oversampling",
    "new_speakers": "New speakers",
}
UARS = ("trts_set1", "trts_set2", "tstr_set1", "tstr_set2")
TITLES = {key: f"{key[:4].upper()} set-{key[-1]} (%)" for key in UARS} | {
    "real_to_real": "Real \u2192 real (%)",
    "fid": "FID",
    "fid_real": "FID floor",
    "fid_over_floor": "FID above floor",
    "variance_ratio": "Variance ratio",
    "nn_distance": "Nearest-row distance",
    "copies": "Copies (%)",
    "interpolated": "Interpolated (%)",
}
MAIN_COLUMNS = (*UARS, "fid", "fid_over_floor", "variance_ratio", "nn_distance", "copies")
MAIN_COLUMNS += ("interpolated",)
CEILING, PAPER = "Real \u2192 real", "Paper, IEMOCAP"
_FACTS = ("fact_use", "fact_variety", "fact_copies", "fact_classes", "fact_distance")
_CLASSIFIERS = {"svm": "SVM", "logistic": "Logistic regression"}
_CLASSIFIERS |= {"forest": "Random forest", "mlp": "The paper's net"}
_VERDICT = "Verdict by the same rule"
# Of the same table in a terminal.
SHORT = {key: f"{key[:4].upper()}-{key[-1]}" for key in UARS}
SHORT |= {"fid": "FID", "fid_over_floor": "-floor", "variance_ratio": "var"}
SHORT_LABELS = {REFERENCES["real"]: "Real rows", "Class Gaussian": "Gaussian", PAPER: "Paper"}


@dataclass(frozen=True)
class Row:
    """A line of the main table; ``kind``: model, paper, real or trivial."""

    kind: str
    label: str
    cells: dict[str, Estimate]

    def said(self, metric: str) -> str:
        """A cell; figures of the paper as it prints them."""
        found = self.cells[metric]
        if self.kind == "paper" and found.mean is not None:
            return f"{found.mean * (100 if unit(metric) == '%' else 1):.2f}"
        return found.said(unit(metric))

    def short(self, metric: str, half_widths: bool) -> tuple[str, str]:
        """A cell of a terminal in two parts, to line up: 88.4, 1 or ±2.1."""
        found, uar = self.cells[metric], metric in UARS
        if self.kind == "paper":
            text = self.said(metric)
            return (text[:-1], text[-1]) if uar and found.mean is not None else (text, "")
        text, half_width = found.short(unit(metric))
        return text, half_width if uar and half_widths else ""


def quick_banner(results: Results) -> list[str]:
    """The banner over what a quick variant found."""
    return [QUICK] if results.get("variant") == "quick" else []


def leak_banner(leaks: Sequence[str]) -> list[str]:
    """The banner over figures that leaks, in words, may have made too good."""
    return [words("run", "leaks", leaks=leaks)] if leaks else []


def banners(results: Results) -> list[str]:
    """What to know before any figure."""
    corpus = results["corpus"]
    found = quick_banner(results) + [SIMULATED] * bool(corpus["simulated"])
    found += [] if holds_out(results) else [ALL_ROWS]
    return found + leak_banner([leak["words"] for leak in corpus.get("leaks") or ()])


def holds_out(results: Results) -> bool:
    """Whether there is a set-2."""
    return any(fold["valid_rows"] for fold in results["folds"])


def measured(results: Results, names: Iterable[str]) -> list[str]:
    """Those of these metrics that the run has."""
    return [n for n in names if holds_out(results) or n not in ("trts_set2", "tstr_set2")]


def model_name(results: Results) -> str:
    return str(results["model"]).upper()


def chance(results: Results) -> float:
    return 1 / len(results["corpus"]["classes"])


def unit(metric: str) -> str:
    """UAR and shares are printed in per cent, everything else as it is."""
    return "%" if "%" in TITLES[metric] else "plain"


def main_rows(results: Results) -> list[Row]:
    """The main table as data."""
    metrics, paper = results["metrics"], results.get("paper")
    rows = [Row("model", f"{model_name(results)}, this run", cells(metrics))]
    if paper:
        rows.append(paper_row(PAPER, paper))
    return rows + reference_rows(metrics, results.get("references") or {})


def cells(summaries: Results) -> dict[str, Estimate]:
    return {key: Estimate.of(summaries.get(key)) for key in MAIN_COLUMNS}


def paper_row(label: str, paper: Results) -> Row:
    """The paper's printed figures, keys as in ``MAIN_COLUMNS``."""
    return Row("paper", label, {key: Estimate(number(paper.get(key))) for key in MAIN_COLUMNS})


def reference_rows(metrics: Results, references: Results) -> list[Row]:
    """Real rows, ceiling and floor (of ``metrics``, any model's), trivial generators."""
    rows = [
        Row("real" if key == "real" else "trivial", label, cells(references[key]))
        for key, label in REFERENCES.items()
        if key in references
    ]
    bounds = {"tstr_set2": metrics.get("real_to_real"), "fid": metrics.get("fid_real")}
    rows.insert("real" in references, Row("real", CEILING, cells(bounds)))
    return rows


def main_table(results: Results) -> Table:
    """The model beside the paper, real speech and the trivial generators."""
    verdict = results.get("verdict") or {}
    verdicts = {REFERENCES[k]: word for k, word in (verdict.get("references") or {}).items()}
    rows = main_rows(results)
    columns = {"Generator": lambda row: row.label}
    if verdicts:
        verdicts[rows[0].label] = verdict.get("word")
        columns[_VERDICT] = lambda row: verdicts.get(row.label)
    for metric in measured(results, MAIN_COLUMNS):
        columns[TITLES[metric]] = lambda row, metric=metric: row.said(metric)
    caption = words("run", "generators", model=model_name(results), chance=chance(results))
    return tabulate(caption, rows, columns, words=(_VERDICT,), marked=lambda row: row is rows[0])


def facts(results: Results) -> tuple[Fact, ...]:
    """The main figures as answers to what a newcomer asks; those that were measured."""
    real = (results.get("references") or {}).get("real") or {}
    means = (results.get("references") or {}).get("class_mean") or {}
    known = {"metrics": results["metrics"], "real": real, "means": means}
    found = (paragraphs("run", name, chance=chance(results), **known) for name in _FACTS)
    return tuple(Fact(*texts) for texts in found if texts)


def use_table(results: Results) -> Table | None:
    """TSTR on set-2 by every classifier, and real and synthetic rows together."""
    use = results.get("use") or {}
    if not use or not holds_out(results):
        return None
    first = _CLASSIFIERS[results["svm"]["protocol"]["classifiers"][0]]
    groups = {"model": f"{model_name(results)}, this run", **REFERENCES}
    columns: dict[str, Callable[[str], Any]] = {"Generator": groups.get}
    for name, found in use["uar"].items():
        title = _CLASSIFIERS.get(name, f"With real rows, {first}")
        columns[f"{title} (%)"] = lambda key, found=found: said(found.get(key), "%")
        less = use["less"][name]
        columns[f"{title}: {model_name(results)} less this (points)"] = lambda key, less=less: said(
            less.get(key), "points"
        )
    keys = [key for key in groups if key in use["uar"]["svm"]]
    caption = words("run", "use", model=model_name(results))
    return tabulate(caption, keys, columns, marked=lambda key: key == "model")


def _use_lines(results: Results) -> list[str]:
    """The differences of ``use_table`` for a terminal."""
    less = (results.get("use") or {}).get("less") or {}
    told = {
        key: "; ".join(
            f"{SHORT_LABELS.get(label, label)} {said(less[key][name], 'points')}"
            for name, label in REFERENCES.items()
            if number((less.get(key, {}).get(name) or {}).get("mean")) is not None
        )
        for key in ("svm", "augmented")
    }
    lines = [f"TSTR-2 less that of, in points: {told['svm']}."] if told["svm"] else []
    if told["augmented"]:
        gain = said(less["augmented"]["real"], "points")
        lines.append(f"Real and synthetic rows together less real rows alone, in points: {gain}.")
    return [part for line in lines for part in textwrap.wrap(line, WIDTH)]


def _short_table(rows: Sequence[Row], half_widths: bool, metrics: Sequence[str]) -> Table:
    columns = [[SHORT_LABELS.get(row.label, row.label[:20]) for row in rows]]
    for metric in metrics:
        parts = [row.short(metric, half_widths) for row in rows]
        width = max(len(tail) for _, tail in parts)
        columns.append([text + tail.ljust(width) for text, tail in parts])
    return Table("", ("", *map(SHORT.get, metrics)), tuple(zip(*columns, strict=True)))


def text_table(results: Results) -> str:
    """The main table for a terminal: at most 80 columns, half-widths of the 95 % intervals.

    Below it the verdict. UAR in per cent.
    """
    rows = main_rows(results)
    for half_widths in (True, False):
        lines = to_text(_short_table(rows, half_widths, measured(results, SHORT)))
        if max(map(len, lines)) <= WIDTH:
            break
    lines.insert(1, "-" * max(map(len, lines)))
    note = words("run", "terminal", chance=chance(results), paper=results.get("paper"))
    lines += textwrap.wrap(note, WIDTH)
    lines += [*_use_lines(results), ""]
    verdict = results.get("verdict") or {}
    short = f"Verdict: {verdict.get('word') or 'none'}"
    if verdict.get("reasons"):
        short += f" ({'; '.join(map(str, verdict['reasons']))})"
    for text in (short, *banners(results)):
        lines += textwrap.wrap(text, WIDTH)
    return "\n".join(lines)


def by_fold(results: Results, values: Sequence[Any]) -> dict[int, float]:
    """Values of the lanes, averaged over the seeds of each fold; NaN for none."""
    folds = [lane["fold"] for lane in results["lanes"]]
    return pd.Series(map(number, values), dtype=float).groupby(folds).mean().to_dict()


def fold_table(results: Results) -> Table:
    """Every fold with its held-out speakers and its figures."""
    columns = {
        "Fold": lambda fold: fold["fold"],
        "Split": lambda fold: fold.get("split", 0),
        "Held-out speakers": lambda fold: ", ".join(map(str, fold["held_out"])) or fold.get("name"),
        "Set-1 rows": lambda fold: fold["train_rows"],
        "Set-2 rows": lambda fold: fold["valid_rows"],
    }
    if not any(fold.get("split") for fold in results["folds"]):
        del columns["Split"]
    for metric in measured(results, (*UARS, "real_to_real", "fid", "fid_real", "variance_ratio")):
        if metric in results["metrics"]:
            values = by_fold(results, results["metrics"][metric]["per_lane"])
            shown = partial(_cell, values, unit(metric))
            columns[TITLES[metric]] = lambda fold, shown=shown: shown(fold["fold"])
    caption = words("run", "folds")
    return tabulate(caption, results["folds"], columns, words=("Held-out speakers",))


def lane_table(results: Results) -> Table:
    """Every lane (one seed on one fold): how its training ended."""
    columns = {
        "Lane": lambda lane: f"seed {lane['seed']}, fold {lane['fold']}",
        "Status": lambda lane: lane["status"],
        "Good epochs": lambda lane: f"{lane['last_good_epoch']} of {lane['epochs']}",
        "Convergence": lambda lane: plain(lane.get("convergence")),
        "Variance check": lambda lane: plain(lane.get("variance_ratio_check")),
        "Classes missing": lambda lane: ", ".join(map(str, lane.get("classes_missing") or ())),
        "Detail": lambda lane: lane.get("detail"),
    }
    return tabulate(
        words("run", "lanes"),
        results["lanes"],
        columns,
        words=("Status", "Classes missing", "Detail"),
        marked=lambda lane: lane["status"] != "ok",
    )


def class_table(results: Results) -> Table | None:
    """Variance ratio and recall of each class, for the model and for real speech."""
    groups = results.get("per_class") or {}
    names = {"model": model_name(results), **REFERENCES}
    columns: dict[str, Callable[[str], str]] = {}
    for measure, title, unit_, keys in (
        ("variance_ratio", "Variance ratio", "plain", [key for key in names if key != "real"]),
        ("trts_set2_recall", "Recall TRTS set-2 (%)", "%", ["model", "real"]),
        ("tstr_set2_recall", "Recall TSTR set-2 (%)", "%", ["model", "real"]),
    ):
        for key in keys:
            values = groups.get(key, {}).get(measure) or {}
            if any(value is not None for value in values.values()):
                columns[f"{title}, {names[key]}"] = partial(_cell, values, unit_)
    if not columns:
        return None
    classes = results["corpus"]["classes"]
    return tabulate(words("run", "classes"), classes, {"Class": str, **columns})


def _cell(values: Results, unit_: str, key: Any) -> str:
    return UNITS[unit_](values.get(key))


def svm_table(results: Results) -> Table | None:
    """The C that the search chose, per training set and fold."""
    names = {"set1": "Real set-1", "set2": "Real set-2", "synthetic": model_name(results)}
    names |= REFERENCES
    folds, lanes = ([item["fold"] for item in results[key]] for key in ("folds", "lanes"))

    def of_fold(values: Sequence[Any], fold: int) -> str:
        places = folds if len(values) == len(folds) else lanes
        found = (c for place, c in zip(places, values, strict=False) if place == fold)
        texts = (f"{c:g}".replace("e-0", "e-") for c in found if number(c) is not None)
        return ", ".join(dict.fromkeys(texts))

    chosen = (results.get("svm") or {}).get("chosen_c") or {}
    columns = {names.get(key, key): partial(of_fold, values) for key, values in chosen.items()}
    return tabulate(words("run", "svm"), folds, {"Fold": str, **columns}) if chosen else None


def settings_table(caption: str, value: Results) -> Table:
    """Nested settings by their dotted names."""
    columns = {"Setting": lambda item: item[0], "Value": lambda item: item[1]}
    return tabulate(caption, flat(value), columns, words=("Value",))


def flat(value: Any, prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Nested settings as pairs of a dotted name and a value."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flat(inner, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(value, (list, tuple)):
        yield prefix, ", ".join("null" if item is None else str(item) for item in value)
    else:
        yield prefix, value


def plausibility_table(results: Results) -> Table:
    """How often real and synthetic rows break what holds for every recording."""
    columns = {
        "Rule": lambda rule: rule["rule"],
        "Checks a row": lambda rule: rule["checks"],
        "Real rows that break it (%)": lambda rule: percent(rule["real_rows"]),
        "Synthetic rows (%)": lambda rule: percent(rule["synthetic_rows"]),
        "Synthetic checks (%)": lambda rule: percent(rule["synthetic_checks"]),
    }
    by_speaker = results["corpus"].get("statistics") == "speaker"
    caption = words("run", "plausibility", by_speaker=by_speaker)
    return tabulate(caption, results.get("plausibility") or (), columns)
