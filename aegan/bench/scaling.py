"""How the time of M2's training grows: rows, lanes, batch size, feature dimension."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from statistics import median
from typing import Any, NamedTuple

from scipy.stats import linregress

from aegan.bench.headline import Measurement, not_run, single
from aegan.bench.jobs import Shape, job_of, shape_of, training_of
from aegan.bench.timing import interleave, spread
from aegan.training import strategy
from aegan.training.trainers import open_trainer

_BATCHES = 8  # of an epoch on the curves that do not vary it


class _Curve(NamedTuple):
    """How the time of an epoch of M2 grows with something."""

    what: str
    shapes: Mapping[int, Shape]
    note: str
    shares: Callable[[Shape], int] = lambda shape: 1  # into which an epoch's time is divided
    straight: bool = False  # should be


def _curves(config: Mapping[str, Any]) -> list[_Curve]:
    points, size = config["scaling"], config["batch_size"]
    one = partial(shape_of, config, "m2", folds=1)
    return [
        _Curve(
            "rows",
            {n * size: one(batches=n) for n in points["batches"]},
            "Seconds of an epoch of one lane.",
            straight=True,
        ),
        _Curve(
            "lanes",
            {n: shape_of(config, "m2", folds=n, batches=_BATCHES) for n in points["lanes"]},
            f"Seconds of an epoch of {_BATCHES} batches, folds x seeds vmapped.",
            straight=True,
        ),
        _Curve(
            "batch size",
            {n: one(batch_size=n, batches=_BATCHES) for n in points["batch_sizes"]},
            "Seconds per row of one lane.",
            lambda shape: shape.batches * shape.batch_size,
        ),
        _Curve(
            "features",
            {n: one(features=n, batches=_BATCHES) for n in points["features"]},
            "Seconds of one lane's train step.",
            lambda shape: shape.batches,
        ),
    ]


def scaling_sections(
    config: Mapping[str, Any], headline: dict[str, Measurement]
) -> list[dict[str, Any]]:
    """How the time of M2 grows: rows, lanes, batch size, feature dimension."""
    sections = []
    for curve in _curves(config):
        if not curve.shapes:
            continue
        seconds = _epochs(curve.shapes, min(config["rounds"], 2))
        note = curve.note
        if curve.straight and len(seconds) < 3:
            headline[f"linear_in_{curve.what}"] = not_run("a line needs three points")
        elif curve.straight:
            line = linregress(list(seconds), [median(values) for values in seconds.values()])
            headline[f"linear_in_{curve.what}"] = single(line.rvalue**2)
            note += (
                f" A straight line: {line.intercept:.3g} s and {line.slope:.3g} s for each of the "
                f"{curve.what}, R squared {line.rvalue**2:.4f}."
            )
        rows = [
            {
                "name": f"{curve.what} {point}",
                **spread([s / curve.shares(curve.shapes[point]) for s in values]),
            }
            for point, values in seconds.items()
        ]
        sections.append(
            {"title": f"Scaling: {curve.what}", "note": note, "unit": "s", "rows": rows}
        )
    return sections


def _epochs(shapes: Mapping[int, Shape], rounds: int) -> dict[int, list[float]]:
    """Seconds of an epoch of all lanes at every point, in turn."""
    with ExitStack() as stack:
        candidates, epochs = {}, {}
        for point, shape in shapes.items():
            job = job_of(shape)
            trainer = stack.enter_context(open_trainer(strategy.VMAP, job))
            candidates[point] = training_of(job, trainer)
            epochs[point] = candidates[point].steps / job.schedule.batches / job.number
        calls = {point: candidate.call for point, candidate in candidates.items()}
        seconds = interleave(calls, rounds, warm=False)
    return {point: [s / epochs[point] for s in seconds[point]] for point in shapes}
