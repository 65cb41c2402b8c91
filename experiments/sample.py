"""Draws synthetic rows from a finished run, in the raw units of its corpus.

    python -m experiments.sample --run=runs/m2 --n=6000 --out=synthetic.parquet
    python -m experiments.sample --run=runs/m2 --n=500 --emotion=angry \\
        --seed=1 --out=angry.csv
    python -m experiments.sample --run=runs/m2 --emotion=angry=500,sad=200 \\
        --out=some.parquet
    python -m experiments.sample --run=runs/m2 --balance=table.parquet \\
        --out=more.parquet

Every file says that its rows are synthetic, and of which run, seed and fold:
in its metadata (Parquet), comments (ARFF) or the column `passport` (CSV). Rows
that fill a table up to balance have its columns and can be put below it;
--synthetic_column marks them (in CSV in place of the passport). The same
command gives the same rows; the first rows do not depend on --n. In CSV, text
that a spreadsheet would take for a formula (=, +, -, @ in front) gets a '
before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from absl import flags

from aegan.errors import InputError
from aegan.system.screen import field, say

from .command import check_out, check_there, guarded, need, parse_early, start

_RUN = flags.DEFINE_string("run", None, "Workdir of a finished run: runs/m2")
_N = flags.DEFINE_integer("n", 6000, "Number of rows, of all classes together", lower_bound=1)
_OUT = flags.DEFINE_string("out", None, "Table to write: .parquet, .csv or .arff")
_EMOTION = flags.DEFINE_list(
    "emotion",
    None,
    "Classes: angry,sad, or with counts: angry=500,sad=200; default: all, uniformly",
)
_BALANCE = flags.DEFINE_string(
    "balance", None, "Table whose classes are filled up to the largest: as many rows as that takes"
)
_MARK = flags.DEFINE_bool("synthetic_column", False, "Add a column `synthetic`, 1 in every row")
_SPEAKER = flags.DEFINE_string(
    "speaker",
    None,
    "Table (.parquet) of a speaker's rows, whose labels are not looked at: rows are drawn in that "
    "speaker's manner; in that of each, where its column `speaker` names several",
)
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


def _check() -> None:
    need(_RUN, _OUT)
    check_there(_RUN, "a finished run")
    check_there(_BALANCE, "a table of a corpus")
    check_there(_SPEAKER, "a table of a speaker's rows")
    if _BALANCE.value and (_EMOTION.value or flags.FLAGS["n"].present):
        raise InputError("--balance says how many rows of which class; leave --emotion and --n out")
    check_out(Path(_OUT.value), _OVERWRITE.value)


parse_early(__name__, check=_check)

import jax
import numpy as np

from aegan.data.cells import notes_of_speakers
from aegan.data.corpus import MARK
from aegan.data.plausibility import rules_of
from aegan.data.unlabelled import read_unlabelled
from aegan.report.tables import QUICK
from aegan.run.programs import execute, path_of
from aegan.run.workdir import Workdir, choose_lane, open_generator
from aegan.sampling.draw import Draw, draw_table, fill_up, read_counts
from aegan.tables.synthetic import ALL, COLUMNS


def sample() -> None:
    """Writes the table that the flags ask for."""
    _check()
    out, run = Path(_OUT.value), Path(_RUN.value)
    if _MODEL.value:
        execute(path_of(_MODEL.value))
    lane = choose_lane(Workdir(run), _FOLD.value, _TRAIN_SEED.value)
    generator = open_generator(Workdir(run), lane)
    counts, columns, classes, notes = None, list(COLUMNS), generator.classes, []
    if _BALANCE.value:
        counts, columns, notes = fill_up(Path(_BALANCE.value), generator)
    elif _EMOTION.value:
        counts = read_counts(_EMOTION.value, _N.value, classes)
    if _MARK.value and MARK not in columns:
        columns.append(MARK)
    speakers, known = None, {}
    if _SPEAKER.value:
        speakers = read_unlabelled(Path(_SPEAKER.value), generator.contract)
        generator.speaker_offsets()
        columns += [] if "speaker" in columns else ["speaker"]
        known = dict(zip(*np.unique(speakers.speakers, return_counts=True), strict=True))
        known = {str(name): int(rows) for name, rows in known.items()}
    emotion = ALL
    if counts is not None:
        several = len(counts) > 1 or _BALANCE.value
        emotion = "+".join(f"{classes[c]}{f'={n}' * bool(several)}" for c, n in counts.items())
    changes = {"draw_seed": _SEED.value, "emotion": emotion}
    if speakers is not None:
        changes["unlabelled_rows_of_speakers"] = known
    if _LICENCE.value is not None:
        changes["licence"] = _LICENCE.value
    if _PLAUSIBLE.value:
        changes["projected"] = True
        if not generator.rules:
            rules = rules_of(generator.contract.names)
            why = "its training rows break them all" if rules else "its features have none"
            raise InputError(f"--plausible: {run} has no rule to keep, {why}; leave the flag out")
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
    if passport.get("variant") == "quick":
        say(*field("NOTE", QUICK))
    if lane["status"] != "ok":
        say(*field("NOTE", f"this lane is {lane['status']}: {lane['detail']}"))
    for name, rows in known.items():
        what = f"{name or 'the speaker'}, told by {rows} unlabelled row{'s' * (rows > 1)}"
        say(*field("speaker", f"rows for {what} (transductive)"))
    for note in (*notes, *(notes_of_speakers(speakers.speakers) if speakers else ())):
        say(*field("NOTE", note))
    draw = Draw(_N.value, counts, columns, _SEED.value, _PLAUSIBLE.value, speakers)
    say(*draw_table(generator, out, draw))


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns its exit status."""
    jax.config.update("jax_default_matmul_precision", "float32")
    return guarded(sample, argv, "nothing was written")


if __name__ == "__main__":
    start(main)
