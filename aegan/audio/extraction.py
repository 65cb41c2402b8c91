"""From utterances to a table of features, in as many runs as it takes."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np

from aegan import __version__
from aegan.audio.clips import Extractor, FeatureKind, Row, Skipped
from aegan.audio.finished import clip_key, finished_clips
from aegan.audio.workers import Workers
from aegan.corpora.interface import Utterance
from aegan.errors import InputError
from aegan.system.files import replacing
from aegan.system.screen import bar, field, say
from aegan.tables.text import for_spreadsheet
from aegan.tables.write import table_writer

_BLOCK = 1024  # rows handed to the writer at once


class Job(NamedTuple):
    """What is to be extracted, and to where."""

    root: Path  # the corpus' folder
    utterances: Sequence[Utterance]  # sorted by file
    out: Path
    metadata: Mapping[str, str]  # of the table, beside what the extractor tells

    @property
    def parts(self) -> Path:
        """Where finished rows wait for the others."""
        return self.out.with_name(self.out.name + ".parts")

    @property
    def skipped(self) -> Path:
        """Where clips without features are listed."""
        return self.out.with_name(self.out.name + ".skipped.csv")


class Extraction(NamedTuple):
    """A table that was written."""

    kind: FeatureKind
    utterances: tuple[Utterance, ...]  # of the rows
    resumed: int  # clips that were finished in earlier runs
    skipped: tuple[tuple[str, str], ...]  # file and reason
    seconds: float


def extract_table(job: Job, make: Callable[[], Extractor], jobs: int) -> Extraction:
    """Extracts what is not yet done, and writes the table and the list of skipped clips.

    The table has the same bits however often the extraction was interrupted. ``make`` makes the
    extractor in each of the ``jobs`` processes; see `aegan.audio.workers.Workers`.

    Raises:
        InputError: settings that ``make`` refuses, parts of other settings, a full disk, a corpus
            that goes away, or less than two classes with features; finished rows stay.
    """
    began = time.monotonic()
    if few := _too_few(job.utterances, "only recordings of the class {}", "no recordings"):
        raise InputError(
            f"{job.root}: {few} to take; a table needs two classes at least, see --classes"
        )
    keys = [clip_key(utterance.path) for utterance in job.utterances]
    with (
        Workers(make, min(jobs, len(keys))) as workers,
        finished_clips(job.parts, workers.kind) as finished,
    ):
        kind, total = workers.kind, len(keys)
        resumed = sum(key in finished.outcomes for key in keys)
        words = f"{len(kind.contract.names)} by {kind.extractor}; {jobs} job{'s' * (jobs != 1)}"
        say(*field("features", words))
        if resumed:
            say(*field("going on", f"{resumed} of {total} clips are done already"))
        todo = [i for i, key in enumerate(keys) if key and key not in finished.outcomes]
        with closing(bar(total, "extract", "clip", initial=total - len(todo))) as progress:
            for place, outcome in workers.outcomes([str(job.utterances[i].path) for i in todo]):
                progress.update()
                finished.add(keys[todo[place]], outcome)
        workers.close()
        finished.keep()
        absent = Skipped("no such file", lasting=False)
        outcomes = [finished.outcomes.get(key, absent) for key in keys]
        clips = list(zip(job.utterances, outcomes, strict=True))
        good = [clip for clip in clips if isinstance(clip[1], Row)]
        utterances = tuple(utterance for utterance, _ in good)
        skipped = tuple((u.file, o.reason) for u, o in clips if isinstance(o, Skipped))
        if not job.root.is_dir():
            raise InputError(
                f"{job.root}: is no longer there; bring it back, and run the same command again"
            )
        if few := _too_few(utterances, "only clips of the class {} have", "not one clip has"):
            (file, reason), *_ = skipped
            raise InputError(
                f"{job.root}: {few} features, {len(skipped)} of {total} are skipped "
                f"(first {file}: {reason}); mend the recordings, and run the same command again"
            )
        _write_skipped(job.skipped, skipped)
        _write_table(job, kind, good)
        finished.remove()
    return Extraction(kind, utterances, resumed, skipped, time.monotonic() - began)


def _too_few(utterances: Iterable[Utterance], some: str, none: str) -> str | None:
    """In words that there are less than two classes, None if there are two."""
    classes = {utterance.emotion for utterance in utterances}
    return None if len(classes) > 1 else some.format(*classes) if classes else none


def _write_skipped(path: Path, skipped: Sequence[tuple[str, str]]) -> None:
    try:
        path.unlink(missing_ok=True)  # of an earlier table
        if skipped:
            with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
                rows = [map(for_spreadsheet, row) for row in [("file", "reason"), *skipped]]
                csv.writer(file, lineterminator="\n").writerows(rows)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror}); make room, and run the same command "
            "again"
        ) from error


def _write_table(job: Job, kind: FeatureKind, clips: Sequence[tuple[Utterance, Row]]) -> None:
    without = any(utterance.session is None for utterance, _ in clips)
    names = ["file", "speaker", "emotion", *([] if without else ["session"])]
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
