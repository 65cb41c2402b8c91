from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aegan.data.corpus import describe, read_corpus
from aegan.errors import InputError


def good_frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "file": [f"f{row}.wav" for row in range(6)],
            "speaker": list("AABBCC"),
            "emotion": ["sad", "angry"] * 3,
            "duration_s": np.float32(1.5),
        }
    )
    for name in ("loud", "pitch", "mfcc[0]"):
        frame[name] = rng.standard_normal(6).astype(np.float32)
    return frame


@pytest.fixture
def table(tmp_path):
    """Write a frame (the good one if none is given) and return its path."""

    def write(frame: pd.DataFrame | None = None):
        path = tmp_path / "tiny.parquet"
        (good_frame() if frame is None else frame).to_parquet(path, index=False)
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
    assert corpus.name == "tiny"
    assert corpus.simulated is False
    assert corpus.classes == ("angry", "sad")
    assert corpus.feature_names == ("loud", "pitch", "mfcc[0]")
    assert corpus.features.dtype == np.float32
    assert corpus.features.flags.c_contiguous
    assert corpus.labels.dtype == np.int32
    np.testing.assert_array_equal(corpus.features, frame[list(corpus.feature_names)].to_numpy())
    np.testing.assert_array_equal(corpus.labels, [1, 0, 1, 0, 1, 0])
    np.testing.assert_array_equal(corpus.speakers, frame["speaker"])
    np.testing.assert_array_equal(corpus.files, frame["file"])
    assert corpus.sessions is None


def test_sessions_and_other_number_types(table):
    frame = good_frame()
    frame["session"] = pd.Categorical(list("xxyyyy"))
    frame["speaker"] = [1, 1, 2, 2, 3, 3]
    frame["count"] = np.arange(6, dtype=np.int64)
    frame["wide"] = np.linspace(0, 1, 6)
    corpus = read_corpus(table(frame))
    assert corpus.sessions.tolist() == list("xxyyyy")
    assert corpus.speakers.tolist() == list("112233")
    assert corpus.feature_names[-2:] == ("count", "wide")
    np.testing.assert_array_equal(corpus.features[:, -2], np.arange(6))


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
    assert said["rows"] == 6 and said["features"] == 3 and said["speakers"] == 3
    assert said["classes"] == {"angry": 3, "sad": 3}
    assert said["sessions"] is None and said["simulated"] is False
    assert len(corpus.hash) == len(corpus.contract.hash) == 16
    assert read_corpus(table()).hash == corpus.hash
    changed = good_frame()
    changed.loc[3, "pitch"] += 1
    assert read_corpus(table(changed)).hash != corpus.hash
    assert read_corpus(table(changed)).contract.hash == corpus.contract.hash
    renamed = read_corpus(table(good_frame().rename(columns={"pitch": "f0"})))
    assert renamed.hash != corpus.hash
    assert renamed.contract.hash != corpus.contract.hash


def test_the_hash_covers_every_label(table):
    corpus = read_corpus(table())
    changes = {
        "labels": corpus.labels[::-1].copy(),
        "speakers": corpus.speakers[::-1].copy(),
        "sessions": corpus.speakers,
        "files": corpus.files[::-1].copy(),
        "classes": ("angry", "sadder"),
    }
    for field, value in changes.items():
        assert dataclasses.replace(corpus, **{field: value}).hash != corpus.hash, field
    assert dataclasses.replace(corpus, name="other").hash == corpus.hash


def test_missing_file_directory_and_not_parquet(tmp_path):
    assert "no such file" in error_of(tmp_path / "none.parquet")
    assert "directory" in error_of(tmp_path)
    for name, content in {"a.csv": b"file,speaker\n", "empty": b"", "b": b"PAR1junkPAR1"}.items():
        path = tmp_path / name
        path.write_bytes(content)
        assert "Parquet" in error_of(path)


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.98])
def test_truncated_file(table, keep):
    path = table()
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    assert "Parquet" in error_of(path)


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


@pytest.mark.parametrize(
    ("change", "classes", "words"),
    [
        *(
            (lambda f, name=name: f.drop(columns=name), (), [f"column '{name}' is missing"])
            for name in ("file", "speaker", "emotion")
        ),
        (lambda f: f.assign(gender="f"), (), ["'gender'", "drop"]),
        (lambda f: f.assign(gender=True), (), ["'gender'"]),
        *(
            (
                lambda f, bad=bad: f.assign(pitch=f.pitch.where(f.index != 4, bad)),
                (),
                ["'pitch'", "row 4", "'f4.wav'", word],
            )
            for bad, word in ((np.nan, "missing"), (np.inf, "infinite"), (-np.inf, "infinite"))
        ),
        (
            lambda f: f.assign(loud=f.loud.astype(float).where(f.index != 2, -1e39)),
            (),
            ["'loud'", "row 2", "float32"],
        ),
        *(
            (
                lambda f, name=name, bad=bad: f.assign(**{name: f[name].where(f.index != 3, bad)}),
                (),
                [f"column '{name}' is empty in row 3"],
            )
            for name in ("file", "speaker", "emotion")
            for bad in (None, "", "  ")
        ),
        (
            lambda f: f.assign(session=["x", "x", None, "y", "y", "y"]),
            (),
            ["column 'session' is empty in row 2"],
        ),
        (lambda f: f.assign(speaker=0.5), (), ["column 'speaker' is double"]),
        (
            lambda f: f.assign(emotion=["calm", "angry", "sad"] * 2),
            ("angry", "sad"),
            ["emotion 'calm'", "row 0", "drop", "--config.data.classes"],
        ),
        (
            lambda f: f.assign(emotion=["calm", "angry", "sad"] * 2),
            ("angry", "glad"),
            ["no row has the emotion 'glad', there are 'angry', 'calm', 'sad'"],
        ),
        (lambda f: f, ("sad", "happy", "angry"), ["'happy'", "--config.data.classes"]),
        (lambda f: f.assign(emotion="sad"), (), ["'sad'"]),
        (
            lambda f: f.assign(file=f.file.where(~f.index.isin([2, 5]), "f1.wav")),
            (),
            ["'f1.wav' (3 times)"],
        ),
        (lambda f: f.iloc[:0], (), ["no rows"]),
        (lambda f: f[["file", "speaker", "emotion", "duration_s"]], (), ["no feature columns"]),
    ],
)
def test_what_would_have_to_be_guessed_is_refused(table, change, classes, words):
    message = error_of(table(change(good_frame())), classes)
    assert all(word in message for word in words), message


def test_pandas_index_is_no_feature(tmp_path):
    path = tmp_path / "index.parquet"
    good_frame().iloc[[5, 0, 3, 1]].to_parquet(path)
    message = error_of(path)
    assert "__index_level_0__" in message and "index=False" in message


def test_classes_are_sorted_whatever_their_order(table):
    assert read_corpus(table(), ("sad", "angry")).classes == ("angry", "sad")


def test_doubled_column(tmp_path):
    whole = pa.Table.from_pandas(good_frame(), preserve_index=False)
    path = tmp_path / "doubled.parquet"
    pq.write_table(whole.append_column("pitch", whole.column("loud")), path)
    assert "column 'pitch' is there 2 times" in error_of(path)


@pytest.mark.parametrize(
    ("name", "counts", "speakers"),
    [
        ("nemo", {"angry": 749, "happy": 749, "neutral": 809, "sad": 769}, 9),
        ("ravdess", {"angry": 192, "happy": 190, "neutral": 96, "sad": 192}, 24),
    ],
)
def test_real_tables(shared_data, name, counts, speakers):
    corpus = read_corpus(shared_data / f"{name}.parquet", ())
    said = describe(corpus)
    assert said["name"] == name and said["classes"] == counts
    assert said["features"] == 1582 and said["speakers"] == speakers and said["sessions"] is None
    frame = pd.read_parquet(shared_data / f"{name}.parquet")
    np.testing.assert_array_equal(corpus.features, frame[list(corpus.feature_names)].to_numpy())


def test_real_tables_share_their_features_and_keep_their_hash(shared_data):
    nemo = read_corpus(shared_data / "nemo.parquet", ())
    ravdess = read_corpus(shared_data / "ravdess.parquet", ())
    assert nemo.contract == ravdess.contract and nemo.contract.feature_set == "IS10"
    assert nemo.contract.hash == "b9df4595521fd9a0"
    assert nemo.hash == "30425ab62df78809"


def test_blanks_around_a_label_do_not_make_another_speaker(table):
    frame = good_frame()
    frame["speaker"] = ["A", "A ", " A", "B", "B", "B"]
    frame["emotion"] = ["sad", "angry", "sad ", "angry", "sad", " angry"]
    corpus = read_corpus(table(frame))
    assert set(corpus.speakers) == {"A", "B"} and corpus.classes == ("angry", "sad")
