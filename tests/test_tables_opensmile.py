"""Readers of what openSMILE writes: CSV of SMILExtract, ARFF, and folders of them."""

from __future__ import annotations

import numpy as np
import pytest
from feature_files import ARFF, SMILE

from aegan.tables.read import read_table

# --- SMILExtract's CSV ------------------------------------------------------------------------


def test_smilextract_csv_gives_names_and_features(file):
    table = read_table(file(SMILE))
    assert table.files.tolist() == ["a.wav", "b.wav"]
    assert table.contract.names == ("loud_max", "mfcc_sma[0]_mean", "iqr1-2")
    np.testing.assert_array_equal(
        table.features, np.float32([[111, 5.898961e-01, -2.262464e-05], [3, 0.1, 0]])
    )
    assert table.features.dtype == np.float32
    assert table.times is None and table.labels == {} and table.notes == ()


@pytest.mark.parametrize("name", ["it's;a", "a;b;c", "'", ";", "1;2;3", 'say "hi"', "ä ö", "a,b"])
def test_a_name_may_hold_anything_as_smilextract_escapes_nothing(file, name):
    table = read_table(file(SMILE.replace("b.wav", name)))
    assert table.files.tolist() == ["a.wav", name]
    assert table.features[1].tolist() == [3, np.float32(0.1), 0]


def test_doubled_rows_and_headers_are_left_out_with_a_note(file):
    rows = SMILE.splitlines(keepends=True)
    table = read_table(file("".join([*rows, *rows[1:], *rows[1:]])))
    assert table.files.tolist() == ["a.wav", "b.wav"]
    assert table.features[:, 0].tolist() == [111, 3]
    assert table.notes == ("4 doubled rows left out (same key, same values)",)
    table = read_table(file(SMILE + SMILE.replace("a.wav", "c.wav").replace("b.wav", "d.wav")))
    assert table.files.tolist() == ["a.wav", "b.wav", "c.wav", "d.wav"]
    assert table.notes == ("1 repeated header line left out",)


def test_real_files_of_opensmile(file):
    """Syntax of openSMILE 3.0's own sinks, cut to three features."""
    csv = "name;frameTime;a_max;a_min;a_mean\n'it's;a';0.000000;111;1;5.898961e-01\n"
    arff = (
        "@relation openSMILE_features\n\n@attribute name string\n@attribute a_max numeric\n"
        "@attribute a_min numeric\n@attribute a_mean numeric\n@attribute class numeric\n\n@data\n\n"
        "'it\\'s;a',1.110000e+02,1.000000e+00,5.898961e-01,0.0\n"
    )
    from_csv, from_arff = read_table(file(csv)), read_table(file(arff, "features.arff"))
    assert from_csv.files.tolist() == from_arff.files.tolist() == ["it's;a"]
    np.testing.assert_array_equal(from_csv.features, from_arff.features)
    (note,) = from_arff.notes
    assert note.startswith("column 'class' left out: numbers, not names of classes")


# --- folders ----------------------------------------------------------------------------------


def test_a_folder_names_single_rows_without_a_name_by_their_files(tmp_path):
    header, row, _ = SMILE.splitlines()
    for i in range(12):
        text = f"{header}\n{row.replace('a.wav', 'noname').replace('111', str(i))}\n"
        (tmp_path / f"clip{i:02d}.csv").write_text(text)
    (tmp_path / "notes.txt").write_text("not read")
    table = read_table(tmp_path)
    assert table.files.tolist() == [f"clip{i:02d}" for i in range(12)]
    assert table.features[:, 0].tolist() == list(range(12))
    assert table.notes[0] == "12 files"


def test_a_folder_of_arffs_without_name_attributes(tmp_path):
    text = ARFF.replace("@attribute name string\n", "").replace("'a.wav',", "")
    text = "\n".join(line for line in text.splitlines() if "b.wav" not in line)
    for name in ("x", "y"):
        (tmp_path / f"{name}.arff").write_text(text)
    table = read_table(tmp_path)
    assert table.files.tolist() == ["x", "y"]
    assert "column 'emotion' left out: it is empty" in table.notes


def test_one_key_in_two_files_of_a_folder(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.csv").write_text(SMILE)
    assert read_table(tmp_path).files.tolist() == ["a.wav", "b.wav"]


# --- ARFF -------------------------------------------------------------------------------------


def test_opensmile_arff_with_an_unknown_emotion(file):
    table = read_table(file(ARFF, "features.arff"))
    assert table.files.tolist() == ["a.wav", "b.wav"]
    assert table.contract.names == ("loud_max", "mfcc_sma[0]_mean")
    np.testing.assert_array_equal(table.features, np.float32([[111, 5.898961e-01], [3, 0.1]]))
    assert table.labels == {}
    assert table.notes == ("column 'emotion' left out: it is empty",)


@pytest.mark.parametrize("kind", ["{anger,sad}", "{ 'anger' , 'sad' }", "string", "unknown"])
def test_an_arff_target_with_words_is_the_emotion(file, kind):
    text = ARFF.replace("emotion unknown", f"emotion {kind}")
    text = text.replace("-01,?", "-01,anger", 1).replace("-01,?", "-01,'sad'", 1)
    table = read_table(file(text, "features.arff"))
    assert table.labels["emotion"].tolist() == ["anger", "sad"]


@pytest.mark.parametrize(
    ("kind", "value", "note"),
    [
        ("class numeric", "0.0", "column 'class' left out: numbers, not names of classes"),
        ("class numeric", "?", "column 'class' left out: it is empty"),
        ("label {a,b}", "?", "column 'label' left out: it is empty"),
        ("emotion numeric", "1", "column 'emotion' left out: numbers, not names of classes"),
        ("gender {m,f}", "?", "attribute 'gender' left out: it is empty"),
    ],
)
def test_arff_text_that_says_nothing_is_left_out_with_a_note(file, kind, value, note):
    text = ARFF.replace("emotion unknown", kind).replace(",?", f",{value}")
    table = read_table(file(text, "features.arff"))
    assert table.labels == {} and len(table.contract.names) == 2
    assert len(table.notes) == 1 and table.notes[0].startswith(note)


@pytest.mark.parametrize(
    ("cells", "emotion", "note"),
    [
        (",?,sad", "sad", "column 'emotion' left out: it is empty"),
        (",anger,sad", "anger", "column 'class' left out; 'emotion' is used in its place"),
    ],
)
def test_an_empty_emotion_leaves_the_word_to_the_class(file, cells, emotion, note):
    text = ARFF.replace("emotion unknown", "emotion unknown\n@attribute class {anger,sad}")
    table = read_table(file(text.replace(",?", cells), "features.arff"))
    assert table.labels["emotion"].tolist() == [emotion, emotion] and table.notes == (note,)


def test_classes_that_arff_declares_may_be_numbers(file):
    text = ARFF.replace("emotion unknown", "class {0,1}").replace(",?", ",0", 1)
    table = read_table(file(text.replace(",?", ",1"), "features.arff"))
    assert table.labels["emotion"].tolist() == ["0", "1"]


@pytest.mark.parametrize("quoted", ["'it\\'s'", '"it\'s"', "'it's'"])
def test_quotes_of_arff_names(file, quoted):
    table = read_table(file(ARFF.replace("'b.wav'", quoted), "features.arff"))
    assert table.files.tolist() == ["a.wav", "it's"]


def test_arff_comments_quoted_attributes_and_capitals(file):
    text = (
        "% Title: of the table\n% licence: CC BY 4.0\n@RELATION 'a relation'\n\n"
        "@ATTRIBUTE\tfile\tSTRING\n% in between\n@Attribute 'a b' REAL\n@attribute \"c\" Integer\n"
        "@DATA\n% a comment\n\nx.wav , 1 , 2\n  % another\n"
    )
    table = read_table(file(text, "features.arff"))
    assert table.contract.names == ("a b", "c")
    assert table.files.tolist() == ["x.wav"] and table.features.tolist() == [[1, 2]]
    assert table.metadata == {"Title": "of the table", "licence": "CC BY 4.0"}
