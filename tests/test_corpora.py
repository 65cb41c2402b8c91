"""What all readers share: folders, label files, and the list of the corpora."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from corpus_trees import error_of, found, read, reasons, touch

from aegan.corpora.interface import count_differences
from aegan.corpora.listing import LARGEST_LABEL_FILE, decode
from aegan.corpora.registry import CORPORA, describe_corpora, get_corpus
from aegan.corpora.table import csv_corpus
from aegan.data.emotions import CLASSES

PUBLISHED = [name for name in CORPORA if name != "csv"]


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_corpus_maps_its_own_classes_to_the_four(name):
    reader = CORPORA[name]
    assert set(reader.classes.values()) == set(CLASSES)
    assert set(reader.classes) <= set(reader.published)
    assert reader.title and reader.language and reader.layout and reader.licence and reader.note


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_folder_without_recordings_or_of_another_corpus_is_refused(name, tmp_path):
    reader = CORPORA[name]
    assert str(tmp_path / "no") in error_of(reader.read, tmp_path / "no")
    file = tmp_path / "file.wav"
    file.touch()
    assert "is a file, not a folder" in error_of(reader.read, file)
    (tmp_path / "empty").mkdir()
    assert "no .wav or .flac" in error_of(reader.read, tmp_path / "empty")
    assert str(tmp_path) in error_of(reader.read, tmp_path)


def test_hidden_files_broken_links_and_pipes_are_passed_over(tmp_path):
    root = touch(tmp_path, "EB0_anger_1.wav", "._EB0_anger_1.wav", ".git/EB0_fear_2.wav")
    (root / "EB0_anger_3.wav").symlink_to(root / "absent.wav")
    os.mkfifo(root / "EB0_anger_4.wav")  # reading it would wait for ever
    listing = read("nemo", root)
    assert list(found(listing)) == ["EB0_anger_1.wav"]
    assert reasons(listing) == {
        "._EB0_anger_1.wav": "a hidden file",
        "EB0_anger_3.wav": "a broken link or no plain file",
        "EB0_anger_4.wav": "a broken link or no plain file",
    }


def test_links_are_followed_and_circles_end(tmp_path):
    touch(tmp_path / "elsewhere", "EB0_anger_1.wav")
    root = touch(tmp_path / "corpus", "samples/EB0_fear_2.wav")
    (root / "more").symlink_to(tmp_path / "elsewhere")
    (root / "samples" / "up").symlink_to(root)
    (tmp_path / "elsewhere" / "round").symlink_to(tmp_path / "elsewhere")
    assert list(found(read("nemo", root))) == ["EB0_anger_1.wav", "EB0_fear_2.wav"]


@pytest.mark.parametrize("other", ["copy/EB0_anger_1.wav", "EB0_anger_1.flac"])
def test_two_recordings_of_one_name_are_refused(other, tmp_path):
    message = error_of(read, "nemo", touch(tmp_path, "samples/EB0_anger_1.wav", other))
    assert str(tmp_path / "samples/EB0_anger_1.wav") in message and str(tmp_path / other) in message
    assert "a single copy" in message


def test_a_folder_that_may_not_be_read_is_refused(tmp_path, monkeypatch):
    touch(tmp_path, "EB0_anger_1.wav", "locked/EB0_anger_2.wav")
    scandir = os.scandir

    def locked(path):
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", locked)
    assert f"{tmp_path / 'locked'}: may not be read" in error_of(read, "nemo", tmp_path)


def test_names_that_no_terminal_can_print(tmp_path):
    odd = os.fsdecode(b"line\nfeed\xff.wav")
    (utterance,) = read("nemo", touch(tmp_path / "good", "EB0_anger_1.wav", odd)).utterances
    assert utterance.file == "EB0_anger_1.wav"
    assert set(reasons(read("nemo", tmp_path / "good"))) == {"line?feed?.wav"}
    assert "line?feed?.wav" in error_of(read, "nemo", touch(tmp_path / "bad", odd))


def test_differences_from_the_published_counts_are_named(tmp_path):
    listing = read("nemo", touch(tmp_path, "z/EB0_anger_1.wav", "a/EB0_fear_1.wav"))
    assert list(found(listing)) == ["EB0_anger_1.wav", "EB0_fear_1.wav"]  # whatever the folders
    assert count_differences(listing, {"anger": 1, "fear": 3, "sadness": 2}) == (
        "fear: 1, published 3",
        "sadness: 0, published 2",
    )
    assert count_differences(listing, {"anger": 1}) == ()  # fear has no published count


def test_a_folder_of_other_recordings_names_the_mend(tmp_path):
    message = error_of(read, "nemo", touch(tmp_path, "a.txt", "B/b.m4a"))
    assert "no .wav or .flac file below it, but 1 of other kinds (first B/b.m4a)" in message


def test_label_files_are_decoded_whatever_their_encoding():
    assert decode("\ufeffä".encode(), "p") == "ä"
    assert decode("ä".encode("latin-1"), "p") == "ä"
    assert decode(b"a\0b", "p") == "a\0b"
    assert "UTF-16" in error_of(decode, b"\xff\xfea", "p")


def test_a_file_too_large_for_labels_is_refused(tmp_path):
    path = tmp_path / "video.csv"
    with open(path, "wb") as file:
        file.truncate(LARGEST_LABEL_FILE + 1)
    assert "too large" in error_of(csv_corpus, path)


def test_corpora_are_found_by_name_and_an_unknown_one_names_the_nearest():
    assert all(get_corpus(name) is CORPORA[name] for name in CORPORA)
    assert get_corpus("CREMA-D") is CORPORA["crema_d"]
    for name, near in (("ravdes", "ravdess"), ("msp", "msp_improv")):
        message = error_of(get_corpus, name)
        assert f"'{name}'" in message and f"did you mean {near}?" in message
        assert all(known in message for known in CORPORA)
    assert "did you mean" not in error_of(get_corpus, "zzz\n" * 1000)


def test_the_list_of_corpora_fits_eighty_columns_and_says_it_all():
    text = describe_corpora()
    assert max(map(len, text.splitlines())) <= 80
    for name in CORPORA:
        assert f"\n{name}: " in text
    for part in ("excited 1041 -> happy", "calm 192;", "Polish", "Evalution.txt", "calm is not"):
        assert part in text
