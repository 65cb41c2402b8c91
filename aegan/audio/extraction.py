"""From utterances to a table of features, in as many runs as it takes."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from aegan import __version__
from aegan.audio.clips import Extractor, FeatureKind, Row, Skipped
from aegan.audio.parts import ClipKey, Parts, clip_key
from aegan.audio.workers import CLIP_LIMIT, Workers
from aegan.corpora.interface import Utterance
from aegan.errors import InputError
from aegan.system.files import replacing
from aegan.system.screen import bar
from aegan.tables.write import table_writer

_ROWS = 256  # clips in a part, but for the time below
_SECONDS = 20.0  # that a kill may cost
_BLOCK = 1024  # rows handed to the writer at once


class Job(NamedTuple):
    """What is to be extracted, and to where."""

    root: Path  # the corpus' folder
    utterances: Sequence[Utterance]  # sorted by file
    out: Path
    metadata: Mapping[str, str]  # of the table, beside what the extractor tells


@dataclass(frozen=True)
class Extraction:
    """A table that was written."""

    kind: FeatureKind
    rows: int
    resumed: int  # clips that were finished in earlier runs
    skipped: tuple[tuple[str, str], ...]  # file and reason
    seconds: float


def parts_folder(out: Path) -> Path:
    """Where finished rows wait for the others."""
    return out.with_name(out.name + ".parts")


def skipped_file(out: Path) -> Path:
    """Where clips without features are listed."""
    return out.with_name(out.name + ".skipped.csv")


def extract_table(
    job: Job,
    make: Callable[[], Extractor],
    jobs: int,
    announce: Callable[[FeatureKind, int], None] = lambda kind, resumed: None,
    clip_limit: float = CLIP_LIMIT,
) -> Extraction:
    """Extracts what is not yet done, and writes the table and the list of skipped clips.

    The table has the same bits however often the extraction was interrupted.

    Args:
        job: what to extract.
        make: makes the extractor in a worker; see `aegan.audio.workers.Workers`.
        jobs: number of worker processes.
        announce: is told the kind of features and the clips already done, before work begins.
        clip_limit: seconds until a clip is given up.

    Raises:
        InputError: settings that ``make`` refuses, parts of other settings, a full disk, a corpus
            that goes away, or less than two classes with features; finished rows stay.
    """
    began = time.monotonic()
    _check_classes(job)
    keys = [clip_key(utterance.path) for utterance in job.utterances]
    with ExitStack() as stack:
        with Workers(make, min(jobs, len(keys)), clip_limit) as workers:
            kind = workers.kind
            folder = parts_folder(job.out)
            parts = stack.enter_context(Parts(folder, len(kind.contract.names)))
            parts.claim(_identity(kind))
            there = [i for i, key in enumerate(keys) if key is not None]
            todo = [i for i in there if keys[i] not in parts.kept]
            announce(kind, len(there) - len(todo))
            passing = _extract(job, keys, todo, workers, parts)
        reasons = {i: "no such file" for i, key in enumerate(keys) if key is None}
        reasons |= {i: outcome.reason for i, outcome in passing.items()}
        for i in there:
            if i not in passing and parts.kept[keys[i]].reason is not None:
                reasons[i] = parts.kept[keys[i]].reason
        good = [i for i in there if i not in reasons]
        skipped = tuple((job.utterances[i].file, reasons[i]) for i in sorted(reasons))
        _check_rest(job, [job.utterances[i].emotion for i in good], skipped)
        _write_skipped(skipped_file(job.out), skipped)
        _write_table(job, kind, parts, good, [keys[i] for i in good])
        parts.remove()
    resumed = len(there) - len(todo)
    return Extraction(kind, len(good), resumed, skipped, time.monotonic() - began)


def _extract(
    job: Job, keys: Sequence[ClipKey], todo: Sequence[int], workers: Workers, parts: Parts
) -> dict[int, Skipped]:
    """Extracts clips into the parts; returns those that a later run should try again."""
    passing = {}
    fresh: dict[ClipKey, Row | Skipped] = {}
    saved = time.monotonic()
    progress = bar(len(keys), "extract", "clip", initial=len(keys) - len(todo))
    try:
        for place, outcome in workers.outcomes([str(job.utterances[i].path) for i in todo]):
            progress.update()
            if isinstance(outcome, Skipped) and not outcome.lasting:
                passing[todo[place]] = outcome
                continue
            fresh[keys[todo[place]]] = outcome
            if len(fresh) >= _ROWS or time.monotonic() - saved > _SECONDS:
                parts.write(fresh)
                fresh, saved = {}, time.monotonic()
    finally:
        progress.close()
        parts.write(fresh)
    return passing


def _identity(kind: FeatureKind) -> dict[str, str]:
    return {
        "extractor": kind.extractor,
        "fingerprint": kind.fingerprint,
        **kind.contract.to_metadata(),
    }


def _check_classes(job: Job) -> None:
    classes = sorted({utterance.emotion for utterance in job.utterances})
    if len(classes) < 2:
        what = f"only recordings of the class {classes[0]}" if classes else "no recordings"
        raise InputError(
            f"{job.root}: {what} to take; a table needs two classes at least, see --classes"
        )


def _check_rest(job: Job, emotions: Sequence[str], skipped: tuple[tuple[str, str], ...]) -> None:
    """Refuses to end with a table that nobody can use."""
    if not job.root.is_dir():
        raise InputError(
            f"{job.root}: is no longer there; bring it back, and run the same command again"
        )
    if len(set(emotions)) < 2:
        file, reason = skipped[0]
        left = f"only clips of the class {emotions[0]} have" if emotions else "not one clip has"
        raise InputError(
            f"{job.root}: {left} features, {len(skipped)} of {len(job.utterances)} are skipped "
            f"(first {file}: {reason}); mend the recordings, and run the same command again"
        )


def _write_skipped(path: Path, skipped: tuple[tuple[str, str], ...]) -> None:
    try:
        path.unlink(missing_ok=True)  # of an earlier table
        if skipped:
            with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(("file", "reason"))
                writer.writerows(skipped)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror}); make room, and run the same command "
            "again"
        ) from error


def _write_table(
    job: Job, kind: FeatureKind, parts: Parts, good: Sequence[int], keys: Sequence[ClipKey]
) -> None:
    utterances = [job.utterances[i] for i in good]
    columns = {
        "file": [utterance.file for utterance in utterances],
        "speaker": [utterance.speaker for utterance in utterances],
        "emotion": [utterance.emotion for utterance in utterances],
        "session": [utterance.session for utterance in utterances],
        "duration_s": np.array([parts.kept[key].duration_s for key in keys], np.float32),
    }
    if None in columns["session"]:
        del columns["session"]
    metadata = {
        **job.metadata,
        "extractor": kind.extractor,
        "classes": json.dumps(sorted(set(columns["emotion"]))),
        "aegan": __version__,
    }
    features = parts.features(keys)
    with table_writer(job.out, tuple(columns), kind.contract, metadata) as writer:
        for start in range(0, len(keys), _BLOCK):
            block = slice(start, start + _BLOCK)
            labels = {name: values[block] for name, values in columns.items()}
            writer.write(labels, features[block])
