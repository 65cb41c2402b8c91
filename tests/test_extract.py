from __future__ import annotations

import csv
import errno
import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from commands import ROOT
from corpus_trees import error_of
from extractors import NAMES, ends, features_of, make_dead, make_good, make_trouble, write_wav

from aegan.audio import finished
from aegan.audio.extraction import Job, extract_table
from aegan.corpora.interface import Utterance
from aegan.data.corpus import read_corpus


def make_job(folder: Path, names: list[str], out: str = "table.parquet", sessions=True) -> Job:
    """A job over new recordings: two classes, three speakers, two sessions."""
    root = folder / "audio"
    utterances = []
    for seed, name in enumerate(sorted(names)):
        path = root / f"{name}.wav"
        if not path.exists():
            write_wav(path, seed)
        session = f"s{seed % 2}" if sessions else None
        emotion = ("angry", "sad")[seed % 2]
        utterances.append(Utterance(path.name, f"speaker{seed % 3}", session, emotion, path))
    return Job(root, tuple(utterances), folder / out, {"corpus": "tiny", "licence": "mine"})


def named(count: int) -> list[str]:
    return [f"clip{i:03d}" for i in range(count)]


def tried(log: Path) -> list[str]:
    """Stems of the clips that were begun, in order."""
    lines = log.read_text().splitlines() if log.exists() else []
    return [Path(line.split()[1]).stem for line in lines]


def files_below(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"audio"}


def test_the_table_holds_every_utterance_with_its_own_features(tmp_path, capsys):
    job = make_job(tmp_path, named(30))
    done = extract_table(job, make_good, 2)
    assert (len(done.utterances), done.resumed, done.skipped) == (30, 0, ())
    assert capsys.readouterr().out == "  features    4 by stand-in; 2 jobs\n"
    frame = pd.read_parquet(job.out)
    assert list(frame.columns) == ["file", "speaker", "emotion", "session", "duration_s", *NAMES]
    for (*labels, seconds, a, b, c, d), utterance in zip(
        frame.itertuples(index=False), job.utterances, strict=True
    ):
        assert labels == [utterance.file, utterance.speaker, utterance.emotion, utterance.session]
        assert seconds == np.float32(0.05)
        np.testing.assert_array_equal([a, b, c, d], features_of(str(utterance.path)).features)
    metadata = {k.decode(): v.decode() for k, v in pq.read_schema(job.out).metadata.items()}
    assert metadata["corpus"] == "tiny" and metadata["licence"] == "mine"
    assert metadata["extractor"] == "stand-in" and metadata["feature_set"] == "four numbers"
    assert json.loads(metadata["classes"]) == ["angry", "sad"]
    assert metadata["feature_hash"] == done.kind.contract.hash
    corpus = read_corpus(job.out)
    assert corpus.classes == ("angry", "sad") and corpus.feature_names == NAMES
    assert files_below(tmp_path) == {"table.parquet"}


def test_bad_clips_are_skipped_and_listed(tmp_path):
    names = [*named(6), "empty", "kill", "noise", "raise", "short"]
    job = make_job(tmp_path, names)
    (job.root / "empty.wav").write_bytes(b"")
    (job.root / "noise.wav").write_bytes(b"no audio at all" * 99)
    write_wav(job.root / "short.wav", 0, samples=99)
    (job.root / "clip003.wav").unlink()
    done = extract_table(job, make_trouble, 2)
    reasons = dict(done.skipped)
    assert list(reasons) == [f"{n}.wav" for n in ("clip003", *names[6:])]
    assert reasons["clip003.wav"] == "no such file"
    assert reasons["kill.wav"] == "ended its process, twice"
    assert reasons["raise.wav"] == "RuntimeError: two lines"
    assert reasons["short.wav"] == "too short"
    assert "not audio" in reasons["empty.wav"] and "not audio" in reasons["noise.wav"]
    assert len(done.utterances) == 5
    files = read_corpus(job.out).files.tolist()
    assert files == [f"clip{i:03d}.wav" for i in (0, 1, 2, 4, 5)]
    with (tmp_path / "table.parquet.skipped.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [["file", "reason"], *map(list, done.skipped)]
    # Without them, the list of an earlier table goes.
    good = job._replace(utterances=job.utterances[:3])
    extract_table(good, make_good, 1)
    assert files_below(tmp_path) == {"table.parquet"}


KILLED = """
import sys
from functools import partial
from pathlib import Path
sys.path[:0] = [{tests!r}, {tests!r} + '/..']
import extractors, test_extract
from aegan.audio import finished
finished._ROWS = 4
if __name__ == "__main__":
    job = test_extract.make_job(Path({folder!r}), test_extract.named({count}))
    make = partial(extractors.make_good, {log!r}, pause=0.03)
    test_extract.extract_table(job, make, 2)
"""


def test_a_killed_extraction_goes_on_and_ends_with_the_same_bytes(tmp_path):
    count = 60
    job = make_job(tmp_path, named(count))
    log = tmp_path / "log"
    tests, folder = ROOT / "tests", job.parts
    script = KILLED.format(tests=str(tests), folder=str(tmp_path), count=count, log=str(log))
    for wanted in (2, 5):  # twice
        process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
        while process.poll() is None and len(list(folder.glob("part-*"))) < wanted:
            time.sleep(0.01)
        process.kill()
        assert process.wait() == -signal.SIGKILL
    kept = sum(pq.read_metadata(part).num_rows for part in folder.glob("part-*"))
    assert 5 * 4 <= kept < count
    assert not job.out.exists()
    workers = {int(line.split()[0]) for line in log.read_text().splitlines()}
    assert all(ends(worker) for worker in workers)  # with their parent
    before = len(tried(log))
    done = extract_table(job, partial(make_good, str(log)), 2)
    assert done.resumed == kept and len(tried(log)) - before == count - kept
    assert not folder.exists()
    whole = job._replace(out=tmp_path / "whole.parquet")
    extract_table(whole, make_good, 1)
    assert job.out.read_bytes() == whole.out.read_bytes()


def interrupted(job: Job, make, after: int, monkeypatch) -> None:
    """Runs until so many clips have an outcome, as after Ctrl-C."""
    add = finished.FinishedClips.add

    def add_or_stop(clips, key, outcome):
        if len(clips.outcomes) == after:
            raise KeyboardInterrupt
        add(clips, key, outcome)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(finished.FinishedClips, "add", add_or_stop)
        extract_table(job, make, 1)


@pytest.mark.parametrize("damaged", [False, True])
def test_an_interruption_keeps_what_is_done_but_for_a_damaged_part(damaged, tmp_path, monkeypatch):
    job = make_job(tmp_path, named(9))
    interrupted(job, make_good, 5, monkeypatch)
    (part,) = job.parts.glob("part-*.parquet")
    if damaged:
        part.write_bytes(part.read_bytes()[:-20])
    done = extract_table(job, make_good, 1)
    assert (len(done.utterances), done.resumed) == (9, 0 if damaged else 5)
    assert len(read_corpus(job.out).files) == 9


def test_a_clip_that_changed_is_done_again(tmp_path, monkeypatch):
    job = make_job(tmp_path, named(9))
    interrupted(job, make_good, 6, monkeypatch)
    write_wav(job.root / "clip001.wav", 77)  # other content of the same size
    status = os.stat(job.root / "clip002.wav")
    write_wav(job.root / "clip002.wav", 78, samples=900)  # another size, the old time
    os.utime(job.root / "clip002.wav", ns=(status.st_atime_ns, status.st_mtime_ns))
    status = os.stat(job.root / "clip003.wav")
    os.utime(job.root / "clip003.wav", ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    log = tmp_path / "log"
    extract_table(job, partial(make_good, str(log)), 1)
    again = [f"clip00{i}" for i in (1, 2, 3)]
    assert sorted(tried(log)) == sorted(again + [f"clip00{i}" for i in (6, 7, 8)])
    frame = pd.read_parquet(job.out, columns=list(NAMES))
    for row, utterance in zip(frame.to_numpy(), job.utterances, strict=True):
        np.testing.assert_array_equal(row, features_of(str(utterance.path)).features)


def test_reasons_are_kept_but_for_those_that_may_pass(tmp_path, monkeypatch):
    job = make_job(tmp_path, ["a_good", "b_good", "memory", "raise", "z_last"])
    interrupted(job, make_trouble, 4, monkeypatch)
    log = tmp_path / "log"
    done = extract_table(job, partial(make_trouble, str(log)), 1)
    assert tried(log) == ["memory", "z_last"]
    assert dict(done.skipped) == {
        "memory.wav": "not enough memory",
        "raise.wav": "RuntimeError: two lines",
    }


def test_parts_of_other_settings_are_refused_and_left_alone(tmp_path, monkeypatch):
    job = make_job(tmp_path, named(6))
    interrupted(job, make_good, 3, monkeypatch)
    folder = job.parts
    before = sorted(path.name for path in folder.iterdir())
    other = partial(make_good, fingerprint="another config")
    message = error_of(extract_table, job, other, 1)
    assert f"delete {folder} or give another --out" in message
    assert "fingerprint is '' there and 'another config' here" in message
    assert sorted(path.name for path in folder.iterdir()) == before
    assert extract_table(job, make_good, 1).resumed == 3


def test_a_folder_that_only_has_the_name_of_parts_is_refused(tmp_path):
    job = make_job(tmp_path, named(4))
    mine = job.parts / "letter.txt"
    mine.parent.mkdir()
    mine.write_text("precious")
    assert str(mine.parent) in error_of(extract_table, job, make_good, 1)
    for text in ("{", "[]"):
        (mine.parent / "identity.json").write_text(text)
        assert "identity.json: not whole" in error_of(extract_table, job, make_good, 1)
    assert mine.read_text() == "precious"
    assert not job.out.exists()


def test_two_extractions_of_one_table_do_not_mix(tmp_path, monkeypatch):
    job = make_job(tmp_path, named(6))
    interrupted(job, make_good, 3, monkeypatch)
    folder = job.parts
    with finished.finished_clips(folder, make_good().kind):
        assert "is at work on it" in error_of(extract_table, job, make_good, 1)
    assert extract_table(job, make_good, 1).resumed == 3


def test_a_full_disk_is_an_input_error_and_what_was_done_stays(tmp_path, monkeypatch):
    job = make_job(tmp_path, named(9))
    interrupted(job, make_good, 4, monkeypatch)

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(finished, "parquet_writer", full)
        message = error_of(extract_table, job, make_good, 1)
    assert "No space left on device" in message and "run the same command again" in message
    assert extract_table(job, make_good, 1).resumed == 4


def test_no_table_where_no_clip_or_one_class_is_left(tmp_path):
    job = make_job(tmp_path, named(4))
    for utterances in (job.utterances[::2], ()):  # refused before any work
        few = job._replace(utterances=utterances)
        assert "two classes" in error_of(extract_table, few, make_dead, 1)
        assert files_below(tmp_path) == set()
    for utterance in job.utterances:
        utterance.path.write_bytes(b"")
    message = error_of(extract_table, job, make_good, 1)
    assert "not one clip has features" in message and "clip000.wav" in message
    assert not job.out.exists()
    for utterance in job.utterances[::2]:
        write_wav(utterance.path, 5)
    assert "only clips of the class angry" in error_of(extract_table, job, make_good, 1)
    assert not job.out.exists()
    write_wav(job.utterances[1].path, 6)
    assert len(extract_table(job, make_good, 1).utterances) == 3


def test_a_corpus_that_goes_away_ends_without_a_table(tmp_path, monkeypatch):
    job = make_job(tmp_path, named(9))
    interrupted(job, make_good, 4, monkeypatch)
    job.root.rename(tmp_path / "unmounted")
    assert "no longer there" in error_of(extract_table, job, make_good, 1)
    assert not job.out.exists()
    (tmp_path / "unmounted").rename(job.root)
    done = extract_table(job, make_good, 1)
    assert (len(done.utterances), done.resumed) == (9, 4)


@pytest.mark.parametrize("suffix", [".csv", ".arff", ".parquet"])
def test_tables_without_sessions_and_for_reading_elsewhere(tmp_path, suffix):
    job = make_job(tmp_path, named(4), out=f"table{suffix}", sessions=False)
    extract_table(job, make_good, 1)
    if suffix == ".parquet":
        assert read_corpus(job.out).sessions is None
    else:
        assert all(utterance.file in job.out.read_text() for utterance in job.utterances)
    assert b"session" not in job.out.read_bytes()
    assert files_below(tmp_path) == {job.out.name}
