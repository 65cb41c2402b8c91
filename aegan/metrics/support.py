"""How many rows lie off the support of set-1 (section 5.1.1: "points lying outside").

A row is off the support of set-1 if it is farther from its nearest row of set-1 than 95 % of the
rows of set-1 are from theirs. Of rows drawn from the same speakers about 5 % are; of held-out
speakers more. Prototypes lie in the middle of set-1 and are never off it: a low share alone is no
merit. Everything in the z-space of set-1.
"""

from __future__ import annotations

import numpy as np

from aegan.metrics.diversity import nearest_rows

COVERED = 0.95  # share of the rows of set-1 within reach of another


def reach(real_z: np.ndarray) -> float | None:
    """The 95th percentile of the distances of rows of set-1 to their nearest other row of set-1.

    Args:
        real_z: (m, dim) rows of set-1.

    It is the least distance that holds for 95 % of the rows (no value between two of them). A row
    with an exact duplicate counts with distance 0. None where set-1 has fewer than two rows.
    """
    if len(real_z) < 2:
        return None
    _, distances = nearest_rows(real_z, real_z, 1, own=np.arange(len(real_z)))
    return float(np.quantile(distances[:, 0], COVERED, method="inverted_cdf"))


def off_support(rows_z: np.ndarray, real_z: np.ndarray, limit: float | None) -> float | None:
    """Share of rows farther than ``limit`` from every row of set-1.

    Args:
        rows_z: (n, dim) rows to place.
        real_z: (m, dim) rows of set-1.
        limit: ``reach(real_z)``, computed once for all that is placed.

    A row at ``limit`` itself is on the support, and so is a copy of a row of set-1, whatever the
    limit. None without rows or without a limit.
    """
    if limit is None or len(rows_z) == 0:
        return None
    _, distances = nearest_rows(rows_z, real_z, 1)
    return float((distances[:, 0] > limit).mean())
