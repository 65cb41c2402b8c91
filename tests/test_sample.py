"""`experiments.sample`, and the leak audit of `experiments.run`, end to end."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from commands import command
from small_runs import tiny

from aegan.data.contract import FeatureContract
from aegan.data.corpus import read_corpus
from aegan.data.folds import make_folds
from aegan.data.plausibility import breaches, rules_of
from aegan.data.simulate import simulated_corpus
from aegan.errors import InputError
from aegan.run.workdir import Workdir, choose_lane
from aegan.sampling.generator import load_generator, save_generator
from aegan.system.files import read_json, write_json
from aegan.tables.read import read_table
from aegan.tables.synthetic import read_synthetic
from aegan.tables.write import table_writer

STATES = ((0, "diverged"), (1, "collapsed"), (2, "collapsed"))
CONTOUR = (*(f"loud_sma_quartile{i}" for i in (1, 2, 3)), "loud_sma_iqr1-3")
NAMES = (*CONTOUR, *(f"own_{i}" for i in range(26)))


def write_corpus(path, change=lambda corpus: corpus):
    """A table of 120 rows of ten speakers in five sessions."""
    corpus = simulated_corpus(rows=120, dim=30, seed=0)
    features = corpus.features.copy()
    features[:, :3] = np.sort(features[:, :3], axis=1)
    features[:, 3] = features[:, 2] - features[:, 0]
    corpus = change(replace(corpus, features=features))
    labels = {
        "file": corpus.files,
        "speaker": corpus.speakers,
        "session": corpus.sessions,
        "emotion": np.asarray(corpus.classes)[corpus.labels],
    }
    contract = FeatureContract(NAMES, "mine")
    with table_writer(path, tuple(labels), contract, {"licence": "CC BY 4.0, tests"}) as writer:
        writer.write(labels, corpus.features)
    return path


def train(scratch, table, run, *more):
    """``experiments.run`` on a table."""
    return command(scratch, *tiny("m3", run, f"--config.data.path={table}", *more))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Folder with a finished run in `run`."""
    root = tmp_path_factory.mktemp("sample")
    done = train(root, write_corpus(root / "mine.parquet"), root / "run")
    assert done.status == 0, done.err
    return root


@pytest.fixture
def copied(root, tmp_path):
    """A folder with a copy of the run, to be spoilt."""
    shutil.copytree(root / "run", tmp_path / "run")
    return tmp_path


def evaluate(root, copied):
    """The evaluate stage on a copied run."""
    (copied / "run" / "results.json").unlink(missing_ok=True)
    return train(copied, root / "mine.parquet", copied / "run", "--stage=evaluate")


def sample(root, *arguments, out="out.parquet", run="run"):
    done = command(root, f"--run={root / run}", f"--out={root / out}", *arguments, name="sample")
    assert "Traceback" not in done.err and "Warning" not in done.err
    return done


def drawn(root, *arguments, out="out.parquet"):
    """The table of a draw."""
    done = sample(root, *arguments, "--overwrite", out=out)
    assert done.status == 0, done.err
    return read_synthetic(root / out)


def refused(root, *words, arguments=(), out="none.parquet", run="run"):
    done = sample(root, *arguments, out=out, run=run)
    last = done.err.strip().splitlines()[-1]
    assert done.status == 2 and last.startswith("error: ")
    for word in words:
        assert word in last


def test_seed_0_repeats_the_rows_of_the_run_and_more_of_them(root):
    rows = drawn(root, "--fold=2", "--n=300")
    own = read_synthetic(root / "run" / "synthetic" / "seed0-fold2.parquet")
    assert rows.features.shape == (300, 30)
    np.testing.assert_array_equal(rows.features[:120], own.features)
    np.testing.assert_array_equal(rows.labels[:120], own.labels)
    other = drawn(root, "--fold=2", "--n=300", "--seed=1")
    assert not np.array_equal(other.features, rows.features)


def test_a_quick_run_without_a_sound_lane_can_be_sampled(tmp_path):
    workdir = Workdir(tmp_path)
    lanes = [{"seed": 0, "fold": i, "status": s, "detail": "it is"} for i, s in STATES]
    workdir.train_record.write_text(json.dumps({"lanes": lanes}))
    for variant in ("quick", "default"):
        workdir.config.write_text(json.dumps({"config": {"variant": variant}}))
        if variant == "quick":
            assert choose_lane(workdir, None, None)["fold"] == 1
        else:
            with pytest.raises(InputError, match="no lane is sound"):
                choose_lane(workdir, None, None)
        assert choose_lane(workdir, 0, None)["fold"] == 0  # named


def test_several_classes_and_counts_of_each(root):
    both = drawn(root, "--emotion=angry,sad", "--n=7")
    assert [both.classes[label] for label in both.labels] == ["angry"] * 4 + ["sad"] * 3
    assert both.passport["emotion"] == "angry=4+sad=3"
    alone = drawn(root, "--emotion=angry", "--n=4")
    # Of several classes each has random numbers of its own.
    assert not (both.features[:4] == alone.features).all(axis=1).any()
    some = drawn(root, "--emotion=sad=5,angry=2,neutral", "--n=3")
    assert [some.classes[label] for label in some.labels] == ["sad"] * 5 + ["angry"] * 2 + [
        "neutral"
    ] * 3
    one = drawn(root, "--emotion=Anger", "--n=4")  # as read_corpus has it
    same = drawn(root, "--emotion=angry", "--n=4")
    np.testing.assert_array_equal(one.features, same.features)
    assert one.passport == same.passport and one.passport["emotion"] == "angry"
    for wrong, words in (
        ("rage,sad", ["--emotion=rage", "angry, happy, neutral, sad"]),
        ("sad=0", ["--emotion=sad=0"]),
        ("sad=many", ["--emotion=sad=many"]),
        ("sad,Sad", ["'sad' is there twice"]),
    ):
        refused(root, *words, arguments=[f"--emotion={wrong}"])


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_rows_that_fill_a_table_up_to_balance_go_below_it(root, tmp_path, suffix):
    real = pd.read_parquet(root / "mine.parquet")
    real["duration_s"] = np.float32(1.5)
    real = real[~((real["emotion"] == "sad") & (real.index % 3 > 0))]
    real.to_parquet(tmp_path / "table.parquet", index=False)
    out = tmp_path / f"more.{suffix}"
    flags = [f"--balance={tmp_path / 'table.parquet'}", f"--run={root / 'run'}", f"--out={out}"]
    done = command(root, *flags, "--synthetic_column", name="sample")
    assert done.status == 0, done.err
    more = pd.read_parquet(out) if suffix == "parquet" else pd.read_csv(out)
    assert sorted(more.columns) == sorted([*real.columns, "synthetic"])
    assert set(more["speaker"]) == set(more["session"]) and more["speaker"].nunique() == 1
    assert more["speaker"][0].startswith("synthetic-m3-") and (more["synthetic"] == 1).all()
    whole = pd.concat([real, more], ignore_index=True)
    assert whole["emotion"].value_counts().nunique() == 1
    whole.to_parquet(tmp_path / "whole.parquet", index=False)
    corpus = read_corpus(tmp_path / "whole.parquet")  # what the next command reads
    assert corpus.feature_names == NAMES and len(corpus.files) == len(whole)
    said = f"{len(more)} rows are synthetic, as the table says"
    assert said in corpus.notes
    whole.to_csv(tmp_path / "whole.csv", index=False)
    table = read_table(tmp_path / "whole.csv")
    assert table.contract.names == NAMES and said in table.notes[0]
    assert read_table(out).metadata["synthetic"] == "true"
    if suffix == "parquet":
        assert "sad=" in read_synthetic(out).passport["emotion"]
        full = [f"--balance={tmp_path / 'whole.parquet'}", f"--run={root / 'run'}", "--overwrite"]
        done = command(root, *full, f"--out={out}", name="sample")
        assert done.status == 2 and "of every class already" in done.err
        other = real.assign(emotion=["disgust"] * 9 + real["emotion"].tolist()[9:])
        other.to_parquet(tmp_path / "other.parquet", index=False)
        flags[0] = f"--balance={tmp_path / 'other.parquet'}"
        done = command(root, *flags, "--overwrite", name="sample")
        assert done.status == 0, done.err
        assert "9 rows of other emotions left out: disgust 9" in " ".join(done.out.split())


def test_the_passport_says_what_the_rows_are(root):
    config_hash = json.loads((root / "run" / "config.json").read_text())["config_hash"]
    passport = drawn(root, "--fold=1", "--n=5", "--seed=7").passport
    expected = {
        "synthetic": "true",
        "model": "m3",
        "run_hash": config_hash,
        "seed": "0",
        "fold": "1",
        "draw_seed": "7",
        "corpus": "mine",
        "licence": "CC BY 4.0, tests",
        "statistics": "fold",
        "feature_set": "mine",
        "feature_hash": FeatureContract(NAMES, "mine").hash,
    }
    assert expected.items() <= passport.items()
    corpus = read_corpus(root / "mine.parquet")
    held_out = json.loads(passport["held_out"])
    assert held_out == sorted(set(corpus.speakers[make_folds(corpus, 5)[1].valid]))
    own = drawn(root, "--fold=1", "--n=5", "--licence=mine alone").passport
    assert own["licence"] == "mine alone"


def test_every_format_holds_the_same_rows_and_the_passport(root):
    for suffix in ("parquet", "csv", "arff"):
        assert sample(root, "--fold=0", "--n=7", out=f"f.{suffix}").status == 0
    tables = [read_table(root / f"f.{suffix}") for suffix in ("parquet", "csv", "arff")]
    for table in tables:
        np.testing.assert_array_equal(table.features, tables[0].features)
        np.testing.assert_array_equal(table.labels["emotion"], tables[0].labels["emotion"])
        np.testing.assert_array_equal(table.files, tables[0].files)
        assert table.metadata["synthetic"] == "true" and table.metadata["model"] == "m3"
        assert table.contract == FeatureContract(NAMES, "mine")


def test_rows_of_one_emotion(root):
    done = sample(root, "--fold=0", "--n=50", "--emotion=sad", out="sad.parquet")
    assert done.status == 0 and "sad 50" in done.out
    table = read_synthetic(root / "sad.parquet")
    assert {table.classes[label] for label in table.labels} == {"sad"}


def test_plausible_rows_keep_the_rules(root):
    yes, no = (
        drawn(root, "--fold=0", "--n=200", flag) for flag in ("--plausible", "--noplausible")
    )
    rules = rules_of(NAMES)
    assert breaches(rules, no.features)[-1].rows > 0
    assert breaches(rules, yes.features)[-1].rows == 0
    assert yes.passport["projected"] == "true" and "projected" not in no.passport
    np.testing.assert_array_equal(yes.features[:, 4:], no.features[:, 4:])


def test_bad_input_is_refused_in_one_line_and_nothing_is_written(root):
    before = {path.name for path in root.iterdir()}
    refused(root, "no such file; give the path of a finished run", run="elsewhere")
    refused(root, ".parquet, .csv, .arff", out="a.xls")
    for arguments, words in (
        (("--fold=0", "--emotion=joy"), ("--emotion=joy", "angry, happy")),
        (("--fold=9",), ("--fold=9", "fold 4 of seed 0")),
        (("--n=0",), ("--n=0",)),
        (("--nosuchflag=1",), ("nosuchflag",)),
        (("extra",), ("left-over",)),
    ):
        refused(root, *words, arguments=arguments, out="e.csv")
    done = command(root, f"--run={root / 'run'}", name="sample")
    assert done.status == 2 and "--out is missing" in done.err
    assert {path.name for path in root.iterdir()} == before
    (root / "there.csv").write_text("mine")
    refused(root, "there already", "--overwrite", arguments=["--fold=0"], out="there.csv")
    assert (root / "there.csv").read_text() == "mine"
    assert sample(root, "--fold=0", "--n=3", "--overwrite", out="there.csv").status == 0
    assert (root / "there.csv").read_text() != "mine"


def test_a_run_without_a_sound_lane_is_refused_unless_a_fold_is_named(copied):
    place = copied / "run" / "train.json"
    record = read_json(place)
    for lane in record["lanes"]:
        lane.update(status="diverged", detail="a loss")
    write_json(place, record)
    refused(copied, "no lane is sound", "a loss", "--fold")
    done = sample(copied, "--fold=3", "--n=4")
    assert done.status == 0 and "diverged: a loss" in done.out
    record["lanes"][2].update(status="ok", detail=None)
    write_json(place, record)
    assert drawn(copied, "--n=4", out="ok.parquet").passport["fold"] == "2"


# --- the leak audit --------------------------------------------------------------------------


def doubled_row(corpus):
    """The first row of one speaker under the name of another's, in another session."""
    other = np.flatnonzero(corpus.sessions != corpus.sessions[0])[0]
    features = corpus.features.copy()
    features[other] = features[0]
    return replace(corpus, features=features)


def test_a_planted_leak_stops_the_run_before_anything_is_written(tmp_path):
    table = write_corpus(tmp_path / "leaky.parquet", doubled_row)
    run = tmp_path / "run"
    done = train(tmp_path, table, run)
    assert done.status == 2 and not run.exists()
    corpus = read_corpus(table)
    other = np.flatnonzero(corpus.sessions != corpus.sessions[0])[0]
    line = done.err.strip().splitlines()[-1]
    assert line.startswith("error: corpus 'leaky': leak, fold ")
    assert "test rows equal to a training row: 1" in line and "allow_leaks=True" in line
    for file in (corpus.files[0], corpus.files[other]):
        assert f"'{file}'" in line

    allowed = train(tmp_path, table, run, "--config.data.allow_leaks=True")
    assert allowed.status == 0, allowed.err
    assert "LEAK" in allowed.out and "figures may be too good" in allowed.out.replace("\n", " ")
    results = json.loads((run / "results.json").read_text())
    assert [leak["kind"] for leak in results["corpus"]["leaks"]] == ["duplicate", "duplicate"]
    for page in ("report.html", "report.md"):
        assert "Leaks were allowed" in (run / page).read_text()


def test_draws_never_share_the_names_of_their_rows(root):
    names = []
    for draw in ("--n=20", "--emotion=angry", "--emotion=sad", "--seed=1", "--plausible"):
        drawn(root, "--fold=0", "--n=20", draw)
        names += pq.read_table(root / "out.parquet", columns=["file"])["file"].to_pylist()
    assert len(set(names)) == len(names) == 100


def test_a_licence_in_the_config_is_that_of_report_and_passport(root, tmp_path):
    more = ("--config.data.licence=only mine", "--config.only_folds=0,")
    done = train(tmp_path, root / "mine.parquet", tmp_path / "run", *more)
    assert done.status == 0, done.err
    rows = read_synthetic(tmp_path / "run" / "synthetic" / "seed0-fold0.parquet")
    assert rows.passport["licence"] == "only mine"
    assert "Licence: only mine." in (tmp_path / "run" / "report.md").read_text()


def test_lost_rows_and_generators_are_made_again(root, copied):
    shutil.rmtree(copied / "run" / "generators")
    for name in ("synthetic/seed0-fold1.parquet", "results.json"):
        (copied / "run" / name).unlink()
    done = train(copied, root / "mine.parquet", copied / "run")
    assert done.status == 0, done.err
    for name in ("synthetic/seed0-fold1.parquet", "generators/seed0-fold1.npz"):
        assert (copied / "run" / name).read_bytes() == (root / "run" / name).read_bytes()


@pytest.mark.parametrize("name", ["train.json", "features.json"])
def test_damaged_records_are_one_line(name, root, copied):
    (copied / "run" / name).write_text("{")
    (copied / "run" / "results.json").unlink()
    table, leaks = root / "mine.parquet", ()
    if name == "features.json":
        table = write_corpus(copied / "other.parquet", doubled_row)
        leaks = ("--config.data.allow_leaks=True",)
    done = train(copied, table, copied / "run", *leaks, "--stage=evaluate")
    assert done.status == 2 and f"{name}: not whole" in done.err
    assert "Traceback" not in done.err


def test_a_dry_run_in_the_workdir_of_another_run_says_so_and_goes_on(root):
    workdir = f"--workdir={root / 'run'}"
    done = command(root, "--config=configs/m1.py:quick", "--dry_run", workdir)
    shown = " ".join(done.out.split())
    assert done.status == 0 and "NOTE --workdir=" in shown
    assert "another corpus (mine there, simulated here" in shown
    real = command(root, "--config=configs/m1.py:quick", workdir)
    assert real.status == 2 and "another corpus (mine there, simulated here" in real.err


def test_a_clean_run_says_nothing_of_leaks(root):
    for page in ("report.html", "report.md"):
        text = (root / "run" / page).read_text()
        assert "Leaks were allowed" not in text
        assert "quantiles in order" in text  # the plausibility table


def test_a_generator_that_saw_test_rows_is_refused_at_evaluation(root, copied):
    """Fold 1's generator says that it was trained on the rows of fold 0's."""
    generators = copied / "run" / "generators"
    first, second = (load_generator(generators / f"seed0-fold{fold}.npz") for fold in (0, 1))
    path = generators / "seed0-fold1.npz"
    save_generator(path, replace(second, trained_on=first.trained_on))
    done = evaluate(root, copied)
    assert done.status == 2 and "seed0-fold1.npz" in done.err
    assert "test rows that the generator was trained on: 24" in done.err
    assert "allow_leaks" not in done.err
    assert not (copied / "run" / "results.json").exists()
    other = FeatureContract(("zzz", *NAMES[1:]), "mine")
    save_generator(path, replace(second, contract=other))
    done = evaluate(root, copied)
    assert done.status == 2 and "column 0 is 'zzz'" in done.err


def test_rows_of_another_lane_are_refused_at_evaluation(root, copied):
    synthetic = copied / "run" / "synthetic"
    shutil.copy(synthetic / "seed0-fold0.parquet", synthetic / "seed0-fold1.parquet")
    done = evaluate(root, copied)
    assert done.status == 2 and "seed0-fold1.parquet: its fold is 0, not 1" in done.err


def test_a_workdir_of_other_features_names_the_first_that_differ(root, tmp_path):
    table = pq.read_table(root / "mine.parquet").replace_schema_metadata(None)
    renamed = ["zzz" if name == "own_4" else name for name in table.column_names]
    pq.write_table(table.rename_columns(renamed), tmp_path / "x.parquet")
    done = train(tmp_path, tmp_path / "x.parquet", root / "run")
    assert done.status == 2 and "column 8 is 'zzz' for 'own_4'" in done.err
