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

import json
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from absl import flags

from aegan.corpora.interface import CLASSES, own_class
from aegan.data.audit import row_digests
from aegan.data.contract import UNKNOWN, FeatureContract
from aegan.data.corpus import LABEL_COLUMNS, read_corpus
from aegan.errors import InputError
from aegan.system.screen import counts, field, say, together
from aegan.tables.assemble import with_unique_files, without_common_folder
from aegan.tables.labels import (
    DROP,
    REFUSE,
    Labels,
    complete,
    join,
    read_labels,
    select_rows,
    way_to_join,
)
from aegan.tables.read import read_table
from aegan.tables.roles import RENAMED, Options
from aegan.tables.table import FeatureTable
from aegan.tables.text import cut, is_metadata_key, is_number, listed
from aegan.tables.write import SUFFIXES, table_writer

from .command import (
    check_out,
    guarded,
    named_columns,
    next_command,
    pairs_of,
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
_FEATURE_SET = flags.DEFINE_string("feature_set", None, "Name of the feature set, say IS10")
_LICENCE = flags.DEFINE_string("licence", None, "Licence note, kept in the table")
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Replace the table if it is there")

_DURATION = "duration_s"
_FEW = 3  # own columns that are named in a flag
_OPENSMILE = re.compile("_sma|__Turn")  # in every name of the sets that names tell


class Choices(NamedTuple):
    """What the flags ask for."""

    source: Path
    out: Path
    labels: Path | None
    corpus: str | None
    audio: Path | None
    columns: Mapping[str, str]  # "speaker" -> "spk"
    leave_out: Sequence[str]
    emotions: Mapping[str, str]  # "Wut" -> "angry"; empty: as their names say
    unmatched: str
    feature_set: str | None
    licence: str | None


def read_flags() -> Choices:
    """The flags, checked before anything is read."""
    for flag in (_IN, _OUT):
        if not flag.value:
            raise InputError(f"--{flag.name} is missing; give one, see --help")
    out = Path(_OUT.value)
    check_out(out, _OVERWRITE.value)
    if _CORPUS.value and _LABELS.value:
        raise InputError("--corpus and --labels are both given; labels come from one of them")
    if bool(_CORPUS.value) != bool(_AUDIO.value):
        raise InputError("--corpus and --audio go together: its name, and its folder; give both")
    return Choices(
        source=Path(_IN.value),
        out=out,
        labels=Path(_LABELS.value) if _LABELS.value else None,
        corpus=_CORPUS.value,
        audio=Path(_AUDIO.value) if _AUDIO.value else None,
        columns=named_columns(_COLUMNS, RENAMED),
        leave_out=_LEAVE_OUT.value,
        emotions=pairs_of(_EMOTIONS),
        unmatched=_UNMATCHED.value,
        feature_set=_FEATURE_SET.value,
        licence=_LICENCE.value,
    )


class LabelSource(NamedTuple):
    """Labels of another file or of a corpus, and what comes with them."""

    labels: Labels
    classes: Mapping[str, str]  # the corpus' own class -> class; empty: as they are
    metadata: Mapping[str, str]


def read_other_labels(choices: Choices, table: FeatureTable) -> LabelSource | None:
    """Labels from the table of labels or the corpus; None where neither is named."""
    if choices.labels:
        return LabelSource(read_labels(choices.labels, choices.columns), {}, {})
    if not choices.corpus:
        return None
    from aegan.corpora.registry import get_corpus

    reader = get_corpus(choices.corpus)
    utterances = reader.read(choices.audio).utterances
    columns = {
        "speaker": [utterance.speaker for utterance in utterances],
        "emotion": [utterance.emotion for utterance in utterances],
    }
    if any(utterance.session is not None for utterance in utterances):
        columns["session"] = [utterance.session or "" for utterance in utterances]
    labels = Labels(
        source=f"corpus {reader.name}",
        files=np.array([utterance.file for utterance in utterances], dtype=str),
        times=None,
        columns={name: np.array(values, dtype=str) for name, values in columns.items()},
    )
    if way_to_join(table, labels) is None:  # SAVEE's files have the speaker in front
        paths = np.array([str(utterance.path) for utterance in utterances], dtype=str)
        labels = replace(labels, files=paths)
    return LabelSource(labels, reader.classes, {"corpus": reader.name, "licence": reader.licence})


def with_classes(
    table: FeatureTable, classes: Mapping[str, str], place: str, strict: bool
) -> tuple[FeatureTable, list[str]]:
    """The table with renamed emotions, without those that have no class, and what was left out.

    ``strict`` refuses classes of emotions that no row has.
    """
    if "emotion" not in table.labels:
        raise InputError(f"{place}: no column 'emotion'; leave --emotions out")
    own = table.labels["emotion"]
    for name in classes if strict else ():
        if name not in own:
            turned = f"; write theirs=ours: {classes[name]}={name}" if classes[name] in own else ""
            raise InputError(
                f"{place}: no row has the emotion '{name}' of --emotions; it has "
                f"{', '.join(counts(own.tolist()))}{turned}"
            )
    keep = np.isin(own, list(classes))
    left = own[~keep].tolist()
    if not keep.any():
        raise InputError(
            f"{place}: no row is of a class ({', '.join(counts(left))}); give --emotions"
        )
    if left:
        table = select_rows(table, keep)
    renamed = np.array([classes[name] for name in table.labels["emotion"].tolist()], dtype=str)
    return replace(table, labels={**table.labels, "emotion": renamed}), left


def own_classes(emotions: np.ndarray) -> tuple[dict[str, str], str]:
    """Own emotion -> class for emotions (rows,) whose names tell one of the four, and a note of it.

    Both are empty where no name changes, or where the four are there by their own names already.
    """
    present = np.unique(emotions).tolist()
    classes = {name: own_class(name) for name in present}
    renamed = [name for name in present if classes[name] != name]
    if not renamed or set(CLASSES) <= set(present):
        return {}, ""
    first, *others = [f"{name} counts as {classes[name]}" for name in renamed]
    note = ", ".join([first, *(other.replace(" counts as ", " as ") for other in others)])
    return classes, f"{note}; --emotions says otherwise"


def note_of_own_columns(contract: FeatureContract) -> str:
    """What to say of a known feature set with own columns among its names; empty for others."""
    own = [name for name in contract.names if not _OPENSMILE.search(name)]
    known = FeatureContract.of(name for name in contract.names if _OPENSMILE.search(name))
    if not own or known.feature_set == UNKNOWN:
        return ""
    found = f"{known.feature_set} and {len(own)} more column{'s' * (len(own) > 1)}: {listed(own)}"
    if len(own) == 1:
        return f"{found}; --leave_out={shlex.quote(own[0])} if it is no feature"
    all_of_them = f"={shlex.quote(','.join(own))}" if len(own) <= _FEW else ""
    return f"{found}; --leave_out{all_of_them} if they are no features"


def note_of_equal_rows(table: FeatureTable) -> str:
    """What to say of rows whose features an earlier row has, too; empty where there are none."""
    first: dict[int, int] = {}
    digests = row_digests(table.features).tolist()
    pairs = [(first.setdefault(digest, row), row) for row, digest in enumerate(digests)]
    pairs = [(before, row) for before, row in pairs if before != row]
    if not pairs:
        return ""
    speakers = table.labels["speaker"]
    apart = [(before, row) for before, row in pairs if speakers[before] != speakers[row]]
    before, row = (apart or pairs)[0]
    found = (
        "1 row equals another row" if len(pairs) == 1 else f"{len(pairs)} rows equal another row"
    )
    files = f"'{cut(table.files[before])}' and '{cut(table.files[row])}'"
    return f"{found}, first {files}{' of different speakers' if apart else ''}"


def with_feature_set(table: FeatureTable, name: str | None) -> FeatureTable:
    """The table with the stated feature set, if one is stated."""
    if name is None:
        return table
    known = {table.contract.feature_set, FeatureContract.of(table.contract.names).feature_set}
    for other in sorted(known - {name, UNKNOWN}):
        raise InputError(f"--feature_set={name}: {table.source} has {other}; leave the flag out")
    return replace(table, contract=FeatureContract.of(table.contract.names, name))


def read_all(choices: Choices) -> tuple[FeatureTable, list[str]]:
    """The finished table, and what was found on the way in lines for the user."""
    options = Options(
        choices.columns, choices.leave_out, strict=not (choices.labels or choices.corpus)
    )
    table = with_feature_set(read_table(choices.source, options), choices.feature_set)
    rows, dim = table.features.shape
    lines = [f"{choices.source}: {rows} rows x {dim} features ({table.contract.feature_set})"]
    for note in filter(None, (*table.notes, note_of_own_columns(table.contract))):
        lines += field("note", note)
    read = len(table.notes)
    metadata = {key: text for key, text in table.metadata.items() if is_metadata_key(key)}
    if len(metadata) < len(table.metadata):
        odd = [key for key in table.metadata if key not in metadata]
        lines += field("note", f"metadata left out: {listed(odd)}")
    synthetic = metadata.get("synthetic") == "true"
    if synthetic:
        lines += field("synthetic", "yes, by its passport, which the new table keeps")
    place, classes = str(choices.source), choices.emotions
    other = read_other_labels(choices, table)
    if other:
        if synthetic:
            raise InputError(f"{place}: its rows are synthetic; no labels of recordings are theirs")
        place, classes = other.labels.source, classes or other.classes
        table = join(table, other.labels, choices.unmatched)
        metadata |= other.metadata
    if not synthetic:
        table = complete(table, place, choices.unmatched)
    left: list[str] = []
    renamed = ""
    if not synthetic and not classes:
        classes, renamed = own_classes(table.labels["emotion"])
    if classes:
        table, left = with_classes(table, classes, place, strict=bool(choices.emotions))
    table = _with_durations(with_unique_files(without_common_folder(table)))
    for note in table.notes[read:]:
        lines += field("labels", note)
    emotions = table.labels.get("emotion", np.array([], dtype=str)).tolist()
    for text in filter(None, (renamed, "" if synthetic else note_of_equal_rows(table))):
        lines += field("note", text)
    if left:
        rows = f"{len(left)} row{'s' * (len(left) != 1)}"
        lines += field("left out", f"{rows} of other emotions: {together(counts(left))}")
    lines += field("classes", together(counts(emotions)) or "none")
    for name in ("speaker", "session", "fold"):
        if name in table.labels:
            lines += field(f"{name}s", str(len(set(table.labels[name].tolist()))))
    if choices.licence is not None:
        metadata["licence"] = choices.licence
    if emotions and (choices.out.suffix.lower() == ".arff" or "classes" in metadata):
        if not synthetic or choices.emotions or "classes" not in metadata:
            metadata["classes"] = json.dumps(sorted(set(emotions)))
    if not synthetic:
        metadata.setdefault("source", choices.source.name)
    return replace(table, metadata=metadata), lines


def _with_durations(table: FeatureTable) -> FeatureTable:
    """The table without durations that are not all there."""
    values = table.labels.get(_DURATION)
    if values is None or all(map(is_number, values.tolist())):
        return table
    labels = {name: column for name, column in table.labels.items() if name != _DURATION}
    note = f"column '{_DURATION}' left out: not a number in every row"
    return replace(table, labels=labels, notes=(*table.notes, note))


def write(table: FeatureTable, path: Path) -> None:
    """Writes a finished table."""
    columns = {"file": table.files, **table.labels}
    order = [name for name in LABEL_COLUMNS if name in columns]
    with table_writer(path, order, table.contract, table.metadata) as writer:
        writer.write({name: columns[name].tolist() for name in order}, table.features)


def check(path: Path, out: Path) -> None:
    """Reads a written Parquet table as a training would."""
    try:
        read_corpus(path)
    except InputError as error:
        raise InputError(str(error).replace(str(path), str(out))) from error


def convert() -> None:
    """Does what the flags ask for."""
    choices = read_flags()
    table, lines = read_all(choices)
    say(*lines)
    out = choices.out
    checked = out.suffix.lower() == ".parquet" and table.metadata.get("synthetic") != "true"
    rows, dim = table.features.shape
    last = [f"{out}: {rows} rows x {dim} features"]
    if checked:
        labels = table.labels
        own_folds = bool({"session", "fold"} & set(labels))
        last += next_command(out, labels["emotion"], labels["speaker"], own_folds)
    if not checked:
        write(table, out)
    else:
        temporary = out.with_name(f".{out.stem}.{os.getpid()}.unchecked.parquet")
        try:
            write(table, temporary)
            del table  # its rows come back with the check
            check(temporary, out)
            os.replace(temporary, out)
        finally:
            temporary.unlink(missing_ok=True)
    say(*last)


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns its exit status."""
    return guarded(convert, argv, "nothing was written; run the same command again")


if __name__ == "__main__":
    start(main)
