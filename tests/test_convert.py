"""``python -m experiments.convert``, from files of features and labels to a table."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from functools import partial

import numpy as np
import pandas as pd
import pytest
from commands import ROOT, command

from aegan.data.contract import FeatureContract
from aegan.data.corpus import read_corpus
from aegan.tables.read import read_table
from aegan.tables.write import table_writer

DIM = 6


@pytest.fixture
def convert(tmp_path):
    """Runs the command; the names of files are those in the test's folder."""

    def run(**flags: str):
        flags = {name.strip("_"): value for name, value in flags.items()}
        paths = {n: tmp_path / flags[n] for n in ("in", "labels", "out", "audio") if n in flags}
        arguments = [f"--{name}={value}" for name, value in (flags | paths).items()]
        return command(tmp_path / "run", *arguments, name="convert")

    return run


@pytest.fixture
def data(tmp_path):
    """SMILExtract's CSV of twelve recordings, and labels in another order."""
    rng = np.random.default_rng(0)
    values = rng.standard_normal((12, DIM)).astype(np.float32)
    names = [f"f_sma[{i}]_mean" for i in range(DIM)]
    rows = [f"'clip {i}';0.000000;" + ";".join(map(str, row)) for i, row in enumerate(values)]
    (tmp_path / "features.csv").write_text("\n".join([";".join(["name;frameTime", *names]), *rows]))
    own = {
        "speaker": ["s0", "s1", "s2"] * 4,
        "emotion": ["anger", "sadness", "fear", "neutral"] * 3,
    }
    labels = pd.DataFrame({"file": [f"wav/clip {i}.wav" for i in range(12)], **own})
    labels.sample(frac=1, random_state=0).to_csv(tmp_path / "labels.csv", index=False)
    return values, labels


@pytest.fixture
def label(convert, data):
    """Joins these features and labels to t.parquet."""
    return partial(convert, in_="features.csv", labels="labels.csv", out="t.parquet")


def check_failed(done, *parts: str) -> None:
    assert done.status == 2
    assert done.err.startswith("error: ") and done.err.count("\n") == 1
    for part in parts:
        assert part in done.err, done.err


def test_features_and_labels_become_a_table_that_trains(label, data, tmp_path):
    values, labels = data
    done = label(licence="CC BY")
    assert done.status == 0, done.err
    corpus = read_corpus(tmp_path / "t.parquet")
    assert corpus.files.tolist() == [f"clip {i}" for i in range(12)]
    np.testing.assert_array_equal(corpus.features, values)
    emotions = np.array(corpus.classes)[corpus.labels]
    assert emotions.tolist() == ["angry", "sad", "fear", "neutral"] * 3
    assert corpus.speakers.tolist() == labels["speaker"].tolist()
    assert corpus.licence == "CC BY"
    for part in (
        f"features.csv: 12 rows x {DIM} features (unknown)",
        "labels of labels.csv joined by base name without suffix",
        "note        anger counts as angry, sadness as sad; --emotions says otherwise",
        "angry 3, fear 3, neutral 3, sad 3",
        "speakers    3",
        f"t.parquet: 12 rows x {DIM} features",
        '--config.data.classes="()"',
    ):
        assert part in done.out


def test_emotions_are_renamed_and_others_left_out_with_counts(label, tmp_path):
    done = label(emotions="anger=angry,sadness=sad, neutral = neutral")
    assert "left out    3 rows of other emotions: fear 3" in done.out
    assert "classes     angry 3, neutral 3, sad 3" in done.out
    corpus = read_corpus(tmp_path / "t.parquet")
    assert corpus.classes == ("angry", "neutral", "sad")
    assert "clip 2" not in corpus.files and len(corpus.files) == 9
    done = label(emotions="anger=anger,sadness=sadness,fear=fear", overwrite="true")
    assert "counts as" not in done.out  # they override the four classes wholly
    assert read_corpus(tmp_path / "t.parquet").classes == ("anger", "fear", "sadness")
    done = label(emotions="rage=angry", overwrite="true")
    check_failed(done, "no row has the emotion 'rage'", "anger 3, fear 3")
    assert "theirs=ours" not in done.err
    done = label(emotions="neutral=neutral,angry=anger", overwrite="true")
    check_failed(done, "no row has the emotion 'angry'", "; write theirs=ours: anger=angry\n")


@pytest.mark.parametrize(
    ("own", "classes", "note"),
    [
        (("Anger", "HAPPY", "sad", "neutral"), "angry happy neutral sad", "Anger counts as angry"),
        (("rage", "joy", "calm", "sad"), "calm joy rage sad", ""),
        (("angry", "happy", "sad", "neutral"), "angry happy neutral sad", ""),
        (("angry", "happy", "sad", "neutral", "anger"), "angry happy neutral sad", "anger counts"),
        (("sad", "calm", "Calm", "SAD"), "calm sad", "Calm counts as calm"),
    ],
)
def test_names_of_the_four_classes(label, data, tmp_path, own, classes, note):
    _, labels = data
    labels["emotion"] = [own[i % len(own)] for i in range(12)]
    labels.to_csv(tmp_path / "labels.csv", index=False)
    done = label()
    assert done.status == 0, done.err
    assert read_corpus(tmp_path / "t.parquet").classes == tuple(classes.split())
    assert note in done.out and ("counts as" in done.out) == bool(note)
    table_needs_no_other_classes = '--config.data.classes="()"' not in done.out
    assert table_needs_no_other_classes == (classes == "angry happy neutral sad")


def test_equal_rows_under_other_names_are_named(label, tmp_path):
    path = tmp_path / "features.csv"
    lines = path.read_text().splitlines()
    assert "another row" not in label().out
    for row, copy, said in (
        (0, 3, "1 row equals another row, first 'clip 0' and 'clip 3'\n"),
        (1, 5, "2 rows equal another row, first 'clip 1' and 'clip 5' of different"),
    ):
        lines[copy + 1] = lines[row + 1].replace(f"clip {row}", f"clip {copy}")
        path.write_text("\n".join(lines))
        assert said in label(overwrite="true").out
    assert len(read_corpus(tmp_path / "t.parquet").files) == 12


def test_own_columns_beside_a_known_feature_set_are_named(convert, tmp_path, shared_data):
    frame = pd.read_parquet(shared_data / "ravdess.parquet")
    frame["valence"], frame["dominance"] = 0.5, 1.5
    frame = frame[["valence", *frame.columns[:-2], "dominance"]].groupby("emotion").head(20)
    frame.to_parquet(tmp_path / "f.parquet", index=False)
    more = "IS10 and 2 more columns: 'valence', 'dominance'; --leave_out=valence,dominance if they"
    for out, leave_out, said in (
        ("t", "", ["1584 features (unknown)", f"{more} are no features"]),
        ("u", "valence", ["--leave_out=dominance if it is no feature"]),
        ("v", "valence,dominance", ["1582 features (IS10)"]),
    ):
        done = convert(in_="f.parquet", out=f"{out}.parquet", leave_out=leave_out)
        assert all(part in " ".join(done.out.split()) for part in said), done.out
    assert "more column" not in done.out


@pytest.mark.parametrize("suffix", ["csv", "arff", "parquet"])
def test_a_labelled_table_needs_no_labels(label, convert, data, tmp_path, suffix):
    values, _ = data
    label(out=f"one.{suffix}", licence="CC BY")
    done = convert(in_=f"one.{suffix}", out="two.parquet", feature_set="mine")
    assert done.status == 0, done.err
    corpus = read_corpus(tmp_path / "two.parquet")
    np.testing.assert_array_equal(corpus.features, values)
    assert corpus.contract == FeatureContract.of(corpus.feature_names, "mine")
    assert corpus.licence == ("" if suffix == "csv" else "CC BY")
    if suffix == "arff":
        text = (tmp_path / "one.arff").read_text()
        assert "@attribute emotion {angry,fear,neutral,sad}" in text
        assert "% licence: CC BY" in text


def test_unmatched_rows_are_refused_or_dropped(label, data, tmp_path):
    data[1].iloc[2:].to_csv(tmp_path / "labels.csv", index=False)
    check_failed(label(), "2 of 12 rows of features.csv", "('clip 0', 'clip 1')")
    assert not (tmp_path / "t.parquet").exists()
    assert "left out: 2 of 12 rows of features.csv" in label(unmatched="drop").out
    assert len(read_corpus(tmp_path / "t.parquet").files) == 10


def test_columns_of_other_names(label, data, tmp_path):
    data[1].set_axis(["wav", "who", "emotion"], axis=1).to_csv(tmp_path / "labels.csv", index=False)
    check_failed(label(columns="file=wav"), "no column 'speaker'", "folds keep speakers")
    assert label(columns="file=wav,speaker=who").status == 0


def test_segments_get_names_of_their_own(convert, tmp_path):
    rows = ["file,start,end,speaker,emotion,gender,f"]
    rows += [f"{f},{t},{t + 1},{f},{e},m,{t}" for f in "ab" for t, e in ((0, "sad"), (1.5, "calm"))]
    (tmp_path / "f.csv").write_text("\n".join(rows))
    check_failed(convert(in_="f.csv", out="t.parquet"), "column 'gender' is text", "--leave_out")
    done = convert(in_="f.csv", out="t.parquet", leave_out="gender")
    assert done.status == 0, done.err
    files = read_corpus(tmp_path / "t.parquet").files.tolist()
    assert files == [f"{f}[{times}]" for f in "ab" for times in ("0.000-1.000", "1.500-2.500")]
    assert "rows are named file[start-end]" in done.out


@pytest.mark.parametrize("how", ["fill", "drop_rows", "drop_columns"])
def test_cells_without_a_number_are_mended_if_asked(label, tmp_path, how):
    path = tmp_path / "features.csv"
    lines = path.read_text().splitlines()
    cells = lines[4].split(";")
    lines[4] = ";".join([*cells[:3], "NA", *cells[4:]])
    path.write_text("\n".join(lines))
    check_failed(label(), "line 5, column 'f_sma[1]_mean': the value is missing", "--missing")
    assert "1 cells without a number in 1 columns" in label(missing=how).out
    corpus = read_corpus(tmp_path / "t.parquet")
    shapes = {"fill": (12, DIM), "drop_rows": (11, DIM), "drop_columns": (12, DIM - 1)}
    assert corpus.features.shape == shapes[how] and np.isfinite(corpus.features).all()
    assert any("1 cells without a number" in note for note in corpus.notes)  # the report says so


def test_labels_of_a_corpus(convert, tmp_path):
    names = ["03a01Wa", "03a02Nc", "08b01Fd", "08b02Tb", "09a01La"]
    for name in names:
        (tmp_path / "wav").mkdir(exist_ok=True)
        (tmp_path / "wav" / f"{name}.wav").write_bytes(b"RIFF")
    rows = [f"'{name}';{i};{i}" for i, name in enumerate(names)]
    (tmp_path / "f.csv").write_text("\n".join(["name;x;y", *rows]))
    done = convert(in_="f.csv", corpus="emodb", audio="wav", out="t.parquet")
    assert done.status == 0, done.err
    corpus = read_corpus(tmp_path / "t.parquet")
    assert corpus.files.tolist() == names[:4] and corpus.licence != ""
    assert np.array(corpus.classes)[corpus.labels].tolist() == ["angry", "neutral", "happy", "sad"]
    assert "left out    1 row of other emotions: boredom 1" in done.out


def test_synthetic_tables_keep_their_passport(convert, tmp_path):
    contract = FeatureContract.of(["a", "b"], "mine")
    metadata = {"synthetic": "true", "model": "M2", "classes": '["sad", "angry"]'}
    with table_writer(tmp_path / "s.parquet", ["file", "emotion"], contract, metadata) as writer:
        rows = np.arange(6, dtype=np.float32).reshape(3, 2)
        writer.write({"file": list("xyz"), "emotion": ["sad", "sad", "angry"]}, rows)
    for source, out in (("s.parquet", "s.csv"), ("s.csv", "s.arff"), ("s.arff", "t.parquet")):
        done = convert(in_=source, out=out)
        assert done.status == 0, done.err
        assert "yes, by its passport" in done.out and "next:" not in done.out
        table = read_table(tmp_path / out)
        assert table.metadata == metadata and table.contract == contract
        np.testing.assert_array_equal(table.features, rows)
    (tmp_path / "l.csv").write_text("file,speaker,emotion\nx,a,sad\ny,a,sad\nz,b,angry\n")
    check_failed(convert(in_="s.csv", labels="l.csv", out="u.parquet"), "rows are synthetic")
    done = convert(in_="s.csv", out="u.csv", emotions="sad=blue")
    assert done.status == 0, done.err
    renamed = read_table(tmp_path / "u.csv")
    assert renamed.labels["emotion"].tolist() == ["blue", "blue"]
    assert renamed.metadata == metadata | {"classes": '["blue"]'}


def test_a_table_without_two_emotions_is_not_written(label, tmp_path):
    done = label(emotions="anger=angry")
    check_failed(done, str(tmp_path / "t.parquet"), "the only emotion is 'angry'")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["features.csv", "labels.csv", "run"]


def test_the_set_that_the_names_tell_cannot_be_denied(convert, tmp_path, shared_data):
    flags = {"in_": str(shared_data / "ravdess.parquet"), "out": "t.parquet"}
    check_failed(convert(**flags, feature_set="emobase2010"), "has IS10; leave the flag out")


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        ({"in_": ""}, "--in is missing"),
        ({"out": ""}, "--out is missing"),
        ({"out": "t.xlsx"}, "no such format"),
        ({"out": "features.csv"}, "is there already"),
        ({"corpus": "emodb"}, "go together"),
        ({"corpus": "emodb", "labels": "no.csv"}, "are both given"),
        ({"in_": "nothing.csv"}, "give the path of a feature file"),
        ({"labels": "no.csv"}, "no such file; give the path of a table of labels"),
        ({"unmatched": "keep"}, "unmatched"),
        ({"inn": "x"}, "inn"),
        ({}, "no column 'speaker'"),
        ({"emotions": "a=b,a=c"}, "'a' is there twice"),
        ({"columns": "age=wav"}, "--columns: no column 'age'; there are file"),
        ({"columns": "wav=file"}, "write file=wav: the table's own name comes second"),
        ({"columns": "file"}, "'file' is not name=value"),
    ],
)
def test_bad_input_is_one_line_and_status_2(convert, data, flags, part):
    flags = {"in_": "features.csv", "out": "t.csv"} | flags
    check_failed(convert(**{name: value for name, value in flags.items() if value}), part)


def test_the_output_fits_80_columns_and_the_next_command_runs(label, data, tmp_path):
    _, labels = data
    labels["emotion"] = [f"a very long emotion {i % 4}" for i in range(12)]
    labels.to_csv(tmp_path / "labels.csv", index=False)
    done = label()
    own = [line for line in done.out.splitlines() if str(tmp_path) not in line]
    assert len(own) > 5 and max(map(len, own)) <= 80
    words = shlex.split(done.out.partition("next: ")[2].replace("\\\n", ""))
    assert words[:3] == ["python", "-m", "experiments.run"]
    assert f"--config.data.path={tmp_path / 't.parquet'}" in words
    dry = command(tmp_path / "dry", *words[3:], "--dry_run")
    assert dry.status == 0, dry.err


def test_help_has_examples_and_flags_that_are_there(tmp_path):
    text = subprocess.run(
        [sys.executable, "-m", "experiments.convert", "--help"], cwd=ROOT, capture_output=True
    ).stdout.decode()
    usage, _, flags = text.partition("flags:")
    assert max(map(len, text.splitlines())) <= 80
    assert usage.count("python -m experiments.convert") == 4
    named = set(re.findall(r"--(\w+)=", usage))
    assert {"in", "out", "labels"} <= named
    assert all(re.search(rf"^  --{name}:", flags, re.MULTILINE) for name in named)
