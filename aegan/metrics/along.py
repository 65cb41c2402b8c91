"""Rows of weights along the way of a training, judged as those of its end are, but fewer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from aegan.metrics.intervals import summarise
from aegan.metrics.references import Rows

ROWS = 2000  # of a lane at a point, at most: a third of the default's, at a ninth of its time
# FID of the held-out rows: against set-2, over the floor of set-2's halves.
HELD_OUT = "fid_held_out"
MEASURED = ("trts_set1", "tstr_set1", "trts_set2", "tstr_set2")
MEASURED += ("fid", "fid_over_floor", HELD_OUT, "variance_ratio")


class Along(NamedTuple):
    """What is judged along the way."""

    epochs: Sequence[int]  # from 1
    updates: int  # of an epoch
    rows: int  # of a lane at each
    # (rows, lane record, epoch) -> raw rows and labels by the corpus' classes; None of a lane that
    # had gone wrong by then.
    drawn: Callable[[int, Mapping[str, Any], int], Rows | None]


def summary_along(
    along: Along,
    lanes: Sequence[Mapping[str, Any]],
    found: Mapping[tuple[int, int], Mapping[str, Any] | None],
    real: Mapping[int, Mapping[str, Any]],
) -> dict[str, Any]:
    """For results.json: "rows", "points" and "real", each figure as ``summarise`` gives it.

    ``found`` is of (place of a lane, epoch), ``real`` are the rows of set-1 of each fold.
    """

    def told(values: Sequence[Mapping[str, Any] | None]) -> dict[str, Any]:
        return {name: summarise([v and v[name] for v in values], lanes) for name in MEASURED}

    points = [
        {"epoch": epoch, "updates": epoch * along.updates}
        | {"metrics": told([found[place, epoch] for place in range(len(lanes))])}
        for epoch in along.epochs
    ]
    own = told([real[lane["fold"]] for lane in lanes])
    return {"rows": along.rows, "points": points, "real": own}


def finite(rows: Rows | None) -> Rows | None:
    """Rows whose every cell is finite, else None."""
    return rows if rows is not None and len(rows[1]) and np.isfinite(rows[0]).all() else None
