"""The tables of a study's report, as strings; UAR and shares in %, their differences in points."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from aegan.report.detail_tables import settings_table
from aegan.report.paper import cross_corpus_figures
from aegan.report.study.words import (
    MODELS,
    SETS,
    chance,
    drawn_over,
    experiment,
    method_title,
    pair_title,
    parts,
    said,
)
from aegan.report.tables import (
    DASH,
    MAIN_COLUMNS,
    REFERENCES,
    TITLES,
    UARS,
    Results,
    Row,
    Table,
    cells,
    number,
    paper_row,
    percent,
    plain,
    reference_rows,
    strings,
)

BADGES = {"holds": "holds", "does not hold": "fails", "undecided": "open"}


def claims_table(claims: Sequence[Results]) -> Table:
    """Every claim in a line."""
    caption = (
        "The paper's claims beside what this study finds. A claim counts for what the paper says, "
        "not for a merit of a model. Its parts, each with its figure, stand below."
    )
    lines = []
    for claim in claims:
        words = [part["verdict"] for part in claim["parts"] if part["deciding"]]
        parts = " / ".join(str(words.count(word)) for word in BADGES)
        lines.append(
            (f"{claim['number']}. {claim['where']}", claim["verdict"], claim["claim"], parts)
        )
    header = ("Claim", "Verdict", "What the paper says", "Parts: hold / not / open")
    return Table(caption, header, tuple(lines), text_columns=(1, 2), badges=BADGES)


def parts_table(claim: Results) -> Table:
    """What a claim's verdict comes from."""
    beside = any(not part["deciding"] for part in claim["parts"])
    caption = f"{claim['claim']} How this study differs: {claim['differs']}"
    if beside:
        caption += " Parts in brackets stand beside the claim and do not count."
    lines = []
    for part in claim["parts"]:
        words = (
            part["what"][:1].upper() + part["what"][1:],
            _with_unit(part),
            part["condition"],
            part["verdict"],
        )
        lines.append(words if part["deciding"] else (f"({words[0]})", *words[1:]))
    header = ("Part", "Figure", "Holds if", "Verdict")
    return Table(caption, header, tuple(lines), text_columns=(2, 3), badges=BADGES)


def _with_unit(part: Results) -> str:
    unit = part["unit"]
    if not part.get("measured", True):
        return "not measured"
    text = said(part["value"], unit)
    mean, bracket, interval = text.partition(" [")
    if unit not in ("%", "points") or text == DASH:
        return text
    return f"{mean} {unit}{bracket}{interval}"


def models_table(results: Results) -> Table:
    """Tables 2 and 3: every model beside its printed figures, then real rows and references."""
    found = experiment(results, "cross_validation")
    rows: list[tuple[Row, str]] = []
    for model, run in found["models"].items():
        word = (run.get("verdict") or {}).get("word") or DASH
        rows.append((Row("model", f"{MODELS[model]}, this study", cells(run["metrics"])), word))
        if run.get("paper"):
            rows.append((paper_row(f"{MODELS[model]}, paper, IEMOCAP", run["paper"]), DASH))
    metrics = next(iter(found["models"].values()))["metrics"]
    rows += [(row, DASH) for row in reference_rows(metrics, found.get("references") or {})]
    lines = tuple((*strings(row, MAIN_COLUMNS), word) for row, word in rows)
    caption = (
        "Tables 2 and 3. Mean over folds, 95 % interval in brackets; below each model what the "
        "paper prints on IEMOCAP. See how far each model stands from \u201cReal rows of "
        "set-1\u201d, which is what a faithful generator would score: more TRTS than that means "
        "prototypes. \u201cReal \u2192 real\u201d is the ceiling of TSTR on set-2 and the floor of "
        "FID; of FIDs only those above their floor compare across corpora. Chance is "
        f"{percent(chance(results))} %."
    )
    header = ("Generator", *(TITLES[column] for column in MAIN_COLUMNS), "Verdict on the rows")
    marked = tuple(i for i, (row, _) in enumerate(rows) if row.kind == "model")
    return Table(caption, header, lines, marked=marked, text_columns=(len(header) - 1,))


_PAIRS = ("m2-m1", "m1-m3", "m3-m1", "m3-m2", "m2-m3")
_DIFFERENCES = {
    **{key: ("points", TITLES[key].replace("(%)", "(points)")) for key in UARS},
    "fid": ("signed", "FID"),
    "fid_over_floor": ("signed", "FID above floor"),
    "variance_ratio": ("signed", "Variance ratio"),
}


def _pairs(found: Mapping[str, Any]) -> list[str]:
    """Each pair of models once, in the order in which the claims need them."""
    kept: list[str] = []
    for pair in _PAIRS:
        turned = "-".join(reversed(pair.split("-")))
        if pair in found and turned not in kept:
            kept.append(pair)
    return kept


def differences_table(results: Results) -> Table:
    """Paired differences between the models of Tables 2 and 3."""
    found = experiment(results, "cross_validation")["differences"]
    pairs = _pairs(found)
    columns = [key for key in _DIFFERENCES if any(key in found[pair] for pair in pairs)]
    lines = tuple(
        (pair_title(pair), *(said(found[pair].get(key), _DIFFERENCES[key][0]) for key in columns))
        for pair in pairs
    )
    caption = (
        "Differences between models, paired by fold with the seeds averaged. Intervals are those "
        "of the corrected t, wider for the training rows that folds share: an interval that holds "
        "0 leaves the order open. UAR in points."
    )
    return Table(caption, ("Pair", *(_DIFFERENCES[key][1] for key in columns)), lines)


def sets_table(results: Results) -> Table:
    """Set-1 less set-2 of each model."""
    found = experiment(results, "cross_validation").get("sets") or {}
    lines = tuple(
        (MODELS[model], said(values.get("trts"), "points"), said(values.get("tstr"), "points"))
        for model, values in found.items()
    )
    caption = (
        "Set-1 less set-2, paired by fold. Of TSTR: how much of the figure belongs to the speakers "
        "that the model has seen. Of TRTS not that alone: on set-2 the SVM also learns from far "
        "fewer rows."
    )
    return Table(caption, ("Model", "TRTS (points)", "TSTR (points)"), lines)


LOSSES = {
    "reconstruction": "reconstruction",
    "feature_discriminator": "D2",
    "generator_adversarial": "generator",
    "code_discriminator": "D1",
    "encoder_adversarial": "encoder",
    "information": "information",
}


def losses_table(results: Results) -> Table:
    """Whether the losses of Fig. 3 converge, and validation follows training."""
    found = experiment(results, "cross_validation").get("losses") or {}
    lines = []
    for model, losses in found.items():
        for name in sorted(losses, key=[*LOSSES, *losses].index):
            loss = losses[name]
            keys = ("convergence", "training", "validation", "correlation")
            values = (plain(loss.get(key)) for key in keys)
            lines.append((f"{MODELS[model]}, {LOSSES.get(name, name)}", *values))
    caption = (
        "Ends of the losses, mean over lanes. Relative change from the last fifth but one of the "
        "epochs to the last: near 0 the loss has converged. Correlation: 1 where validation takes "
        "the course of training; a validation loss that ends far above training means that the "
        "model knows its speakers better than others."
    )
    header = ("Loss", "Relative change", "Training, last fifth", "Validation, last fifth")
    return Table(caption, (*header, "Correlation of the curves"), tuple(lines))


def support_table(results: Results) -> Table:
    """Share of rows off the support of set-1, Fig. 4."""
    found = experiment(results, "embedding")
    names = {"real_set2": "Real rows of set-2", **MODELS, **REFERENCES}
    lines = tuple(
        (names.get(key, key), said(value, "%")) for key, value in found["off_support"].items()
    )
    differences = found.get("off_support_differences") or {}
    lines += tuple(
        (f"{pair_title(pair)} (points)", said(differences[pair], "points"))
        for pair in (*_pairs(differences), *(f"{model}-real_set2" for model in MODELS))
        if pair in differences
    )
    caption = (
        "Rows farther from their nearest row of set-1 than 95 % of set-1's rows are from theirs, "
        "by fold in the feature space. Real rows of unseen speakers show what to expect; a share "
        "near 0 means rows in the middle of the data, not better ones."
    )
    marked = tuple(i for i, key in enumerate(found["off_support"]) if key in MODELS)
    return Table(caption, ("Rows", "Off the support (%)"), lines, marked=marked)


def mixing_table(results: Results) -> Table:
    """Mixing of the models and clusters of the classes in the embedding, Fig. 4."""
    found = experiment(results, "embedding")
    lines = [
        (f"Silhouette of the classes, {MODELS.get(key, 'real rows')}", plain(value))
        for key, value in (found.get("silhouette") or {}).items()
    ]
    lines += [
        (f"Mixing of {' and '.join(MODELS[m] for m in pair.split('-'))}", plain(value))
        for pair, value in (found.get("mixing") or {}).items()
    ]
    caption = (
        f"Measures of the embedding above ({found['method']}, perplexity {found['perplexity']:g}, "
        f"fold {found['fold']}). Silhouette: 1 = tight, separate classes, 0 = classes that lie in "
        "one another. Mixing: 1 = the rows of two models lie in one another, 0 = apart. One "
        "embedding has no interval, and distances in it mean little."
    )
    return Table(caption, ("Measure", "Value"), tuple(lines))


def codes_table(results: Results) -> Table:
    """How far the codes look like the prior, Fig. 5."""
    found = experiment(results, "codes")
    columns = (
        ("own_component", "%", "Nearest to their own component (%)"),
        ("spread", "ratio", "Width over the prior's"),
        ("distance", "ratio", "Distance of classes over the prior's"),
    )
    names = SETS | {key: f"{title}'s rows" for key, title in MODELS.items()}
    rows = [key for key in names if any(key in found.get(name, {}) for name, _, _ in columns)]
    lines = [
        (names[key], *(said(found.get(name, {}).get(key), unit) for name, unit, _ in columns))
        for key in rows
    ]
    differences = found.get("differences") or {}
    pairs = dict.fromkeys(pair for name, _, _ in columns for pair in differences.get(name, {}))
    for pair in pairs:
        values = (
            said(differences.get(name, {}).get(pair), "points" if unit == "%" else "signed")
            for name, unit, _ in columns
        )
        lines.append(
            (pair_title(pair).capitalize() if pair[0] == "v" else pair_title(pair), *values)
        )
    own = number((found.get("prior") or {}).get("own_component"))
    share = "" if own is None else f"{percent(own)} in the first column and "
    caption = (
        "Codes by M1's encoder over all folds, 95 % intervals; each class has a component of the "
        f"prior. The prior's own points would have {share}1 in the columns of width and distance. "
        "Less width than 1 means that a class fills only a part of its component. Differences of "
        "the first column are in points."
    )
    return Table(caption, ("Codes", *(title for _, _, title in columns)), tuple(lines))


def codes_svm_table(results: Results) -> Table:
    """Section 4.2: what an SVM loses by reading codes instead of features."""
    found = experiment(results, "codes")["svm"]
    lines = [("Raw features", said(found["raw"], "%"), DASH)]
    differences = found.get("differences") or {}
    lines += [
        (f"Codes of {MODELS[model]}", said(value, "%"), said(differences.get(model), "points"))
        for model, value in found["codes"].items()
    ]
    caption = (
        "UAR on set-2 of an SVM that learns from set-1. The paper says that the codes lose only "
        "\u201ca couple of percentage points\u201d; differences are paired by fold. Chance is "
        f"{percent(chance(results))} %."
    )
    header = ("SVM on", "UAR on set-2 (%)", "Codes less raw (points)")
    return Table(caption, header, tuple(lines))


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


def _by_percent(
    percents: Sequence[float], value: Callable[[float], Results | None], unit: str
) -> tuple[str, ...]:
    return tuple(said(value(percent_), unit) for percent_ in percents)


def _cell(found: Results, mode: str, method: str, size: int, percent_: float) -> Results | None:
    for item in found["cells"]:
        if (item["mode"], item["method"], item["percent"]) == (mode, method, percent_):
            if method == "none" or item["n"] == size:
                return item
    return None


def _header(first: str, percents: Sequence[float]) -> tuple[str, ...]:
    return (first, *(f"P = {percent_:g} %" for percent_ in percents))


def lines_of(found: Results) -> list[tuple[str, str, int]]:
    """(mode, method, N) of every curve that the study has, in a fixed order.

    At P = 100 % both modes are one; a curve that is only there in one of them is left out.
    """
    percents: dict[tuple[str, str, int], set[float]] = {}
    for item in found["cells"]:
        size = 0 if item["method"] == "none" else item["n"]
        percents.setdefault((item["mode"], item["method"], size), set()).add(item["percent"])
    seen = [curve for curve, at in percents.items() if not _whole_only(found, at)]
    order = ("none", *MODELS, "class_gaussian", "oversampling", "smote", "jitter")
    ranks = {method: i for i, method in enumerate(order)}
    return sorted(seen, key=lambda c: (c[0] != "paper", ranks.get(c[1], len(ranks)), c[1], c[2]))


def _whole_only(found: Results, percents: Collection[float]) -> bool:
    return set(percents) == {100} and len(found["percents"]) > 1


def _mode_title(mode: str) -> str:
    return {"paper": "as the paper", "honest": "honest"}.get(mode, mode)


def accuracy_table(found: Results, what: str, measure: str) -> Table:
    """UAR or accuracy of every curve, Fig. 6; ``what``: of which corpus."""
    percents = found["percents"]
    lines = []
    for mode, method, size in lines_of(found):
        values = _by_percent(
            percents,
            lambda p, c=(mode, method, size): (_cell(found, *c, p) or {}).get(measure),
            "%",
        )
        lines.append((f"{method_title(method, size)} ({_mode_title(mode)})", *values))
    name = {"uar": "UAR", "accuracy": "Accuracy, weighted by the classes' rows,"}[measure]
    caption = (
        f"{name} in % {what}, by the share P of the source that the classifier sees. As the "
        "paper: the generator saw all rows that the P % are drawn from; honest: generator and "
        "classifier see the same P %. At P = 100 % both are one."
    )
    return Table(caption, _header("Added to the real rows", percents), tuple(lines))


def gain_table(found: Results, what: str, every: bool = False) -> Table:
    """What added rows bring over the same classifier without them.

    Without ``every`` only M1, and the others at the largest number of rows.
    """
    percents = found["percents"]
    lines = []
    largest = max(found["sizes"])
    for mode, method, size in lines_of(found):
        if not (every or method == "m1" or size == largest):
            continue
        items = [_cell(found, mode, method, size, p) for p in percents]
        if method != "none" and any(item and item.get("gain") for item in items):
            values = (said((item or {}).get("gain"), "points") for item in items)
            lines.append((f"{method_title(method, size)} ({_mode_title(mode)})", *values))
    caption = (
        f"Gain in points of UAR over no added rows, {what}, paired by draw and tested speaker. An "
        "interval above 0 means that the added rows help. The gain that is left in the honest "
        "mode is what a generator brings when there is really little data."
    )
    return Table(caption, _header("Added to the real rows", percents), tuple(lines))


def comparison_table(found: Results, every: bool = False) -> Table:
    """Differences between numbers of rows, models and baselines, Fig. 6.

    Without ``every`` two methods are compared at the largest number of rows only.
    """
    percents = found["percents"]
    kept: dict[tuple, dict[float, Results]] = {}
    for item in found.get("comparisons") or ():
        key = (item["mode"], tuple(item["first"]), tuple(item["second"]))
        (method, size), (other, _) = key[1:]
        if not (every or method == other or size == max(found["sizes"])):
            continue
        kept.setdefault(key, {})[item["percent"]] = item["difference"]
    lines = []
    for (mode, first, second), values in sorted(
        kept.items(), key=lambda pair: pair[0][0] != "paper"
    ):
        if _whole_only(found, values):
            continue
        title = f"{_sides(first, second)} ({_mode_title(mode)})"
        lines.append((title, *_by_percent(percents, values.get, "points")))
    caption = (
        "Differences in points of UAR, paired by draw and tested speaker: numbers of M1's rows "
        "among each other, the three models at the largest number, M1 against what needs no "
        "generator. An interval that holds 0 leaves the order open."
    )
    return Table(caption, _header("First less second", percents), tuple(lines))


def _sides(first: tuple[str, int], second: tuple[str, int]) -> str:
    (method, size), (other, less) = first, second
    if method == other:
        return f"{method_title(method)}, {size} less {less} rows"
    if size == less:
        return f"{method_title(method)} less {method_title(other)}, {size} rows"
    return f"{method_title(method, size)} less {method_title(other, less)}"


def toy_table(results: Results) -> Table:
    """Fig. 1 in figures."""
    found = experiment(results, "toy")
    names = {
        "overlap": ("Points in a wrong cluster (%)", "%", "points"),
        "spread": ("Width of the clusters, target = 1", "ratio", "signed"),
        "flatness": ("Minor over major axis, 1 = round", "ratio", "signed"),
        "modes": ("Clusters found, of 4", "plain", "signed"),
    }
    ideal = found.get("target") or {}
    lines = tuple(
        (
            title,
            said(ideal.get(key), unit),
            said(found[key].get("gan"), unit),
            said(found[key].get("infogan"), unit),
            said(found[key].get("difference"), change),
        )
        for key, (title, unit, change) in names.items()
        if key in found
    )
    seeds = len({row["seed"] for row in found.get("per_seed") or ()})
    caption = (
        f"Over {seeds} seeds, 95 % intervals; differences are paired by seed. The paper says that "
        "the InfoGAN's clusters do not overlap and lie along lines. \u201cTarget\u201d is what "
        "points of the target itself score."
    )
    header = ("Measure", "Target", "GAN", "InfoGAN", "InfoGAN less GAN")
    return Table(caption, header, lines)


def definitions_table(found: Results) -> Table | None:
    """What the measures of an experiment are."""
    words = found.get("definitions") or {}
    lines = tuple((name.replace("_", " "), str(text)) for name, text in words.items())
    caption = "What is measured."
    return Table(caption, ("Measure", "Definition"), lines, text_columns=(1,)) if lines else None


def corpora_table(results: Results) -> Table:
    """The corpora: counts, licence, hashes."""

    def text(corpus: Results, key: str) -> str:
        value = corpus.get(key)
        if key == "classes":
            return ", ".join(f"{name} {count}" for name, count in value.items())
        if key == "simulated":
            return "simulated, not speech" if value else "real speech features"
        return DASH if value in (None, "") else str(value)

    names = {
        "name": "Name",
        "simulated": "Kind",
        "rows": "Rows",
        "features": "Features",
        "classes": "Rows of each class",
        "speakers": "Speakers",
        "sessions": "Sessions",
        "licence": "Licence",
        "feature_set": "Feature set",
        "feature_hash": "Hash of the features' names",
        "hash": "Hash of the content",
    }
    corpora = parts(results)
    lines = tuple(
        (title, *(text(corpus, key) for corpus in corpora.values())) for key, title in names.items()
    )
    caption = "The corpora. The paper's are IEMOCAP (source) and MSP-IMPROV (target)."
    if "target" not in corpora:
        caption = "The corpus, without a target. The paper's source is IEMOCAP."
    header = ("", *(part.capitalize() for part in corpora))
    return Table(caption, header, lines, text_columns=tuple(range(1, len(header))))


def machine_table(results: Results) -> Table:
    """What the study ran on and how long it took."""
    timing = results.get("timing") or {}
    values = {
        "config hash": results.get("config_hash"),
        "device": results.get("device") or {},
        "versions": results.get("versions") or {},
        "time": {
            name: plain(timing[key])
            for key, name in (
                ("wall_s", "of the last sitting (s)"),
                ("task_seconds", "of all tasks together (s)"),
            )
            if number(timing.get(key)) is not None
        }
        | {key: timing[key] for key in ("tasks", "processes") if timing.get(key) is not None},
    }
    kept = {key: value for key, value in values.items() if value}
    return settings_table("Machine, versions and time of this study.", kept)


def config_table(results: Results) -> Table:
    return settings_table("The whole config.", results.get("config") or {})
