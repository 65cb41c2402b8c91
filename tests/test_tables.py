"""Readers of feature files: what SMILExtract, audformat and pandas write."""

from __future__ import annotations

import pickle
import time
from contextlib import suppress

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pytest
from feature_files import ARFF, SMILE, check_error

from aegan.data.contract import FeatureContract
from aegan.errors import InputError
from aegan.tables.read import read_table
from aegan.tables.roles import Options
from aegan.tables.table import with_unique_files, without_common_folder

AUDFORMAT = """\
file,start,end,loud,pitch
db/a.wav,0 days,0 days 00:00:02.500000,1.5,2
db/a.wav,0 days 00:00:02.500000,,3,4
db/b.wav,0.25,1.75,5,6
"""


# --- audformat, opensmile-python and plain CSV --------------------------------------------------


def test_segments_of_audformat(file):
    table = read_table(file(AUDFORMAT))
    assert table.files.tolist() == ["db/a.wav", "db/a.wav", "db/b.wav"]
    np.testing.assert_array_equal(table.times, [[0, 2.5], [2.5, np.nan], [0.25, 1.75]])
    assert table.features.tolist() == [[1.5, 2], [3, 4], [5, 6]]
    unique = with_unique_files(table)
    assert unique.files.tolist() == ["db/a.wav[0.000-2.500]", "db/a.wav[2.500-]", "db/b.wav"]
    assert "named file[start-end]" in unique.notes[-1]


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


def test_segments_that_differ_by_less_than_a_millisecond_stay_apart(file):
    text = "file,start,end,f\na,0.0001,1,1\na,0.0002,1,2\n"
    unique = with_unique_files(read_table(file(text)))
    assert unique.files.tolist() == ["a[0.000100-1.000000]", "a[0.000200-1.000000]"]


@pytest.mark.parametrize("time", ["soon", "-1", "1:2:3", "inf", "1e12", "0 days 00:61:00"])
def test_times_that_cannot_be_read_are_refused(file, time):
    check_error(file(AUDFORMAT.replace("0.25", time)), "line 4, column 'start'", "not a time")


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
    text = 'file,"f, 1",f2,emotion\n"a, ""b"".wav",1,2,"sad"\nc.wav,"3","4",sad\n,5,6,sad\n'
    path = file(text.replace("\n,5", "\nd;e,5"))
    table = read_table(path)
    assert table.files.tolist() == ['a, "b".wav', "c.wav", "d;e"]
    assert table.contract.names == ("f, 1", "f2")
    assert table.features.tolist() == [[1, 2], [3, 4], [5, 6]]


def test_empty_cells_of_tab_separated_tables_keep_their_places(file):
    text = 'file\tspeaker\temotion\tf\na\t\t"sad"\t1\nb\t"x y"\t\t2\n'
    table = read_table(file(text, "features.tsv"))
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
    text = "file,speaker,f\nMüller.wav,Zoë,1\n"
    table = read_table(file(text.encode(encoding)))
    assert table.files.tolist() == ["Müller.wav"] and table.labels["speaker"].tolist() == ["Zoë"]


def test_whole_numbers_as_emotions_are_kept_with_a_note(file):
    table = read_table(file("file,emotion,f\na,0,1\nb,3,1\n"))
    assert table.labels["emotion"].tolist() == ["0", "3"]
    assert table.notes == ("column 'emotion': its numbers are taken as names of classes",)
    assert read_table(file("file,class,f\na,0,1\nb,3,1\n")).labels == {}


def test_columns_of_other_names(file):
    path = file("wav,spk,f\na,x,1\n")
    check_error(path, "column 'wav' is text ('a' in line 2)", "--columns")
    table = read_table(path, Options({"file": "wav", "speaker": "spk"}))
    assert table.files.tolist() == ["a"] and table.labels["speaker"].tolist() == ["x"]
    check_error(path, "no column 'waw'", options=Options({"file": "waw"}))
    relaxed = Options({"file": "waw", "speaker": "spk"}, strict=False)
    check_error(path, "column 'wav' is text", options=relaxed)


def test_a_second_key_column_is_left_out_with_a_note(file):
    table = read_table(file("name,file,f\nx,a.wav,1\n"))
    assert table.files.tolist() == ["a.wav"]
    assert table.notes == ("column 'name' left out; 'file' is used in its place",)


def test_an_index_without_a_name_holds_the_keys_if_it_is_text(file, tmp_path):
    table = read_table(file(",f\na.wav,1\nb.wav,2\n"))
    assert table.files.tolist() == ["a.wav", "b.wav"] and table.contract.names == ("f",)
    check_error(file("Unnamed: 0,file,f\n0,a,1\n"), "column 1 has no name", "index=False")
    check_error(file(",f\n0,1\n1,1\n"), "column 1 has no name", "index=False")
    pd.DataFrame({"f": [1.0]}, index=["a.wav"]).to_parquet(tmp_path / "i.parquet")
    assert read_table(tmp_path / "i.parquet").files.tolist() == ["a.wav"]
    for name in (None, "id"):
        index = pd.Index([7, 3], name=name)
        frame = pd.DataFrame({"file": ["a", "b"], "f": [1.0, 2.0]}, index=index)
        frame.to_parquet(tmp_path / "j.parquet")
        check_error(tmp_path / "j.parquet", "is an index of pandas", "index=False")


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("1.5", "abc", ["column 'loud' is text ('abc' in line 2)", "--leave_out=loud"]),
        ("5,6", "5,abc", ["line 4, column 'pitch': 'abc' is not a number"]),
        ("5,6", "5,", ["line 4, column 'pitch'", "missing"]),
        ("5,6", "5,inf", ["line 4, column 'pitch'", "infinite"]),
        ("5,6", "5,-1e39", ["line 4, column 'pitch'", "-1e39 is beyond float32"]),
        ("5,6", '5,"6,5"', ["line 4, column 'pitch'", "decimal comma"]),
        ("5,6", "5,1_0", ["line 4, column 'pitch': '1_0' is not a number"]),
        ("5,6", "5", ["line 4 has 4 cells for 5 columns"]),
        ("5,6", "5,6,7", ["line 4 has 6 cells for 5 columns"]),
        ("5,6", '5,"6', ["line 4", "cells for 5 columns"]),
        ("loud,pitch", "loud,loud", ["column 'loud' is there 2 times"]),
        ("loud,pitch", "loud,", ["column 5 has no name"]),
        ("file,start,end,loud,pitch", "a.wav,1,2,3.5,4", ["line 1 has no names of columns"]),
        ("file,", "recording,", ["column 'recording' is text"]),
        (",loud,pitch", "", ["no feature columns"]),
    ],
)
def test_broken_tables_are_refused_with_their_place(file, old, new, parts):
    check_error(file(AUDFORMAT.replace(old, new)), *parts)


def test_a_bad_cell_is_found_among_many_rows(file):
    rows = [f"f{i}.wav,{i},{i}.5" for i in range(3000)]
    rows[2345] = "f.wav,1,2;5"
    check_error(file("file,a,b\n" + "\n".join(rows)), "line 2347, column 'b': '2;5'")
    rows[2345] = "f.wav,nan,2"
    check_error(file("file,a,b\n" + "\n".join(rows)), "line 2347, column 'a'", "('nan')")


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
    return pd.DataFrame(
        {
            "file": ["a", "b"],
            "speaker": pd.Categorical(["x", "y"]),
            "emotion": ["sad", None],
            "session": [1.0, 2.0],
            "f": np.float32([0.1, 2]),
            "f.x": [3, 4],
        }
    )


def test_frames_of_pandas(tmp_path):
    frame().to_parquet(tmp_path / "f.parquet", index=False)
    frame().to_feather(tmp_path / "f.feather")
    for name in ("f.parquet", "f.feather"):
        table = read_table(tmp_path / name)
        assert {k: v.tolist() for k, v in table.labels.items()} == {
            "speaker": ["x", "y"],
            "emotion": ["sad", ""],
            "session": ["1", "2"],
        }
        assert table.features.tolist() == [[np.float32(0.1), 3], [2, 4]]
        assert table.metadata == {}


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"f": [0.1, None]}, ["row 1 (counted from 0), column 'f': the value is missing"]),
        ({"f": [0.1, np.inf]}, ["row 1", "infinite"]),
        ({"f": [1e39, 1]}, ["row 0", "beyond float32 (1e+39)"]),
        ({"f": ["a", "b"]}, ["column 'f' is", "--leave_out=f"]),
        ({"f": [True, False]}, ["column 'f' is bool"]),
        ({"f": [[1], [2]]}, ["column 'f' is list"]),
        ({"speaker": [[1], [2]]}, ["column 'speaker' is list", "not text"]),
        ({"file": ["a", "a"]}, ["different values"]),
    ],
)
def test_frames_that_are_no_table_are_refused(tmp_path, change, parts):
    for name, write in (("f.parquet", "to_parquet"), ("f.feather", "to_feather")):
        getattr(frame().assign(**change), write)(tmp_path / name)
        check_error(tmp_path / name, *parts)


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


def test_damaged_parquet_and_feather_files_are_refused(tmp_path):
    frame().to_parquet(tmp_path / "f.parquet")
    frame().to_feather(tmp_path / "f.feather")
    for name in ("f.parquet", "f.feather"):
        whole = (tmp_path / name).read_bytes()
        for size in (10, 100, len(whole) // 2, len(whole) - 1):
            (tmp_path / name).write_bytes(whole[:size])
            check_error(tmp_path / name, "write it again")


class _Bomb:
    """Would make a folder when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        import os

        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("name", ["frame.pkl", "frame.csv", "frame.parquet"])
def test_pickles_are_refused_unread(tmp_path, name):
    trap = tmp_path / "trap"
    (tmp_path / name).write_bytes(pickle.dumps(_Bomb(trap)))
    check_error(tmp_path / name, "a pickle can run code when it is read", "to_parquet or to_csv")
    assert not trap.exists()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"<!DOCTYPE html><html>", "is a web page"),
        (b"\n <html>", "is a web page"),
        (b"\x1f\x8b\x08\x00", "is compressed"),
        (b"PK\x03\x04abc", "spreadsheet"),
        ("file,f\na,1\n".encode("utf-16"), "UTF-16"),
        (b"file,f\0\na,1\n", "neither text nor a table"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (b"file,f\n", "no rows below the header"),
        (b"file\n1\n", "no feature columns"),
        (b'{"a": 1}\n{"a": 2}\n', ": "),
    ],
)
def test_other_files_are_refused(file, content, why):
    check_error(file(content), why)


def test_files_that_are_not_there_are_refused(tmp_path):
    check_error(tmp_path / "no.csv", "no such file")


def test_control_characters_and_endless_names_are_refused(file):
    check_error(file("file,f\na\x01b,1\n"), "line 2, column 'file' holds a control character")
    check_error(file(f"file,f\n{'a' * 1001},1\n"), "line 2, column 'file' has 1001 characters")
    check_error(file(f"file,{'f' * 1001}\na,1\n"), "its name has 1001 characters")


def test_huge_claims_are_refused_at_once(file):
    start = time.monotonic()
    columns = ",".join(f"f{i}" for i in range(1_000_000))
    check_error(file(f"file,{columns}\na,1\n"), "more than 100000 columns")
    check_error(file("file,f\na," + "1" * 50_000_000), "line 2 is longer than 16 MB")
    attributes = "".join(f"@attribute f{i} numeric\n" for i in range(100_001))
    check_error(file(f"@relation x\n{attributes}@data\n", "f.arff"), "more than 100000 attributes")
    check_error(file("@relation x\n@attribute a " + "{" * 10**6, "f.arff"), "line 2 is not")
    assert time.monotonic() - start < 20


@pytest.mark.parametrize("filler", ["9", "'", '"', '""', "\\'", " ", ";", "a", "=", "% ", "'a "])
def test_pieces_repeated_very_often_are_no_hang(file, filler):
    many = filler * (2_000_000 // len(filler))
    texts = [
        ("features.csv", f"file,f\na,{many}x\n"),
        ("features.csv", f"file,f\n{many},1\n"),
        ("features.csv", f"{many}\na,1\n"),
        ("features.csv", SMILE + f"'{many}';0;1;2;3x\n"),
        ("features.csv", f'file,passport,f\na,"{many}",1\n'),
        ("f.arff", ARFF + f"x{many}\n"),
        ("f.arff", ARFF + f"'c.wav',{many}x,2,?\n"),
        ("f.arff", f"% a: {many}\n@attribute {many}\n" + ARFF),
        ("f.arff", f"@attribute {many} numeric\n" + ARFF),
    ]
    start = time.monotonic()
    for name, text in texts:
        with suppress(InputError):
            read_table(file(text, name))
    assert time.monotonic() - start < 10


def test_columns_by_the_thousand_are_read(file):
    columns = [f"f{i}" for i in range(20_000)]
    values = np.random.default_rng(0).standard_normal((12, len(columns))).astype(np.float32)
    rows = [f"r{i}," + ",".join(map(str, row)) for i, row in enumerate(values)]
    table = read_table(file("\n".join([f"file,{','.join(columns)}", *rows])))
    np.testing.assert_array_equal(table.features.view(np.int32), values.view(np.int32))
