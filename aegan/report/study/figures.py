"""The figures of a study's report: Figs. 1, 4, 5 and 6 of the paper (Fig. 3 is that of a run)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Circle

from aegan.report.kit.figures import GREY, INK, Figure, Panel, class_style, panel
from aegan.report.kit.numbers import Estimate, Results
from aegan.report.study.words import MODELS, classes, drawn_over, experiment, method_title

MODEL_STYLE = {"m1": ("#0072B2", "o"), "m2": ("#D55E00", "s"), "m3": ("#000000", "^")}
_REAL = "#BBBBBB"
_CLUSTERS = ("#0072B2", "#D55E00", "#000000", "#9970AB")  # of the toy: no emotions
_MARKERS = ("o", "s", "^", "D")
_SLICES = 8  # of a scatter plot: no group hides another


def _scatter(
    axes: Axes, points: pd.DataFrame, column: str, style: Mapping[object, tuple[str, str]]
) -> None:
    """The groups of ``column`` in turn, a slice of each at a time; the legend names each once."""
    groups = {name: points[points[column] == name] for name in style}
    groups = {name: rows for name, rows in groups.items() if len(rows)}
    for i in range(_SLICES):
        for name, rows in groups.items():
            colour, marker = style[name]
            part = rows.iloc[i::_SLICES]
            axes.plot(part["x"], part["y"], marker, color=colour, ms=2.6, mew=0, alpha=0.65)
    for name in groups:
        colour, marker = style[name]
        axes.plot([], [], marker, color=colour, ms=6, mew=0, label=str(name))


def _legend(axes: Axes, columns: int) -> None:
    axes.figure.legend(
        *axes.get_legend_handles_labels(),
        loc="outside lower center",
        ncols=columns,
        fontsize=8,
        handletextpad=0.3,
        columnspacing=1,
    )


def _columns(names: Sequence[str]) -> int:
    """Columns of a legend whose names have to stand in a panel's width."""
    fit = max(1, 46 // (max(map(len, names)) + 3))
    return -(-len(names) // -(-len(names) // fit))


Limits = tuple[tuple[float, float], tuple[float, float]]


def _limits(points: pd.DataFrame, pad: float = 0.04) -> Limits:
    """A square that holds all finite points."""
    found = []
    for name in ("x", "y"):
        values = points[name].to_numpy(float)
        values = values[np.isfinite(values)]
        # Of a model that diverged there may be none.
        found.append((values.min(), values.max()) if len(values) else (-1.0, 1.0))
    reach = max(high - low for low, high in found) * (0.5 + pad) or 1.0
    return tuple(((low + high) / 2 - reach, (low + high) / 2 + reach) for low, high in found)


def _plane(axes: Axes, limits: Limits, title: str, labels: tuple[str, str]) -> None:
    axes.set_xlim(*limits[0])
    axes.set_ylim(*limits[1])
    axes.set_aspect("equal")
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    axes.set_title(title)


# --- Fig. 1 --------------------------------------------------------------------------------------
_TOY = {
    "source": "(a) Source",
    "target": "(b) Target",
    "gan": "(c) Vanilla GAN",
    "infogan": "(d) InfoGAN",
}


def toy(points: pd.DataFrame) -> Figure:
    """Fig. 1: points (panel, x, y, cluster) of one seed."""
    style = {
        k: (_CLUSTERS[k % len(_CLUSTERS)], _MARKERS[k % len(_MARKERS)])
        for k in sorted(points["cluster"].unique())
    }
    limits = _limits(points[points["panel"] != "source"])
    panels = []
    for name, title in _TOY.items():
        rows = points[points["panel"] == name]
        if rows.empty:
            continue

        def draw(
            axes: Axes, rows: pd.DataFrame = rows, name: str = name, title: str = title
        ) -> None:
            if name == "source":
                axes.plot(rows["x"], rows["y"], "o", color=GREY, ms=2.6, mew=0, alpha=0.65)
            else:
                _scatter(axes, rows, "cluster", style)
            _plane(axes, limits, title, ("x (no unit)", "y (no unit)"))

        panels.append(panel(f"fig1-{name}", f"{title[4:]}: points in the plane.", 3.3, draw))
    caption = (
        "The paper's Fig. 1, the first seed, all panels to one scale. Both GANs turn the source "
        "into the target. Look for bridges of points between clusters, which the paper sees in "
        "(c), and for clusters drawn out to lines, which it sees in (d). In (b) colours are the "
        "components, in (c) and (d) the clusters of a mixture fitted without labels."
    )
    return Figure("fig1", "Fig. 1: GAN and InfoGAN", caption, tuple(panels), points)


# --- Fig. 4 --------------------------------------------------------------------------------------
def embedding(results: Results, points: pd.DataFrame) -> tuple[Figure, Figure]:
    """Fig. 4a and b: points (x, y, source, class) of the embedding."""
    found = experiment(results, "embedding")
    limits = _limits(points)
    labels = ("t-SNE 1 (no unit)", "t-SNE 2 (no unit)")
    style = class_style(classes(results))
    sources = [name for name in ("real", *MODELS) if (points["source"] == name).any()]
    names = {"real": "real rows"} | {key: f"rows of {title}" for key, title in MODELS.items()}

    panels = []
    for model in (name for name in sources if name in MODELS):

        def draw(axes: Axes, model: str = model) -> None:
            # Real rows below: what has none under it lies off their support.
            real = points[points["source"] == "real"]
            axes.plot(real["x"], real["y"], "o", color=_REAL, ms=2.6, mew=0, alpha=0.8)
            axes.plot([], [], "o", color=_REAL, ms=6, mew=0, label="real rows")
            rows = points[points["source"] == model].replace({"source": {model: names[model]}})
            _scatter(axes, rows, "source", {names[model]: MODEL_STYLE[model]})
            _plane(axes, limits, f"Real rows and {MODELS[model]}", labels)
            _legend(axes, 2)

        alt = f"Embedding of real rows and of the rows of {MODELS[model]}."
        panels.append(panel(f"fig4a-{model}", alt, 3.7, draw))
    method = f"{found['method']}, perplexity {found['perplexity']:g}, fold {found['fold']}"
    caption = (
        f"The paper's Fig. 4 (a); one embedding of all rows together ({method}), to one scale. "
        "Look for coloured points without grey ones beneath (rows where no real row lies), and "
        "whether M1 and M2 cover the same ground."
    )
    by_source = Figure(
        "fig4a", "Fig. 4 (a): models on the real rows", caption, tuple(panels), points
    )

    panels = []
    for name in sources:

        def draw_classes(axes: Axes, name: str = name) -> None:
            _scatter(axes, points[points["source"] == name], "class", style)
            _plane(axes, limits, f"{names[name][:1].upper()}{names[name][1:]} by class", labels)
            _legend(axes, _columns(list(style)))

        alt = f"Embedding of {names[name].lower()}, coloured by class."
        panels.append(panel(f"fig4b-{name}", alt, 3.7, draw_classes))
    caption = (
        "The paper's Fig. 4 (b): the same points by class. Separate islands of one colour are "
        "what the paper sees for M3; real classes lie in one another."
    )
    by_class = Figure(
        "fig4b", "Fig. 4 (b): the classes of each model", caption, tuple(panels), points
    )
    return by_source, by_class


# --- Fig. 5 --------------------------------------------------------------------------------------
_CODES = {
    "train": "(a) Training part",
    "valid": "(b) Validation part",
    "m1": "(c) Rows of M1",
    "m2": "(d) Rows of M2",
    "m3": "(e) Rows of M3",
}


def codes(results: Results, points: pd.DataFrame) -> Figure:
    """Fig. 5: codes (x, y, source, class) by M1's encoder, over the prior's components."""
    found = experiment(results, "codes")
    style = class_style(classes(results))
    means, spread = np.asarray(found["prior"]["means"], float), float(found["prior"]["spread"])
    circles = pd.DataFrame(
        np.concatenate([means - 2 * spread, means + 2 * spread]), columns=["x", "y"]
    )
    bulk = points[["x", "y"]].quantile([0.005, 0.995])  # strays must not shrink the rest
    limits = _limits(pd.concat([circles, bulk]))
    panels = []
    for name, title in _CODES.items():
        rows = points[points["source"] == name]
        if rows.empty:
            continue

        def draw(axes: Axes, rows: pd.DataFrame = rows, title: str = title) -> None:
            _scatter(axes, rows, "class", style)
            colours = [style[label][0] for label in style]
            for k, mean in enumerate(means):
                colour = colours[k % len(colours)] if len(means) == len(colours) else INK
                for reach in (1, 2):
                    # A line of ink inside the class's colour is seen on its own points too.
                    for width, edge in ((3.2, colour), (0.9, INK)):
                        axes.add_patch(
                            Circle(mean, reach * spread, fill=False, ec=edge, lw=width, zorder=4)
                        )
            _plane(axes, limits, title, ("code 1 (no unit)", "code 2 (no unit)"))
            _legend(axes, _columns(list(style)))

        alt = f"{title[4:]}: two-dimensional codes by class, with the prior's components."
        panels.append(panel(f"fig5-{name}", alt, 3.7, draw))
    caption = (
        f"The paper's Fig. 5, codes by M1's encoder, fold {found['fold']}, to one scale. Circles: "
        "one and two standard deviations of the prior's components, each in the colour of its "
        "class. See whether a colour fills its circles (like the prior), is drawn to a point in "
        "them (a subset), or strays to others."
    )
    return Figure("fig5", "Fig. 5: codes by the encoder of M1", caption, tuple(panels), points)


# --- Fig. 6 --------------------------------------------------------------------------------------
_BASELINES = {
    "class_gaussian": ("#009E73", "D", (0, (5, 1.5))),
    "oversampling": ("#E69F00", "v", (0, (3, 1, 1, 1))),
    "smote": ("#CC79A7", "P", (0, (1, 1))),
    "jitter": ("#56B4E9", "X", (0, (4, 1, 1, 1, 1, 1))),
}
_GAINS = {
    "paper": ("#0072B2", "o", "-", "as the paper"),
    "honest": ("#009E73", "D", (0, (5, 1.5)), "honest"),
}
Curve = tuple[str, int]  # method, number of rows


def low_resource(results: Results, scope: str) -> Figure:
    """Fig. 6 on one corpus: UAR over P with 95 % bands."""
    found = experiment(results, "low_resource")["scopes"][scope]
    data = _cells_frame(found)
    sizes = sorted(found["sizes"])
    largest = sizes[-1]
    blues = [mpl.colors.to_hex(mpl.colormaps["Blues"](v)) for v in np.linspace(0.45, 1, len(sizes))]
    size_style = {
        ("m1", size): (blues[i], ("v", "s", "o", "D", "^")[i % 5], "-")
        for i, size in enumerate(sizes)
    }
    none = {("none", 0): (GREY, "X", (0, (4, 2)))}
    by_size = none | size_style
    by_model = none | {(key, largest): (*MODEL_STYLE[key], "-") for key in MODELS}
    by_baseline = (
        none
        | {("m1", largest): (*MODEL_STYLE["m1"], "-")}
        | {(key, largest): style for key, style in _BASELINES.items()}
    )
    wanted = (
        ("a-paper", "(a) M1 by N, as the paper", "paper", by_size),
        ("a-honest", "(a) M1 by N, honest", "honest", by_size),
        ("b", f"(b) Models, N = {largest}, as the paper", "paper", by_model),
        ("c", f"(c) M1 and baselines, N = {largest}, honest", "honest", by_baseline),
    )
    limits = _uar_limits(data)
    panels = []
    for key, title, mode, style in wanted:
        curves = {curve: _curve(data, mode, *curve) for curve in style}
        curves = {curve: rows for curve, rows in curves.items() if len(rows)}
        if len(curves) < 2:
            continue

        def draw(
            axes: Axes,
            curves: dict[Curve, pd.DataFrame] = curves,
            style: dict = style,
            title: str = title,
        ) -> None:
            for (method, size), rows in curves.items():
                colour, marker, dash = style[method, size]
                label = method_title(method) if len({c[1] for c in curves}) == 2 else None
                label = label or (f"N = {size}" if size else method_title(method))
                x = rows["percent"]
                if method not in _BASELINES:
                    low, high = (100 * rows[f"uar_{end}"] for end in ("low", "high"))
                    axes.fill_between(x, low, high, color=colour, alpha=0.13, lw=0)
                axes.plot(
                    x, 100 * rows["uar"], marker=marker, ls=dash, color=colour, lw=1.6, ms=5,
                    label=label,
                )  # fmt: skip
            axes.set_ylim(*limits)
            axes.set_ylabel("UAR (%)")
            _over_percents(axes, found["percents"], title)

        alt = f"{title}: UAR over the share of real rows, with 95 % bands (data in the CSV)."
        height = 3.0 + 0.18 * ((len(curves) + 1) // 2 - 2)
        panels.append(panel(f"fig6-{scope}-{key}", alt, height, draw))
    panels += _gain_panels(found, data, scope)
    where = {
        "target": "the target corpus, as in the paper",
        "source": "held-out speakers of the source, which the paper does not show",
    }[scope]
    whole = {"target": "the whole source", "source": "the whole training part of the fold"}[scope]
    caption = (
        f"The paper's Fig. 6, tested on {where}; {found['replicates']} draws together, bands are "
        f"95 % intervals (not of the baselines). As the paper: the generator saw {whole} even "
        "where the classifier sees P % of it; honest: the generator saw the same P % only. "
        "In (a) to (c), to one scale, the curves of a panel share draws and speakers and so most "
        "of their bands; (d) has the paired difference to no added rows: see whether it lies "
        "above 0, whether most at small P, and how much of it is left in the honest mode. In (c) "
        f"see whether M1 beats what needs no generator. Intervals are over {drawn_over(results)}."
    )
    title = f"Fig. 6: few real rows, {'target' if scope == 'target' else 'source'} corpus"
    return Figure(f"fig6-{scope}", title, caption, tuple(panels), data)


def _cells_frame(found: Results) -> pd.DataFrame:
    """Every cell with mean and ends of its interval; fractions."""
    records = [
        {
            "mode": item["mode"],
            "method": item["method"],
            "percent": item["percent"],
            "rows": item["n"],
            **{
                f"{name}{end}": value
                for name in ("uar", "accuracy", "gain")
                for end, value in zip(("", "_low", "_high"), _ends(item.get(name)), strict=True)
            },
        }
        for item in found["cells"]
    ]
    data = pd.DataFrame(records)
    for name in ("uar", "accuracy", "gain"):
        data = data.astype({f"{name}{end}": float for end in ("", "_low", "_high")})
    return data.astype({"percent": float})


def _gain_panels(found: Results, data: pd.DataFrame, scope: str) -> list[Panel]:
    """The gain of M1's largest number of rows in both modes; none if there is no gain."""
    largest = max(found["sizes"])
    gains = {
        mode: rows[rows["gain"].notna()]
        for mode in ("paper", "honest")
        if (rows := _curve(data, mode, "m1", largest))["gain"].notna().any()
    }
    if not gains:
        return []

    def draw(axes: Axes) -> None:
        for mode, rows in gains.items():
            colour, marker, dash, label = _GAINS[mode]
            x, low, high = rows["percent"], 100 * rows["gain_low"], 100 * rows["gain_high"]
            axes.fill_between(x, low, high, color=colour, alpha=0.13, lw=0)
            axes.plot(
                x, 100 * rows["gain"], marker=marker, ls=dash, color=colour, lw=1.6, ms=5,
                label=label,
            )  # fmt: skip
        axes.axhline(0, color=GREY, lw=1)
        axes.set_ylabel("gain (points of UAR)")
        _over_percents(axes, found["percents"], f"(d) Gain of M1, N = {largest}")

    alt = "Gain of M1's rows over no added rows, both modes, with 95 % bands (data in the CSV)."
    return [panel(f"fig6-{scope}-d", alt, 3.0, draw)]


def _over_percents(axes: Axes, percents: Sequence[float], title: str) -> None:
    axes.set_xticks(sorted(percents))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlabel("real rows seen by the classifier, P (%)")
    axes.set_title(title)
    axes.grid(axis="y", color="#EEEEEE", lw=0.8)
    axes.set_axisbelow(True)
    axes.figure.legend(
        *axes.get_legend_handles_labels(),
        loc="outside lower center",
        ncols=2,
        fontsize=8,
        handlelength=3.2,
    )


def _ends(estimate: Results | None) -> tuple[float | None, float | None, float | None]:
    found = Estimate.of(estimate)
    return found.mean, found.low, found.high


def _curve(data: pd.DataFrame, mode: str, method: str, size: int) -> pd.DataFrame:
    rows = data[(data["mode"] == mode) & (data["method"] == method)]
    if method != "none":
        rows = rows[rows["rows"] == size]
    return rows[rows["uar"].notna()].sort_values("percent")


def _uar_limits(data: pd.DataFrame) -> tuple[float, float]:
    values = 100 * data[["uar", "uar_low", "uar_high"]].to_numpy()
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0, 100.0
    low, high = values.min(), values.max()
    pad = 0.05 * (high - low) or 1.0
    return max(0.0, low - pad), min(100.0, high + pad)
