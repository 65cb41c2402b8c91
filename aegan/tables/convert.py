"""From a feature file and its labels to a table that trains."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from aegan.data.audit import note_of_equal_rows, row_digests
from aegan.data.cells import notes_of_speakers
from aegan.data.contract import UNKNOWN, FeatureContract
from aegan.data.corpus import LABEL_COLUMNS, read_corpus
from aegan.data.emotions import classes_of, note_of_classes
from aegan.data.missing import mended
from aegan.errors import InputError
from aegan.system import screen
from aegan.system.screen import counts, say, together
from aegan.tables.labels import REFUSE, Labels, complete, join
from aegan.tables.read import read_table
from aegan.tables.roles import Options
from aegan.tables.table import FeatureTable, with_unique_files, without_common_folder
from aegan.tables.text import is_metadata_key, is_number, listed, with_point
from aegan.tables.write import table_writer

_DURATION = "duration_s"
_FEW = 3  # own columns that are named in a flag
_OPENSMILE = re.compile("_sma|__Turn")  # in every name of the sets that names tell


@dataclass(frozen=True)
class Choices:
    """What the user asks for."""

    source: Path  # feature file, or a folder of them
    out: Path  # table to write
    columns: Mapping[str, str] = field(default_factory=dict)  # "speaker" -> "spk"
    leave_out: Sequence[str] = ()
    emotions: Mapping[str, str] = field(default_factory=dict)  # "Wut" -> "angry"; {}: by name
    unmatched: str = REFUSE
    missing: str = REFUSE  # or a way of aegan/data/missing.py
    feature_set: str | None = None
    licence: str | None = None


class LabelSource(NamedTuple):
    """Labels of another file or of a corpus, and what comes with them."""

    labels: Labels
    classes: Mapping[str, str]  # the corpus' own class -> class; empty: as they are
    metadata: Mapping[str, str]


def convert(
    choices: Choices, labels_for: Callable[[FeatureTable], LabelSource] | None = None
) -> tuple[tuple[int, int], Mapping[str, np.ndarray] | None]:
    """Reads, labels, checks and writes a table, and says what was found on the way.

    ``labels_for`` gives labels of other origin for a table of features; None takes its own. Returns
    rows and features, and the labels (rows,) if a training can take the table as it stands.

    Raises:
        InputError: anything that would have to be guessed.
    """
    table, lines = _read_all(choices, labels_for)
    say(*lines)
    shape, labels, out = table.features.shape, table.labels, choices.out
    if out.suffix.lower() != ".parquet" or table.metadata.get("synthetic") == "true":
        _write(table, out)
        return shape, None
    temporary = out.with_name(f".{out.stem}.{os.getpid()}.unchecked.parquet")
    try:
        _write(table, temporary)
        del table  # its rows come back with the check
        read_corpus(temporary)  # as a training would
        os.replace(temporary, out)
    except InputError as error:
        raise InputError(str(error).replace(str(temporary), str(out))) from error
    finally:
        temporary.unlink(missing_ok=True)
    return shape, labels


def _read_all(
    choices: Choices, labels_for: Callable[[FeatureTable], LabelSource] | None
) -> tuple[FeatureTable, list[str]]:
    place = str(choices.source)
    finite = choices.missing == REFUSE
    options = Options(choices.columns, choices.leave_out, labels_for is None, finite)
    table = read_table(place, options)
    if choices.feature_set is not None:
        stated = FeatureContract.of(table.contract.names, choices.feature_set)
        told = {table.contract.feature_set, FeatureContract.of(stated.names).feature_set}
        for other in sorted(told - {stated.feature_set, UNKNOWN}):
            raise InputError(
                f"--feature_set={choices.feature_set}: {place} has {other}; leave the flag out"
            )
        table = replace(table, contract=stated)
    rows, dim = table.features.shape
    lines = [f"{place}: {rows} rows x {dim} features ({table.contract.feature_set})"]

    def add(name: str, *texts: str) -> None:
        for text in filter(None, texts):
            lines.extend(screen.field(name, text))

    add("note", *table.notes, _note_of_own_columns(table.contract))
    read = len(table.notes)
    metadata = {key: text for key, text in table.metadata.items() if is_metadata_key(key)}
    odd = listed(key for key in table.metadata if key not in metadata)
    add("note", odd and f"metadata left out: {odd}")
    synthetic = metadata.get("synthetic") == "true"
    add("synthetic", "yes, by its passport, which the new table keeps" if synthetic else "")
    classes, renamed, left = choices.emotions, "", []
    if labels_for:
        other = labels_for(table)
        if synthetic:
            raise InputError(f"{place}: its rows are synthetic; no labels of recordings are theirs")
        place, classes = other.labels.source, classes or other.classes
        table = join(table, other.labels, choices.unmatched)
        metadata |= other.metadata
    if not synthetic:
        table = complete(table, place, choices.unmatched)
        if not classes:
            classes = classes_of(table.labels["emotion"].tolist())
            renamed = note_of_classes(classes)
            renamed += "; --emotions says otherwise" * bool(renamed)
    if classes:
        table, left = _with_classes(table, classes, place, strict=bool(choices.emotions))
    if not finite:
        speakers = table.labels.get("speaker", table.files)
        features, names = table.features, table.contract.names
        features, rows, columns, said = mended(place, features, names, speakers, choices.missing)
        if said:
            contract = FeatureContract.of(np.array(names)[columns].tolist())
            table = table.select(rows, said).but(features=features, contract=contract)
            metadata["missing"] = said
    table = with_unique_files(without_common_folder(table))
    durations = list(map(with_point, table.labels.get(_DURATION, np.array([])).tolist()))
    table = table.but(
        labels={**table.labels, **({_DURATION: np.array(durations)} if durations else {})}
    )
    if not all(map(is_number, durations)):
        labels = {name: column for name, column in table.labels.items() if name != _DURATION}
        note = f"column '{_DURATION}' left out: not a number in every row"
        table = table.but(note, labels=labels)
    add("labels", *table.notes[read:])
    add("note", renamed)
    if not synthetic:
        speakers, digests = table.labels["speaker"], row_digests(table.features)
        for note in notes_of_speakers(speakers):
            add("note", note)
        add("note", note_of_equal_rows(table.features, digests, table.files, speakers))
    if left:
        other_rows = f"{len(left)} row{'s' * (len(left) != 1)} of other emotions"
        add("left out", f"{other_rows}: {together(counts(left))}")
    emotions = table.labels.get("emotion", np.array([], dtype=str)).tolist()
    add("classes", together(counts(emotions)) or "none")
    for name in ("speaker", "session", "fold"):
        if name in table.labels:
            add(f"{name}s", str(len(np.unique(table.labels[name]))))
    if choices.licence is not None:
        metadata["licence"] = choices.licence
    if emotions and (choices.out.suffix.lower() == ".arff" or "classes" in metadata):
        if not synthetic or choices.emotions or "classes" not in metadata:
            metadata["classes"] = json.dumps(sorted(set(emotions)))
    if not synthetic:
        metadata.setdefault("source", choices.source.name)
    return replace(table, metadata=metadata), lines


def _write(table: FeatureTable, path: Path) -> None:
    columns = {"file": table.files, **table.labels}
    columns = {name: columns[name].tolist() for name in LABEL_COLUMNS if name in columns}
    with table_writer(path, list(columns), table.contract, table.metadata) as writer:
        writer.write(columns, table.features)


def _note_of_own_columns(contract: FeatureContract) -> str:
    """What to say of a known feature set with own columns among its names; empty for others."""
    own = [name for name in contract.names if not _OPENSMILE.search(name)]
    known = FeatureContract.of(name for name in contract.names if _OPENSMILE.search(name))
    if not own or known.feature_set == UNKNOWN:
        return ""
    one = len(own) == 1
    columns = f"={shlex.quote(','.join(own))}" if len(own) <= _FEW else ""
    return (
        f"{known.feature_set} and {len(own)} more column{'' if one else 's'}: {listed(own)}; "
        f"--leave_out{columns} if {'it is no feature' if one else 'they are no features'}"
    )


def _with_classes(
    table: FeatureTable, classes: Mapping[str, str], place: str, strict: bool
) -> tuple[FeatureTable, list[str]]:
    """The table with renamed emotions, without those that have no class, and what was left out.

    ``classes`` is own emotion -> class, ``place`` where labels came from, for messages; ``strict``
    refuses classes of emotions that no row has.

    Raises:
        InputError: no emotions, none that has a class, or what ``strict`` refuses.
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
        table = table.select(keep)
    renamed = np.array([classes[name] for name in table.labels["emotion"].tolist()], dtype=str)
    return table.but(labels={**table.labels, "emotion": renamed}), left
