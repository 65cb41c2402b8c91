"""What the paper claims of Table 4."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from aegan.metrics.intervals import crossed_estimate
from aegan.study.cross_validation.claims import fids_of, less, over_folds
from aegan.study.rule import (
    ALIKE,
    METRICS,
    MODELS,
    Claim,
    Estimate,
    Part,
    above,
    below,
    figure,
    within,
)


def _parts(experiments: Mapping[str, Any], classes: int) -> Iterator[Part]:
    found = experiments.get("cross_corpus")
    statistics = figure(found, "statistics")
    differences = figure(found, f"differences/{statistics}")
    table = figure(found, f"tables/{statistics}")
    for pair in ("m3-m2", "m2-m1"):
        value = figure(differences, f"{pair}/trts")
        yield Part(f"{METRICS['trts']}: {less(pair)}", value, above(0), "points")
    for metric, name in METRICS.items():
        for pair in ("m2-m1", "m3-m2", "m3-m1"):
            value = figure(differences, f"{pair}/{metric}")
            yield Part(f"{name}: {less(pair)}, alike", value, within(ALIKE, "points"), "points")
    what = (
        "log of M3's FID over that of M1 and M2: here less that in Table 3, where the folds are "
        "other samples"
    )
    value = _gap_change(experiments.get("cross_validation"), table)
    yield Part(what, value, below(0), "difference")
    for model in MODELS:
        for metric, name in METRICS.items():
            what = f"{model.upper()}, {name}, against chance"
            yield Part(what, figure(table, f"{model}/{metric}"), above(1 / classes, "%"), "%")


def _gap_change(
    cross_validation: Mapping[str, Any] | None, table: Mapping[str, Any] | None
) -> Estimate | None:
    """How the FID gap of M3 differs between Tables 4 and 3, relative to the FID of the others.

    The FIDs are measured with different networks, so that only their ratios compare.
    """
    before = [fids_of(cross_validation, model) for model in MODELS]
    after = [figure(table, f"{model}/fid/values") for model in MODELS]
    if None in before or None in after or len({len(values) for values in after}) > 1:
        return None
    # One value per generator seed and network, seeds first.
    seeds = len({lane["seed"] for lane in cross_validation["models"]["m1"]["lanes"]})
    gaps = np.array(_log_gaps(*after), float)
    rows = seeds if len(gaps) % seeds == 0 else 1
    first = crossed_estimate(gaps.reshape(rows, -1))
    return independent_difference(first, over_folds(cross_validation, _log_gaps(*before)))


def _log_gaps(m1: Sequence, m2: Sequence, m3: Sequence) -> list[float | None]:
    return [
        math.log(c / math.sqrt(a * b)) if None not in (a, b, c) and min(a, b, c) > 0 else None
        for a, b, c in zip(m1, m2, m3, strict=True)
    ]


def independent_difference(first: Estimate, second: Estimate) -> dict[str, Any]:
    """``first`` less ``second`` of two samples that are not paired; reaches add in quadrature."""
    found: dict[str, Any] = {"mean": None, "ci95": None, "values": []}
    if None in (first["mean"], second["mean"]):
        return found
    found["mean"] = first["mean"] - second["mean"]
    if None not in (first["ci95"], second["ci95"]):
        reach = math.hypot(*((high - low) / 2 for low, high in (first["ci95"], second["ci95"])))
        found["ci95"] = [found["mean"] - reach, found["mean"] + reach]
    return found


CLAIMS = (Claim(8, "Table 4", _parts),)
