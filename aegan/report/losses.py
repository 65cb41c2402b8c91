"""The figure of the losses, and how each loss is called in it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from aegan.report.kit.documents import slug, words
from aegan.report.kit.figures import INK, Figure, grid, legend, panel
from aegan.report.kit.numbers import Results

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")  # of losses that share a panel
_FILES = {"D2 against the generator": "features", "D1 against the encoder": "code"}
_FILES["Information (AUX)"] = "information"
# Words and panel of the losses of runs whose results do not say them.
_KNOWN = {
    "reconstruction": ("reconstruction", "Reconstruction"),
    "feature_discriminator": ("D2", "D2 against the generator"),
    "generator_adversarial": ("generator", "D2 against the generator"),
    "code_discriminator": ("D1", "D1 against the encoder"),
    "encoder_adversarial": ("encoder", "D1 against the encoder"),
    "information": ("information", "Information (AUX)"),
}


def loss_words(training: Results | None, names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """How each loss of ``names`` is called, and the title of the panel that it stands in.

    ``training`` is that of results.json, whose ``losses`` say it (``name``, ``words``, ``panel``)
    in the model's order; a loss that nobody names is called by its column.
    """
    said = {loss["name"]: loss for loss in (training or {}).get("losses") or ()}
    found = _KNOWN | {name: (loss["words"], loss["panel"]) for name, loss in said.items()}
    return {
        name: found.get(name, (name, name)) for name in dict.fromkeys((*found, *names))
        if name in names
    }  # fmt: skip


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
    caption = words("run", "losses")
    return Figure(name, f"{prefix}Losses over the training", caption, tuple(panels), table)


def _curves(
    axes: Axes,
    title: str,
    table: pd.DataFrame,
    names: dict[str, str],
    ends: dict[tuple[int, int], int],
) -> None:
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
            axes.plot(mean.index, mean, dash, lw=2, marker=mark, label=label, **style)
            limits.extend(steady.to_numpy()[steady.notna().to_numpy()])
    if limits:
        # The first epochs and a diverging lane must not flatten the rest.
        low, high = np.percentile(limits, [0, 99.5])
        pad = 0.06 * (high - low or abs(high) or 1)
        axes.set_ylim(low - pad, high + pad)
    axes.set(title=title, xlabel="epoch", ylabel="mean loss per row")
    axes.xaxis.get_major_locator().set_params(integer=True)
    grid(axes, "y")
    legend(axes, fontsize=8, handlelength=2.6)
