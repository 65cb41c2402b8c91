"""Draws synthetic rows from a finished run, in the raw units of its corpus.

    python -m experiments.sample --run=runs/m2 --n=6000 --out=synthetic.parquet
    python -m experiments.sample --run=runs/m2 --n=500 --emotion=angry \\
        --seed=1 --out=angry.csv

Every file says that its rows are synthetic, and of which run, seed and fold:
in its metadata (Parquet), comments (ARFF) or the column `passport` (CSV). The
same command gives the same rows; the first rows do not depend on --n.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
from absl import flags

from aegan.data.plausibility import breaches, project, rules_of
from aegan.errors import InputError
from aegan.run.programs import execute, path_of
from aegan.run.workdir import Workdir, choose_lane
from aegan.sampling.generator import Generator, load_generator
from aegan.sampling.rows import Rows, sample_blocks, sampling_key
from aegan.system.screen import bar, duration, field, say
from aegan.tables.synthetic import ALL, write_synthetic
from aegan.training.lanes import lane_key

from .command import check_out, guarded, start

_RUN = flags.DEFINE_string("run", None, "Workdir of a finished run: runs/m2")
_N = flags.DEFINE_integer("n", 6000, "Number of rows", lower_bound=1)
_OUT = flags.DEFINE_string("out", None, "Table to write: .parquet, .csv or .arff")
_EMOTION = flags.DEFINE_string("emotion", None, "Rows of this class only; default: all, uniformly")
_SEED = flags.DEFINE_integer(
    "seed",
    0,
    "Seed of the draw; 0 repeats the run's own rows",
    lower_bound=0,
    upper_bound=2**32 - 1,
)
_FOLD = flags.DEFINE_integer(
    "fold", None, "Fold whose generator draws; default: the first sound one"
)
_TRAIN_SEED = flags.DEFINE_integer(
    "train_seed", None, "Seed it was trained with; default: the first"
)
_MODEL = flags.DEFINE_string("model", None, "Python file of your own model, if the run is of one")
_PLAUSIBLE = flags.DEFINE_bool(
    "plausible", False, "Move rows onto what openSMILE functionals can be (see the report)"
)
_LICENCE = flags.DEFINE_string("licence", None, "Licence note in place of the run's")
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Replace the table if it is there")

_CHECKED_ROWS = 4096  # rows looked at for plausibility


def sample() -> None:
    """Writes the table that the flags ask for."""
    for flag in (_RUN, _OUT):
        if not flag.value:
            raise InputError(f"--{flag.name} is missing; give one, see --help")
    out, run = Path(_OUT.value), Path(_RUN.value)
    check_out(out, _OVERWRITE.value)
    if _MODEL.value:
        execute(path_of(_MODEL.value))
    lane = choose_lane(Workdir(run), _FOLD.value, _TRAIN_SEED.value)
    generator = load_generator(Workdir(run).generator(lane))
    label = _label(generator)
    changes = {"draw_seed": _SEED.value, "emotion": _EMOTION.value or ALL}
    if _LICENCE.value is not None:
        changes["licence"] = _LICENCE.value
    rules = rules_of(generator.contract.names)
    if _PLAUSIBLE.value and not generator.rules:
        why = "its training rows break them all" if rules else "its features have none"
        raise InputError(f"--plausible: {run} has no rule to keep, {why}; leave the flag out")
    if _PLAUSIBLE.value:
        changes["projected"] = True
    generator = replace(generator, passport={**generator.passport, **changes})
    passport = generator.passport
    corpus = f"{passport['corpus']}{' (SIMULATED)' * passport['corpus_simulated']}"
    say(
        f"{passport['model'].upper()} of {run}: seed {lane['seed']}, fold {lane['fold']}",
        *field("trained on", f"{len(generator.trained_on)} rows of {corpus}"),
        *field("features", f"{len(generator.contract.names)} ({generator.contract.feature_set})"),
        *field("licence", passport["licence"]),
    )
    if passport["statistics"] == "speaker":
        say(*field("NOTE", "rows are in units standardised by speaker, not in raw ones"))
    if lane["status"] != "ok":
        say(*field("NOTE", f"this lane is {lane['status']}: {lane['detail']}"))
    started = time.perf_counter()
    tally = np.zeros(len(generator.classes), int)
    blocks = _counted(_blocks(generator, label, _N.value), tally)
    rows = write_synthetic(out, blocks, generator.classes, generator.contract, passport)
    by_class = [f"{name} {n}" for name, n in zip(generator.classes, tally, strict=True) if n]
    first = list(_blocks(generator, label, min(_N.value, _CHECKED_ROWS)))
    say(
        *field("classes", ", ".join(by_class)),
        *_plausibility(first, generator),
        f"{out}: {rows} rows in {duration(time.perf_counter() - started)}",
    )


def _label(generator: Generator) -> int | None:
    """Index of the class asked for, if one is."""
    if _EMOTION.value is None:
        return None
    if _EMOTION.value not in generator.classes:
        raise InputError(f"--emotion={_EMOTION.value}: the run has {', '.join(generator.classes)}")
    return generator.classes.index(_EMOTION.value)


def _blocks(generator: Generator, label: int | None, rows: int) -> Iterator[Rows]:
    """Blocks of raw rows as the flags ask for."""
    passport = generator.passport
    key = sampling_key(lane_key(passport["seed"], passport["fold"]), _SEED.value)
    for features, labels in sample_blocks(generator, key, rows, label):
        if _PLAUSIBLE.value:
            features = project(generator.contract.names, features, generator.rules)
        yield features, labels


def _counted(blocks: Iterator[Rows], tally: np.ndarray) -> Iterator[Rows]:
    """The blocks, on a progress bar and added up by class in ``tally``."""
    with bar(_N.value, "sample", "row") as progress:
        for features, labels in blocks:
            tally += np.bincount(labels, minlength=len(tally))
            yield features, labels
            progress.update(len(labels))


def _plausibility(blocks: list[Rows], generator: Generator) -> list[str]:
    """Lines on the rules that these rows break, if any."""
    features = np.concatenate([features for features, _ in blocks])
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


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns its exit status."""
    jax.config.update("jax_default_matmul_precision", "float32")
    return guarded(sample, argv, "nothing was written")


if __name__ == "__main__":
    start(main)
