"""Makes a table of features and labels from what openSMILE, audformat or pandas
wrote.

    python -m experiments.convert --in=features.csv --labels=labels.csv \\
        --out=table.parquet
    python -m experiments.convert --in=features.arff --corpus=emodb \\
        --audio=/data/emodb --out=emodb.parquet
    python -m experiments.convert --in=arffs/ --labels=labels.csv \\
        --columns=file=wav,speaker=spk --emotions=anger=angry,sadness=sad \\
        --out=table.parquet
    python -m experiments.convert --in=table.parquet --out=table.arff

Reads Parquet, Feather, CSV and TSV (SMILExtract's, audformat's, your own) and
ARFF, or all .csv and .arff files of a folder. Labels are a table with the
columns file, speaker and emotion, and optionally session, start and end; they
are joined by file, never by position. A feature file that has these columns
needs no labels. The emotions anger, happiness and sadness count as angry, happy
and sad unless --emotions says what is what.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from absl import flags

from aegan.data.missing import MENDS
from aegan.errors import InputError
from aegan.system.screen import say
from aegan.tables.text import DROP, REFUSE, SUFFIXES

from .command import (
    check_out,
    check_there,
    guarded,
    named_columns,
    need,
    next_command,
    pairs_of,
    parse_early,
    start,
)

_IN = flags.DEFINE_string("in", None, "Feature file, or folder of .csv and .arff files")
_LABELS = flags.DEFINE_string("labels", None, "Table of labels: file, speaker, emotion[, ...]")
_OUT = flags.DEFINE_string("out", None, f"Table to write: {', '.join(SUFFIXES)}")
_CORPUS = flags.DEFINE_string("corpus", None, "Take the labels from this corpus (with --audio)")
_AUDIO = flags.DEFINE_string("audio", None, "Folder of the corpus")
_COLUMNS = flags.DEFINE_list(
    "columns", [], "Your names of columns: file=wav,speaker=spk (of the labels, or else of --in)"
)
_LEAVE_OUT = flags.DEFINE_list("leave_out", [], "Columns of --in that are no features")
_EMOTIONS = flags.DEFINE_list(
    "emotions", [], "Classes of your emotions: anger=angry,sadness=sad; others are left out"
)
_UNMATCHED = flags.DEFINE_enum(
    "unmatched", REFUSE, [REFUSE, DROP], "Rows without labels, labels without rows"
)
_MISSING = flags.DEFINE_enum(
    "missing",
    REFUSE,
    [REFUSE, *MENDS],
    "Cells without a number: fill by the speaker's median, drop",
)
_FEATURE_SET = flags.DEFINE_string("feature_set", None, "Name of the feature set, say IS10")
_LICENCE = flags.DEFINE_string("licence", None, "Licence note, kept in the table")
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Replace the table if it is there")


def _check() -> None:
    need(_IN, _OUT)
    check_out(Path(_OUT.value), _OVERWRITE.value)
    if _CORPUS.value and _LABELS.value:
        raise InputError("--corpus and --labels are both given; labels come from one of them")
    if bool(_CORPUS.value) != bool(_AUDIO.value):
        raise InputError("--corpus and --audio go together: its name, and its folder; give both")
    check_there(_IN, "a feature file")
    check_there(_LABELS, "a table of labels")


parse_early(__name__, check=_check)

from aegan.tables.convert import Choices, LabelSource, convert
from aegan.tables.labels import read_labels
from aegan.tables.roles import RENAMED
from aegan.tables.table import FeatureTable


def read_flags() -> Choices:
    """The flags, checked before anything is read."""
    _check()
    out = Path(_OUT.value)
    return Choices(
        source=Path(_IN.value),
        out=out,
        columns=named_columns(_COLUMNS, RENAMED),
        leave_out=_LEAVE_OUT.value,
        emotions=pairs_of(_EMOTIONS),
        unmatched=_UNMATCHED.value,
        missing=_MISSING.value,
        feature_set=_FEATURE_SET.value,
        licence=_LICENCE.value,
    )


def label_source(choices: Choices) -> Callable[[FeatureTable], LabelSource] | None:
    """What reads labels from the table of labels or the corpus; None where neither is named."""
    if _LABELS.value:
        return lambda _: LabelSource(read_labels(_LABELS.value, choices.columns), {}, {})
    if not _CORPUS.value:
        return None
    from aegan.corpora.labels import corpus_labels

    return partial(corpus_labels, corpus=_CORPUS.value, folder=Path(_AUDIO.value))


def _run() -> None:
    choices = read_flags()
    (rows, dim), labels = convert(choices, label_source(choices))
    say(f"{choices.out}: {rows} rows x {dim} features")
    if labels is not None:
        own_folds = bool({"session", "fold"} & set(labels))
        say(*next_command(choices.out, labels["emotion"], labels["speaker"], own_folds))


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns its exit status."""
    return guarded(_run, argv, "nothing was written; run the same command again")


if __name__ == "__main__":
    start(main)
