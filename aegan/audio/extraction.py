"""From utterances to a table of features, in as many runs as it takes."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np

from aegan import __version__
from aegan.audio.clips import Extractor, FeatureKind, Row, Skipped
from aegan.audio.finished import FinishedClips, clip_key
from aegan.audio.workers import Workers
from aegan.corpora.interface import Utterance
from aegan.errors import InputError
from aegan.system.files import replacing
from aegan.system.screen import bar
from aegan.tables.write import table_writer

_BLOCK = 1024  # rows handed to the writer at once


class Job(NamedTuple):
    """What is to be extracted, and to where."""

    root: Path  # the corpus' folder
    utterances: Sequence[Utterance]  # sorted by file
    out: Path
    metadata: Mapping[str, str]  # of the table, beside what the extractor tells


class Extraction(NamedTuple):
    """A table that was written."""

    kind: FeatureKind
    utterances: tuple[Utterance, ...]  # of the rows
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
) -> Extraction:
    """Extracts what is not yet done, and writes the table and the list of skipped clips.

    The table has the same bits however often the extraction was interrupted.

    Args:
        job: what to extract.
        make: makes the extractor in a worker; see `aegan.audio.workers.Workers`.
        jobs: number of worker processes.
        announce: is told the kind of features and the clips already done, before work begins.

    Raises:
        InputError: settings that ``make`` refuses, parts of other settings, a full disk, a corpus
            that goes away, or less than two classes with features; finished rows stay.
    """
    began = time.monotonic()
    _check_classes(job)
    keys = [clip_key(utterance.path) for utterance in job.utterances]
    folder = parts_folder(job.out)
    with (
        Workers(make, min(jobs, len(keys))) as workers,
        FinishedClips(folder, workers.kind) as finished,
    ):
        resumed = sum(key in finished.outcomes for key in keys)
        todo = [i for i, key in enumerate(keys) if key and key not in finished.outcomes]
        announce(workers.kind, resumed)
        paths = [str(job.utterances[i].path) for i in todo]
        total, before = len(keys), len(keys) - len(todo)
        with closing(bar(total, "extract", "clip", initial=before)) as progress:
            for place, outcome in workers.outcomes(paths):
                progress.update()
                finished.add(keys[todo[place]], outcome)
        workers.close()
        finished.keep()
        absent = Skipped("no such file", lasting=False)
        outcomes = [finished.outcomes.get(key, absent) for key in keys]
        clips = list(zip(job.utterances, outcomes, strict=True))
        good = [clip for clip in clips if isinstance(clip[1], Row)]
        skipped = tuple((u.file, o.reason) for u, o in clips if isinstance(o, Skipped))
        _check_rest(job, sorted({utterance.emotion for utterance, _ in good}), skipped)
        _write_skipped(skipped_file(job.out), skipped)
        _write_table(job, workers.kind, good)
        finished.remove()
    utterances = tuple(utterance for utterance, _ in good)
    return Extraction(workers.kind, utterances, resumed, skipped, time.monotonic() - began)


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
