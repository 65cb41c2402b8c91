"""Makes a table of openSMILE features from a folder of recordings.

    python -m experiments.extract --corpus=list
    python -m experiments.extract --corpus=iemocap --audio=/data/IEMOCAP \\
        --out=iemocap.parquet
    python -m experiments.extract --corpus=csv --labels=labels.csv \\
        --audio=wavs --out=mine.parquet

Recordings are .wav or .flac. The csv corpus is anybody's own: its labels name
the recordings by path below the folder, by base name or without suffix. All its
emotions are kept; anger, happiness and sadness count as angry, happy and sad.

The same command after an interruption goes on where it stopped. Clips without
features (empty, damaged, too short) are skipped and listed in
`<out>.skipped.csv`. Features need the extra `audio`:

    pip install -e ".[audio]"
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from absl import flags

from aegan.errors import InputError
from aegan.system.screen import duration, field, say
from aegan.tables.text import SUFFIXES

from .command import (
    check_out,
    check_there,
    guarded,
    named_columns,
    need,
    next_command,
    parse_early,
    start,
)

_CORPUS = flags.DEFINE_string("corpus", None, "Name of the corpus; `list` shows them all")
_AUDIO = flags.DEFINE_string("audio", None, "The corpus' folder (.wav and .flac below it)")
_OUT = flags.DEFINE_string("out", None, f"Table to write: {', '.join(SUFFIXES)}")
_LABELS = flags.DEFINE_string(
    "labels", None, "For --corpus=csv: table with the columns file, speaker, emotion[, session]"
)
_COLUMNS = flags.DEFINE_list(
    "columns", [], "Your names of columns of --labels: file=wav,speaker=spk"
)
_FEATURES = flags.DEFINE_string(
    "features", "IS10", "Feature set of the opensmile package, or path of an openSMILE config"
)
_CLASSES = flags.DEFINE_enum(
    "classes",
    "four",
    ["four", "all"],
    "angry, happy, neutral, sad (--corpus=csv keeps its other emotions, too); or all of the "
    "corpus' own",
)
_LICENCE = flags.DEFINE_string("licence", None, "Licence note in place of the corpus' own")
_JOBS = flags.DEFINE_integer("jobs", None, "Processes; default: one per core", lower_bound=1)
_DRY_RUN = flags.DEFINE_bool("dry_run", False, "Show what the folder holds, and stop")
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Replace the table if it is there")


def _check() -> None:
    if _CORPUS.value != "list":
        need(_CORPUS, _AUDIO, *([] if _DRY_RUN.value else [_OUT]))
        check_there(_AUDIO, "the folder of the recordings")
        check_there(_LABELS, "a table of labels")


parse_early(__name__, check=_check)

from joblib import cpu_count

from aegan.audio.extraction import Job, extract_table
from aegan.audio.features import check_features, open_extractor
from aegan.corpora.interface import four_classes
from aegan.corpora.registry import describe_corpora, describe_listing, get_corpus
from aegan.corpora.table import COLUMNS, OPTIONAL_COLUMNS, csv_corpus

_SKIPPED = 10  # skipped clips that are named


def extract() -> None:
    """Does what the flags ask for."""
    if _CORPUS.value == "list":
        say(describe_corpora())
        return
    _check()
    reader = get_corpus(_CORPUS.value)
    for flag in (_LABELS, _COLUMNS):
        if flag.value and reader.name != "csv":
            raise InputError(
                f"--{flag.name}: {reader.name} has labels of its own; drop it or --corpus=csv"
            )
    if _LABELS.value:
        named = named_columns(_COLUMNS, COLUMNS + OPTIONAL_COLUMNS)
        reader = csv_corpus(Path(_LABELS.value), named)
    root = Path(_AUDIO.value)
    if not _DRY_RUN.value:
        out = Path(_OUT.value)
        check_out(out, _OVERWRITE.value)
        check_features(_FEATURES.value)
    listing = reader.read(root)
    chosen = listing.utterances
    if _CLASSES.value == "four":
        chosen = four_classes(listing, reader.classes)
    say(*describe_listing(reader, listing, chosen))
    if _DRY_RUN.value:
        return
    metadata = {
        "corpus": reader.name if reader.published else out.stem,
        "licence": reader.licence if _LICENCE.value is None else _LICENCE.value,
    }
    job = Job(root, chosen, out, metadata)
    with tempfile.TemporaryDirectory(prefix="aegan-extract-") as scratch:
        make = partial(open_extractor, _FEATURES.value, scratch)
        done = extract_table(job, make, _JOBS.value or cpu_count())
    contract, rows = done.kind.contract, done.utterances
    say(
        f"{out}: {len(rows)} rows x {len(contract.names)} features ({contract.feature_set}) in "
        f"{duration(done.seconds)}"
    )
    if done.skipped:
        clips = f"{len(done.skipped)} clip{'s' * (len(done.skipped) != 1)}"
        say(*field("skipped", f"{clips}, listed in {job.skipped}"))
        for file, reason in done.skipped[:_SKIPPED]:
            say(*field("", f"{file}: {reason}"))
        more = len(done.skipped) - _SKIPPED
        say(*(field("", f"and {more} more") if more > 0 else ()))
    _, speakers, sessions, emotions, _ = zip(*rows, strict=True)
    say(*next_command(out, emotions, speakers, own_folds=None not in sessions))


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns its exit status."""
    return guarded(extract, argv, "the same command goes on where it stopped")


if __name__ == "__main__":
    start(main)
