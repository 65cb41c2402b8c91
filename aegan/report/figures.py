"""The figures of a run's report."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from aegan.report import tables as T
from aegan.report.kit import figures as kit
from aegan.report.kit.documents import paragraphs, slug, words
from aegan.report.kit.figures import GREY, INK, PALE, Figure, panel
from aegan.report.kit.numbers import Estimate, Results, number

# Marker, colour, fill, size and width of the interval by the kind of a row.
_MARKS = {"model": ("o", INK, INK, 7, 2.4), "paper": ("D", INK, "white", 5.5, 1.4)}
_OTHERS = ("s", GREY, "white", 5.5, 1.4)

COMPARED = {key: f"Metric {1 + (key[:4] == 'tstr')}, {T.TITLES[key][:-4]}" for key in T.UARS}
COMPARED |= {"fid_over_floor": "FID above its floor", "variance_ratio": "Variance ratio"}
_MATRICES = {key: T.TITLES[key][:-4] for key in T.UARS} | {
    "real_to_real": "Real \u2192 real, set-2"
}
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")  # of losses that share a panel
_FILES = {"D2 against the generator": "features", "D1 against the encoder": "code"}
_FILES |= {"Information (AUX)": "information"}
# Words and panel of the losses of runs whose results do not say them.
_KNOWN = {
    "reconstruction": ("reconstruction", "Reconstruction"),
    "feature_discriminator": ("D2", "D2 against the generator"),
    "generator_adversarial": ("generator", "D2 against the generator"),
    "code_discriminator": ("D1", "D1 against the encoder"),
    "encoder_adversarial": ("encoder", "D1 against the encoder"),
    "information": ("information", "Information (AUX)"),
}


def comparison(results: Results) -> Figure:
    """Dots and intervals of the model, the paper and the references."""
    rows = [row for row in T.main_rows(results) if row.label != T.CEILING]
    data = pd.DataFrame(
        {
            "metric": metric,
            "generator": row.label,
            "mean": row.cells[metric].mean,
            "ci95_low": row.cells[metric].low,
            "ci95_high": row.cells[metric].high,
        }
        for metric in COMPARED
        for row in rows
    ).astype({"mean": float, "ci95_low": float, "ci95_high": float})
    panels = []
    for metric, title in ((m, COMPARED[m]) for m in T.measured(results, COMPARED)):
        if any(row.cells[metric].mean is not None for row in rows):
            file, alt = f"comparison-{metric}", words("run", "compared", title=title)
            panels.append(panel(file, alt, 2.5, dots, results, rows, metric))
    paper = any(row.kind == "paper" for row in rows)
    text = paragraphs("run", "comparison", model=T.model_name(results), paper=paper)
    return Figure("comparison", *text, tuple(panels), data)


def dots(axes: Axes, results: Results, rows: list[T.Row], metric: str) -> None:
    """One metric of all rows, with the value to come near to."""
    scale = 100 if T.unit(metric) == "%" else 1
    means = []
    for i, row in enumerate(rows):
        found = row.cells[metric]
        if found.mean is None:
            continue
        means.append(found.mean * scale)
        shape, colour, fill, size, width = _MARKS.get(row.kind, _OTHERS)
        if found.half_width is not None:
            ends = [found.low * scale, found.high * scale]
            axes.plot(ends, [i, i], color=colour, lw=width, zorder=2)
        axes.plot(means[-1], i, shape, color=colour, mfc=fill, ms=size, zorder=3)
    real = next((row.cells[metric].mean for row in rows if row.kind == "real"), None)
    if metric == "tstr_set2" and real is None:
        real = Estimate.of(results["metrics"].get("real_to_real")).mean
    target = {"variance_ratio": 1.0, "fid_over_floor": 0.0}.get(metric, real)
    if target is not None:
        axes.axvline(target * scale, color=GREY, lw=1, ls=":", zorder=1)
    axes.set_yticks(range(len(rows)), [kit.short(row.label, 22) for row in rows])
    axes.tick_params(axis="y", length=0)
    for label, row in zip(axes.get_yticklabels(), rows, strict=True):
        label.set_fontweight("bold" if row.kind == "model" else "normal")
    axes.set(ylim=(len(rows) - 0.4, -0.6), title=COMPARED[metric])
    axes.spines["left"].set_visible(False)
    if scale == 100:
        axes.set(xlim=(0, 102), xlabel="UAR (%)")
        axes.axvline(100 * T.chance(results), color=PALE, lw=1, zorder=0)
    elif metric == "variance_ratio":
        most = max([*means, 1.0])
        axes.set_xlim(-0.04 * most, 1.04 * most)
        axes.set_xlabel("variance within classes, real = 1")
    else:
        # Class means lie far away, and there are negatives.
        axes.set_xscale("symlog", linthresh=1, linscale=0.5)
        axes.set_xlim(min(-0.3, 1.6 * min(means)), max(3.0, 1.6 * max(means)))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.set_xlabel("FID less floor, log scale above 1")
    kit.grid(axes, "x")


def variance(results: Results) -> Figure | None:
    """Variance ratio of each class, for the model and the references."""
    groups = results.get("per_class") or {}
    names = {"model": f"{T.model_name(results)}, this run", **T.REFERENCES}
    classes = list(results["corpus"]["classes"])
    records = [
        (names[key], name, number(groups[key]["variance_ratio"].get(name)))
        for key in names
        if key in groups and key != "real"
        for name in classes
    ]
    data = pd.DataFrame(records, columns=["generator", "class", "variance_ratio"])
    data = data.astype({"variance_ratio": float})
    if data["variance_ratio"].notna().sum() == 0:
        return None
    generators = list(data["generator"].unique())

    def draw(axes: Axes) -> None:
        for j, (name, (colour, marker)) in enumerate(kit.class_style(classes).items()):
            x = data.loc[data["class"] == name, "variance_ratio"]
            y = np.arange(len(generators)) + 0.5 * (j / max(len(classes) - 1, 1) - 0.5)
            axes.plot(x, y, marker, color=colour, mec=INK, mew=0.5, ms=6, label=name)
        axes.axvline(1, color=GREY, lw=1, ls=":")
        axes.set_yticks(range(len(generators)), generators)
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(len(generators) - 0.5, -0.5)
        axes.set_xlim(left=-0.02)
        axes.set_xlabel("variance within the class, real = 1")
        kit.grid(axes, "x")
        columns = min(len(classes), 4)
        kit.legend(axes, columns, "upper center", handletextpad=0.1, columnspacing=1)

    alt = words("run", "varied")
    height = 1.3 + 0.4 * len(generators) + 0.2 * (len(classes) // 5)
    picture = panel("variance", alt, height, draw)
    return Figure("variance", *paragraphs("run", "variance"), (picture,), data)


def confusion(results: Results) -> Figure:
    """Row-normalised confusion matrices of the model, and of real speech for comparison."""
    groups = results.get("confusion") or {}
    classes = list(results["corpus"]["classes"])
    records, panels = [], []
    for key, title in _MATRICES.items():
        both = [(groups.get(source) or {}).get(key) for source in ("model", "real")]
        counts = next((np.asarray(found) for found in both if found is not None), None)
        if counts is None:
            continue
        records += [
            {"matrix": key, "true": classes[i], "predicted": classes[j], "rows": int(count)}
            for (i, j), count in np.ndenumerate(counts)
        ]
        file, alt = f"confusion-{key}", words("run", "matrix", title=title)
        panels.append(panel(file, alt, 3.3, _matrix, title, classes, counts))
    data = pd.DataFrame(records)
    return Figure("confusion", *paragraphs("run", "confusion"), tuple(panels), data)


def _matrix(axes: Axes, title: str, classes: list[str], counts: np.ndarray) -> None:
    """Per cent of each true class, a line."""
    shares = 100 * (counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))
    axes.imshow(shares, vmin=0, vmax=100, cmap="Blues", aspect="equal")
    size = 9 if len(classes) <= 5 else 7
    for (i, j), value in np.ndenumerate(shares):
        colour = "white" if value > 55 else INK
        axes.text(j, i, f"{value:.0f}", ha="center", va="center", color=colour, fontsize=size)
    names = list(map(kit.short, classes))
    room = len(classes) * max(map(len, names)) <= 40
    turned = {} if room else {"rotation": 45, "ha": "right"}
    axes.set_xticks(range(len(names)), names, **turned)
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set(title=title, xlabel="predicted class", ylabel="true class")


def loss_words(training: Results | None, names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """How each loss of ``names`` is called, and the title of its panel.

    As ``losses`` of results.json's ``training`` say (``name``, ``words``, ``panel``); one that
    nobody names is called by its column.
    """
    said = (training or {}).get("losses") or ()
    found = _KNOWN | {loss["name"]: (loss["words"], loss["panel"]) for loss in said}
    found |= {name: (name, name) for name in names if name not in found}
    return {name: called for name, called in found.items() if name in names}


def loss_curves(table: pd.DataFrame, column: str, split: str) -> pd.DataFrame:
    """Epochs by lanes; epochs in which no lane computed the loss are left out.

    A loss of some epochs only (that of D2) goes straight from one of them to the next.
    """
    rows = table[table["split"] == split]
    wide = rows.pivot(index="epoch", columns=["seed", "fold"], values=column).sort_index()
    return wide.replace([np.inf, -np.inf], np.nan).dropna(how="all")


def losses(results: Results, table: pd.DataFrame, model: str = "") -> Figure:
    """Loss curves as in the paper's Fig. 3, of every lane and their mean.

    ``model`` (``"m1"``) tells the figures of several models apart.
    """
    name = f"losses-{model}" if model else "losses"
    prefix = f"{model.upper()}: " if model else ""
    ends = {
        (lane["seed"], lane["fold"]): lane["last_good_epoch"]
        for lane in results["lanes"]
        if lane["status"] == "diverged"
    }
    measured = table.drop(columns=["seed", "fold", "epoch", "split"]).dropna(axis=1, how="all")
    shared: dict[str, dict[str, str]] = {}
    for column, (title, where) in loss_words(results.get("training"), list(measured)).items():
        shared.setdefault(where, {})[column] = title
    panels = []
    for where, titles in shared.items():
        file, title = f"{name}-{_FILES.get(where, slug(where))}", prefix + where
        alt = f"{title}: losses over epochs, training and validation."
        panels.append(panel(file, alt, 2.9, _curves, title, table, titles, ends))
    text = paragraphs("run", "losses", prefix=prefix)
    return Figure(name, *text, tuple(panels), table)


def _curves(axes: Axes, title: str, table: pd.DataFrame, names: dict[str, str], ends: dict) -> None:
    """The losses of one panel by column, with the last good epoch of diverged lanes."""
    limits: list[float] = []
    for (column, name), colour in zip(names.items(), cycle(_COLOURS), strict=False):
        style = {"color": colour if len(names) > 1 else INK}
        for split, dash, label in (("train", "-", "training"), ("valid", "--", "validation")):
            wide = loss_curves(table, column, split)
            for lane in wide.columns:
                curve = wide[lane].loc[: ends.get(lane)].dropna()
                axes.plot(curve.index, curve, dash, lw=0.6, alpha=0.35, **style)
                if lane in ends and len(curve):
                    axes.plot(curve.index[-1], curve.iloc[-1], "x", ms=6, **style)
            steady = wide[[lane for lane in wide.columns if lane not in ends] or wide.columns]
            mean = steady.mean(axis=1).dropna()
            label = label if len(names) == 1 else f"{name}, {label}"
            mark = "." if len(mean) == 1 else ""
            if len(mean):
                axes.plot(mean.index, mean, dash, lw=2, marker=mark, label=label, **style)
            limits.extend(steady.to_numpy()[steady.notna().to_numpy()])
    if limits:
        # The first epochs and a diverging lane must not flatten the rest.
        low, high = np.percentile(limits, [0, 99.5])
        pad = 0.06 * (high - low or abs(high) or 1)
        axes.set_ylim(low - pad, high + pad)
    axes.set(title=title, xlabel="epoch", ylabel="mean loss per row")
    axes.xaxis.get_major_locator().set_params(integer=True)
    kit.grid(axes, "y")
    kit.legend(axes, fontsize=8, handlelength=2.6)
