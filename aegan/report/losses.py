"""The figure of the losses, and how each loss is called in it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from aegan.report.kit.figures import INK, Figure, grid, legend, panel
from aegan.report.kit.numbers import Results
from aegan.report.kit.templates import words

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")  # of losses that share a panel
# Runs whose results do not name their losses; adversaries share a panel.
_KNOWN = {
    "reconstruction": {},
    "feature_discriminator": {
        "title": "D2", "panel": "features", "panel_title": "D2 against the generator"
    },
    "generator_adversarial": {"title": "generator", "panel": "features"},
    "code_discriminator": {
        "title": "D1", "panel": "code", "panel_title": "D1 against the encoder"
    },
    "encoder_adversarial": {"title": "encoder", "panel": "code"},
    "information": {"panel_title": "Information (AUX)"},
}  # fmt: skip


def declared(losses: Iterable[Results] | None, names: Iterable[str]) -> dict[str, Results]:
    """The losses among ``names``, each with ``title``, ``panel`` and perhaps ``panel_title``.

    ``losses`` is what results.json says of them (``training.losses``: ``name``, ``title``, and
    ``panel`` and ``panel_title`` of those that share one), in the model's order; what it leaves
    out is that of the losses known by name, or the name itself.
    """
    said = {loss["name"]: loss for loss in losses or ()}
    order = [name for name in dict.fromkeys((*_KNOWN, *said, *names)) if name in names]
    return {
        name: {"title": name, "panel": name} | _KNOWN.get(name, {}) | said.get(name, {})
        for name in order
    }


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
    diverged = {
        (lane["seed"], lane["fold"]): lane["last_good_epoch"]
        for lane in results["lanes"]
        if lane["status"] == "diverged"
    }
    measured = table.drop(columns=["seed", "fold", "epoch", "split"]).dropna(axis=1, how="all")
    said = (results.get("training") or {}).get("losses")
    shared: dict[str, dict[str, Results]] = {}
    for column, loss in declared(said, list(measured)).items():
        shared.setdefault(loss["panel"], {})[column] = loss
    panels = []
    for key, parts in shared.items():
        first = next(iter(parts.values()))
        title = prefix + (
            first.get("panel_title") or first["title"][:1].upper() + first["title"][1:]
        )

        def draw(axes: Axes, parts: dict[str, Results] = parts, title: str = title) -> None:
            _curves(axes, table, {name: part["title"] for name, part in parts.items()}, diverged)
            axes.set_title(title)

        alt = f"{title}: losses over epochs, training and validation."
        panels.append(panel(f"{name}-{key}", alt, 2.9, draw))
    caption = words("run", "losses")
    return Figure(name, f"{prefix}Losses over the training", caption, tuple(panels), table)


def _curves(
    axes: Axes,
    table: pd.DataFrame,
    titles: dict[str, str],
    diverged: dict[tuple[int, int], int],
) -> None:
    """The losses of one panel (column and title), with the last good epoch of diverged lanes."""
    lanes = list(table.groupby(["seed", "fold"]).groups)
    steady = [lane for lane in lanes if lane not in diverged] or lanes
    limits: list[float] = []
    for (column, title), colour in zip(titles.items(), cycle(_COLOURS), strict=False):
        colour = colour if len(titles) > 1 else INK
        for split, dash, label in (("train", "-", "training"), ("valid", "--", "validation")):
            wide = loss_curves(table, column, split)
            for lane in wide.columns:
                curve = wide[lane].loc[: diverged.get(lane)].dropna()
                axes.plot(curve.index, curve, dash, color=colour, lw=0.6, alpha=0.35)
                if lane in diverged and len(curve):
                    axes.plot(curve.index[-1], curve.iloc[-1], "x", color=colour, ms=6)
            kept = wide[[lane for lane in wide.columns if lane in steady]]
            mean = kept.mean(axis=1).dropna()
            label = label if len(titles) == 1 else f"{title}, {label}"
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
    grid(axes, "y")
    legend(axes, fontsize=8, handlelength=2.6)
