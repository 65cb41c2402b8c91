"""The tables of the generators on their own corpus, and of the toy; UAR and shares in %."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aegan.report.kit.numbers import DASH, Results, number, percent, plain
from aegan.report.kit.tables import Table
from aegan.report.study.words import (
    MODELS,
    SETS,
    chance,
    experiment,
    pair_title,
    said,
)
from aegan.report.tables import (
    MAIN_COLUMNS,
    REFERENCES,
    TITLES,
    UARS,
    Row,
    cells,
    paper_row,
    reference_rows,
)


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
    lines = tuple((row.label, *map(row.said, MAIN_COLUMNS), word) for row, word in rows)
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
    return Table(caption, header, lines, marked=marked, words=(len(header) - 1,))


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
