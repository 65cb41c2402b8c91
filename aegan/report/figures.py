"""The figures of a run's report."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from aegan.report.panels import GREY, INK, Figure, class_style, panel
from aegan.report.tables import REFERENCES, Results, chance, main_rows, model_name, number

_DISCRIMINATOR, _GENERATOR = "#0072B2", "#D55E00"


_COMPARED = {
    "trts_set1": "Metric 1, TRTS set-1",
    "trts_set2": "Metric 1, TRTS set-2",
    "tstr_set1": "Metric 2, TSTR set-1",
    "tstr_set2": "Metric 2, TSTR set-2",
    "fid_over_floor": "FID above its floor",
    "variance_ratio": "Variance ratio",
}


def comparison(results: Results) -> Figure:
    """Dots and intervals of the model, the paper and the references."""
    rows = [row for row in main_rows(results) if row.label != "Real \u2192 real"]
    records = [
        {
            "metric": metric,
            "generator": row.label,
            "mean": row.cells[metric].mean,
            "ci95_low": row.cells[metric].low,
            "ci95_high": row.cells[metric].high,
        }
        for metric in _COMPARED
        for row in rows
    ]
    data = pd.DataFrame(records).astype({"mean": float, "ci95_low": float, "ci95_high": float})

    def draw(axes: Axes, metric: str) -> None:
        uar = metric in ("trts_set1", "trts_set2", "tstr_set1", "tstr_set2")
        unit = 100 if uar else 1
        target = None
        seen = []
        for i, row in enumerate(rows):
            c = row.cells[metric]
            if c.mean is None:
                continue
            strong = row.kind == "model"
            colour = INK if row.kind in ("model", "paper") else GREY
            x = c.mean * unit
            seen.append(x)
            if c.low is not None and c.high is not None:
                ends = [c.low * unit, c.high * unit]
                axes.plot(ends, [i, i], color=colour, lw=2.4 if strong else 1.4, zorder=2)
            shape = {"paper": "D", "model": "o"}.get(row.kind, "s")
            fill = colour if row.kind == "model" else "white"
            axes.plot(x, i, shape, color=colour, mfc=fill, ms=7 if strong else 5.5, zorder=3)
            target = x if row.kind == "real" else target
        if metric in ("variance_ratio", "fid_over_floor"):
            target = 1.0 if metric == "variance_ratio" else 0.0
        if target is not None:
            axes.axvline(target, color=GREY, lw=1, ls=":", zorder=1)
        ceiling = number((results["metrics"].get("real_to_real") or {}).get("mean"))
        if metric == "tstr_set2" and target is None and ceiling is not None:
            axes.axvline(ceiling * unit, color=GREY, lw=1, ls=":", zorder=1)
        axes.set_yticks(range(len(rows)), [row.label for row in rows])
        for label, row in zip(axes.get_yticklabels(), rows, strict=True):
            label.set_fontweight("bold" if row.kind == "model" else "normal")
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_title(_COMPARED[metric])
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        if uar:
            axes.set_xlim(0, 102)
            axes.axvline(100 * chance(results), color="#BBBBBB", lw=1, zorder=0)
            axes.set_xlabel("UAR (%)")
        elif metric == "variance_ratio":
            axes.set_xlim(left=-0.04 * max([*seen, 1.0]))
            axes.set_xlabel("variance within classes, real = 1")
        else:
            # Linear up to 1, then logarithmic: class means lie far away, and there are negatives.
            axes.set_xscale("symlog", linthresh=1, linscale=0.5)
            axes.set_xlim(min(-0.3, 1.6 * min(seen)), max(3.0, 1.6 * max(seen)))
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
            axes.set_xlabel("FID less floor, log scale above 1")
        axes.grid(axis="x", color="#EEEEEE", lw=0.8)
        axes.set_axisbelow(True)

    panels = []
    for metric, title in _COMPARED.items():
        if data.loc[data["metric"] == metric, "mean"].notna().any():
            alt = f"{title}: model, paper and references, mean and 95 % interval (data in the CSV)."
            panels.append(panel(f"comparison-{metric}", alt, 2.5, lambda a, m=metric: draw(a, m)))
    caption = (
        f"Filled dot: {model_name(results)}; diamond: the paper's printed figure; squares: real "
        "rows and generators that need no training; lines: 95 % intervals over folds. Dotted line: "
        "what real rows score, the value to come near to. Grey line: chance."
    )
    if any(row.kind == "paper" for row in rows):
        caption += " The paper prints neither a floor of its FID nor a variance ratio."
    return Figure("comparison", "Beside the paper and the references", caption, tuple(panels), data)


def variance(results: Results) -> Figure | None:
    """Variance ratio of each class, for the model and the references."""
    groups = results.get("per_class") or {}
    names = {"model": f"{model_name(results)}, this run", **REFERENCES}
    found = {key: groups[key]["variance_ratio"] for key in names if key in groups and key != "real"}
    classes = list(results["corpus"]["classes"])
    records = [
        {"generator": names[key], "class": name, "variance_ratio": number(values.get(name))}
        for key, values in found.items()
        for name in classes
    ]
    data = pd.DataFrame(records)
    if data.empty or data["variance_ratio"].notna().sum() == 0:
        return None
    style = class_style(classes)

    def draw(axes: Axes) -> None:
        for j, name in enumerate(classes):
            colour, marker = style[name]
            x = [number(values.get(name)) for values in found.values()]
            x = [np.nan if value is None else value for value in x]
            y = np.arange(len(found)) + 0.5 * (j / max(len(classes) - 1, 1) - 0.5)
            axes.plot(x, y, marker, color=colour, mec=INK, mew=0.5, ms=6, label=name)
        axes.axvline(1, color=GREY, lw=1, ls=":")
        axes.set_yticks(range(len(found)), [names[key] for key in found])
        axes.set_ylim(len(found) - 0.5, -0.5)
        axes.set_xlim(left=-0.02)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("variance within the class, real = 1")
        axes.grid(axis="x", color="#EEEEEE", lw=0.8)
        axes.set_axisbelow(True)
        columns = min(len(classes), 4)
        axes.figure.legend(
            *axes.get_legend_handles_labels(),
            loc="outside upper center",
            ncols=columns,
            handletextpad=0.1,
            columnspacing=1,
        )

    alt = "Variance ratio per class for the model and the trivial generators (data in the CSV)."
    height = 1.3 + 0.4 * len(found) + 0.2 * (len(classes) // 5)
    picture = panel("variance", alt, height, draw)
    caption = (
        "Each mark is a class. At the dotted line synthetic rows of a class vary as much as real "
        "ones; near 0 they are copies of one prototype."
    )
    return Figure("variance", "Variance within each class", caption, (picture,), data)


_MATRICES = {
    "trts_set1": "TRTS set-1",
    "trts_set2": "TRTS set-2",
    "tstr_set1": "TSTR set-1",
    "tstr_set2": "TSTR set-2",
    "real_to_real": "Real \u2192 real, set-2",
}


def confusion(results: Results) -> Figure | None:
    """Row-normalised confusion matrices of the model, and of real speech for comparison."""
    groups = results.get("confusion") or {}
    classes = list(results["corpus"]["classes"])
    found = {}
    for key in _MATRICES:
        for source in ("model", "real"):
            if key not in found and (groups.get(source) or {}).get(key) is not None:
                found[key] = np.asarray(groups[source][key], dtype=float)
    if not found:
        return None
    records, panels = [], []
    for key, counts in found.items():
        totals = counts.sum(axis=1, keepdims=True)
        shares = 100 * np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)
        records += [
            {"matrix": key, "true": t, "predicted": p, "rows": int(counts[i, j])}
            for i, t in enumerate(classes)
            for j, p in enumerate(classes)
        ]

        def draw(axes: Axes, key: str = key, shares: np.ndarray = shares) -> None:
            axes.imshow(shares, vmin=0, vmax=100, cmap="Blues", aspect="equal")
            size = 9 if len(classes) <= 5 else 7
            for (i, j), value in np.ndenumerate(shares):
                colour = "white" if value > 55 else INK
                text = f"{value:.0f}"
                axes.text(j, i, text, ha="center", va="center", color=colour, fontsize=size)
            rotation = 0 if len(classes) <= 4 else 45
            ends = "center" if rotation == 0 else "right"
            axes.set_xticks(range(len(classes)), classes, rotation=rotation, ha=ends)
            axes.set_yticks(range(len(classes)), classes)
            axes.tick_params(length=0)
            axes.spines[:].set_visible(False)
            axes.set_xlabel("predicted class")
            axes.set_ylabel("true class")
            axes.set_title(_MATRICES[key])

        alt = f"Confusion matrix, {_MATRICES[key]}, per cent of each true class (data in the CSV)."
        panels.append(panel(f"confusion-{key}", alt, 3.3, draw))
    caption = (
        "Per cent of each true class (a line adds up to 100), rows of all lanes together; the "
        "same shades in every matrix. TSTR set-2 should look like Real \u2192 real: the same "
        "confusions, not other ones."
    )
    return Figure(
        "confusion", "Who is taken for whom", caption, tuple(panels), pd.DataFrame(records)
    )


# Panels of Fig. 3, and the two adversaries in the code space. (column, words, colour)
LOSSES = {
    "reconstruction": (("reconstruction", "reconstruction", INK),),
    "features": (
        ("feature_discriminator", "D2", _DISCRIMINATOR),
        ("generator_adversarial", "generator", _GENERATOR),
    ),
    "code": (
        ("code_discriminator", "D1", _DISCRIMINATOR),
        ("encoder_adversarial", "encoder", _GENERATOR),
    ),
    "information": (("information", "information Q", INK),),
}
LOSS_TITLES = {
    "reconstruction": "Reconstruction",
    "features": "D2 against the generator",
    "code": "D1 against the encoder",
    "information": "Information (AUX)",
}


def loss_curves(table: pd.DataFrame, column: str, split: str) -> pd.DataFrame:
    """Epochs by lanes; epochs in which no lane computed the loss are left out.

    D2 learns only in some epochs: a line goes straight from one of them to the next.
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
    lanes = list(table.groupby(["seed", "fold"]).groups)
    steady = [lane for lane in lanes if lane not in ends] or lanes

    def draw(axes: Axes, parts: tuple[tuple[str, str, str], ...], title: str) -> None:
        limits: list[float] = []
        for column, words, colour in parts:
            for split, dash in (("train", "-"), ("valid", "--")):
                wide = loss_curves(table, column, split)
                for lane in wide.columns:
                    curve = wide[lane].loc[: ends.get(lane)].dropna()
                    axes.plot(curve.index, curve, dash, color=colour, lw=0.6, alpha=0.35)
                    if lane in ends and len(curve):
                        axes.plot(curve.index[-1], curve.iloc[-1], "x", color=colour, ms=6)
                kept = wide[[lane for lane in wide.columns if lane in steady]]
                mean = kept.mean(axis=1).dropna()
                label = "training" if split == "train" else "validation"
                label = label if len(parts) == 1 else f"{words}, {label}"
                mark = "." if len(mean) == 1 else ""
                axes.plot(mean.index, mean, dash, color=colour, lw=2, marker=mark, label=label)
                values = kept.to_numpy().ravel()
                limits += list(values[np.isfinite(values)])
        if limits:
            # The first epochs and a diverging lane must not flatten the rest.
            low, high = np.percentile(limits, [0, 99.5])
            pad = 0.06 * (high - low or abs(high) or 1)
            axes.set_ylim(low - pad, high + pad)
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_ylabel("mean loss per row")
        axes.set_title(title)
        axes.grid(axis="y", color="#EEEEEE", lw=0.8)
        axes.set_axisbelow(True)
        axes.figure.legend(
            *axes.get_legend_handles_labels(),
            loc="outside lower center",
            ncols=2,
            fontsize=8,
            handlelength=2.6,
        )

    panels = []
    for key, parts in LOSSES.items():
        present = tuple(part for part in parts if part[0] in table and table[part[0]].notna().any())
        if present:
            title = prefix + LOSS_TITLES[key]
            alt = f"{title}: losses over epochs, training and validation."
            panels.append(
                panel(f"{name}-{key}", alt, 2.9, lambda a, p=present, t=title: draw(a, p, t))
            )
    caption = (
        "The paper's Fig. 3. Thick: mean over lanes; thin: single lanes; solid: training part; "
        "dashed: validation part. Look for curves that flatten out, and for validation curves that "
        "stay beside the training ones. A cross ends a diverged lane, which is not in the mean."
    )
    return Figure(name, f"{prefix}Losses over the training", caption, tuple(panels), table)


def all_figures(results: dict[str, Any], table: pd.DataFrame) -> tuple[Figure, ...]:
    """Every figure that the results hold values for, in the order of the page."""
    found = (
        comparison(results),
        variance(results),
        confusion(results),
        losses(results, table),
    )
    return tuple(figure for figure in found if figure is not None and figure.panels)
