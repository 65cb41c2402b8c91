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
from aegan.audio.finished import ClipKey, FinishedClips, clip_key
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
        workers = stack.enter_context(Workers(make, min(jobs, len(keys)), clip_limit))
        kind = workers.kind
        identity = {
            "extractor": kind.extractor,
            "fingerprint": kind.fingerprint,
            **kind.contract.to_metadata(),
        }
        finished = stack.enter_context(
            FinishedClips(parts_folder(job.out), identity, len(kind.contract.names))
        )
        resumed = sum(key in finished.outcomes for key in keys)
        todo = {
            utterance.path: key
            for utterance, key in zip(job.utterances, keys, strict=True)
            if key is not None and key not in finished.outcomes
        }
        announce(kind, resumed)
        passing = _extract(todo, workers, finished, resumed)
        workers.close()
        outcomes = passing | finished.outcomes | {None: Skipped("no such file", lasting=False)}
        good, skipped = [], []
        for utterance, key in zip(job.utterances, keys, strict=True):
            outcome = outcomes[key]
            if isinstance(outcome, Row):
                good.append((utterance, outcome))
            else:
                skipped.append((utterance.file, outcome.reason))
        _check_rest(job, sorted({utterance.emotion for utterance, _ in good}), skipped)
        _write_skipped(skipped_file(job.out), skipped)
        _write_table(job, kind, good)
        finished.remove()
    return Extraction(kind, len(good), resumed, tuple(skipped), time.monotonic() - began)


def _extract(
    todo: Mapping[Path, ClipKey], workers: Workers, finished: FinishedClips, resumed: int
) -> dict[ClipKey, Skipped]:
    """Extracts clips; returns those that a later run should try again."""
    passing: dict[ClipKey, Skipped] = {}
    fresh: dict[ClipKey, Row | Skipped] = {}
    kept_at = time.monotonic()
    keys = list(todo.values())
    progress = bar(len(keys) + resumed, "extract", "clip", initial=resumed)
    try:
        for place, outcome in workers.outcomes(list(map(str, todo))):
            progress.update()
            if isinstance(outcome, Skipped) and not outcome.lasting:
                passing[keys[place]] = outcome
                continue
            fresh[keys[place]] = outcome
            if len(fresh) >= _ROWS or time.monotonic() - kept_at > _SECONDS:
                finished.keep(fresh)
                fresh, kept_at = {}, time.monotonic()
    finally:
        progress.close()
        finished.keep(fresh)
    return passing


def _check_classes(job: Job) -> None:
    classes = sorted({utterance.emotion for utterance in job.utterances})
    if len(classes) < 2:
        what = f"only recordings of the class {classes[0]}" if classes else "no recordings"
        raise InputError(
            f"{job.root}: {what} to take; a table needs two classes at least, see --classes"
        )


def _check_rest(job: Job, classes: Sequence[str], skipped: Sequence[tuple[str, str]]) -> None:
    """Refuses to end with a table that nobody can use."""
    if not job.root.is_dir():
        raise InputError(
            f"{job.root}: is no longer there; bring it back, and run the same command again"
        )
    if len(classes) < 2:
        file, reason = skipped[0]
        left = f"only clips of the class {classes[0]} have" if classes else "not one clip has"
        raise InputError(
            f"{job.root}: {left} features, {len(skipped)} of {len(job.utterances)} are skipped "
            f"(first {file}: {reason}); mend the recordings, and run the same command again"
        )


def _write_skipped(path: Path, skipped: Sequence[tuple[str, str]]) -> None:
    try:
        path.unlink(missing_ok=True)  # of an earlier table
        if skipped:
            with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
                csv.writer(file, lineterminator="\n").writerows([("file", "reason"), *skipped])
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror}); make room, and run the same command "
            "again"
        ) from error


def _write_table(job: Job, kind: FeatureKind, clips: Sequence[tuple[Utterance, Row]]) -> None:
    names = ["file", "speaker", "emotion", "session"]
    if any(utterance.session is None for utterance, _ in clips):
        names.remove("session")
    metadata = {
        **job.metadata,
        "extractor": kind.extractor,
        "classes": json.dumps(sorted({utterance.emotion for utterance, _ in clips})),
        "aegan": __version__,
    }
    with table_writer(job.out, (*names, "duration_s"), kind.contract, metadata) as writer:
        for start in range(0, len(clips), _BLOCK):
            utterances, rows = zip(*clips[start : start + _BLOCK], strict=True)
            labels = {name: [getattr(u, name) for u in utterances] for name in names}
            labels["duration_s"] = np.array([row.duration_s for row in rows], np.float32)
            writer.write(labels, np.stack([row.features for row in rows]))
