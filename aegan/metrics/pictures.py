"""What pictures of synthetic rows beside real ones show: points in a plane, margins of columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.feature_selection import f_classif

from aegan.metrics.references import Rows

POINTS = 200  # of each class, real and synthetic
COLUMNS = 8
ALIKE = 0.8  # a column that correlates more with one before it shows nothing new
BINS = 24
_LOOKED_AT = 5000  # real rows that components and columns are chosen by
_ENDS = (1, 99)  # percentiles of real rows; the outermost bins hold what lies beyond


def pictures_of(
    names: Sequence[str], classes: Sequence[str], real: Rows, synthetic: Rows
) -> dict[str, Any]:
    """Points and margins, ready for JSON; of fewer than two columns that vary there are none.

    ``real`` (training rows) and ``synthetic`` are features in z and labels. "points" are class ->
    "real", "synthetic" -> "x", "y": as many of each, in the first two principal components of the
    real rows, of which "explained" says the shares of the variance. "columns" are the up to eight
    with the highest F of a one-way analysis of variance between the classes of the real rows, each
    correlating at most 0.8 with those before: "name", "f", "edges" of the bins in z, and "real",
    "synthetic" -> class -> share of its rows in each bin.
    """
    every = max(1, -(-len(real[1]) // _LOOKED_AT))
    rows, labels = (part[::every] for part in real)
    varied = np.flatnonzero(np.ptp(rows, axis=0) > 0)
    if len(varied) < 2 or len(rows) < 3 or len(np.unique(labels)) < 2:
        return {}
    plane = PCA(2, svd_solver="randomized", random_state=0).fit(rows)
    both = {"real": real, "synthetic": synthetic}
    members = {
        name: {who: np.flatnonzero(of == c) for who, (_, of) in both.items()}
        for c, name in enumerate(classes)
    }
    return {
        "explained": [round(float(share), 4) for share in plane.explained_variance_ratio_],
        "points": {name: _points(plane, both, of) for name, of in members.items()},
        "columns": [
            {"name": names[column], "f": round(f, 1)} | _margins(column, both, members)
            for column, f in telling(rows, labels, varied)
        ],
    }


def telling(rows: np.ndarray, labels: np.ndarray, varied: np.ndarray) -> list[tuple[int, float]]:
    """The columns that tell most of the class, of those that vary, with their F."""
    with np.errstate(divide="ignore", invalid="ignore"):  # classes without any variance
        scores = np.nan_to_num(f_classif(rows[:, varied], labels)[0], posinf=1e9)
    chosen: dict[int, float] = {}
    for place in np.argsort(-scores, kind="stable"):
        own = rows[:, varied[place]]
        if all(abs(np.corrcoef(own, rows[:, other])[0, 1]) <= ALIKE for other in chosen):
            chosen[int(varied[place])] = float(scores[place])
        if len(chosen) == COLUMNS:
            break
    return list(chosen.items())


def _points(plane: PCA, both: Mapping[str, Rows], members: Mapping[str, np.ndarray]) -> dict:
    """Real and synthetic rows of a class in the plane, equally many, evenly from the whole."""
    number, found = min(POINTS, *map(len, members.values())), {}
    for who, of in members.items():
        even = of[np.linspace(0, len(of) - 1, number).astype(int)] if number else of[:0]
        x, y = plane.transform(both[who][0][even]).T if number else np.empty((2, 0))
        found[who] = {"x": x.round(2).tolist(), "y": y.round(2).tolist()}
    return found


def _margins(column: int, both: Mapping[str, Rows], members: Mapping[str, Mapping]) -> dict:
    low, high = np.percentile(both["real"][0][:, column], _ENDS)
    edges = np.linspace(*(low, high) if low < high else (low - 0.5, low + 0.5), BINS + 1)
    found: dict[str, Any] = {"edges": edges.round(4).tolist()}
    for who, (rows, _) in both.items():
        values = np.clip(rows[:, column], edges[0], edges[-1])
        counts = {name: np.histogram(values[of[who]], edges)[0] for name, of in members.items()}
        found[who] = {name: (n / max(n.sum(), 1)).round(4).tolist() for name, n in counts.items()}
    return found
