"""The command itself: files, schema, repetition and interruption, end to end."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import orbax.checkpoint as ocp
import pandas as pd
import pytest
from commands import ROOT, command, finish, start
from helpers import NAMES, PAPER, TRAINED
from small_runs import EPOCHS, OFTEN, OWN, assert_refused, hashes, tiny

from aegan.data.simulate import simulated_corpus
from aegan.metrics.references import GENERATORS
from aegan.models.model import MODELS
from aegan.report.compare import compare
from aegan.sampling.generator import load_generator
from aegan.system.screen import duration
from aegan.tables.synthetic import read_synthetic
from experiments.configured import default_workdir

METRICS = (
    "trts_set1 trts_set2 tstr_set1 tstr_set2 real_to_real fid fid_real variance_ratio"
).split()
REFERENCES = ("real", *GENERATORS)
WITH_CONFIG = tuple(name for name in NAMES if name != "m5_adversarial")  # a variant of M5's


NOT_COMPARED = ("timing", "command", "sha256")


def figures_of(workdir: Path) -> dict:
    """results.json without what rightly differs between runs: the clock and the command."""
    results = json.loads((workdir / "results.json").read_text())
    return {name: part for name, part in results.items() if name not in NOT_COMPARED}


class Finished:
    """A run that is done."""

    def __init__(self, model, root: Path):
        self.model, self.root, self.workdir = model, root, root / "run"
        self.epochs = EPOCHS if MODELS[model].steps else 0  # M5 is in closed form
        self.done = command(root, *tiny(model, self.workdir))
        assert self.done.status == 0, self.done.err
        self.results = json.loads((self.workdir / "results.json").read_text())


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Runs by their model, each done once."""
    done = {}

    def run(model):
        if model not in done:
            done[model] = Finished(model, tmp_path_factory.mktemp(model))
        return done[model]

    return run


@pytest.fixture(params=WITH_CONFIG)
def finished(request, runs):
    """Of every model, a run."""
    return runs(request.param)


@pytest.fixture
def one(runs):
    """The run of a model that the package does not know."""
    return runs(OWN)


def test_all_files_of_a_run_are_there(finished):
    workdir = finished.workdir
    for name in ("config.json", "losses.parquet", "results.json", "report.md", "report.html"):
        assert (workdir / name).stat().st_size > 0, name
    assert any((workdir / "figures").iterdir())
    kept = [path.name for path in (workdir / "checkpoints").iterdir()]
    assert kept == [str(EPOCHS)] * bool(finished.epochs)
    rows = {f"seed0-fold{fold}.parquet" for fold in range(5)}
    assert {path.name for path in (workdir / "synthetic").iterdir()} == rows
    assert not [path for path in workdir.rglob("*") if path.name.endswith(".tmp")]


def test_the_report_is_one_self_contained_file_that_says_simulated_and_shows_every_loss(finished):
    page, text = ((finished.workdir / f"report.{kind}").read_text() for kind in ("html", "md"))
    assert "<link" not in page and 'src="http' not in page and 'src="figures' not in page
    assert "simulated" in page.lower() and "simulated" in text.lower()
    for loss in MODELS[finished.model].losses():
        assert f"{loss.panel}: losses over epochs" in text


def test_the_screen_shows_the_run_the_table_and_the_report(finished):
    out = finished.done.out
    assert "SIMULATED" in out and "120 rows x 30 features, 10 speakers" in out
    length = f"{EPOCHS} epochs" if finished.epochs else "nothing is trained: closed form"
    assert "5 folds x 1 seed" in out and length in out
    assert ("compiling" in out) == bool(finished.epochs)
    assert ("Paper" in out) == (finished.model in PAPER)
    assert str(finished.workdir / "report.html") in out
    assert MODELS[finished.model].title in out
    assert max(map(len, out.splitlines())) <= max(80, len(f"report: {finished.workdir}") + 12)
    assert "Traceback" not in finished.done.err and "Warning" not in finished.done.err


def test_results_have_the_promised_schema(finished):
    results = finished.results
    parts = "model variant corpus versions timing lanes metrics references paper"
    assert set(parts.split()) <= set(results)
    assert (results["model"], results["variant"]) == (finished.model, "quick")
    corpus = {"simulated": True, "statistics": "fold", "rows": 120, "features": 30, "speakers": 10}
    assert corpus.items() <= results["corpus"].items()
    assert {"python", "jax", "numpy", "scikit-learn"} <= set(results["versions"])
    assert (results["timing"]["train_s"] > 0) == bool(finished.epochs)
    assert results["device"]["matmul_precision"] == "float32"
    training = results["training"]
    assert training["updates"] == finished.epochs * training["batches_per_epoch"]
    assert [fold["fold"] for fold in results["folds"]] == list(range(5))
    for fold in results["folds"]:
        assert fold["train_rows"] + fold["valid_rows"] == 120 and fold["held_out"]
    found = []  # NaN, Infinity: no JSON, but Python would write them
    json.loads((finished.workdir / "results.json").read_text(), parse_constant=found.append)
    assert found == []


def test_lanes_and_metrics_go_together(finished):
    lanes, results = finished.results["lanes"], finished.results
    assert [(lane["seed"], lane["fold"]) for lane in lanes] == [(0, fold) for fold in range(5)]
    for lane in lanes:
        assert lane["status"] in ("ok", "diverged", "collapsed")
        silent = lane["status"] == "ok" and not MODELS[finished.model].margins
        assert (lane["detail"] is None) == silent  # M5 says what its rows tell of speakers
        assert lane["epochs"] == lane["last_good_epoch"] == finished.epochs
    for block in (results["metrics"], *(results["references"][name] for name in REFERENCES)):
        assert set(METRICS) <= set(block)
        for name in METRICS:
            check_metric(name, block[name], lanes)


def check_metric(name, entry, lanes):
    assert set(entry) == {"per_lane", "mean", "sd", "ci95"}
    assert len(entry["per_lane"]) == len(lanes)
    values = [value for value in entry["per_lane"] if value is not None]
    if len(values) < 2:
        return
    assert entry["mean"] == pytest.approx(np.mean(values))
    assert entry["sd"] == pytest.approx(np.std(values, ddof=1))
    low, high = entry["ci95"]
    assert low <= entry["mean"] <= high
    if name.startswith(("trts", "tstr", "real_to_real")):
        assert all(0 <= value <= 1 for value in values)


def test_losses_are_one_row_per_lane_epoch_and_split(finished):
    table = pd.read_parquet(finished.workdir / "losses.parquet")
    names = [loss.name for loss in MODELS[finished.model].losses()]
    assert list(table.columns) == ["seed", "fold", "epoch", "split", *names]
    epochs = range(1, finished.epochs + 1)
    index = [(0, fold, epoch) for fold in range(5) for epoch in epochs]
    for split in ("train", "valid"):
        part = table[table["split"] == split]
        assert sorted(zip(part["seed"], part["fold"], part["epoch"], strict=True)) == index
    if "feature_discriminator" in names:
        idle = table["feature_discriminator"].isna()
        assert ((table["split"] == "train") & (table["epoch"] == 2)).equals(idle)
    others = [name for name in names if name != "feature_discriminator"]
    assert np.isfinite(table[others].to_numpy()).all()
    if finished.epochs:
        so_far = pd.read_csv(finished.workdir / "losses.csv")
        pd.testing.assert_frame_equal(so_far.astype(table.dtypes), table)


def test_synthetic_tables_are_in_the_corpus_units_and_carry_their_passport(finished):
    corpus = simulated_corpus(rows=120, dim=30)
    config_hash = json.loads((finished.workdir / "config.json").read_text())["config_hash"]
    assert finished.results["config_hash"] == config_hash
    for fold in range(5):
        path = finished.workdir / "synthetic" / f"seed0-fold{fold}.parquet"
        table = read_synthetic(path)
        assert table.contract == corpus.contract and table.classes == corpus.classes
        assert table.features.shape == (120, 30) and np.isfinite(table.features).all()
        constant = np.ptp(corpus.features, axis=0) == 0
        assert constant.any()
        assert (table.features[:, constant] == corpus.features[0, constant]).all()
        expected = {"synthetic": "true", "model": finished.model, "variant": "quick", "seed": "0"}
        expected |= {"fold": str(fold), "run_hash": config_hash, "corpus_hash": corpus.hash}
        assert expected.items() <= table.passport.items()


def test_a_finished_stage_is_not_redone(one):
    before = {path: path.stat().st_mtime_ns for path in one.workdir.rglob("*.parquet")}
    results = (one.workdir / "results.json").read_bytes()
    done = command(one.root, *tiny(one.model, one.workdir))
    assert done.status == 0
    assert "train: finished before" in done.out and "evaluate: finished before" in done.out
    assert before == {path: path.stat().st_mtime_ns for path in before}
    assert results == (one.workdir / "results.json").read_bytes()


def test_a_lost_stage_alone_is_made_again_with_the_same_figures(one):
    figures = figures_of(one.workdir)
    (one.workdir / "results.json").unlink()
    done = command(one.root, *tiny(one.model, one.workdir, "--stage=evaluate"))
    assert done.status == 0 and "takes about" not in done.out, done.err  # nothing is trained
    assert figures_of(one.workdir) == figures


def test_the_report_needs_neither_corpus_nor_training(one):
    (one.workdir / "report.md").unlink()
    arguments = f"--workdir={one.workdir}", "--config=configs/m2.py", "--stage=report"
    done = command(one.root, *arguments)
    assert done.status == 0 and (one.workdir / "report.md").exists()


def test_another_config_in_the_same_workdir_is_refused(one):
    before = hashes(one.workdir)
    done = command(one.root, *tiny(one.model, one.workdir, "--config.train.gain=0.3"))
    assert_refused(done, "config.train.gain is", "0.3 here", "another --workdir")
    assert hashes(one.workdir) == before


@pytest.mark.slow
def test_the_same_command_twice_gives_the_same_bits(finished, tmp_path):
    done = command(tmp_path, *tiny(finished.model, tmp_path / "run"))
    assert done.status == 0, done.err
    assert_same_run(tmp_path / "run", finished.workdir, bool(finished.epochs))


def assert_same_run(one: Path, other: Path, trained: bool = True):
    files = hashes(one, ".parquet", ".npz")  # losses; rows and generators by fold
    assert len(files) == 11 and files == hashes(other, ".parquet", ".npz")
    assert figures_of(one) == figures_of(other)
    if not trained:
        return
    so_far = [(workdir / "losses.csv").read_bytes() for workdir in (one, other)]
    assert so_far[0] == so_far[1]
    states = [parameters(workdir) for workdir in (one, other)]
    assert states[0].keys() == states[1].keys() and len(states[0]) > 10
    assert states[0] == states[1]


def parameters(workdir: Path) -> dict[str, bytes]:
    """All arrays of the newest checkpoint: parameters, optimiser states, keys."""
    leaves = jax.tree_util.tree_leaves_with_path(newest(workdir))
    return {jax.tree_util.keystr(path): np.asarray(leaf).tobytes() for path, leaf in leaves}


def newest(workdir: Path) -> dict:
    """The newest checkpoint."""
    whole = [path for path in workdir.glob("checkpoints/*") if path.name.isdigit()]
    place = max(whole, key=lambda path: int(path.name))  # beside what a kill in mid-save left
    return ocp.StandardCheckpointer().restore((place / "state").resolve())


def test_two_runs_are_compared_by_speaker(runs, one):
    found = compare([runs("m5").workdir, one.workdir])
    less = found.lines[1].less["tstr_set2"]
    scores = [run.results["metrics"]["tstr_set2"]["mean"] for run in (one, runs("m5"))]
    assert found.by_speaker and found.lanes == 5
    assert less.mean == pytest.approx(scores[0] - scores[1]) and less.low < less.mean < less.high


def test_rows_are_made_by_the_averaged_weights(runs):
    workdir = runs("m4").workdir
    lanes = newest(workdir)["lanes"]
    last, average = lanes["params"]["decoder"], lanes["opt_states"]["average"]["decoder"]
    for fold in range(5):
        made = load_generator(workdir / "generators" / f"seed0-fold{fold}.npz").params["decoder"]
        for found, mean, trained in zip(*map(jax.tree.leaves, (made, average, last)), strict=True):
            np.testing.assert_array_equal(found, mean[fold])
            assert np.abs(found - trained[fold]).max() > 0


# --- interruption ------------------------------------------------------------------------------

LONG = 50  # epochs
SLOW = [pytest.param(model, 4, marks=pytest.mark.slow) for model in TRAINED]


@pytest.mark.parametrize(("model", "times"), [(OWN, 0), *SLOW])
def test_killed_at_any_moment_the_same_command_gives_the_same_bits(model, times, tmp_path):
    """First after a checkpoint, so that there is something to go on from; then whenever."""
    more = (f"--config.train.epochs={LONG}", OFTEN)
    begun = time.monotonic()
    whole = command(tmp_path / "whole", *tiny(model, tmp_path / "whole/run", *more))
    assert whole.status == 0, whole.err
    length = time.monotonic() - begun
    scratch, workdir, out = tmp_path / "cut", tmp_path / "cut" / "run", ""
    rng = np.random.default_rng(int.from_bytes(os.urandom(4), "little"))
    moments = [None, *rng.uniform(0.05, 0.9, times) * length]
    for moment in moments:
        process = start(scratch, *tiny(model, workdir, *more))
        if moment is None:
            kept = workdir / "checkpoints"
            while process.is_alive() and not any(p.name.isdigit() for p in kept.glob("*")):
                time.sleep(0.01)
        else:
            process.join(float(moment))
        process.kill()
        done = finish(process, scratch)
        assert done.status in ((-9,) if moment is None else (0, -9)), (moments, done)
        out += done.out
    done = command(scratch, *tiny(model, workdir, *more))
    assert done.status == 0, (moments, done.err)
    resumed = re.findall(f"train: goes on after epoch (\\d+) of {LONG}", out + done.out)
    assert resumed and 0 < int(resumed[0]) < LONG, (moments, out, done.out)
    assert_same_run(workdir, tmp_path / "whole" / "run")


@pytest.mark.slow
def test_a_lane_that_diverges_is_named_everywhere(tmp_path):
    """A rate at which every lane diverges: the run still ends well and says so."""
    workdir = tmp_path / "run"
    rate = "--config.train.steps.autoencoder.rate=1000000.0"
    done = command(tmp_path, *tiny("m1", workdir, rate))
    assert done.status == 0, done.err
    results = json.loads((workdir / "results.json").read_text())
    assert {lane["status"] for lane in results["lanes"]} == {"diverged"}
    assert {lane["last_good_epoch"] for lane in results["lanes"]} == {0}
    assert results["metrics"]["trts_set1"]["per_lane"] == [None] * 5
    assert results["metrics"]["trts_set1"]["mean"] is None
    assert "seed 0, fold 3" in done.out + done.err and "diverged" in done.out
    assert "diverged" in (workdir / "report.md").read_text()
    assert "Traceback" not in done.err


# --- the dry run and the shell -------------------------------------------------------------------


def test_a_dry_run_shows_folds_and_speakers_and_writes_nothing(tmp_path):
    workdir = tmp_path / "run"
    done = command(tmp_path, *tiny("m2", workdir, "--dry_run", "--config.seeds=(0,1)"))
    assert done.status == 0, done.err
    assert "5 folds x 2 seeds" in done.out and "takes about" in done.out
    for session in range(1, 6):
        assert f"Ses0{session}F, Ses0{session}M" in done.out
    assert max(map(len, done.out.splitlines())) <= 80
    assert not workdir.exists()


def test_the_shell_command_starts_and_refuses_like_the_forked_one(tmp_path):
    """The other tests fork a loaded program; this one is what a user types."""
    done = subprocess.run(
        [sys.executable, "-m", "experiments.run", *tiny("m2", tmp_path / "run"), "left"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1 and "'left'" in done.stderr
    assert not (tmp_path / "run").exists()


def test_the_default_workdir_is_named_after_the_config():
    assert default_workdir("configs/m2.py") == Path("runs/m2")
    assert default_workdir("configs/m3.py:quick") == Path("runs/m3-quick")


def test_durations_in_words():
    assert [duration(s) for s in (3.2, 600, 9000)] == ["3 s", "10 min", "2.5 h"]


def test_a_generator_of_all_rows(tmp_path):
    """Nothing is held out, which terminal and report say; rows can be drawn; no stage fails."""
    done = command(tmp_path, *tiny("m1", tmp_path / "run", "--config.data.folds=all"))
    assert done.status == 0, done.err
    said = "Nothing was held out: the generators saw every row"
    report = (tmp_path / "run" / "report.md").read_text()
    assert said in done.out and said in report and "nothing held out" in done.out
    assert "TSTR-2" not in done.out and "TSTR set-2 (%)" not in report
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["folds"][0] == {
        **{"fold": 0, "split": 0, "name": "all rows", "held_out": []},
        **{"train_rows": 120, "valid_rows": 0},
    }
    found = {name: results["metrics"][name]["mean"] for name in METRICS}
    assert found["tstr_set1"] > 0 and found["tstr_set2"] is None
    out = tmp_path / "rows.parquet"
    arguments = (f"--run={tmp_path / 'run'}", "--fold=0", "--n=30", f"--out={out}")
    assert command(tmp_path, *arguments, name="sample").status == 0
    assert len(read_synthetic(out).labels) == 30


def test_fields_of_the_config_are_taken_by_the_program_itself(tmp_path):
    """Not by a fork of it: flags are parsed before what is slow to import, and once."""
    given = ["--config=configs/m5.py:quick", "--config.data.simulated_rows=80", "--dry_run"]
    call = [sys.executable, "-m", "experiments.run", *given, f"--workdir={tmp_path / 'run'}"]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "80 rows x 1582 features" in done.stdout
