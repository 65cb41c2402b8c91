"""The published corpora: what names and label files tell, over miniature trees and real names."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pandas as pd
import pytest
from corpus_trees import (
    error_of,
    found,
    iemocap,
    iemocap_labels,
    msp_improv,
    msp_labels,
    read,
    reasons,
    touch,
)

from aegan.corpora.interface import count_differences, four_classes
from aegan.corpora.published import IEMOCAP, MSP_IMPROV
from aegan.corpora.registry import CORPORA
from aegan.data.emotions import CLASSES

# By name without suffix: speaker and own class, or why it is no utterance.
NAMED = {
    "crema_d": {
        "1001_DFA_ANG_XX": "crema_1001 anger",
        "1002_IEO_DIS_LO": "crema_1002 disgust",
        "1003_IEO_FEA_MD": "crema_1003 fear",
        "1004_ITS_NEU_XX": "crema_1004 neutral",
        "1040_ITH_SAD_X": "crema_1040 sadness",
        "1091_IEO_HAP_HI": "crema_1091 happiness",
        "1005_ITS_CAL_XX": "not named as a recording of CREMA-D",
        "1076_MTI_SAD_XX": "corrupt in the published corpus",
    },
    "ravdess": {
        "03-01-06-01-02-02-24": "ravdess_24 fearful",
        "03-01-01-01-01-01-01": "ravdess_01 neutral",
        "03-01-02-01-01-01-01": "ravdess_01 calm",
        "03-02-01-01-01-01-01": "song, not speech",
        "01-01-01-01-01-01-01": "the sound of a video, not an audio-only recording",
    },
    "emodb": {  # letters are German
        "03a01Wa": "emodb_03 anger",
        "16b10Ab": "emodb_16 fear",
        "16b10Eb": "emodb_16 disgust",
        "16b10Fb": "emodb_16 happiness",
        "16b10Lb": "emodb_16 boredom",
        "16b10Nb": "emodb_16 neutral",
        "16b10Tb": "emodb_16 sadness",
        "16b10Xb": "not named as a recording of EmoDB",
    },
    "nemo": {"EB0_anger_1": "nemo_EB0 anger"},
    "savee": {
        "KL_sa03": "savee_KL sadness",
        "JE_a01": "savee_JE anger",
        **dict.fromkeys(
            ["KL_s01", "KL_aa01", "KL_a1", "KL_a001", "KL_b01", "dc_a01", "DC-a01"],
            "not named as a recording of SAVEE",
        ),
    },
}


@pytest.mark.parametrize("place", ["{}.wav", "release/deeper/{}.WAV", "flac/{}.flac"])
@pytest.mark.parametrize("name", NAMED)
def test_names_tell_speaker_and_emotion_or_why_there_is_none(name, place, tmp_path):
    listing = read(name, touch(tmp_path, *map(place.format, NAMED[name])))
    words = {stem: text.split() for stem, text in NAMED[name].items()}
    good = {stem: told for stem, told in words.items() if len(told) == 2}
    assert sorted(listing.utterances) == sorted(
        (Path(path).name, speaker, None, emotion, tmp_path / path)
        for stem, (speaker, emotion) in good.items()
        for path in [place.format(stem)]
    )
    assert reasons(listing) == {
        place.format(stem): why for stem, why in NAMED[name].items() if stem not in good
    }


@pytest.mark.parametrize("name", NAMED)
def test_recordings_of_other_corpora_are_passed_over(name, tmp_path):
    files = {corpus: f"{next(iter(names))}.wav" for corpus, names in NAMED.items()}
    others = {*files.values(), "Ses01F_impro01_F000.wav", "song.flac"} - {files[name]}
    listing = read(name, touch(tmp_path, *files.values(), *others, "notes.txt"))
    assert list(found(listing)) == [files[name]]
    assert set(reasons(listing)) == others  # the text is no recording
    assert all("not named as a recording of" in why for why in reasons(listing).values())


def test_calm_is_not_neutral(tmp_path):
    root = touch(tmp_path, "03-01-01-01-01-01-01.wav", "03-01-02-01-01-01-01.wav")
    four = four_classes(read("ravdess", root), CORPORA["ravdess"].classes)
    assert [utterance.file for utterance in four] == ["03-01-01-01-01-01-01.wav"]


def test_savee_letters_and_speakers(tmp_path, monkeypatch):
    root = touch(tmp_path, "DC/a01.wav", "DC/sa01.wav", "DC/su01.wav", "JE_a01.wav", "XY/a01.wav")
    listing = read("savee", root)
    assert found(listing) == {
        "DC_a01.wav": ("savee_DC", None, "anger"),
        "DC_sa01.wav": ("savee_DC", None, "sadness"),
        "DC_su01.wav": ("savee_DC", None, "surprise"),
        "JE_a01.wav": ("savee_JE", None, "anger"),
    }
    why = "not in a folder of SAVEE's speakers (DC, JE, JK, KL)"
    assert reasons(listing) == {"XY/a01.wav": why}
    monkeypatch.chdir(root / "DC")
    assert {speaker for speaker, _, _ in found(read("savee", Path("."))).values()} == {"savee_DC"}
    touch(root, "DC_a01.wav")
    assert "a single copy" in error_of(read, "savee", root)


RAVDESS_NAMES = [
    f"Actor_{codes[-1]:02d}/{'-'.join(f'{code:02d}' for code in (3, 1, *codes))}.wav"
    for codes in product(range(1, 9), (1, 2), (1, 2), (1, 2), range(1, 25))
    if codes[:2] != (1, 2)  # neutral is never strong
]
SAVEE_NAMES = [
    f"{speaker}/{letters}{take:02d}.wav"
    for speaker in ("DC", "JE", "JK", "KL")
    for letters in ("a", "d", "f", "h", "n", "sa", "su")
    for take in range(1, 31 if letters == "n" else 16)
]


@pytest.mark.parametrize(
    ("name", "files", "total", "speakers", "gone", "difference"),
    [
        ("ravdess", RAVDESS_NAMES, 1440, 24, "Actor_07/03-01-05-01-01-01-07.wav", "angry: 191"),
        ("savee", SAVEE_NAMES, 480, 4, "JE/su15.wav", "surprise: 59"),
    ],
)
def test_a_whole_corpus_has_the_published_counts(
    name, files, total, speakers, gone, difference, tmp_path
):
    reader = CORPORA[name]
    listing = reader.read(touch(tmp_path, *files))
    assert len(listing.utterances) == total == sum(reader.published.values())
    assert count_differences(listing, reader.published) == ()
    assert len({speaker for speaker, _, _ in found(listing).values()}) == speakers
    (tmp_path / gone).unlink()
    (told,) = count_differences(reader.read(tmp_path), reader.published)
    assert told.startswith(f"{difference}, published ")


@pytest.mark.parametrize(
    ("name", "total"),
    [
        ("crema_d", 7442 - 1),
        ("emodb", 535),
        # Of 10039 utterances 2507 are without agreement and 3 another emotion.
        ("iemocap", 10039 - 2507 - 3),
        ("msp_improv", 7798),
        ("nemo", 4481),
    ],
)
def test_published_counts_sum_to_the_published_total(name, total):
    assert sum(CORPORA[name].published.values()) == total


def test_iemocap_published_four_classes_are_the_papers():
    counts = dict.fromkeys(CLASSES, 0)
    for name, emotion in IEMOCAP.classes.items():
        counts[emotion] += IEMOCAP.published[name]
    assert counts == {"angry": 1103, "happy": 595 + 1041, "neutral": 1708, "sad": 1084}


# By name: the code of its label ("-": none), then as above with the session, or the reason.
LABELLED = {
    "iemocap": {
        "Ses01F_impro01_F000": "neu iemocap_Ses01F Ses01 neutral",
        "Ses01F_impro01_M001": "ang iemocap_Ses01M Ses01 anger",  # she wears markers, he speaks
        "Ses01M_script01_1b_F012": "hap iemocap_Ses01F Ses01 happiness",
        "Ses02F_impro01_F000": "exc iemocap_Ses02F Ses02 excited",
        "Ses02F_impro01_F001": "sad iemocap_Ses02F Ses02 sadness",
        "Ses02F_impro01_F002": "dis iemocap_Ses02F Ses02 disgust",
        "Ses02F_impro01_F003": "fru iemocap_Ses02F Ses02 frustration",
        "Ses02F_impro01_F004": "fea iemocap_Ses02F Ses02 fear",
        "Ses02F_impro01_F005": "sur iemocap_Ses02F Ses02 surprise",
        "Ses02F_impro01_F006": "oth label oth: another emotion",
        "Ses02F_impro01_F007": "xxx label xxx: the evaluators do not agree",
        "Ses02F_impro01_F008": "sad a label without a recording",
        "Ses02F_impro01_MXX0": "- a recording without a label",
        "Ses02F_impro01": "- not named as an utterance of IEMOCAP",
    },
    "msp_improv": {
        "MSP-IMPROV-S01A-F01-P-FM01": "N msp_F01 Ses01 neutral",
        "MSP-IMPROV-S01A-M01-P-FM02": "A msp_M01 Ses01 angry",
        "MSP-IMPROV-S20S-F06-R-FF01": "S msp_F06 Ses06 sad",
        "MSP-IMPROV-S08H-M06-S-MM02": "H msp_M06 Ses06 happy",
        "MSP-IMPROV-S01A-F01-P-FM02": "O label O: another emotion",
        "MSP-IMPROV-S01A-F01-P-FM03": "X label X: the evaluators do not agree",
        "MSP-IMPROV-S01A-F01-P-FM04": "H a label without a recording",
        "MSP-IMPROV-S01A-F01-P-FM05": "- a recording without a label",
        "MSP-IMPROV-S01A": "- not named as an utterance of MSP-IMPROV",
    },
}
BUILD = {"iemocap": iemocap, "msp_improv": msp_improv}


@pytest.mark.parametrize("name", LABELLED)
def test_label_files_tell_the_emotion_or_why_there_is_none(name, tmp_path):
    told = {stem: words.partition(" ") for stem, words in LABELLED[name].items()}
    labels = [(stem, code) for stem, (code, _, _) in told.items() if code != "-"]
    root = BUILD[name](tmp_path, labels)
    touch(root, *(f"more/{stem}.wav" for stem, (code, _, _) in told.items() if code == "-"))
    for stem, (_, _, words) in told.items():
        if words == "a label without a recording":
            next(root.rglob(f"{stem}.wav")).unlink()
    listing = read(name, root)
    good = {f"{stem}.wav": tuple(words.split()) for stem, (_, _, words) in told.items()}
    good = {file: words for file, words in good.items() if len(words) == 3}
    assert found(listing) == good
    assert {Path(what).stem: why for what, why in listing.passed_over} == {
        stem: why for stem, (_, _, why) in told.items() if f"{stem}.wav" not in good
    }


IEMOCAP_NAMES = [
    f"Ses{session:02d}{wearer}_{dialog}_{speaker}000"
    for session, wearer, dialog, speaker in product(
        range(1, 6), "FM", ["impro01", "script02_2"], "FM"
    )
]
MSP_NAMES = [
    f"MSP-IMPROV-S0{sentence}H-{letter}{session:02d}-T-FM01"
    for sentence, letter, session in product(range(1, 4), "FM", range(1, 7))
]


@pytest.mark.parametrize(
    ("corpus", "names", "code", "sessions"),
    [("iemocap", IEMOCAP_NAMES, "neu", 5), ("msp_improv", MSP_NAMES, "N", 6)],
)
def test_a_session_has_two_speakers_of_its_own(corpus, names, code, sessions, tmp_path):
    listing = read(corpus, BUILD[corpus](tmp_path, [(name, code) for name in names]))
    pairs = {(utterance.speaker, utterance.session) for utterance in listing.utterances}
    assert len(listing.utterances) == len(names)
    assert len({speaker for speaker, _ in pairs}) == len(pairs) == 2 * sessions
    assert {session for _, session in pairs} == {f"Ses{i:02d}" for i in range(1, sessions + 1)}


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


@pytest.mark.parametrize("spelling", ["Evalution.txt", "Evaluation.txt"])
def test_msp_improv_label_file_beside_and_below_the_recordings(spelling, tmp_path):
    root = msp_improv(tmp_path / "MSP", [("MSP-IMPROV-S01A-F01-P-FM01", "N")], spelling)
    for folder in (tmp_path, root, root / "session1"):
        assert len(read("msp_improv", folder).utterances) == 1
    (root / spelling).unlink()
    message = error_of(read, "msp_improv", root)
    assert "Evalution.txt" in message and "Evaluation.txt" in message


def test_iemocap_without_label_files_says_where_they_should_be(tmp_path):
    root = touch(tmp_path, "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav")
    assert "EmoEvaluation" in error_of(read, "iemocap", root)


EVALUATION = "Session1/dialog/EmoEvaluation"


@pytest.mark.parametrize(
    ("corpus", "name", "codes", "second", "text", "lines"),
    [
        ("iemocap", IEMOCAP_NAMES[0], ["ang", "sad"], f"{EVALUATION}/copy.txt", iemocap_labels, 3),
        ("msp_improv", MSP_NAMES[0], ["N", "H"], "Evalution.txt", msp_labels, 1),
    ],
)
def test_two_label_files_must_agree(corpus, name, codes, second, text, lines, tmp_path):
    root = BUILD[corpus](tmp_path, [(name, codes[0])])
    (root / second).write_text(text([(name, codes[0])]))
    assert len(read(corpus, root).utterances) == 1
    (root / second).write_text(text([(name, codes[1])]))
    message = error_of(read, corpus, root)
    assert message.startswith(f"{root / second}: line {lines}: ")
    assert message.count(f".txt: line {lines}") == 2  # the other file's, too
    assert all(f"'{code}'" in message for code in codes)


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
    message = error_of(MSP_IMPROV.parse_labels, "file;emotion\na;N\n", "e.txt")
    assert "no line begins with" in message


@pytest.mark.parametrize("name", ["nemo", "ravdess"])
def test_real_clips_are_read_beside_those_of_another_corpus(name, shared_data):
    reader, columns = CORPORA[name], ["file", "speaker", "emotion"]
    listing = reader.read(shared_data / "wav")
    table = pd.read_parquet(shared_data / f"{name}.parquet", columns=columns).set_index("file")
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
    told = [(u.file, u.speaker, reader.classes[u.emotion]) for u in parsed]
    assert told == list(table.itertuples(index=False, name=None))
