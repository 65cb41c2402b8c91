from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aegan.data.cells import notes_of_speakers
from aegan.data.corpus import describe, read_corpus
from aegan.errors import InputError


def good_frame(**columns) -> pd.DataFrame:
    """Six rows of three features, of two emotions and three speakers."""
    labels = {"file": [f"f{row}.wav" for row in range(6)], "speaker": list("AABBCC")}
    labels |= {"emotion": ["sad", "angry"] * 3, "duration_s": np.float32(1.5)}
    features = np.random.default_rng(0).standard_normal((6, 3)).astype(np.float32)
    features = dict(zip(("loud", "pitch", "mfcc[0]"), features.T, strict=True))
    return pd.DataFrame(labels | features | columns)


@pytest.fixture
def table(tmp_path):
    """Write a frame (the good one with other columns if none is given) and return its path."""

    def write(frame: pd.DataFrame | None = None, index=False, **columns):
        path = tmp_path / "tiny.parquet"
        (good_frame(**columns) if frame is None else frame).to_parquet(path, index=index)
        return path

    return write


def error_of(path, classes=()) -> str:
    with pytest.raises(InputError) as caught:
        read_corpus(path, classes)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def test_a_good_table_is_read_as_it_is(table):
    frame = good_frame()
    corpus = read_corpus(table(), ())
    assert (corpus.name, corpus.simulated, corpus.sessions) == ("tiny", False, None)
    assert corpus.classes == ("angry", "sad")
    assert corpus.feature_names == ("loud", "pitch", "mfcc[0]")
    assert corpus.features.dtype == np.float32 and corpus.features.flags.c_contiguous
    assert corpus.labels.dtype == np.int32
    np.testing.assert_array_equal(corpus.features, frame[list(corpus.feature_names)].to_numpy())
    np.testing.assert_array_equal(corpus.labels, [1, 0, 1, 0, 1, 0])
    np.testing.assert_array_equal(corpus.speakers, frame["speaker"])
    np.testing.assert_array_equal(corpus.files, frame["file"])
    assert read_corpus(table(), ("sad", "angry")).classes == ("angry", "sad")  # sorted


def test_sessions_and_other_types(table):
    numbers = {"speaker": [1, 1, 2, 2, 3, 3], "count": np.arange(6), "wide": np.linspace(0, 1, 6)}
    corpus = read_corpus(table(session=pd.Categorical(list("xxyyyy")), **numbers))
    assert corpus.sessions.tolist() == list("xxyyyy")
    assert corpus.speakers.tolist() == list("112233")
    assert corpus.feature_names[-2:] == ("count", "wide")
    np.testing.assert_array_equal(corpus.features[:, -2], np.arange(6))


def test_blanks_around_a_label_do_not_make_another_speaker(table):
    emotions = ["sad", "angry", "sad ", "angry", "sad", " angry"]
    corpus = read_corpus(table(speaker=["A", "A ", " A", "B", "B", "B"], emotion=emotions))
    assert set(corpus.speakers) == {"A", "B"} and corpus.classes == ("angry", "sad")


def test_many_columns_row_groups_and_dots_in_names(tmp_path):
    rng = np.random.default_rng(1)
    values = rng.standard_normal((50, 150)).astype(np.float32)
    frame = pd.DataFrame(values, columns=["a", "a.b", *(f"c{i}" for i in range(148))])
    frame.insert(3, "emotion", ["sad", "angry"] * 25)  # label columns may stand anywhere
    frame["file"] = [str(row) for row in range(50)]
    frame["speaker"] = "A"
    path = tmp_path / "wide.parquet"
    frame.to_parquet(path, index=False, row_group_size=7)
    np.testing.assert_array_equal(read_corpus(path, ()).features, values)


def test_describe_and_hashes(table):
    corpus = read_corpus(table())
    said = describe(corpus)
    assert (said["rows"], said["features"], said["speakers"]) == (6, 3, 3)
    assert said["classes"] == {"angry": 3, "sad": 3}
    assert said["sessions"] is None and said["simulated"] is False
    assert len(corpus.hash) == len(corpus.contract.hash) == 16
    assert read_corpus(table()).hash == corpus.hash
    changed = read_corpus(table(pitch=good_frame().pitch + 1))
    assert changed.hash != corpus.hash and changed.contract.hash == corpus.contract.hash
    renamed = read_corpus(table(good_frame().rename(columns={"pitch": "f0"})))
    assert renamed.hash != corpus.hash and renamed.contract.hash != corpus.contract.hash
    for change in (
        {"labels": corpus.labels[::-1].copy()},
        {"speakers": corpus.speakers[::-1].copy()},
        {"sessions": corpus.speakers},
        {"files": corpus.files[::-1].copy()},
        {"classes": ("angry", "sadder")},
    ):
        assert dataclasses.replace(corpus, **change).hash != corpus.hash, change
    assert dataclasses.replace(corpus, name="other").hash == corpus.hash


@pytest.mark.parametrize("content", [b"file,speaker\n", b"", b"PAR1junkPAR1", 0.3, 0.6, 0.98])
def test_what_is_not_a_whole_table(table, content):
    path = table()
    whole = path.read_bytes()
    path.write_bytes(whole[: int(content * len(whole))] if isinstance(content, float) else content)
    assert "Parquet" in error_of(path)
    path.unlink()
    assert "no such file" in error_of(path)
    path.mkdir()
    assert "directory" in error_of(path)


def test_damaged_pages(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.concat([good_frame()] * 200, ignore_index=True)
    frame["file"] = [str(row) for row in range(len(frame))]
    frame["pitch"] = rng.standard_normal(len(frame))
    path = tmp_path / "damaged.parquet"
    frame.to_parquet(path, index=False, compression="zstd")
    chunk = pq.ParquetFile(path).metadata.row_group(0).column(5)
    content = bytearray(path.read_bytes())
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    content[start : start + chunk.total_compressed_size] = b"\xff" * chunk.total_compressed_size
    path.write_bytes(bytes(content))
    assert "Parquet" in error_of(path)


def but(name, row, value):
    """The good column with another value in a row."""
    return {name: [value if i == row else old for i, old in enumerate(good_frame()[name])]}


@pytest.mark.parametrize(
    ("columns", "classes", "words"),
    [
        ({"gender": "f"}, (), ["'gender'", "drop"]),
        ({"emotion": [0.5, 1, 0, 2, 1, 0]}, (), ["numbers such as 0.5", "bin it first"]),
        *(
            (but("pitch", 4, bad), (), ["'pitch'", "row 4", "'f4.wav'", word])
            for bad, word in ((np.nan, "missing"), (np.inf, "infinite"), (-np.inf, "infinite"))
        ),
        (but("loud", 2, -1e39), (), ["'loud'", "row 2", "float32"]),
        *(
            (but(name, 3, bad), (), [f"column '{name}' is empty in row 3"])
            for name in ("file", "speaker", "emotion")
            for bad in (None, "", "  ")
        ),
        ({"session": ["x", "x", None, "y", "y", "y"]}, (), ["column 'session' is empty in row 2"]),
        ({"speaker": 0.5}, (), ["column 'speaker' is double"]),
        ({}, ("angry", "anger"), ["--config.data.classes: 'anger' and 'angry' are one class"]),
        (
            {"emotion": ["calm", "angry", "sad"] * 2},
            ("angry", "glad"),
            ["no row has the emotion 'glad', there are 'angry', 'calm', 'sad'"],
        ),
        ({}, ("sad", "happy", "angry"), ["'happy'", "--config.data.classes"]),
        ({"emotion": "sad"}, (), ["'sad'"]),
        ({"file": ["f0", "f1", "f1", "f3", "f4", "f1"]}, (), ["'f1' (3 times)"]),
    ],
)
def test_what_would_have_to_be_guessed_is_refused(table, columns, classes, words):
    message = error_of(table(**columns), classes)
    assert all(word in message for word in words), message


def test_other_emotions_are_left_out_with_a_note_or_refused(table):
    path = table(emotion=["calm", "angry", "sad"] * 2)
    corpus = read_corpus(path, ("sad", "angry"))
    assert corpus.classes == ("angry", "sad") and corpus.labels.tolist() == [0, 1, 0, 1]
    assert corpus.files.tolist() == ["f1.wav", "f2.wav", "f4.wav", "f5.wav"]
    assert len(corpus.features) == len(corpus.speakers) == 4
    assert corpus.notes[0].startswith("2 rows of other emotions left out: calm 2;")
    with pytest.raises(InputError, match="emotion 'calm' in row 0 .* --config.data.classes"):
        read_corpus(path, ("sad", "angry"), strict=True)


def test_spellings_of_one_class_are_one(table):
    path = table(emotion=["Anger", "angry", "sad", "Sadness", "SAD", "anger"])
    corpus = read_corpus(path)
    assert corpus.classes == ("angry", "sad") and corpus.labels.tolist() == [0, 0, 1, 1, 1, 0]
    assert "Anger counts as angry, SAD as sad, Sadness as sad, anger as angry" in corpus.notes
    assert read_corpus(path, ("Anger", "sad")).classes == ("Anger", "sad")
    own = table(emotion=["Ärger", "ärger", "Ruhe"] * 2)
    assert read_corpus(own).classes == ("Ruhe", "ärger")
    single = read_corpus(table(emotion=["anger", "fear"] * 3))  # one spelling stays as it is
    assert single.classes == ("anger", "fear") and single.notes == ()


@pytest.mark.parametrize("index", [None, "id", "utterance"])
def test_the_index_of_pandas_is_left_out_with_a_note(table, index):
    frame = good_frame().iloc[[5, 0, 3, 1]].rename_axis(index)
    corpus = read_corpus(table(frame, index=None if index is None else True))
    assert corpus.feature_names == read_corpus(table()).feature_names
    assert corpus.notes == (
        f"column '{index or '__index_level_0__'}' left out: it is the index of pandas",
    )


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("Unnamed: 0", [0, 1, 2, 3, 4, 5]),
        ("Unnamed: 0.1", [9, 2, 4, 4, 0, 1]),
        ("__index_level_0__", [3, 1, 2, 0, 5, 4]),
        ("index", [0, 1, 2, 0, 1, 2]),
        ("Index", [7, 3, 5, 6, 1, 0]),
        ("row_id", [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
    ],
)
def test_row_numbers_are_no_feature(table, name, numbers):
    corpus = read_corpus(table(good_frame().assign(**{name: numbers})))
    assert corpus.feature_names == read_corpus(table()).feature_names
    assert corpus.notes == (f"column '{name}' left out: it numbers the rows and is no feature",)


def test_what_does_not_number_rows_is_a_feature(table):
    own = {"index": [0.5, 1, 2, 3, 4, 5], "id": [1, 1, 1, 2, 2, 2], "maxPos": [0, 1, 2, 3, 4, 5]}
    corpus = read_corpus(table(good_frame().assign(**own)))
    assert corpus.feature_names[-3:] == ("index", "id", "maxPos") and corpus.notes == ()
    frame = pd.concat([good_frame()] * 5, ignore_index=True)
    frame["file"] = [f"f{row}" for row in range(30)]
    counting = read_corpus(table(frame.assign(n=range(7, 37))))  # thirty times is no accident
    assert "n" not in counting.feature_names and "column 'n' left out" in counting.notes[0]


@pytest.mark.parametrize("word", ["NA", "N/A", "None", "null", "nan", "NaN", "<NA>", "?"])
@pytest.mark.parametrize("name", ["speaker", "emotion", "session"])
def test_words_for_a_missing_label(table, word, name):
    columns = {"session": list("xxyyxy"), "speaker": list("AABBCC"), "emotion": list("abcabc")}
    columns[name][3] = word
    assert f"column '{name}' is empty in row 3" in error_of(table(**columns))


def test_tables_of_others_name_the_command_that_reads_them(table):
    frame = good_frame().assign(start=0.0, end=1.0).set_index(["file", "start", "end"])
    message = error_of(table(frame, index=True))
    assert "its rows are segments" in message and "experiments.convert --in=" in message
    path = table()
    path.write_text("file;speaker\n")
    assert f"experiments.convert --in={path}" in error_of(path)
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    assert "pointer of Git LFS; fetch the file itself" in error_of(path)


@pytest.mark.parametrize("codes", [[0, 1, 2] * 2, [0.0, 1.0, 2.0] * 2, ["0", "1", "2"] * 2])
def test_numbers_as_classes(table, codes):
    path = table(emotion=codes, voiced=[True, False] * 3, emb=[[i, i / 2] for i in range(6)])
    corpus = read_corpus(path, ("0", "2"))
    assert corpus.classes == ("0", "2") and corpus.labels.tolist() == [0, 1, 0, 1]
    assert corpus.feature_names[-3:] == ("voiced", "emb_0", "emb_1")
    assert corpus.features[:, -3:].tolist() == [[1, 0, 0], [1, 2, 1], [0, 3, 1.5], [0, 5, 2.5]]


GAPS = {"pitch": [1, np.nan, 5, 7, 2, np.inf], "loud": [1, np.nan, 2, 3, 4, 5]}


@pytest.mark.parametrize(
    ("how", "files", "names", "words"),
    [
        ("drop_rows", [0, 2, 3, 4], ["loud", "pitch", "mfcc[0]"], "2 rows left out"),
        ("drop_columns", range(6), ["mfcc[0]"], "these columns are left out"),
        ("fill", range(6), ["loud", "pitch", "mfcc[0]"], "median of the speaker's own"),
    ],
)
def test_cells_without_a_number(table, how, files, names, words):
    assert "config.data.missing" in error_of(table(**GAPS))
    corpus = read_corpus(table(**GAPS), missing=how)
    assert corpus.files.tolist() == [f"f{row}.wav" for row in files]
    assert list(corpus.feature_names) == names
    assert corpus.notes[0].startswith("3 cells without a number in 2 columns ('loud', 'pitch')")
    assert words in corpus.notes[0] and np.isfinite(corpus.features).all()
    if how == "fill":  # speakers A, A, B, B, C, C
        assert corpus.features[:, 1].tolist() == [1, 1, 5, 7, 2, 2]
        one = {"pitch": [1, 2, np.nan, np.nan, 5, 6]}
        left = read_corpus(table(**one), missing="fill")
        assert (
            list(left.feature_names) == ["loud", "mfcc[0]"]
            and "a speaker has none" in left.notes[0]
        )
    clean = read_corpus(table(), missing=how)
    assert clean.hash == read_corpus(table()).hash and clean.notes == ()


def test_nothing_left_is_an_error(table):
    none = dict.fromkeys(("loud", "pitch", "mfcc[0]"), np.nan)
    for how in ("fill", "drop_rows", "drop_columns"):
        with pytest.raises(InputError, match="is left"):
            read_corpus(table(**none), missing=how)


def test_a_speaker_that_is_nobody_is_said(table):
    corpus = read_corpus(table(speaker=["A", "Unknown", "B", "unk", "Unknown", "A"]))
    assert corpus.notes[0].startswith("3 rows of the speaker 'Unknown', 'unk', who counts as one")
    assert read_corpus(table(speaker=["A", "B", "unknown_7"] * 2)).notes == ()


def test_tables_of_another_shape_are_refused(table):
    good = good_frame()
    for name in ("file", "speaker", "emotion"):
        assert f"column '{name}' is missing" in error_of(table(good.drop(columns=name)))
    assert "no rows" in error_of(table(good.iloc[:0]))
    labels = good[["file", "speaker", "emotion", "duration_s"]]
    assert "no feature columns" in error_of(table(labels))
    whole = pa.Table.from_pandas(good, preserve_index=False)
    path = table()
    pq.write_table(whole.append_column("pitch", whole.column("loud")), path)
    assert "column 'pitch' is there 2 times" in error_of(path)


@pytest.mark.parametrize(
    ("name", "counts", "speakers", "known"),
    [
        ("nemo", [749, 749, 809, 769], 9, "30425ab62df78809"),
        ("ravdess", [192, 190, 96, 192], 24, None),
    ],
)
def test_real_tables(shared_data, name, counts, speakers, known):
    path = shared_data / f"{name}.parquet"
    corpus = read_corpus(path, ())
    said = describe(corpus)
    assert said["name"] == name and list(said["classes"]) == ["angry", "happy", "neutral", "sad"]
    assert list(said["classes"].values()) == counts
    assert said["features"] == 1582 and said["speakers"] == speakers and said["sessions"] is None
    frame = pd.read_parquet(path)
    np.testing.assert_array_equal(corpus.features, frame[list(corpus.feature_names)].to_numpy())
    assert (said["feature_set"], said["feature_hash"]) == ("IS10", "b9df4595521fd9a0")
    assert known in (None, corpus.hash)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["s1", "S1", "s2"], ["'S1' and 's1' count as 2 persons"]),
        (["01", "1", "1.0", "10"], ["'01' and '1' and '1.0' count as 3 persons"]),
        (["a", "Unknown", "a"], ["1 row of the speaker 'Unknown'"]),
        (["a", "b", "1", "10", "a1", "a01"], []),
    ],
)
def test_speakers_whose_names_may_mean_one_person_are_said(names, words):
    notes = notes_of_speakers(np.array(names))
    assert len(notes) == len(words)
    assert all(word in note for note, word in zip(notes, words, strict=True)), notes
