"""The readers of corpora with label files, IEMOCAP and MSP-IMPROV, over miniature trees."""

from __future__ import annotations

from itertools import product

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

from aegan.corpora.interface import four_classes
from aegan.corpora.published import IEMOCAP, MSP_IMPROV
from aegan.tables.emotions import CLASSES


def test_iemocap_speaker_is_the_session_and_the_last_tokens_letter(tmp_path):
    names = ["Ses01F_impro01_F000", "Ses01F_impro01_M001", "Ses01M_script01_1b_F012"]
    listing = read("iemocap", iemocap(tmp_path, [(name, "neu") for name in names]))
    assert speakers(listing) == {
        "Ses01F_impro01_F000.wav": "iemocap_Ses01F",
        "Ses01F_impro01_M001.wav": "iemocap_Ses01M",  # the woman wears the markers, he speaks
        "Ses01M_script01_1b_F012.wav": "iemocap_Ses01F",
    }


def iemocap_sessions(root):
    return iemocap(
        root,
        [
            (f"Ses{session:02d}{wearer}_{dialog}_{speaker}000", "neu")
            for session, wearer, dialog, speaker in product(
                range(1, 6), "FM", ["impro01", "script02_2"], "FM"
            )
        ],
    )


def msp_sessions(root):
    names = "MSP-IMPROV-S0{}H-{}{:02d}-T-FM01"
    return msp_improv(
        root, [(names.format(*n), "N") for n in product(range(1, 4), "FM", range(1, 7))]
    )


@pytest.mark.parametrize(
    ("corpus", "build", "utterances", "sessions"),
    [("iemocap", iemocap_sessions, 40, 5), ("msp_improv", msp_sessions, 36, 6)],
)
def test_a_session_has_two_speakers_of_its_own(corpus, build, utterances, sessions, tmp_path):
    listing = read(corpus, build(tmp_path))
    pairs = {(utterance.speaker, utterance.session) for utterance in listing.utterances}
    assert len(listing.utterances) == utterances
    assert len({speaker for speaker, _ in pairs}) == len(pairs) == 2 * sessions
    assert {session for _, session in pairs} == {f"Ses{i:02d}" for i in range(1, sessions + 1)}


def test_iemocap_codes_and_the_four_classes(tmp_path):
    codes = ["ang", "hap", "exc", "sad", "neu", "dis", "fru", "fea", "sur", "oth", "xxx"]
    labels = [(f"Ses05M_impro03_F{i:03d}", code) for i, code in enumerate(codes)]
    reader = IEMOCAP
    listing = reader.read(iemocap(tmp_path, labels))
    own = ["anger", "happiness", "excited", "sadness", "neutral", "disgust", "frustration"]
    assert list(emotions(listing).values()) == [*own, "fear", "surprise"]
    assert sorted(reasons(listing).values()) == [
        "label oth: another emotion",
        "label xxx: the evaluators do not agree",
    ]
    four = [utterance.emotion for utterance in four_classes(listing, reader.classes)]
    assert four == ["angry", "happy", "happy", "sad", "neutral"]


def test_iemocap_published_four_classes_are_the_papers():
    reader = IEMOCAP
    counts = dict.fromkeys(CLASSES, 0)
    for name, emotion in reader.classes.items():
        counts[emotion] += reader.published[name]
    assert counts == {"angry": 1103, "happy": 595 + 1041, "neutral": 1708, "sad": 1084}
    assert sum(counts.values()) == 5531


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
    labels = MSP_IMPROV.parse_labels(msp_labels([("MSP-IMPROV-S01A-F01-P-FM01", "X")]), "e.txt")
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


IEMOCAP_TEXT = iemocap_labels([("Ses01F_impro01_M000", "neu")]) + "[6.2901 - 8.2357"
MSP_TEXT = msp_labels([("MSP-IMPROV-S01A-F01-P-FM01", "N")]) + "\nUTD-IMPROV-S01A-F01"


@pytest.mark.parametrize(
    ("reader", "text"),
    [
        (IEMOCAP, IEMOCAP_TEXT + "]\tSes01F_impro01_F000"),
        (IEMOCAP, IEMOCAP_TEXT),
        (IEMOCAP, IEMOCAP_TEXT + "]\tSes06F_impro01_F000\tneu\t[2.5, 2.5, 2.5]"),
        (IEMOCAP, IEMOCAP_TEXT + "]\tSes01F_impro01\tneu\t[2.5, 2.5, 2.5]"),
        (IEMOCAP, IEMOCAP_TEXT + "]\tSes01F_impro01_F000\tneutral\t[2.5, 2.5, 2.5]"),
        (MSP_IMPROV, MSP_TEXT + "-P-FM01.avi"),
        (MSP_IMPROV, MSP_TEXT + "-P-FM01.avi; B; A:2.0;"),
        (MSP_IMPROV, MSP_TEXT + ".avi; N; A:2.0;"),
        (MSP_IMPROV, MSP_TEXT + "-P-FM01.avi; S; A:2.0;"),  # says N in line 1
    ],
)
def test_a_label_line_that_cannot_be_understood(reader, text):
    line = text.count("\n") + 1
    assert error_of(reader.parse_labels, text, "a.txt").startswith(f"a.txt: line {line}: ")


def test_msp_improv_label_file_without_a_label():
    assert "no line begins with" in error_of(
        MSP_IMPROV.parse_labels, "file;emotion\na;N\n", "e.txt"
    )
