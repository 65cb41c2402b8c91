"""Feature files that would have to be guessed at: refused in one line, with place and mend."""

from __future__ import annotations

import pickle
import time
from contextlib import suppress

import pytest
from feature_files import ARFF, AUDFORMAT, SMILE, check_error

from aegan.errors import InputError
from aegan.tables.read import read_table
from aegan.tables.roles import Options

LATER = SMILE.replace("loud_max", "loud_min").replace("a.wav", "c.wav")
TEXT_ARFF = ARFF.replace("emotion unknown", "gender {m,f}").replace(",?", ",m")


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
        ("5,6", "5,6,7", ["line 4 has 6 cells for 5 columns", "quote what holds a separator"]),
        ("5,6", "5,6db/c.wav,0,1,7,8", ["line 4 has 9 cells", "two rows glued"]),
        ("3,4", '"3,4', ["line 3: a quote opens here that is not closed"]),
        ("5,6", "5,NA", ["line 4, column 'pitch'", "missing"]),
        ("5,6", '5,"6', ["line 4: a quote opens here"]),
        ("loud,pitch", "loud,loud", ["column 'loud' is there 2 times"]),
        ("loud,pitch", "loud,", ["column 'Unnamed: 4' has no name of its own"]),
        ("file,start,end,loud,pitch", "a.wav,1,2,3.5,4", ["line 1 has no names of columns"]),
        ("file,", "recording,", ["column 'recording' is text"]),
        (",loud,pitch", "", ["no feature columns"]),
        ("db/b", "a\x01b", ["line 4, column 'file' holds a control character"]),
        ("db/b.wav", "a" * 1001, ["line 4, column 'file' has 1001 characters"]),
        ("loud", "f" * 1001, ["its name has 1001 characters"]),
        *(
            ("0.25", time, ["line 4, column 'start'", "not a time"])
            for time in ("soon", "-1", "1:2:3", "inf", "1e12", "0 days 00:61:00")
        ),
    ],
)
def test_broken_csv(file, old, new, parts):
    check_error(file(AUDFORMAT.replace(old, new)), *parts)


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("1.000000e-01", "?", ["line 11", "'mfcc_sma[0]_mean'", "missing or infinite ('?')"]),
        ("1.000000e-01", "nan", ["line 11", "missing or infinite"]),
        ("1.000000e-01", "1e39", ["line 11", "beyond float32"]),
        ("'b.wav',3.000000e+00", "{0 'b.wav', 1 3}", ["line 11 is sparse ARFF"]),
        (",1.000000e-01", "", ["line 11 has 3 cells for 4 columns"]),
        ("'b.wav'", "'b.wav", ["line 11", "cells for 4 columns"]),
        ("1.000000e-01,?", "1.000000e-01,'sad", ["line 11", "cells for 4 columns"]),
        ("\n'b.wav'", "'b.wav'", ["line 10: two rows are glued together"]),
        ("5.898961e-01,?\n", "5.8", ["line 10: two rows are glued together"]),
        ("@data", "@date", ["line 8 is neither @attribute nor @data ('@date')"]),
        ("@attribute loud_max numeric", "@attribute loud_max", ["line 4", "name type"]),
        ("mfcc_sma[0]_mean numeric", "loud_max numeric", ["'loud_max' is there 2 times"]),
        (ARFF[ARFF.index("@data") :], "", ["no @data line"]),
        (ARFF[ARFF.index("'a.wav'") :], "", ["no rows"]),
        (ARFF, "@relation x\n@data\n1,2\n", ["no @attribute line"]),
        (ARFF, f"% feature_hash: 0123456789abcdef\n{ARFF}", ["not those it was written with"]),
        (ARFF, TEXT_ARFF, ["attribute 'gender' is nominal", "--leave_out=gender"]),
    ],
)
def test_broken_arff(file, old, new, parts):
    check_error(file(ARFF.replace(old, new), "features.arff"), *parts)


@pytest.mark.parametrize(
    ("values", "cell", "row"),
    [
        ("{anger,sad}", "angr", 11),
        ("{ anger , 'very sad' }", "sad", 11),
        ('{"a","b c"} % of Weka', "B C", 11),
        ("{m}", "'m '", None),
        ("{a,b}", "?", None),
        ("{a,b}", "NA", None),
        ("{'a%b', b}", "'a%b' % looked at twice", None),
    ],
)
def test_nominal_values_that_the_header_does_not_declare(file, values, cell, row):
    first = values.strip("{ ").partition(",")[0].strip("}\"' ")
    text = ARFF.replace("emotion unknown", f"emotion {values}")
    text = text.replace("5.898961e-01,?", f"5.898961e-01,'{first}'")
    path = file(text.replace("1.000000e-01,?", f"1.000000e-01,{cell}"), "f.arff")
    if row is None:
        assert read_table(path).labels["emotion"].tolist()[0] == first
    else:
        what = f"line {row}, column 'emotion': "
        check_error(path, what, "is none of its declared values (")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (SMILE + LATER, ["line 4 is another header", "file of their own"]),
        (
            SMILE + "'a.wav';0.000000;112;1;2\n",
            ["1 key with different values", "'a.wav'", "line 2 and line 4"],
        ),
        (
            SMILE + "'a.wav';0.010000;112;1;2\n",
            ["'a.wav' has rows of several times", "frameMode = full"],
        ),
        (SMILE.replace("\n'b", "'b"), ["line 2: two rows are glued together"]),
        (SMILE.replace("-2.262464e-05\n", ""), ["line 2: two rows are glued together"]),
        (SMILE.replace(";3;", ";3;4;"), ["line 3 has 6 cells for 5 columns"]),
        (SMILE.replace(";1e-1;", ";"), ["line 3 has 4 cells for 5 columns"]),
        *(
            (SMILE.replace("a.wav", name), ["line 2 has not the name", "-instname"])
            for name in ("noname", "unknown", "", "?")
        ),
        (SMILE.replace("a.wav", "?").replace("b.wav", "noname"), ["no row has the name", "folder"]),
    ],
)
def test_broken_csv_of_smilextract(file, text, parts):
    check_error(file(text), *parts)


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
        (b"Unnamed: 0,file\n0,a\n1,b\n", "no feature columns but the number of the row"),
        (b",f\n0,1\n1,1\n", "no column with the names of the recordings"),
    ],
)
def test_other_files(file, content, why):
    check_error(file(content), why)


def test_files_that_are_not_there(tmp_path):
    check_error(tmp_path / "no.csv", "no such file")
    check_error(tmp_path, "no .csv or .arff file")


def test_columns_that_the_user_names(file):
    path = file("wav,spk,f\na,x,1\n")
    check_error(path, "column 'wav' is text ('a' in line 2)", "--columns")
    check_error(path, "no column 'waw'", options=Options({"file": "waw"}))
    named = read_table(path, Options({"file": "wav", "speaker": "spk"}))
    assert named.files.tolist() == ["a"] and named.labels["speaker"].tolist() == ["x"]
    arff = file(TEXT_ARFF, "f.arff")
    assert read_table(arff, Options(leave_out=["gender"])).features.shape == (2, 2)
    relaxed = Options({"file": "waw", "speaker": "spk"}, strict=False)
    check_error(path, "column 'wav' is text", options=relaxed)


def test_a_bad_cell_is_found_among_many_rows(file):
    rows = [f"f{i}.wav,{i},{i}.5" for i in range(3000)]
    rows[2345] = "f.wav,1,2;5"
    check_error(file("file,a,b\n" + "\n".join(rows)), "line 2347, column 'b': '2;5'")
    rows[2345] = "f.wav,nan,2"
    check_error(file("file,a,b\n" + "\n".join(rows)), "line 2347, column 'a'", "('nan')")


def test_files_of_a_folder_that_do_not_go_together(tmp_path):
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    first.write_text(SMILE)
    second.write_text(SMILE.replace("loud_max", "loud_min"))
    what = f"{second}: not the features of a.csv"
    check_error(tmp_path, what, "column 0 is 'loud_min' for 'loud_max'")
    second.write_text(SMILE.replace("111", "112"))
    check_error(tmp_path, "'a.wav'", "(a.csv line 2 and b.csv line 2)")
    first.write_text("file,emotion,f\nx,sad,1\n")
    second.write_text("file,f\ny,1\n")
    check_error(tmp_path, "has 'file' beside the features")


@pytest.mark.parametrize("name", ["frame.pkl", "frame.csv", "frame.parquet"])
def test_pickles_stay_unread(file, tmp_path, name):
    trap = tmp_path / "trap"
    bomb = file(b"\x80\x02cposix\nmkdir\n" + f"(S'{trap}'\ntR.".encode(), name)
    check_error(bomb, "a pickle can run code when it is read", "to_parquet or to_csv")
    assert not trap.exists()
    pickle.loads(bomb.read_bytes())
    assert trap.exists()  # it does go off


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
