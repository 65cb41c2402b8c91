"""Measures a feature table's second-order structure for the simulated corpus.

    python tests/structure.py nemo.parquet > aegan/data/structure.json

What the numbers mean stands in ``aegan/data/simulate.py``. Columns are first moved to normal
scores, as the simulated ones are before they get their margins. A row of the table can't be told
from them: they are variances, their shares and medians over columns.
"""

from __future__ import annotations

import json
import sys

import numpy as np
from scipy import stats

from aegan.data.corpus import read_corpus
from aegan.speakers.effects import estimate

EDGES = [0, 2, 4, 8, 16, 32, 64, 128, 256]
FEW = 0.2  # fewer values than this share of the rows: a grid
HEAP = 0.05  # a larger share of the rows with one value: a point mass
HIGH, MIDDLE = stats.norm.ppf([0.98, 0.75])  # quantiles that tell a margin's shape


def structure(features: np.ndarray, labels: np.ndarray, speakers: np.ndarray) -> dict:
    """The numbers of ``aegan/data/structure.json`` for rows (n, d)."""
    scores = stats.norm.ppf((stats.rankdata(features, axis=0) - 0.5) / len(features))
    scores = scores[:, scores.std(axis=0) > 1e-6]
    scores /= scores.std(axis=0)
    effects = estimate(scores, labels, speakers, labels.max() + 1)
    residuals = scores - effects.cells[speakers, labels]
    variances, axes = np.linalg.eigh(np.cov(residuals.T))
    variances, axes = variances[::-1], axes[:, ::-1]
    classes = effects.means - effects.means.mean(axis=0)
    left, sizes, directions = np.linalg.svd(classes, full_matrices=False)
    keep = len(classes) - 1
    coordinates = left[:, :keep] * sizes[:keep] / np.sqrt(scores.shape[1])
    coordinates *= np.sign(coordinates[-1])
    ways = effects.ways.reshape(-1, scores.shape[1])
    rows = {"classes": classes, "speaker": effects.speakers, "interaction": ways}
    parts = {"residual": variances} | {
        name: ((part @ axes) ** 2).mean(axis=0) for name, part in rows.items()
    }
    found = {
        "variance": {
            "residual": effects.within.mean(),
            "speaker": effects.between.mean(),
            "interaction": effects.interaction.mean(),
        },
        "classes": coordinates,
        "edges": EDGES,
        "shares": {name: np.add.reduceat(p, EDGES)[:-1] / p.sum() for name, p in parts.items()},
        "directions": {name: _directions(rows[name]) for name in ("speaker", "interaction")},
        "along": {
            name: ((rows[name] @ directions[:keep].T) ** 2).mean(axis=0) / parts[name].sum()
            for name in ("speaker", "interaction")
        },
        "radius": np.log((residuals**2).mean(axis=1)).std() / 2,
        "margins": _margins(features),
    }
    values = [np.unique(column, return_counts=True)[1] for column in features.T]
    found["grids"] = np.mean([1 < len(counts) < FEW * len(features) for counts in values])
    found["heaps"] = np.mean([HEAP < counts.max() / len(features) < 1 for counts in values])
    return found


def _directions(effects: np.ndarray) -> float:
    """The number of equal directions that would give effects (k, d) of their spread.

    k draws of variances that are worth R equal ones show about R k / (R + k).
    """
    sizes = np.linalg.svd(effects, compute_uv=False) ** 2
    shown, k = sizes.sum() ** 2 / (sizes**2).sum(), np.count_nonzero(sizes > 1e-9 * sizes[0])
    return 1 / (1 / shown - 1 / k)


def _margins(features: np.ndarray) -> np.ndarray:
    """(16, 2): g and h of Tukey's g-and-h distributions, one for each sixteenth of the columns."""
    points = stats.norm.cdf([-HIGH, -MIDDLE, 0, MIDDLE, HIGH])
    q = np.quantile(features, points, axis=0)
    q = q[:, (np.diff(q, axis=0) > 0).all(axis=0)]
    g = np.clip(np.log((q[4] - q[2]) / (q[2] - q[0])) / HIGH, -1, 1)
    steep = np.maximum(np.abs(g), 1e-3)
    wide = np.log((q[4] - q[0]) / np.sinh(steep * HIGH))
    wide -= np.log((q[3] - q[1]) / np.sinh(steep * MIDDLE))
    h = np.clip(2 * wide / (HIGH**2 - MIDDLE**2), 0, 0.4)
    found = []
    for part in np.array_split(np.argsort(g, kind="stable"), 8):
        for half in np.array_split(part[np.argsort(h[part], kind="stable")], 2):
            found.append([np.median(g[half]), np.median(h[half])])
    return np.array(found)


def _plain(value):
    """JSON values, of three digits."""
    if isinstance(value, dict):
        return {name: _plain(of) for name, of in value.items()}
    if isinstance(value, np.ndarray | list):
        return [_plain(of) for of in value]
    return value if isinstance(value, int) else float(f"{value:.3g}")


def main(path: str) -> None:
    corpus = read_corpus(path)
    speakers = np.unique(corpus.speakers, return_inverse=True)[1]
    found = structure(corpus.features.astype(np.float64), corpus.labels, speakers)
    lines = (f'  "{name}": {json.dumps(value)}' for name, value in _plain(found).items())
    print("{\n" + ",\n".join(lines) + "\n}")


if __name__ == "__main__":
    main(sys.argv[1])
