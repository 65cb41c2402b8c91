"""The readers of the corpora, over miniature trees and the names of the real tables."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest
from corpus_trees import emotions, error_of, read, reasons, speakers, touch

from aegan.corpora.interface import count_differences, four_classes
from aegan.corpora.listing import LARGEST_LABEL_FILE, decode
from aegan.corpora.registry import CORPORA, describe_corpora, get_corpus
from aegan.corpora.table import csv_corpus
from aegan.tables.emotions import CLASSES

BY_NAME = {
    "crema_d": ("1001_DFA_ANG_XX.wav", "crema_1001", "anger"),
    "ravdess": ("03-01-06-01-02-02-24.wav", "ravdess_24", "fearful"),
    "emodb": ("03a01Wa.wav", "emodb_03", "anger"),
    "nemo": ("EB0_anger_1.wav", "nemo_EB0", "anger"),
    "savee": ("KL_sa03.wav", "savee_KL", "sadness"),
}


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


@pytest.mark.parametrize("name", BY_NAME)
def test_names_tell_speaker_and_emotion_in_any_folder_with_any_suffix(name, tmp_path):
    file, speaker, emotion = BY_NAME[name]
    for folder, suffix in (("flat", ".wav"), ("release/deeper", ".WAV"), ("flac", ".flac")):
        other = file.replace(".wav", suffix)
        root = touch(tmp_path / suffix / name, f"{folder}/{other}")
        (utterance,) = read(name, root).utterances
        assert utterance == (other, speaker, None, emotion, root / folder / other)


@pytest.mark.parametrize("name", BY_NAME)
def test_recordings_of_other_corpora_are_passed_over(name, tmp_path):
    files = [file for file, _, _ in BY_NAME.values()]
    root = touch(tmp_path, *files, "Ses01F_impro01_F000.wav", "song.flac", "notes.txt")
    listing = read(name, root)
    own = BY_NAME[name][0]
    assert list(emotions(listing)) == [own]
    others = {*files, "Ses01F_impro01_F000.wav", "song.flac"} - {own}
    assert set(reasons(listing)) == others  # the text is no recording
    assert all("not named as a recording of" in why for why in reasons(listing).values())


def test_hidden_files_broken_links_and_pipes_are_passed_over(tmp_path):
    root = touch(tmp_path, "EB0_anger_1.wav", "._EB0_anger_1.wav", ".git/EB0_fear_2.wav")
    (root / "EB0_anger_3.wav").symlink_to(root / "absent.wav")
    os.mkfifo(root / "EB0_anger_4.wav")  # reading it would wait for ever
    listing = read("nemo", root)
    assert list(emotions(listing)) == ["EB0_anger_1.wav"]
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
    assert list(emotions(read("nemo", root))) == ["EB0_anger_1.wav", "EB0_fear_2.wav"]


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


def test_utterances_are_sorted_whatever_the_folders(tmp_path):
    files = ["z/EB0_anger_1.wav", "a/WR0_anger_1.wav", "m/IC0_anger_1.wav"]
    listing = read("nemo", touch(tmp_path, *files))
    assert list(speakers(listing).values()) == ["nemo_EB0", "nemo_IC0", "nemo_WR0"]


def test_differences_from_the_published_counts_are_named(tmp_path):
    listing = read("nemo", touch(tmp_path, "EB0_anger_1.wav", "EB0_fear_1.wav"))
    assert count_differences(listing, {"anger": 1, "fear": 3, "sadness": 2}) == (
        "fear: 1, published 3",
        "sadness: 0, published 2",
    )
    assert count_differences(listing, {"anger": 1}) == ()  # fear has no published count


@pytest.mark.parametrize("name", ["nemo", "ravdess"])
def test_real_clips_are_read_beside_those_of_another_corpus(name, shared_data):
    reader = CORPORA[name]
    listing = reader.read(shared_data / "wav")
    table = pd.read_parquet(
        shared_data / f"{name}.parquet", columns=["file", "speaker", "emotion"]
    ).set_index("file")
    four = four_classes(listing, reader.classes)
    assert len(four) == len(listing.utterances) == len(listing.passed_over) == 6
    for utterance in four:
        assert (utterance.speaker, utterance.emotion) == tuple(table.loc[utterance.file])
        assert utterance.path.is_file()
    title = reader.title.partition(",")[0]
    assert set(reasons(listing).values()) == {f"not named as a recording of {title}"}
    assert len(count_differences(listing, reader.published)) == len(reader.published)


@pytest.mark.parametrize(("name", "rows"), [("nemo", 3076), ("ravdess", 670)])
def test_every_name_of_the_real_tables_gives_its_speaker_and_emotion(name, rows, shared_data):
    table = pd.read_parquet(shared_data / f"{name}.parquet", columns=["file", "speaker", "emotion"])
    reader = CORPORA[name]
    parsed = [reader.utterance_of(Path(file)) for file in table["file"]]
    assert len(parsed) == rows
    found = [(u.file, u.speaker, reader.classes[u.emotion]) for u in parsed]
    assert found == list(table.itertuples(index=False, name=None))


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


def test_corpora_are_found_by_name():
    assert all(get_corpus(name) is CORPORA[name] for name in CORPORA)
    assert all(reader.name == name for name, reader in CORPORA.items())
    assert get_corpus("CREMA-D") is CORPORA["crema_d"]


@pytest.mark.parametrize(("name", "near"), [("ravdes", "ravdess"), ("msp", "msp_improv")])
def test_an_unknown_corpus_names_the_nearest(name, near):
    message = error_of(get_corpus, name)
    assert f"'{name}'" in message and f"did you mean {near}?" in message
    assert all(known in message for known in CORPORA)


def test_an_unknown_corpus_without_a_near_one():
    assert "did you mean" not in error_of(get_corpus, "zzz\n" * 1000)


def test_the_list_of_corpora_fits_eighty_columns_and_says_it_all():
    text = describe_corpora()
    assert max(map(len, text.splitlines())) <= 80
    for name in CORPORA:
        assert f"\n{name}: " in text
    for part in ("excited 1041 -> happy", "calm 192;", "Polish", "Evalution.txt", "calm is not"):
        assert part in text
