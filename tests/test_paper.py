"""The study's command, end to end: files, repetition, interruption, bad input."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import command, start
from study_helpers import tiny_config

from aegan.data.simulate import simulated_corpus
from aegan.run import programs
from aegan.study.registry import EXPERIMENTS, PAPERS

SLOW = pytest.mark.slow


def tiny(workdir, *more, config="paper"):
    """The command of a tiny study: whatever differs from configs/paper.py:quick, as flags."""
    quick, small = programs.load("paper", "quick").to_dict(), tiny_config()
    flags = []

    def differences(there, here, name):
        for field, value in here.items():
            other = there[field]
            if isinstance(value, dict):
                differences(other, value, f"{name}.{field}")
            elif value != (list(other) if isinstance(other, tuple) else other):
                text = str(tuple(value)) if isinstance(value, list) else str(value)
                flags.append(f"--{name}.{field}={text}")

    differences(quick, small, "config")
    return (f"--config=configs/{config}.py:quick", f"--workdir={workdir}", *flags, *more)


def narrow(text: str) -> bool:
    """No line, but for the path of the report, is wider than a terminal."""
    return all(len(line) <= 80 or line.startswith("report: ") for line in text.splitlines())


def bits(workdir: Path) -> dict:
    """Results of all tasks, and results.json without clock and command."""
    records = {
        path.stem: json.loads(path.read_text())["result"]
        for path in sorted((workdir / "tasks").glob("*.json"))
    }
    results = json.loads((workdir / "results.json").read_text())
    kept = {k: v for k, v in results.items() if k not in ("timing", "command", "config", "sha256")}
    return {"records": records, "results": kept}


def test_one_experiment_alone_and_again(tmp_path):
    """configs/toy.py: a report of its own; the same command does no task twice."""
    workdir = tmp_path / "study"
    done = command(tmp_path, *tiny(workdir, config="toy"), name="paper")
    assert done.status == 0, done.err
    assert narrow(done.out)
    assert "SIMULATED" in done.out
    results = json.loads((workdir / "results.json").read_text())
    assert set(results["experiments"]) == {"toy"}
    assert {claim["number"] for claim in results["claims"]} == {12}
    assert (workdir / "report.html").stat().st_size > 10_000
    record = workdir / "tasks" / "toy.json"
    before = record.stat().st_mtime_ns, bits(workdir)
    again = command(tmp_path, *tiny(workdir, "--config.jobs=1", config="toy"), name="paper")
    assert again.status == 0, again.err
    assert (record.stat().st_mtime_ns, bits(workdir)) == before
    record.unlink()
    anew = command(tmp_path, *tiny(workdir, config="toy"), name="paper")
    assert anew.status == 0, anew.err
    assert bits(workdir) == before[1]  # the same bits, in another process


def test_a_dry_run_writes_nothing(tmp_path):
    done = command(tmp_path, *tiny(tmp_path / "study", "--dry_run"), name="paper")
    assert done.status == 0, done.err
    assert re.search(r"tasks +\d+; about .* on 2 processes|tasks +\d+; about", done.out)
    assert not (tmp_path / "study").exists()
    assert narrow(done.out)


def table(path, corpus, classes=None):
    frame = pd.DataFrame(corpus.features, columns=list(corpus.feature_names))
    frame.insert(0, "file", corpus.files)
    frame.insert(1, "speaker", corpus.speakers)
    frame.insert(2, "emotion", np.array(corpus.classes)[corpus.labels])
    frame[frame["emotion"].isin(classes or corpus.classes)].to_parquet(path, index=False)
    return str(path)


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--config.experiments=('tabel4',)", "config.experiments: no experiment 'tabel4'"),
        ("--config.low_resource.sizes=(0,20)", "config.low_resource.sizes"),
        ("--config.low_resource.percents=(1.0,)", "leaves"),
        ("--config.low_resource.percents=(120.0,)", "config.low_resource.percents"),
        ("--config.low_resource.honest=('m4',)", "config.low_resource.honest"),
        ("--config.cross_corpus.draws=0", "config.cross_corpus.draws"),
        ("--config.target.path=missing.parquet", "missing.parquet: no such file"),
        ("--config.target.pth=x", "no field 'pth'"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(tmp_path, flag, message):
    done = command(tmp_path, *tiny(tmp_path / "study", flag), name="paper")
    assert done.status == 2
    (line,) = done.err.splitlines()
    assert line.startswith("error: ") and message in line
    assert not (tmp_path / "study").exists()


def test_a_pair_of_other_features_is_refused(tmp_path):
    path = table(tmp_path / "wide.parquet", simulated_corpus(200, 30))
    done = command(
        tmp_path, *tiny(tmp_path / "study", f"--config.target.path={path}"), name="paper"
    )
    assert done.status == 2 and "wide" in done.err and len(done.err.splitlines()) == 1


def test_another_study_in_the_folder_is_refused(tmp_path):
    workdir = tmp_path / "study"
    workdir.mkdir()
    (workdir / "study.json").write_text('{"config_hash": "another", "config": {}}')
    done = command(tmp_path, *tiny(workdir, config="toy"), name="paper")
    assert done.status == 2 and "holds another study" in done.err


@SLOW
def test_readings_are_studies_beside_the_study(tmp_path):
    workdir, reading = tmp_path / "study", "toy.updates=60"
    flags = tiny(workdir, f"--config.readings=('{reading}',)", config="toy")
    done = command(tmp_path, *flags, name="paper")
    assert done.status == 0, done.err
    results = json.loads((workdir / "results.json").read_text())
    assert [one["reading"] for one in results["readings"]] == ["as configured", reading]
    other = json.loads((workdir / "readings" / "toy.updates-60" / "results.json").read_text())
    assert other["config"]["toy"]["updates"] == 60 and "readings" not in other
    assert [claim["number"] for claim in results["readings"][1]["claims"]] == [12]
    assert "Readings side by side" in (workdir / "report.md").read_text()
    before = bits(workdir)
    assert command(tmp_path, *flags, name="paper").status == 0
    assert bits(workdir) == before
    wrong = tiny(workdir, "--config.readings=('toy.update=60',)", config="toy")
    done = command(tmp_path, *wrong, name="paper")
    assert done.status == 2 and "config.readings: 'toy.update=60'" in done.err


def test_the_report_stage_needs_results(tmp_path):
    done = command(tmp_path, *tiny(tmp_path / "study", "--stage=report"), name="paper")
    assert done.status == 2 and "results.json: not there yet" in done.err


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_has_a_config_of_its_own(name):
    assert f"--config=configs/{name}.py" in programs.path_of(name).read_text()
    whole, alone = (programs.load(program, "quick").to_dict() for program in ("paper", name))
    if name == "trajectory":  # which has nothing to show without points
        assert alone["metrics"]["along"] and not whole["metrics"]["along"]
        whole["metrics"]["along"] = alone["metrics"]["along"]
    assert alone == whole | {"experiments": (name,)}
    assert whole["experiments"] == PAPERS
    assert set(EXPERIMENTS) - set(PAPERS) == {
        "trajectory",
        "information",
        "fidelity",
        "speaker",
    }


@SLOW
def test_the_whole_study_and_the_same_after_sigkill(tmp_path):
    """Every experiment on a tiny pair; killed at many moments, it ends with the same bits."""
    whole = tmp_path / "whole"
    done = command(tmp_path / "a", *tiny(whole), name="paper")
    assert done.status == 0, done.err
    assert narrow(done.out)
    expected = bits(whole)
    assert set(expected["results"]["experiments"]) == set(PAPERS)
    assert {claim["number"] for claim in expected["results"]["claims"]} == set(range(1, 13))
    assert not list((whole / "training").iterdir())

    killed = tmp_path / "killed"
    for moment in (5, 15, 30):
        process = start(tmp_path / "b", *tiny(killed), name="paper")
        time.sleep(moment)
        if process.is_alive():
            os.kill(process.pid, signal.SIGKILL)
        process.join()
        time.sleep(2)  # its workers see that it is gone
    done = command(tmp_path / "b", *tiny(killed, "--config.jobs=1"), name="paper")
    assert done.status == 0, done.err
    assert bits(killed) == expected
