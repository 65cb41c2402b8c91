"""Anybody's own corpus: recordings and a table of labels, matched by name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from corpus_trees import error_of, reasons, touch

from aegan.corpora.interface import PassedOver, four_classes
from aegan.corpora.registry import CORPORA
from aegan.corpora.table import csv_corpus, parse_labels

TABLE = "file,speaker,emotion,session\na/1.wav,ann,anger,s1\nb/1.wav,bob,calm,s2\n"


def own(tmp_path: Path, text: str = TABLE, *recordings: str):
    path = tmp_path / "labels.csv"
    path.write_text(text, encoding="utf-8")
    root = touch(tmp_path / "audio", *(recordings or ("a/1.wav", "b/1.wav")))
    return csv_corpus(path), root


def test_csv_labels_are_joined_by_path(tmp_path):
    reader, root = own(tmp_path, TABLE, "a/1.wav", "b/1.wav", "c/1.wav")
    listing = reader.read(root)
    assert listing.utterances == (
        ("a/1.wav", "ann", "s1", "anger", root / "a/1.wav"),
        ("b/1.wav", "bob", "s2", "calm", root / "b/1.wav"),
    )
    assert listing.passed_over == (PassedOver("c/1.wav", "not named in labels.csv"),)
    (root / "b/1.wav").unlink()
    assert PassedOver("b/1.wav", "a label without a recording") in reader.read(root).passed_over


def test_csv_emotions_are_all_kept(tmp_path):
    reader, root = own(tmp_path, TABLE.replace("anger", "Happiness"))
    assert reader.classes == {"Happiness": "happy", "calm": "calm"}
    kept = four_classes(reader.read(root), reader.classes)
    assert [utterance.emotion for utterance in kept] == ["happy", "calm"]


@pytest.mark.parametrize(
    "content",
    [
        TABLE.encode(),
        TABLE.replace(",", ";").encode(),
        TABLE.replace(",", "\t").encode("utf-16"),
        TABLE.replace("\n", "\r\n").encode("utf-8-sig"),
        b"\n" + TABLE.replace("file", "File").replace(",", " , ").replace("ann ", '"ann"').encode(),
        TABLE.replace("a/1.wav", '"a\\1.wav"').replace("b/1", "./b/1").encode(),
        re.sub("(session|s1|s2)", r"\1,7", TABLE).encode(),
    ],
    ids=["plain", "semicolon", "utf-16 tabs", "crlf bom", "spaces", "paths", "other column"],
)
def test_csv_is_read_as_spreadsheets_write_it(content, tmp_path):
    path = tmp_path / "labels.csv"
    path.write_bytes(content)
    listing = csv_corpus(path).read(touch(tmp_path / "audio", "a/1.wav", "b/1.wav"))
    assert [utterance[:4] for utterance in listing.utterances] == [
        ("a/1.wav", "ann", "s1", "anger"),
        ("b/1.wav", "bob", "s2", "calm"),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["column 'file' is missing"]),
        ("file,speaker\na.wav,ann\n", ["column 'emotion' is missing", "'file | speaker'"]),
        ("file,speaker,emotion,Speaker\n", ["column 'speaker' is there 2 times"]),
        ("file,speaker,emotion\n\n", ["no rows"]),
        ("file,speaker,emotion\n\na.wav,ann\n", ["line 3", "2 cells for 3 columns"]),
        ("file,speaker,emotion\na.wav,,sad\n", ["line 2", "column 'speaker' is empty"]),
        ("file,speaker,emotion\na.wav,ann,s\0d\n", ["line 2", "'emotion' holds a control"]),
        ("file,speaker,emotion\na.wav,a\x7fn,sad\n", ["line 2", "'speaker' holds a control"]),
        ("file,speaker,emotion" + ",x" * 1000, ["line 1", "1003 cells"]),
        ("file,speaker,emotion\na.wav,ann,sad\na.wav,ann,sad\n", ["line 3", "in line 2 already"]),
        ("file,speaker,emotion\na/..,ann,sad\n", ["line 2", "not the name of a recording"]),
        ("file,speaker,emotion\n.,ann,sad\n", ["line 2", "not the name of a recording"]),
        ("name,path,speaker,Label,class,label\n", ["column 'label' is there 2 times"]),
        (f"file,speaker,emotion\na.wav,{'x' * 1001},sad\n", ["'speaker' has 1001 characters"]),
        ('file,speaker,emotion\na.wav,ann,sad\n"b.wav,bob,sad\n', ["line 3", "not CSV"]),
    ],
)
def test_csv_that_cannot_be_understood(text, words):
    message = error_of(parse_labels, text, "l.csv")
    assert message.startswith("l.csv: ")
    assert all(word in message for word in words), message


def test_csv_without_its_table(tmp_path):
    assert "--labels=" in error_of(CORPORA["csv"].read, tmp_path)
    assert "no such file" in error_of(csv_corpus, tmp_path / "absent.csv")
    assert "is not a file" in error_of(csv_corpus, tmp_path)


NAMES = ["a.wav", "b.wav", "c.wav"]


def named(*files: str) -> str:
    return "\n".join(["file,speaker,emotion", *(f"{file},ann,sad" for file in files)])


@pytest.mark.parametrize(
    "header", ["file,speaker,emotion", "Filename,speaker,CLASS", "path,speaker,label"]
)
def test_csv_columns_have_other_names_and_the_session_is_optional(header):
    (row,) = parse_labels(f"{header}\na.wav,ann,sad\n", "l.csv")
    assert row == ("a.wav", "ann", "sad", None, 2)


def test_csv_columns_are_what_the_user_says():
    text = "file,wav,spk,emotion\nnone,a.wav,ann,sad\n"
    (row,) = parse_labels(text, "l.csv", {"file": "wav", "speaker": "spk"})
    assert row[:3] == ("a.wav", "ann", "sad")
    message = error_of(parse_labels, text, "l.csv", {"speaker": "who"})
    assert "column 'who' of --columns is missing" in message and "file | wav | spk" in message
    assert "--columns=speaker=" in error_of(parse_labels, text, "l.csv")


@pytest.mark.parametrize(
    ("files", "how"),
    [
        (["A/a.wav", "B/b.wav", "B/c.wav"], "path below the folder"),
        (["{root}/A/a.wav", "{root}/A/../B/b.wav", "B/c.wav"], "path below the folder"),
        (["/other/x/A/a.wav", "y/B/b.wav", "C:\\B\\c.wav"], "the last 2 parts of the path"),
        (["x/a.wav", "b.wav", "../c.wav"], "base name"),
        (["a", "x/b", "c.mp3"], "base name without suffix"),
    ],
    ids=["path", "absolute", "tail", "base", "stem"],
)
def test_csv_labels_are_matched_by_path_or_else_by_shorter_names(files, how, tmp_path):
    files = [file.format(root=tmp_path / "audio") for file in files]
    reader, root = own(tmp_path, named(*files), "A/a.wav", "B/b.wav", "B/c.wav")
    listing = reader.read(root)
    found = {utterance.file: utterance.path.name for utterance in listing.utterances}
    keys = [file.replace("\\", "/") for file in files]
    assert found == dict(zip(keys, NAMES, strict=True))  # the table's own names
    assert listing.passed_over == () and listing.warning == ""
    assert listing.matched == (
        f"3 of 3 labels have a recording, 3 of 3 recordings a label; matched by {how}"
    )


def test_csv_folder_is_given_relative_or_by_a_link(tmp_path, monkeypatch):
    reader, root = own(tmp_path, named(f"{tmp_path}/audio/a.wav"), "a.wav")
    (tmp_path / "link").symlink_to(root)
    monkeypatch.chdir(tmp_path)
    for given in ("audio", "link", "./audio/"):
        assert reader.read(Path(given)).matched.endswith("matched by path below the folder")


@pytest.mark.parametrize(
    ("files", "recordings", "words"),
    [
        (["a.wav"], ["A/a.wav", "B/a.wav"], ["line 2", "'A/a.wav' or 'B/a.wav'"]),
        (["a"], ["a.wav", "a.flac"], ["line 2", "'a.flac' or 'a.wav'"]),
        (["A/a.wav", "B/a.wav"], ["a.wav"], ["line 3", "'B/a.wav' and 'A/a.wav' in line 2"]),
        (["b.wav"], ["A/a.wav"], ["labels say 'b.wav', the folder has 'A/a.wav'"]),
        (["b", "c"], ["a.wav", "B/b.m4a"], ["('b': neither .wav nor .flac); convert"]),
    ],
)
def test_csv_names_that_several_share_or_none_has_are_refused(files, recordings, words, tmp_path):
    reader, root = own(tmp_path, named(*files), *recordings)
    message = error_of(reader.read, root)
    assert all(word in message for word in words), message


@pytest.mark.parametrize(
    ("labels", "recordings", "matching", "outcome"),
    [
        (10, 10, 10, "whole"),
        (10, 10, 5, "whole"),
        (9, 9, 4, "4 of 9 labels have a recording, 4 of 9 recordings a label"),
        (20, 4, 4, "4 of 20 labels have a recording, 4 of 4 recordings a label"),
        (10, 100, 10, "10 of 10 labels have a recording, 10 of 100 recordings a label"),
        (10, 101, 10, "refused"),
        (11, 1, 1, "refused"),
    ],
)
def test_csv_few_matches_are_warned_of_and_hardly_any_refused(
    labels, recordings, matching, outcome, tmp_path
):
    files = [f"{i}.wav" if i < matching else f"label{i}.wav" for i in range(labels)]
    paths = [f"{i}.wav" if i < matching else f"take{i}.wav" for i in range(recordings)]
    reader, root = own(tmp_path, named(*files), *paths)
    if outcome == "refused":
        message = error_of(reader.read, root)
        one = "label1.wav" if labels == 11 else "0.wav"
        assert f"only {matching} of {labels} labels" in message and f"labels say '{one}'" in message
        return
    listing = reader.read(root)
    assert len(listing.utterances) == matching
    assert len(listing.passed_over) == labels + recordings - 2 * matching
    if outcome == "whole":
        assert listing.warning == ""
    else:
        assert listing.warning.startswith(f"only {outcome}; look at the names (labels say")


@pytest.mark.parametrize(
    ("files", "recordings", "passed_over"),
    [
        (  # one way holds for the whole table
            ["A/a.wav", "c.wav"],
            ["A/a.wav", "B/c.wav"],
            {"B/c.wav": "not named in labels.csv", "c.wav": "a label without a recording"},
        ),
        (
            ["a.wav", "b.mp3", "c.raw", "d.wav"],
            ["a.wav", "b.mp3", "c.raw"],
            {
                "b.mp3": "neither .wav nor .flac; convert it",
                "c.raw": "neither .wav nor .flac; convert it",
                "d.wav": "a label without a recording",
            },
        ),
        (["a.take0001", "a.take0002"], ["A/a.take0001.wav", "A/a.take0002.wav"], {}),
    ],
)
def test_csv_says_what_has_no_counterpart(files, recordings, passed_over, tmp_path):
    reader, root = own(tmp_path, named(*files), *recordings)
    assert reasons(reader.read(root)) == passed_over


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PK\x03\x04\x14\0", "is a ZIP file or a spreadsheet; save the table as CSV"),
        (b"\x80\x04\x95", "is a pickle"),
        (b"\x1f\x8b\x08", "is compressed; unpack it first"),
        (b"PAR1", "is Parquet; save the table as CSV"),
        (b"@relation x\n", "is ARFF; save the table as CSV"),
        (b" \n", "is empty; write it again"),
    ],
)
def test_csv_labels_that_are_no_csv_are_told_by_their_content(content, words, tmp_path):
    path = tmp_path / "labels.csv"
    path.write_bytes(content)
    assert error_of(csv_corpus, path).startswith(f"{path}: {words}")
