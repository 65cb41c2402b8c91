"""A table drawn from a generator, and what the screen says of its rows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from aegan.data.plausibility import breaches, project, rules_of
from aegan.sampling.generator import Generator
from aegan.sampling.rows import Rows, sample_blocks, sampling_key
from aegan.system.screen import bar, duration, field
from aegan.tables.synthetic import write_synthetic
from aegan.training.lanes import lane_key

_CHECKED_BLOCKS = 2  # looked at for plausibility


def draw_table(
    generator: Generator, out: Path, rows: int, seed: int, label: int | None, plausible: bool
) -> list[str]:
    """Writes so many synthetic rows in raw units; returns what to say of them.

    ``seed`` 0 repeats the run's own rows; ``label`` is the index of the only class, None for all;
    ``plausible`` moves rows onto the generator's rules.
    """
    started, names, passport = time.perf_counter(), generator.contract.names, generator.passport
    tally, first = np.zeros(len(generator.classes), int), []

    def blocks() -> Iterator[Rows]:
        key = sampling_key(lane_key(passport["seed"], passport["fold"]), seed)
        with bar(rows, "sample", "row") as progress:
            for features, labels in sample_blocks(generator, key, rows, label):
                if plausible:
                    features = project(names, features, generator.rules)
                if len(first) < _CHECKED_BLOCKS:
                    first.append(features)
                tally[:] += np.bincount(labels, minlength=len(tally))
                yield features, labels
                progress.update(len(labels))

    written = write_synthetic(out, blocks(), generator.classes, generator.contract, passport)
    by_class = [f"{name} {n}" for name, n in zip(generator.classes, tally, strict=True) if n]
    return [
        *field("classes", ", ".join(by_class)),
        *_plausibility(np.concatenate(first), generator),
        f"{out}: {written} rows in {duration(time.perf_counter() - started)}",
    ]


def _plausibility(features: np.ndarray, generator: Generator) -> list[str]:
    """Lines on the rules that these rows break, if any."""
    found = breaches(rules_of(generator.contract.names), features)[:-1]
    kept = [breach for breach in found if breach.rule in generator.rules]
    broken = [breach for breach in kept if breach.places > 0]
    lines = []
    if broken:
        worst = max(broken, key=lambda breach: breach.places)
        lines = field(
            "plausible",
            f"{len(broken)} of {len(kept)} rules that the training rows keep are broken, most "
            f"often '{worst.rule}' ({100 * worst.places:.0f} % of its checks); --plausible moves "
            "rows onto them",
        )
    elif kept:
        lines = field("plausible", f"all {len(kept)} rules that the training rows keep are kept")
    if len(kept) < len(found):
        lines += field("", f"{len(found) - len(kept)} rules that training rows break count not")
    return lines
