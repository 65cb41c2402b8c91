"""Labels join features by key, never by position."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from aegan.data.contract import FeatureContract
from aegan.errors import InputError
from aegan.tables.labels import Labels, complete, join, read_labels
from aegan.tables.table import FeatureTable
from aegan.tables.text import DROP

LABELS = "file,speaker,emotion\na.wav,x,sad\nb.wav,y,angry\nc.wav,x,happy\n"
FOLDERS = "file,emotion\nE1/1.wav,e1\nE0/1.wav,e0\n"  # of speakers tell base names apart
DEEP = "file,emotion\nm/E1/1.WAV,e1\nm/E0/1.WAV,e0\n"
BARE = "file,emotion\ny/E1/1,e1\ny/E0/1,e0\n"


def features(files, times=None, **labels) -> FeatureTable:
    """Row i has the feature i."""
    return FeatureTable(
        source="features.csv",
        files=np.array(files, dtype=str),
        times=None if times is None else np.array(times, dtype=float),
        labels={name: np.array(values, dtype=str) for name, values in labels.items()},
        features=np.arange(len(files), dtype=np.float32)[:, None],
        contract=FeatureContract.of(["f"]),
    )


@pytest.fixture
def labels(tmp_path):
    """Writes a table of labels and reads it."""

    def read(text: str, rename=None, name="labels.csv", encoding="utf-8") -> Labels:
        (tmp_path / name).write_text(text, encoding=encoding)
        return read_labels(tmp_path / name, rename)

    return read


def check_error(call, *parts: str) -> None:
    with pytest.raises(InputError) as caught:
        call()
    for part in parts:
        assert part in str(caught.value), str(caught.value)


def emotions(table: FeatureTable) -> dict[str, str]:
    """Emotion by feature, so that a row that got another's label shows."""
    return dict(zip(table.features[:, 0].tolist(), table.labels["emotion"].tolist(), strict=True))


# --- reading ------------------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_tables_of_labels(labels, separator):
    text = "Name,age,Speaker,label,session,start,end\n"
    text += "a.wav,12,x,sad,1,0.5,0 days 00:00:01.25\nb.wav,,y,angry,2,0,\n"
    read = labels("\ufeff" + text.replace(",", separator).replace("\n", "\r\n"))
    assert read.files.tolist() == ["a.wav", "b.wav"]
    assert {name: values.tolist() for name, values in read.columns.items()} == {
        "speaker": ["x", "y"],
        "emotion": ["sad", "angry"],
        "session": ["1", "2"],
    }
    np.testing.assert_array_equal(read.times, [[0.5, 1.25], [0, np.nan]])


def test_quoted_cells_that_are_not_read_may_hold_line_breaks(labels):
    read = labels('file,text,emotion\n"a, b.wav","he said\n""no""",sad\nc.wav,x,angry\n')
    assert read.files.tolist() == ["a, b.wav", "c.wav"]
    assert read.columns["emotion"].tolist() == ["sad", "angry"]


def test_columns_of_other_names(labels):
    text = "wav,spk,emotion,class\na,x,1,sad\n"
    read = labels(text, {"file": "wav", "speaker": "spk", "emotion": "class"})
    assert read.columns["emotion"].tolist() == ["sad"]
    check_error(lambda: labels(text, {"file": "wave"}), "no column 'wave'", "'wav', 'spk'")
    check_error(lambda: labels(text), "names of the recordings", "--columns=file=")


def test_labels_from_parquet_with_the_index_of_audformat(tmp_path):
    index = pd.MultiIndex.from_arrays(
        [["a.wav", "b.wav"], pd.to_timedelta([0, 0.5], "s"), pd.to_timedelta([2, None], "s")],
        names=["file", "start", "end"],
    )
    frame = pd.DataFrame({"emotion": pd.Categorical(["sad", "angry"]), "speaker": [1, 2]}, index)
    frame.to_parquet(tmp_path / "l.parquet")
    read = read_labels(tmp_path / "l.parquet")
    assert read.columns["speaker"].tolist() == ["1", "2"]
    np.testing.assert_array_equal(read.times, [[0, 2], [0.5, np.nan]])


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ["is empty"]),
        ("file,speaker,emotion\n", ["no rows below the header"]),
        ("file,age\na,1\n", ["no labels", "'file', 'age'"]),
        ("speaker,emotion\nx,sad\n", ["names of the recordings"]),
        ("file,emotion,emotion\na,sad,sad\n", ["'emotion' is there twice"]),
        (LABELS + "d.wav,x\n", ["line 5 has 2 cells for 3 columns"]),
        (LABELS + ",x,sad\n", ["line 5 has no file"]),
        (LABELS + "NA,x,sad\n", ["line 5 has no file"]),
        (LABELS + "d.wav,x,sad,y\n", ["line 5 has 4 cells for 3 columns"]),
        (LABELS + '"d.wav,x,sad\n', ["line 5: not CSV, a quote opens here"]),
        (LABELS + "d.wav,x,s\x01d\n", ["line 5, column 'emotion' holds a control character"]),
        (LABELS + f"d.wav,x,{'s' * 1001}\n", ["line 5, column 'emotion' has 1001 characters"]),
        (LABELS + '"' + "x\n" * 200_000, ["not CSV"]),
        (LABELS + "x" * 2**21, ["line 5 is longer than 1 MB"]),
        ("<html>", ["is a web page"]),
        ("@relation x\n", ["is ARFF"]),
    ],
)
def test_broken_tables_of_labels_are_refused(labels, text, parts):
    check_error(lambda: labels(text), "labels.csv", *parts)


# --- joining ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "text", "expected", "how"),
    [
        ("c.wav a.wav b.wav", LABELS, "happy sad angry", "name"),
        ("b.WAV c.Wav a.wav", LABELS, "angry happy sad", "name, its suffix in any case"),
        ("/x/b.wav y/c.WAV z\\a.wav", LABELS, "angry happy sad", "base name"),
        ("/x/b.flac c a.MP3", LABELS, "angry happy sad", "base name without suffix"),
        ("/d/m/E0/1.wav /d/m/E1/1.wav", FOLDERS, "e0 e1", "the last 2 parts of the path"),
        ("C:\\m\\E0\\1.wav C:\\m\\E1\\1.wav", DEEP, "e0 e1", "the last 3 parts of the path"),
        ("x/E0/1.wav x/E1/1.wav", BARE, "e0 e1", "the last 2 parts of the path without suffix"),
        (  # as many parts as make most rows agree
            "/d/A/1.wav /d/A/sub/1.wav /d/B/1.wav",
            "file,emotion\nB/1.wav,calm\nA/1.wav,sad\nA/sub/1.wav,angry\n",
            "sad angry calm",
            "the last 2 parts of the path",
        ),
        (
            "/d/take1.WAV /d/take1.flac /d/take2.wav",
            "file,emotion\ntake1.wav,sad\ntake1.flac,calm\ntake2.WAV,angry\n",
            "sad calm angry",
            "base name",
        ),
        ("a.wav a.WAV", "file,emotion\na.WAV,sad\na.wav,calm\n", "calm sad", "name"),
        ("d/Zo\u00eb.wav", "file,emotion\nZoe\u0308.wav,sad\n", "sad", "base name"),
    ],
)
def test_labels_find_their_rows(labels, files, text, expected, how):
    joined = join(features(files.split()), labels(text))
    assert list(emotions(joined).values()) == expected.split()
    assert joined.files.tolist() == files.split()
    assert joined.notes == (f"labels of labels.csv joined by {how}",)


@pytest.mark.parametrize(
    ("files", "text", "part"),
    [
        (
            "1/A/a 2/A/a",
            "A/a,sad",
            "'1/A/a' and '2/A/a' have the same last 2 parts of the path",
        ),
        ("1/a 2/a", "a,sad", "features.csv: '1/a' and '2/a' have the same base name"),
        ("a", "1/a,sad\n2/a,sad", "labels.csv: '1/a' and '2/a'"),
        ("a x/b c", "a,sad\nb,calm\nc,sad", "1 of 3 rows of features.csv have no labels"),
        ("a", "a,sad\na,calm\na,sad", "1 key with different labels: 'a' ('a' has emotion 'sad'"),
        # labels of segments do not label recordings
        ("a", "start,end,emotion\na,0,1,sad\na,1,2,calm", "1 key with different labels"),
    ],
)
def test_labels_that_may_be_of_other_rows_are_refused(labels, files, text, part):
    header = "file," if text.startswith("start") else "file,emotion\n"
    check_error(lambda: join(features(files.split()), labels(f"{header}{text}\n")), part)


def test_unmatched_rows_are_counted_and_named(labels):
    table = features(["a.wav", *(f"z{i}.wav" for i in range(5)), "c.wav"])
    read = labels(LABELS)
    check_error(
        lambda: join(table, read),
        "5 of 7 rows of features.csv have no labels ('z0.wav', 'z1.wav', 'z2.wav', ...)",
        "1 of 3 rows of labels.csv have no features ('b.wav')",
        "mend the names, compared by name, or",
        "--unmatched=drop",
    )
    dropped = join(table, read, DROP)
    assert emotions(dropped) == {0: "sad", 6: "happy"}
    assert [note.partition(" (")[0] for note in dropped.notes[1:]] == [
        "left out: 5 of 7 rows of features.csv have no labels",
        "left out: 1 of 3 rows of labels.csv have no features",
    ]


def test_tables_of_nothing_in_common_are_refused_even_if_rows_may_be_dropped(labels):
    read = labels(LABELS)
    check_error(lambda: join(features(["q.wav"]), read, DROP), "'a.wav' here, 'q.wav' there")


def test_names_that_are_not_whole_utf_8_are_joined():
    files = np.array(["b\udcff.wav", "a.wav"])
    speakers = {"speaker": np.array(["\udcfe", "x"]), "emotion": np.array(["sad", "calm"])}
    table = join(features(files[::-1]), Labels("corpus", files, None, speakers))
    assert emotions(table) == {0: "calm", 1: "sad"}
    assert table.labels["speaker"].tolist() == ["x", "\udcfe"]


def test_doubled_labels_collapse_if_they_are_equal(labels):
    joined = join(features(["a.wav", "b.wav", "c.wav"]), labels(LABELS + "a.wav,x,sad\n"))
    assert joined.labels["emotion"].tolist() == ["sad", "angry", "happy"]
    assert "1 doubled row of labels left out (same labels)" in joined.notes


def test_segments_are_joined_by_name_and_time(labels):
    text = "file,start,end,speaker,emotion\na,2.5,4.0001,y,sad\na,0,2.5,x,angry\nb,1,,x,happy\n"
    table = features(["a", "b", "a"], [[0, 2.5], [1, np.nan], [2.5, 4.0001]])
    joined = join(table, labels(text))
    assert emotions(joined) == {0: "angry", 1: "happy", 2: "sad"}
    assert joined.notes == ("labels of labels.csv joined by name and time",)
    moved = features(["a", "b", "a"], [[0, 2.5], [1, np.nan], [2.6, 4.0001]])
    check_error(lambda: join(moved, labels(text)), "1 of 3 rows")


def test_segments_are_joined_by_the_last_parts_and_time(labels):
    text = "file,start,end,emotion\nA/1,0,2,sad\nA/1,2,3,angry\nB/1,0,2,calm\n"
    joined = join(features(["/d/B/1", "/d/A/1", "/d/A/1"], [[0, 2], [2, 3], [0, 2]]), labels(text))
    assert emotions(joined) == {0: "calm", 1: "angry", 2: "sad"}
    assert joined.notes[0].endswith("joined by the last 2 parts of the path and time")


def test_segments_take_the_labels_of_their_recording(labels):
    table = features(["a.wav", "b.wav", "a.wav", "c.wav"], [[0, 1], [0, 1], [1, 2], [0, 1]])
    joined = join(table, labels(LABELS))
    assert emotions(joined) == {0: "sad", 1: "angry", 2: "sad", 3: "happy"}
    assert "1 more segments take the labels of their recording" in joined.notes


def test_labels_of_the_other_file_come_first(labels):
    table = features(["a.wav", "b.wav", "c.wav"], emotion=["sad", "?", "sad"], session=list("123"))
    joined = join(table, labels(LABELS))
    assert emotions(joined) == {0: "sad", 1: "angry", 2: "happy"}
    assert joined.labels["session"].tolist() == ["1", "2", "3"]
    assert "2 values of 'emotion' in the features replaced by the labels'" in joined.notes


def test_a_table_needs_speakers_and_emotions():
    for given, part in (
        ({"emotion": ["sad", "sad", ""]}, "l: no column 'speaker'; folds keep speakers apart"),
        ({"speaker": ["x", "", "y"]}, "no column 'emotion'"),
    ):
        check_error(lambda given=given: complete(features(list("abc"), **given), "l"), part)
    table = features(list("abc"), speaker=["x", "", "y"], emotion=["sad", "sad", ""])
    check_error(lambda: complete(table, "l"), "1 of 3 rows have no speaker ('b')")
    dropped = complete(table, "l", DROP)
    assert dropped.files.tolist() == ["a"] and dropped.features.tolist() == [[0]]
    empty = features(list("ab"), speaker=["", ""], emotion=["sad", "sad"])
    check_error(lambda: complete(empty, "l", DROP), "no row has the label 'speaker'")
