"""How the time of M2's training grows: rows, lanes, batch size, feature dimension."""

from __future__ import annotations

from contextlib import ExitStack
from statistics import median

from scipy.stats import linregress

from aegan.bench.config import BenchConfig
from aegan.bench.jobs import job_of, training_of
from aegan.bench.timing import Part, interleave, not_run, section, spread
from aegan.training import strategy
from aegan.training.trainers import open_trainer

_BATCHES = 8  # of an epoch on the curves that do not vary it
# What grows, and the field of the config that makes it grow.
_CURVES = {
    "rows": ("batches", "Seconds of an epoch of one lane."),
    "lanes": ("folds", f"Seconds of an epoch of {_BATCHES} batches, folds x seeds vmapped."),
    "batch size": ("batch_size", "Seconds per row of one lane."),
    "features": ("features", "Seconds of one lane's train step."),
}


def scaling_part(config: BenchConfig) -> Part:
    """How the time of M2 grows: rows, lanes, batch size, feature dimension."""
    found, points = Part([], {}), config.scaling
    values = (points.batches, points.lanes, points.batch_sizes, points.features)
    for (what, (field, note)), numbers in zip(_CURVES.items(), values, strict=True):
        if not numbers:
            continue
        seconds = _seconds(config, field, numbers)
        unit = config.batch_size if what == "rows" else 1
        by_point = {number * unit: own for number, own in seconds.items()}
        if what in ("rows", "lanes"):  # should be straight lines
            headline = not_run("a line needs three points")
            if len(by_point) >= 3:
                line = linregress(list(by_point), [*map(median, by_point.values())])
                headline = spread([line.rvalue**2])
                note += (
                    f" A straight line: {line.intercept:.3g} s and {line.slope:.3g} s for each of "
                    f"the {what}, R squared {line.rvalue**2:.4f}."
                )
            found.headline[f"linear_in_{what}"] = headline
        rows = [{"name": f"{what} {point}", **spread(own)} for point, own in by_point.items()]
        found.sections.append(section(f"Scaling: {what}", note, rows))
    return found


def _seconds(config: BenchConfig, field: str, numbers: tuple[int, ...]) -> dict[int, list[float]]:
    """Seconds of an epoch of all lanes, or of a row or a step, at every point, in turn."""
    with ExitStack() as stack:
        calls, shares = {}, {}
        for number in numbers:
            job = job_of(config, "m2", **{"batches": _BATCHES, "folds": 1, field: number})
            trainer = stack.enter_context(open_trainer(strategy.VMAP, job))
            calls[number], steps = training_of(job, trainer)
            epoch = job.learner.batches * job.number
            parts = {"batch_size": epoch * job.learner.batch_size, "features": epoch}
            shares[number] = steps / epoch * parts.get(field, 1)
        seconds = interleave(calls, min(config.rounds, 2))
    return {number: [s / shares[number] for s in own] for number, own in seconds.items()}
