"""The readers of the corpora, over miniature trees and the names of the real tables."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import product
from pathlib import Path

import pandas as pd
import pytest
from corpus_trees import (
    emotions,
    error_of,
    iemocap,
    iemocap_labels,
    msp_improv,
    msp_labels,
    read,
    reasons,
    speakers,
    touch,
)

from aegan.corpora import emodb, nemo, ravdess, savee
from aegan.corpora.iemocap import parse_evaluation as parse_iemocap
from aegan.corpora.interface import CLASSES, count_differences, four_classes
from aegan.corpora.listing import LARGEST_LABEL_FILE, decode
from aegan.corpora.msp_improv import parse_evaluation as parse_msp
from aegan.corpora.registry import CORPORA, describe_corpora, get_corpus
from aegan.corpora.table import csv_corpus

BY_NAME = {
    "crema_d": ("1001_DFA_ANG_XX.wav", "crema_1001", "anger"),
    "ravdess": ("03-01-06-01-02-02-24.wav", "ravdess_24", "fearful"),
    "emodb": ("03a01Wa.wav", "emodb_03", "anger"),
    "nemo": ("EB0_anger_1.wav", "nemo_EB0", "anger"),
    "savee": ("KL_sa03.wav", "savee_KL", "sadness"),
}


# Every corpus


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
def test_names_tell_speaker_and_emotion_in_any_folder(name, tmp_path):
    file, speaker, emotion = BY_NAME[name]
    for folder in ("flat", "release/deeper"):
        root = touch(tmp_path / folder.split("/")[0] / name, f"{folder}/{file}")
        (utterance,) = read(name, root).utterances
        assert utterance == (file, speaker, None, emotion, root / folder / file)


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


@pytest.mark.parametrize("name", BY_NAME)
def test_suffixes_of_recordings(name, tmp_path):
    file, speaker, _ = BY_NAME[name]
    for suffix in (".WAV", ".flac"):
        other = file.replace(".wav", suffix)
        assert speakers(read(name, touch(tmp_path / suffix, other))) == {other: speaker}


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
    assert [utterance.speaker for utterance in listing.utterances] == [
        "nemo_EB0",
        "nemo_IC0",
        "nemo_WR0",
    ]


def test_differences_from_the_published_counts_are_named(tmp_path):
    listing = read("nemo", touch(tmp_path, "EB0_anger_1.wav", "EB0_fear_1.wav"))
    assert count_differences(listing, {"anger": 1, "fear": 3, "sadness": 2}) == (
        "fear: 1, published 3",
        "sadness: 0, published 2",
    )
    assert count_differences(listing, {"anger": 1}) == ()  # fear has no published count


# IEMOCAP


def test_iemocap_speaker_is_the_session_and_the_last_tokens_letter(tmp_path):
    names = ["Ses01F_impro01_F000", "Ses01F_impro01_M001", "Ses01M_script01_1b_F012"]
    listing = read("iemocap", iemocap(tmp_path, [(name, "neu") for name in names]))
    assert speakers(listing) == {
        "Ses01F_impro01_F000.wav": "iemocap_Ses01F",
        "Ses01F_impro01_M001.wav": "iemocap_Ses01M",  # the woman wears the markers, he speaks
        "Ses01M_script01_1b_F012.wav": "iemocap_Ses01F",
    }


def test_iemocap_speakers_are_never_in_two_sessions(tmp_path):
    labels = [
        (f"Ses0{session}{wearer}_{dialog}_{speaker}000", "neu")
        for session, wearer, dialog, speaker in product(
            range(1, 6), "FM", ["impro01", "script02_2"], "FM"
        )
    ]
    listing = read("iemocap", iemocap(tmp_path, labels))
    pairs = {(utterance.speaker, utterance.session) for utterance in listing.utterances}
    assert len(listing.utterances) == 40
    assert len({speaker for speaker, _ in pairs}) == len(pairs) == 10
    assert {session for _, session in pairs} == {"Ses01", "Ses02", "Ses03", "Ses04", "Ses05"}


def test_iemocap_codes_and_the_four_classes(tmp_path):
    codes = ["ang", "hap", "exc", "sad", "neu", "dis", "fru", "fea", "sur", "oth", "xxx"]
    labels = [(f"Ses05M_impro03_F{i:03d}", code) for i, code in enumerate(codes)]
    reader = CORPORA["iemocap"]
    listing = reader.read(iemocap(tmp_path, labels))
    assert list(emotions(listing).values()) == [
        "anger",
        "happiness",
        "excited",
        "sadness",
        "neutral",
        "disgust",
        "frustration",
        "fear",
        "surprise",
    ]
    assert sorted(reasons(listing).values()) == [
        "label oth: another emotion",
        "label xxx: the evaluators do not agree",
    ]
    four = four_classes(listing, reader.classes)
    assert [utterance.emotion for utterance in four] == [
        "angry",
        "happy",
        "happy",
        "sad",
        "neutral",
    ]


def test_iemocap_published_four_classes_are_the_papers():
    reader = CORPORA["iemocap"]
    counts = dict.fromkeys(CLASSES, 0)
    for name, emotion in reader.classes.items():
        counts[emotion] += reader.published[name]
    assert counts == {"angry": 1103, "happy": 595 + 1041, "neutral": 1708, "sad": 1084}
    assert sum(counts.values()) == 5531
    # The whole corpus has 10039 utterances; 2507 are without agreement and 3 another emotion.
    assert sum(reader.published.values()) == 10039 - 2507 - 3


def test_iemocap_recordings_and_labels_that_do_not_match_are_named(tmp_path):
    labels = [("Ses02F_impro01_F000", "ang"), ("Ses02F_impro01_M000", "sad")]
    root = iemocap(tmp_path, labels)
    wav = "Session2/sentences/wav/Ses02F_impro01"
    (root / wav / "Ses02F_impro01_M000.wav").unlink()
    touch(root, f"{wav}/Ses02F_impro01_MXX0.wav", "Session2/dialog/wav/Ses02F_impro01.wav")
    listing = read("iemocap", root)
    assert emotions(listing) == {"Ses02F_impro01_F000.wav": "anger"}
    assert reasons(listing) == {
        "Ses02F_impro01_M000": "a label without a recording",
        f"{wav}/Ses02F_impro01_MXX0.wav": "a recording without a label",
        "Session2/dialog/wav/Ses02F_impro01.wav": "not named as an utterance of IEMOCAP",
    }


def test_iemocap_label_files_of_single_evaluators_are_not_read(tmp_path):
    root = iemocap(tmp_path, [("Ses01F_impro01_F000", "ang")])
    evaluation = root / "Session1/dialog/EmoEvaluation"
    (evaluation / "Categorical").mkdir()
    (evaluation / "Categorical/Ses01F_impro01_e2_cat.txt").write_text("[1] not a label\n")
    (evaluation / "._Ses01F_impro01.txt").write_bytes(b"[\x00\x05\x16\x07")
    assert len(read("iemocap", root).utterances) == 1


def test_iemocap_is_found_above_and_within_a_release(tmp_path):
    iemocap(tmp_path / "IEMOCAP/IEMOCAP_full_release", [("Ses03F_impro01_F000", "ang")])
    for folder in ("IEMOCAP", "IEMOCAP/IEMOCAP_full_release/Session3"):
        assert len(read("iemocap", tmp_path / folder).utterances) == 1


def test_iemocap_without_label_files_says_where_they_should_be(tmp_path):
    root = touch(tmp_path, "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav")
    assert "EmoEvaluation" in error_of(read, "iemocap", root)


def test_iemocap_duplicates_in_two_label_files_must_agree(tmp_path):
    root = iemocap(tmp_path, [("Ses01F_impro01_F000", "ang")])
    second = root / "Session1/dialog/EmoEvaluation/copy.txt"
    second.write_text(iemocap_labels([("Ses01F_impro01_F000", "ang")]))
    assert len(read("iemocap", root).utterances) == 1
    second.write_text(iemocap_labels([("Ses01F_impro01_F000", "sad")]))
    message = error_of(read, "iemocap", root)
    assert f"{second}: line 3" in message and "Ses01F_impro01.txt: line 3" in message
    assert "'sad'" in message and "'ang'" in message


@pytest.mark.parametrize(
    "line",
    [
        "[6.2901 - 8.2357]\tSes01F_impro01_F000",
        "[6.2901 - 8.2357",
        "[6.2901 - 8.2357]\tSes06F_impro01_F000\tneu\t[2.5, 2.5, 2.5]",
        "[6.2901 - 8.2357]\tSes01F_impro01\tneu\t[2.5, 2.5, 2.5]",
        "[6.2901 - 8.2357]\tSes01F_impro01_F000\tneutral\t[2.5, 2.5, 2.5]",
    ],
)
def test_iemocap_label_line_that_cannot_be_understood(line):
    text = iemocap_labels([("Ses01F_impro01_M000", "neu")]) + line
    assert error_of(parse_iemocap, text, "a.txt").startswith("a.txt: line 12: ")


# MSP-IMPROV


@pytest.mark.parametrize("spelling", ["Evalution.txt", "Evaluation.txt"])
def test_msp_improv_under_both_spellings(spelling, tmp_path):
    labels = [
        ("MSP-IMPROV-S01A-F01-P-FM01", "N"),
        ("MSP-IMPROV-S01A-M01-P-FM02", "A"),
        ("MSP-IMPROV-S20S-F06-R-FF01", "S"),
        ("MSP-IMPROV-S08H-M06-S-MM02", "H"),
    ]
    listing = read("msp_improv", msp_improv(tmp_path, labels, spelling))
    found = {u.file: (u.speaker, u.session, u.emotion) for u in listing.utterances}
    assert found == {
        "MSP-IMPROV-S01A-F01-P-FM01.wav": ("msp_F01", "Ses01", "neutral"),
        "MSP-IMPROV-S01A-M01-P-FM02.wav": ("msp_M01", "Ses01", "angry"),
        "MSP-IMPROV-S20S-F06-R-FF01.wav": ("msp_F06", "Ses06", "sad"),
        "MSP-IMPROV-S08H-M06-S-MM02.wav": ("msp_M06", "Ses06", "happy"),
    }
    assert listing.passed_over == ()


def test_msp_improv_labels_are_of_the_group_not_of_single_evaluators():
    labels = parse_msp(msp_labels([("MSP-IMPROV-S01A-F01-P-FM01", "X")]), "e.txt")
    ((name, label),) = labels.items()
    assert (name, label.code) == ("MSP-IMPROV-S01A-F01-P-FM01", "X")


def test_msp_improv_drops_disagreement_and_names_what_does_not_match(tmp_path):
    labels = [
        ("MSP-IMPROV-S01A-F01-P-FM01", "O"),
        ("MSP-IMPROV-S01A-F01-P-FM02", "X"),
        ("MSP-IMPROV-S01A-F01-P-FM03", "H"),
        ("MSP-IMPROV-S01A-F01-P-FM04", "H"),
    ]
    root = msp_improv(tmp_path, labels)
    folder = "session1/S01A/P"
    (root / folder / "MSP-IMPROV-S01A-F01-P-FM04.wav").unlink()
    touch(root, f"{folder}/MSP-IMPROV-S01A-F01-P-FM05.wav", f"{folder}/MSP-IMPROV-S01A.wav")
    listing = read("msp_improv", root)
    assert emotions(listing) == {"MSP-IMPROV-S01A-F01-P-FM03.wav": "happy"}
    assert reasons(listing) == {
        f"{folder}/MSP-IMPROV-S01A-F01-P-FM01.wav": "label O: another emotion",
        f"{folder}/MSP-IMPROV-S01A-F01-P-FM02.wav": "label X: the evaluators do not agree",
        f"{folder}/MSP-IMPROV-S01A-F01-P-FM05.wav": "a recording without a label",
        f"{folder}/MSP-IMPROV-S01A.wav": "not named as an utterance of MSP-IMPROV",
        "MSP-IMPROV-S01A-F01-P-FM04": "a label without a recording",
    }


def test_msp_improv_has_twelve_speakers_in_six_sessions(tmp_path):
    labels = [
        (f"MSP-IMPROV-S0{sentence}H-{letter}0{session}-T-FM01", "N")
        for session, letter, sentence in product(range(1, 7), "FM", range(1, 4))
    ]
    listing = read("msp_improv", msp_improv(tmp_path, labels))
    pairs = {(utterance.speaker, utterance.session) for utterance in listing.utterances}
    assert len({speaker for speaker, _ in pairs}) == len(pairs) == 12
    assert len({session for _, session in pairs}) == 6


def test_msp_improv_label_file_beside_and_below_the_recordings(tmp_path):
    labels = [("MSP-IMPROV-S01A-F01-P-FM01", "N")]
    msp_improv(tmp_path / "MSP", labels)
    assert len(read("msp_improv", tmp_path / "MSP/session1").utterances) == 1
    assert len(read("msp_improv", tmp_path).utterances) == 1
    (tmp_path / "MSP/Evalution.txt").unlink()
    message = error_of(read, "msp_improv", tmp_path / "MSP")
    assert "Evalution.txt" in message and "Evaluation.txt" in message


def test_msp_improv_label_files_of_both_spellings_must_agree(tmp_path):
    root = msp_improv(tmp_path, [("MSP-IMPROV-S01A-F01-P-FM01", "N")])
    other = root / "Evaluation.txt"
    other.write_text(msp_labels([("MSP-IMPROV-S01A-F01-P-FM01", "H")]))
    message = error_of(read, "msp_improv", root)
    assert "'N'" in message and "'H'" in message


@pytest.mark.parametrize(
    "line",
    [
        "UTD-IMPROV-S01A-F01-P-FM01.avi",
        "UTD-IMPROV-S01A-F01-P-FM01.avi; B; A:2.0;",
        "UTD-IMPROV-S01A-F01.avi; N; A:2.0;",
        "UTD-IMPROV-S01A-F01-P-FM01.avi; S; A:2.0;",  # says N in line 1
    ],
)
def test_msp_improv_label_line_that_cannot_be_understood(line):
    text = msp_labels([("MSP-IMPROV-S01A-F01-P-FM01", "N")]) + "\n" + line
    assert error_of(parse_msp, text, "e.txt").startswith("e.txt: line 5: ")


def test_msp_improv_label_file_without_a_label():
    assert "no line begins with" in error_of(parse_msp, "file;emotion\na;N\n", "e.txt")


def test_msp_improv_published_counts_are_the_papers():
    assert sum(CORPORA["msp_improv"].published.values()) == 7798


# Labels in the names of recordings


def test_crema_d_names_and_the_corrupt_recording(tmp_path):
    names = ["1001_DFA_ANG_XX", "1002_IEO_DIS_LO", "1003_IEO_FEA_MD", "1091_IEO_HAP_HI"]
    names += ["1004_ITS_NEU_XX", "1040_ITH_SAD_X", "1076_MTI_SAD_XX", "1005_ITS_CAL_XX"]
    listing = read("crema_d", touch(tmp_path, *(f"AudioWAV/{name}.wav" for name in names)))
    assert list(emotions(listing).values()) == [
        "anger",
        "disgust",
        "fear",
        "neutral",
        "sadness",
        "happiness",
    ]
    assert reasons(listing) == {
        "AudioWAV/1005_ITS_CAL_XX.wav": "not named as a recording of CREMA-D",
        "AudioWAV/1076_MTI_SAD_XX.wav": "corrupt in the published corpus",
    }
    assert sum(CORPORA["crema_d"].published.values()) == 7442 - 1


def ravdess_names(channel: str = "01", kind: str = "03") -> list[str]:
    """All recordings of the speech part: neutral has no strong intensity."""
    return [
        f"{kind}-{channel}-{emotion:02d}-{intensity:02d}-{sentence:02d}-{take:02d}-{actor:02d}.wav"
        for emotion, intensity, sentence, take, actor in product(
            range(1, 9), (1, 2), (1, 2), (1, 2), range(1, 25)
        )
        if (emotion, intensity) != (1, 2)
    ]


def test_the_whole_of_ravdess_has_the_published_counts(tmp_path):
    names = ravdess_names()
    reader = CORPORA["ravdess"]
    listing = reader.read(touch(tmp_path, *(f"Actor_{name[-6:-4]}/{name}" for name in names)))
    assert len(listing.utterances) == 1440
    assert count_differences(listing, reader.published) == ()
    assert set(speakers(listing).values()) == {f"ravdess_{actor:02d}" for actor in range(1, 25)}
    (tmp_path / "Actor_07" / "03-01-05-01-01-01-07.wav").unlink()
    assert count_differences(reader.read(tmp_path), reader.published) == (
        "angry: 191, published 192",
    )


def test_ravdess_calm_is_not_neutral_and_songs_are_passed_over(tmp_path):
    root = touch(
        tmp_path,
        "03-01-01-01-01-01-01.wav",
        "03-01-02-01-01-01-01.wav",
        "03-02-01-01-01-01-01.wav",
        "01-01-01-01-01-01-01.wav",
    )
    reader = CORPORA["ravdess"]
    listing = reader.read(root)
    assert list(emotions(listing).values()) == ["neutral", "calm"]
    assert [u.file for u in four_classes(listing, reader.classes)] == ["03-01-01-01-01-01-01.wav"]
    assert reasons(listing) == {
        "03-02-01-01-01-01-01.wav": "song, not speech",
        "01-01-01-01-01-01-01.wav": "the sound of a video, not an audio-only recording",
    }


@pytest.mark.parametrize(
    ("letter", "emotion"),
    [
        ("W", "anger"),
        ("T", "sadness"),
        ("N", "neutral"),
        ("F", "happiness"),
        ("L", "boredom"),
        ("E", "disgust"),
        ("A", "fear"),
    ],
)
def test_emodb_letters_are_german(letter, emotion):
    utterance = emodb.parse_name(Path(f"16b10{letter}b.wav"))
    assert (utterance.speaker, utterance.emotion) == ("emodb_16", emotion)


def test_emodb_and_nemo_have_their_published_totals():
    assert sum(CORPORA["emodb"].published.values()) == 535
    assert sum(CORPORA["nemo"].published.values()) == 4481


def test_the_whole_of_savee_has_the_published_counts(tmp_path):
    sizes = {"a": 15, "d": 15, "f": 15, "h": 15, "n": 30, "sa": 15, "su": 15}
    for speaker, (letters, size) in product(savee.SPEAKERS, sizes.items()):
        touch(tmp_path / speaker, *(f"{letters}{i:02d}.wav" for i in range(1, size + 1)))
    reader = CORPORA["savee"]
    listing = reader.read(tmp_path)
    assert len(listing.utterances) == 480
    assert count_differences(listing, reader.published) == ()
    assert speakers(listing)["JE_su15.wav"] == "savee_JE"
    assert len(reader.read(tmp_path / "DC").utterances) == 120


def test_savee_letters_and_speakers(tmp_path, monkeypatch):
    root = touch(tmp_path, "DC/a01.wav", "DC/sa01.wav", "DC/su01.wav", "JE_a01.wav", "XY/a01.wav")
    listing = read("savee", root)
    assert emotions(listing) == {
        "DC_a01.wav": "anger",
        "DC_sa01.wav": "sadness",
        "DC_su01.wav": "surprise",
        "JE_a01.wav": "anger",
    }
    assert reasons(listing) == {
        "XY/a01.wav": "not in a folder of SAVEE's speakers (DC, JE, JK, KL)"
    }
    monkeypatch.chdir(root / "DC")
    assert set(speakers(read("savee", Path("."))).values()) == {"savee_DC"}


@pytest.mark.parametrize("name", ["s01", "aa01", "a1", "a001", "b01", "dc_a01", "DC-a01"])
def test_savee_names_that_are_none(name):
    assert savee.parse_name(Path(f"DC/{name}.wav")) == "not named as a recording of SAVEE"


def test_savee_in_folders_and_flat_is_two_copies(tmp_path):
    assert "a single copy" in error_of(read, "savee", touch(tmp_path, "DC/a01.wav", "DC_a01.wav"))


# Real recordings and tables


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


@pytest.mark.parametrize(
    ("name", "parse_name", "rows"),
    [("nemo", nemo.parse_name, 3076), ("ravdess", ravdess.parse_name, 670)],
)
def test_every_name_of_the_real_tables_gives_its_speaker_and_emotion(
    name, parse_name, rows, shared_data
):
    table = pd.read_parquet(shared_data / f"{name}.parquet", columns=["file", "speaker", "emotion"])
    classes = CORPORA[name].classes
    parsed = [parse_name(Path(file)) for file in table["file"]]
    assert len(parsed) == rows
    found = [(u.file, u.speaker, classes[u.emotion]) for u in parsed]
    assert found == list(table.itertuples(index=False, name=None))


# Text of label files


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


# Registry


def test_corpora_are_found_by_name():
    assert sorted(CORPORA) == [
        "crema_d",
        "csv",
        "emodb",
        "iemocap",
        "msp_improv",
        "nemo",
        "ravdess",
        "savee",
    ]
    assert all(CORPORA[name].name == name for name in CORPORA)
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


def test_readers_import_no_audio_package():
    code = (
        "import sys, aegan.corpora.registry\n"
        "print({'jax', 'opensmile', 'audiofile', 'soundfile', 'librosa'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
