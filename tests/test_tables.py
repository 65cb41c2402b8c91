"""Readers of feature files: what SMILExtract, audformat and pandas write."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pytest
from feature_files import ARFF, AUDFORMAT, check_error

from aegan.data.contract import FeatureContract
from aegan.tables.read import read_table
from aegan.tables.roles import Options
from aegan.tables.table import with_unique_files, without_common_folder

# --- audformat, opensmile-python and plain CSV --------------------------------------------------


def test_segments_of_audformat(file):
    table = read_table(file(AUDFORMAT))
    assert table.files.tolist() == ["db/a.wav", "db/a.wav", "db/b.wav"]
    np.testing.assert_array_equal(table.times, [[0, 2.5], [2.5, np.nan], [0.25, 1.75]])
    assert table.features.tolist() == [[1.5, 2], [3, 4], [5, 6]]
    unique = with_unique_files(table)
    assert unique.files.tolist() == ["db/a.wav[0.000-2.500]", "db/a.wav[2.500-]", "db/b.wav"]
    assert "named file[start-end]" in unique.notes[-1]
    close = read_table(file("file,start,end,f\na,0.0001,1,1\na,0.0002,1,2\n"))
    names = ["a[0.000100-1.000000]", "a[0.000200-1.000000]"]
    assert with_unique_files(close).files.tolist() == names


@pytest.mark.parametrize(
    ("files", "short"),
    [
        (["/d/x/a.wav", "/d/x/b.wav"], ["a.wav", "b.wav"]),
        (["/d/x/1/a.wav", "/d/x/2/a.wav"], ["1/a.wav", "2/a.wav"]),
        ([r"C:\d\x\a.wav", r"C:\d\y\a.wav"], ["x/a.wav", "y/a.wav"]),
        (["/d/x/a.wav", "b.wav"], None),
        (["x/a.wav", "x/b.wav"], None),
        ([r"C:\a.wav", r"D:\a.wav"], None),
        (["/d/x/a.wav", "/d/x/./a.wav"], None),
    ],
)
def test_the_folder_of_absolute_paths_is_no_part_of_the_names(file, files, short):
    table = read_table(file("file,f\n" + "".join(f"{f},{i}\n" for i, f in enumerate(files))))
    bare = without_common_folder(table)
    assert bare.files.tolist() == (short or files)
    assert bool(bare.notes) == bool(short)


def test_the_frame_of_opensmile_python_by_csv_parquet_and_feather(tmp_path):
    index = pd.MultiIndex.from_arrays(
        [["a.wav", "b.wav"], pd.to_timedelta([0, 0.5], "s"), pd.to_timedelta([2.024, None], "s")],
        names=["file", "start", "end"],
    )
    values = np.random.default_rng(0).standard_normal((2, 5)).astype(np.float32)
    frame = pd.DataFrame(values, index, columns=[f"f_sma[{i}]_iqr1-{i}" for i in range(5)])
    frame.to_csv(tmp_path / "f.csv")
    frame.to_parquet(tmp_path / "f.parquet")
    frame.reset_index().to_feather(tmp_path / "f.feather")
    for name in ("f.csv", "f.parquet", "f.feather"):
        table = read_table(tmp_path / name)
        assert table.files.tolist() == ["a.wav", "b.wav"], name
        np.testing.assert_array_equal(table.times, [[0, 2.024], [0.5, np.nan]])
        np.testing.assert_array_equal(table.features.view(np.int32), values.view(np.int32))
        assert table.contract.names == tuple(frame.columns)


@pytest.mark.parametrize("key", ["file", "name", "filename", "path", "File"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_plain_tables_with_labels_anywhere(file, key, separator):
    text = f"f[0],{key},speaker,f[1],emotion\n1,a.wav,1001,2.5,sad\n3,b.wav,1002,4,'angry'\n"
    table = read_table(file(text.replace(",", separator)))
    assert table.files.tolist() == ["a.wav", "b.wav"]
    assert table.labels["speaker"].tolist() == ["1001", "1002"]
    assert table.labels["emotion"].tolist() == ["sad", "'angry'"]
    assert table.features.tolist() == [[1, 2.5], [3, 4]]
    assert table.contract.names == ("f[0]", "f[1]")


def test_quotes_of_rfc_4180(file):
    text = 'file,"f, 1",f2,emotion\n"a, ""b"".wav",1,2,"sad"\nc.wav,"3","4",\nd;e,5,6,"x y"\n'
    table = read_table(file(text))
    assert table.files.tolist() == ['a, "b".wav', "c.wav", "d;e"]
    assert table.labels["emotion"].tolist() == ["sad", "", "x y"]
    assert table.contract.names == ("f, 1", "f2")
    assert table.features.tolist() == [[1, 2], [3, 4], [5, 6]]


@pytest.mark.parametrize("name", ["it's", "a, b", 'say ""hi""', "a, 'b', c"])
def test_names_with_separators_and_quotes_in_more_rows_than_python_reads(file, name):
    table = read_table(
        file("file,f,speaker\n" + "\n".join(f'"{name} {i}",{i}.5,x' for i in range(100)))
    )
    assert table.files.tolist() == [f"{name} {i}".replace('""', '"') for i in range(100)]
    assert table.features.tolist() == [[i + 0.5] for i in range(100)]


def test_empty_cells_between_tabs_keep_their_places(file):
    table = read_table(file("file\tspeaker\temotion\tf\na\t\tsad\t1\nb\tx y\t\t2\n"))
    assert table.labels["speaker"].tolist() == ["", "x y"]
    assert table.labels["emotion"].tolist() == ["sad", ""]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text + "\n\n  \n",
        lambda text: "\n" + text,
        lambda text: text.rstrip("\n"),
        lambda text: text.replace("1.5", " +1.5 ").replace(",2\n", ",2.\n"),
    ],
)
def test_byte_order_marks_line_ends_and_blank_lines_change_nothing(file, change):
    plain = read_table(file(AUDFORMAT, "a.csv"))
    changed = read_table(file(change(AUDFORMAT), "b.csv"))
    assert changed.files.tolist() == plain.files.tolist()
    np.testing.assert_array_equal(changed.features, plain.features)


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_text_in_utf_8_or_latin_1(file, encoding):
    table = read_table(file("file,speaker,f\nMüller.wav,Zoë,1\n".encode(encoding)))
    assert table.files.tolist() == ["Müller.wav"] and table.labels["speaker"].tolist() == ["Zoë"]


def test_whole_numbers_as_emotions_are_kept_with_a_note(file):
    table = read_table(file("file,emotion,f\na,0,1\nb,3,1\n"))
    assert table.labels["emotion"].tolist() == ["0", "3"]
    assert table.notes == ("column 'emotion': its numbers are taken as names of classes",)
    assert read_table(file("file,class,f\na,0,1\nb,3,1\n")).labels == {}


@pytest.mark.parametrize("word", ["NA", "N/A", "None", "null", "nan", "NaN", "?", ""])
def test_words_for_a_missing_label(file, tmp_path, word):
    csv = file(f"file,speaker,emotion,f\na,{word},sad,1\nb,Na,{word},2\n")
    arff = file(
        "@relation x\n@attribute name string\n@attribute speaker string\n@attribute f numeric\n"
        f"@attribute emotion {{sad}}\n@data\na,'{word}',1,sad\nb,Na,2,'{word}'\n",
        "f.arff",
    )
    frame = pd.DataFrame({"file": ["a", "b"], "speaker": [word, "Na"], "emotion": ["sad", word]})
    frame.assign(f=1.0).to_parquet(tmp_path / "f.parquet")
    for path in (csv, arff, tmp_path / "f.parquet"):
        labels = read_table(path).labels
        assert labels["speaker"].tolist() == ["", "Na"], path
        assert labels["emotion"].tolist() == ["sad", ""], path


@pytest.mark.parametrize(
    ("header", "cells"),
    [
        (",file,f", ["0", "1", "2"]),
        ('"",file,f', ['"1"', '"2"', '"3"']),
        ("Unnamed: 0,file,f", ["4", "0", "9"]),
        (",Unnamed: 0,file,f", ["0,7", "1,3", "2,5"]),
        ("index,file,f", ["5", "3", "8"]),
        ("#,file,f", ["1", "2", "3"]),
    ],
)
def test_row_numbers_are_left_out_with_a_note(file, header, cells):
    rows = [f"{cell},{name},{name}.5" for cell, name in zip(cells, "123", strict=True)]
    table = read_table(file("\n".join([header, *rows])))
    assert table.contract.names == ("f",) and table.features[:, 0].tolist() == [1.5, 2.5, 3.5]
    assert "it numbers the rows and is no feature" in table.notes[0]


@pytest.mark.parametrize("name", [None, "id"])
def test_an_index_of_pandas_is_left_out_with_a_note(tmp_path, name):
    frame = pd.DataFrame({"file": ["a", "b"], "f": [1.0, 2.0]}, index=pd.Index([7, 3], name=name))
    frame.to_parquet(tmp_path / "j.parquet")
    table = read_table(tmp_path / "j.parquet")
    assert table.contract.names == ("f",)
    assert "left out: it is the index of pandas" in table.notes[0]


@pytest.mark.parametrize("leave_out", ["Unnamed: 0", "f"])
def test_a_first_column_without_a_name_can_be_left_out(file, leave_out):
    path = file(",file,f,g\nx,a,1,2\ny,b,3,4\n")
    if leave_out == "f":
        check_error(path, "column 'Unnamed: 0' is text ('x' in line 2)", "--leave_out='Unnamed: 0'")
    else:
        assert read_table(path, Options(leave_out=[leave_out])).contract.names == ("f", "g")


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;", "\ufeffsep=;\r"])
def test_the_separator_that_excel_writes_first(file, first):
    table = read_table(file(f"{first}\nfile;f,1;g\na,x;1;2\nb,y;3;4\n"))
    assert table.files.tolist() == ["a,x", "b,y"] and table.contract.names == ("f,1", "g")
    check_error(file("sep=;\n"), "no header")


@pytest.mark.parametrize("header", ["file;f;g", "file;f;g;"])
@pytest.mark.parametrize("quote", ["'", '"', ""])
def test_separators_at_the_ends_of_lines(file, header, quote):
    rows = "".join(f"{quote}{name}.wav{quote};1;{i};\n" for i, name in enumerate("abc"))
    table = read_table(file(f"{header}\n{rows}".replace("file", "name" if quote else "file")))
    assert table.files.tolist() == ["a.wav", "b.wav", "c.wav"]
    assert table.contract.names == ("f", "g") and table.features[:, 1].tolist() == [0, 1, 2]


def test_comments_of_weka_are_cut(file):
    text = ARFF.replace("loud_max numeric", "loud_max numeric % of the frame")
    text = text.replace("emotion unknown", "class {sad, 'a%b'} % two").replace("@data", "@data % :")
    text = text.replace("5.898961e-01,?", "5.898961e-01,sad % sure? 'no'")
    table = read_table(file(text.replace("1.000000e-01,?", "1.000000e-01,'a%b'"), "f.arff"))
    assert table.labels["emotion"].tolist() == ["sad", "a%b"]
    assert table.features.tolist() == read_table(file(ARFF, "g.arff")).features.tolist()
    assert read_table(file(ARFF.replace("a.wav", "50 %.wav"), "h.arff")).files[0] == "50 %.wav"


def test_a_second_key_column_is_left_out_with_a_note(file):
    table = read_table(file("name,file,f\nx,a.wav,1\n"))
    assert table.files.tolist() == ["a.wav"]
    assert table.notes == ("column 'name' left out; 'file' is used in its place",)


def test_an_index_without_a_name_holds_the_keys_if_it_is_text(file, tmp_path):
    table = read_table(file(",f\na.wav,1\nb.wav,2\n"))
    assert table.files.tolist() == ["a.wav", "b.wav"] and table.contract.names == ("f",)
    pd.DataFrame({"f": [1.0]}, index=["a.wav"]).to_parquet(tmp_path / "i.parquet")
    assert read_table(tmp_path / "i.parquet").files.tolist() == ["a.wav"]


def test_numbers_that_only_python_reads_do_not_change_their_neighbours(file):
    values = np.random.default_rng(0).standard_normal(500).astype(np.float32)
    rows = [f"f{i},{value!s},1" for i, value in enumerate(values)]
    rows[77] = 'f77,"+0.5", 1. '
    table = read_table(file("file,a,b\n" + "\n".join(rows)))
    values[77] = 0.5
    np.testing.assert_array_equal(table.features[:, 0].view(np.int32), values.view(np.int32))


def test_a_passport_column_becomes_metadata(file):
    text = "file,emotion,passport,f\n" + "".join(
        f"""s{i},sad,"synthetic=true model='M 2' n=\\"1\\"",{i}\n""" for i in range(3)
    ).replace('\\"', '""')
    table = read_table(file(text))
    assert table.metadata == {"synthetic": "true", "model": "M 2", "n": "1"}
    other = text.replace('s2,sad,"synthetic=true', 's2,sad,"synthetic=false')
    check_error(file(other), "line 4 has another passport than line 2")
    check_error(file(text.replace("model=", "model ")), "line 2, column 'passport'")


# --- Parquet, Feather and other files ----------------------------------------------------------


def frame() -> pd.DataFrame:
    speakers, features = pd.Categorical(["x", "y"]), np.float32([0.1, 2])
    labels = {"file": ["a", "b"], "speaker": speakers, "emotion": ["sad", None]}
    return pd.DataFrame(labels | {"session": [1.0, 2.0], "f": features, "f.x": [3, 4]})


@pytest.fixture(params=["parquet", "feather"])
def written(request, tmp_path):
    """Writes a frame as Parquet or Feather."""

    def write(frame: pd.DataFrame):
        path = tmp_path / f"f.{request.param}"
        getattr(frame, f"to_{request.param}")(path)
        return path

    return write


def test_frames_of_pandas(written):
    table = read_table(written(frame()))
    assert {k: v.tolist() for k, v in table.labels.items()} == {
        "speaker": ["x", "y"],
        "emotion": ["sad", ""],
        "session": ["1", "2"],
    }
    assert table.features.tolist() == [[np.float32(0.1), 3], [2, 4]] and table.metadata == {}


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"f": [0.1, None]}, ["row 1 (counted from 0), column 'f': the value is missing"]),
        ({"f": [0.1, np.inf]}, ["row 1", "infinite"]),
        ({"f": [1e39, 1]}, ["row 0", "beyond float32 (1e+39)"]),
        ({"f": ["a", "b"]}, ["column 'f' is", "--leave_out=f"]),
        ({"f": [[1, 2], [2]]}, ["column 'f' has lists of 1 to 2 numbers"]),
        ({"f": [["a"], ["b"]]}, ["column 'f' is list"]),
        ({"emotion": [0.25, 1]}, ["column 'emotion' holds numbers such as 0.25", "bin it first"]),
        ({"speaker": [[1], [2]]}, ["column 'speaker' is list", "not text"]),
        ({"file": ["a", "a"]}, ["different values"]),
    ],
)
def test_frames_that_are_no_table_are_refused(written, change, parts):
    check_error(written(frame().assign(**change)), *parts)


def test_truth_values_and_lists_become_numbers(written, tmp_path):
    lists = [np.float32([0.1, -2, 3]), np.float32([4, 5, 6])]
    path = written(frame().assign(voiced=[True, False], emb=lists, e2=[[1], [2]]))
    table = read_table(path)
    assert table.contract.names == ("f", "f.x", "voiced", "emb_0", "emb_1", "emb_2", "e2_0")
    assert table.features[0].tolist() == np.float32([0.1, 3, 1, 0.1, -2, 3, 1]).tolist()
    assert table.features[1].tolist() == [2, 4, 0, 4, 5, 6, 2]


@pytest.mark.parametrize("words", [("True", "False"), ("TRUE", "FALSE"), ("true", "false")])
def test_truth_values_in_text(file, words):
    path = file("file,v,f\na,{},1\nb,{},2.5\n".format(*words))
    assert read_table(path).features.tolist() == [[1, 1], [0, 2.5]]
    values = ",".join(words)
    arff = f"@relation x\n@attribute name string\n@attribute v {{{values}}}\n@data\n"
    assert read_table(file(f"{arff}a,{words[1]}\n", "f.arff")).features.tolist() == [[0]]


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_decimal_commas(file, separator):
    rows = ["file;start;f;g", "a;0,5;1;2", "b;1;-1,5e-1;0,25", "c;2,25;3;-7,125"]
    table = read_table(file("\n".join(rows).replace(";", separator)))
    assert table.features.tolist() == [[1, 2], [np.float32(-0.15), 0.25], [3, -7.125]]
    assert table.times[:, 0].tolist() == [0.5, 1, 2.25]
    mixed = [*rows, "d;1;1.5;2"]
    check_error(file("\n".join(mixed)), "line 5, column 'f'", "'1.5' in a file with decimal commas")
    mixed = [rows[0], "d;1;1.5;2", *rows[2:]]
    check_error(file("\n".join(mixed)), "line 3, column 'f'", "decimal comma beside decimal points")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("file,emotion,f\na,1.0,1\nb,2.0,1\n", ["1", "2"]),
        ("file,emotion,f\na,-1,1\nb,NA,1\nc,3,1\n", ["-1", "", "3"]),
    ],
)
def test_codes_as_emotions(file, text, found):
    assert read_table(file(text)).labels.get("emotion", np.array([])).tolist() == found


def test_numbers_that_are_no_codes(file):
    check_error(file("file,emotion,f\na,0.5,1\nb,1,1\n"), "numbers such as 0.5", "bin it first")
    path = file("file,label,f\na,3,1\nb,1,1\n")
    assert "label" in read_table(path).notes[0] and "--columns=emotion" in read_table(path).notes[0]
    named = read_table(path, Options({"emotion": "label"}))
    assert named.labels["emotion"].tolist() == ["3", "1"]


def test_the_contract_of_a_parquet_file_is_kept_and_checked(tmp_path):
    contract = FeatureContract.of(["f", "f.x"], "mine")
    table = pa.Table.from_pandas(frame(), preserve_index=False)
    metadata = contract.to_metadata() | {"licence": "CC BY"}
    path = tmp_path / "f.parquet"
    pa.parquet.write_table(table.replace_schema_metadata(metadata), path)
    read = read_table(path)
    assert read.contract == contract and read.metadata == {"licence": "CC BY"}
    part = read_table(path, Options(leave_out=["f.x"]))
    assert part.contract == FeatureContract(("f",)) and part.metadata == {"licence": "CC BY"}
    renamed = table.rename_columns([*table.column_names[:-1], "g"])
    pa.parquet.write_table(renamed.replace_schema_metadata(metadata), path)
    check_error(path, "not those it was written with")


def test_damaged_files_are_refused(written):
    path = written(frame())
    whole = path.read_bytes()
    for size in (10, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        check_error(path, "write it again")


def test_columns_by_the_thousand_are_read(file):
    values = np.random.default_rng(0).standard_normal((12, 20_000)).astype(np.float32)
    rows = [f"r{i}," + ",".join(map(str, row)) for i, row in enumerate(values)]
    header = ",".join(["file", *(f"f{i}" for i in range(20_000))])
    table = read_table(file("\n".join([header, *rows])))
    np.testing.assert_array_equal(table.features.view(np.int32), values.view(np.int32))
