"""Bad input to the command: one line, exit status not 0, nothing written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from commands import command
from small_runs import assert_refused, hashes, tiny, write_table

from aegan.data.contract import FeatureContract
from aegan.errors import InputError
from aegan.run.workdir import Workdir


def only_one_speaker_is_sad(frame):
    sad = (frame["emotion"] == "sad") & (frame["speaker"] != "spk0")
    frame.loc[sad, "emotion"] = "neutral"
    return frame


def with_cell(value, row=17, column="f3"):
    def change(frame):
        frame.loc[row, column] = value
        return frame

    return change


TABLES = {
    "missing column": (lambda f: f.drop(columns="speaker"), ("table.parquet", "speaker")),
    "NaN cell": (with_cell(np.nan), ("table.parquet", "17", "f3")),
    "infinite cell": (with_cell(np.inf), ("table.parquet", "17", "f3")),
    "unknown emotion": (with_cell("bored", column="emotion"), ("table.parquet", "bored", "17")),
    "doubled file": (with_cell("utt003", column="file"), ("table.parquet", "utt003")),
    "text as feature": (lambda f: f.assign(f3="x"), ("table.parquet", "f3")),
    "fewer speakers than folds": (lambda f: f, ("4 speaker", "5 folds", "config.data.folds=4")),
    "class absent from a training part": (only_one_speaker_is_sad, ("'sad'", "spk0")),
}


def read(tmp_path, path, *more):
    """``experiments.run`` on a table."""
    table = f"--config.data.path={path}"
    return command(tmp_path, *tiny("m2", tmp_path / "run", table, *more))


@pytest.mark.parametrize("case", TABLES)
def test_a_bad_table_is_refused_in_one_line_and_nothing_is_written(case, tmp_path):
    change, words = TABLES[case]
    folds = () if "fewer" in case else ("--config.data.folds=2",)
    path = write_table(tmp_path / "table.parquet", change)
    assert_refused(read(tmp_path, path, *folds), *words)
    assert not (tmp_path / "run").exists() and not (tmp_path / "cache").exists()


def test_a_table_that_is_not_there_or_not_parquet_is_refused(tmp_path):
    (tmp_path / "text.parquet").write_text("emotion,f1\nsad,1\n")
    for name in ("none.parquet", "text.parquet"):
        assert_refused(read(tmp_path, tmp_path / name), str(tmp_path / name))
    assert not (tmp_path / "run").exists()


ARGUMENTS = {
    "--config.train.epochs=-3": ("config.train.epochs", "-3"),
    "--config.train.epoch=3": ("epoch",),
    "--config.training.epochs=3": ("training",),
    "--epochs=3": ("epochs",),
    "epochs=3": ("epochs=3",),
    "--config.data.clip=wide": ("config.data.clip", "wide"),
    "--config.train.batch_size=2.5": ("batch_size",),
    "--stage=sample": ("stage", "train"),
    "--config=configs/m2.py:huge": ("huge", "quick"),
    "--config.data.simulated_rows=3": ("simulated_rows",),
    "--stage=evaluate": ("--stage=train",),
    "--stage=report": ("--stage=evaluate",),
    "--config.only_folds=(1,1)": ("only_folds",),
}


@pytest.mark.parametrize("argument", ARGUMENTS)
def test_a_bad_argument_is_refused_in_one_line_and_nothing_is_written(argument, tmp_path):
    workdir = tmp_path / "run"
    assert_refused(command(tmp_path, *tiny("m2", workdir), argument), *ARGUMENTS[argument])
    assert not workdir.exists()


def test_no_config_and_a_config_that_is_not_there_are_refused(tmp_path):
    assert_refused(command(tmp_path), "--config=configs/")
    assert_refused(command(tmp_path, "--config=configs/m9.py"), "configs/m9.py")


@pytest.mark.parametrize("kind", ["file", "below a file"])
def test_a_workdir_that_cannot_be_is_refused(kind, tmp_path):
    file = tmp_path / "file"
    file.write_text("mine")
    workdir = file if kind == "file" else file / "run"
    assert_refused(command(tmp_path, *tiny("m2", workdir)), str(workdir))
    assert file.read_text() == "mine"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a place that root can't write")
def test_a_workdir_that_nobody_can_write_is_refused(tmp_path):
    assert_refused(command(tmp_path, *tiny("m2", "/proc/self/run")), "cannot be written")


def test_a_workdir_with_an_unreadable_config_is_refused(tmp_path):
    workdir = tmp_path / "run"
    workdir.mkdir()
    (workdir / "config.json").write_text('{"config_hash": ')
    assert_refused(command(tmp_path, *tiny("m2", workdir)), str(workdir))
    assert hashes(workdir).keys() == {"config.json"}


def test_a_workdir_with_another_corpus_of_the_same_features_is_refused(tmp_path):
    workdir, contract = Workdir(tmp_path), FeatureContract.of(["f0", "f1"])
    corpus = {"name": "mine", "classes": {"sad": 80}, "hash": "1"}
    run = {"config_hash": "1", "config": {}, "corpus": corpus}
    with workdir.claimed(run, contract):
        workdir.check(run, contract)
    other = {"config_hash": "2", "config": {}, "corpus": {**corpus, "classes": {}, "hash": "2"}}
    with pytest.raises(InputError, match="another corpus .*corpus.classes.sad is 80 there"):
        workdir.check(other, contract)


CONFIGS = ("--config=configs/m8.py", "--config configs/no.py")


@pytest.mark.parametrize("given", CONFIGS)
@pytest.mark.parametrize("more", [(), ("--config.data.folds=2",)])
def test_a_config_that_is_not_there_is_one_line(tmp_path, given, more):
    done = command(tmp_path, *given.split(), *more)
    assert done.status == 2 and "Traceback" not in done.err
    path = given.replace("=", " ").split()[1]
    assert f"--config={path}: cannot be read from here; " in done.err
    assert len(done.err.strip().splitlines()) == 1
