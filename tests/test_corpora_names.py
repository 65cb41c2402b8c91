"""The readers of corpora whose recordings have their labels in their names."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from corpus_trees import emotions, error_of, read, reasons, speakers, touch

from aegan.corpora.interface import count_differences, four_classes
from aegan.corpora.registry import CORPORA

NAMED = {  # own classes by name, and reasons why others are none
    "crema_d": (
        {
            "1001_DFA_ANG_XX": "anger",
            "1002_IEO_DIS_LO": "disgust",
            "1003_IEO_FEA_MD": "fear",
            "1004_ITS_NEU_XX": "neutral",
            "1040_ITH_SAD_X": "sadness",
            "1091_IEO_HAP_HI": "happiness",
        },
        {
            "1005_ITS_CAL_XX": "not named as a recording of CREMA-D",
            "1076_MTI_SAD_XX": "corrupt in the published corpus",
        },
    ),
    "ravdess": (
        {"03-01-01-01-01-01-01": "neutral", "03-01-02-01-01-01-01": "calm"},
        {
            "03-02-01-01-01-01-01": "song, not speech",
            "01-01-01-01-01-01-01": "the sound of a video, not an audio-only recording",
        },
    ),
    "emodb": (  # letters are German
        {
            "16b10Ab": "fear",
            "16b10Eb": "disgust",
            "16b10Fb": "happiness",
            "16b10Lb": "boredom",
            "16b10Nb": "neutral",
            "16b10Tb": "sadness",
            "16b10Wb": "anger",
        },
        {"16b10Xb": "not named as a recording of EmoDB"},
    ),
}


@pytest.mark.parametrize("name", NAMED)
def test_names_tell_the_emotion_or_why_there_is_none(name, tmp_path):
    named, others = NAMED[name]
    listing = read(name, touch(tmp_path, *(f"wav/{stem}.wav" for stem in (named | others))))
    assert emotions(listing) == {f"{stem}.wav": emotion for stem, emotion in named.items()}
    assert reasons(listing) == {f"wav/{stem}.wav": why for stem, why in others.items()}


def test_calm_is_not_neutral(tmp_path):
    root = touch(tmp_path, "03-01-01-01-01-01-01.wav", "03-01-02-01-01-01-01.wav")
    four = four_classes(read("ravdess", root), CORPORA["ravdess"].classes)
    assert [utterance.file for utterance in four] == ["03-01-01-01-01-01-01.wav"]


PUBLISHED = {
    "crema_d": 7442 - 1,
    "emodb": 535,
    # The whole corpus has 10039 utterances; 2507 are without agreement and 3 another emotion.
    "iemocap": 10039 - 2507 - 3,
    "msp_improv": 7798,
    "nemo": 4481,
}


@pytest.mark.parametrize(("name", "total"), PUBLISHED.items())
def test_published_counts_sum_to_the_published_total(name, total):
    assert sum(CORPORA[name].published.values()) == total


def test_the_whole_of_ravdess_has_the_published_counts(tmp_path):
    for emotion, intensity, sentence, take, actor in product(
        range(1, 9), (1, 2), (1, 2), (1, 2), range(1, 25)
    ):
        if (emotion, intensity) != (1, 2):  # neutral is never strong
            name = f"03-01-{emotion:02d}-{intensity:02d}-{sentence:02d}-{take:02d}-{actor:02d}.wav"
            touch(tmp_path / f"Actor_{actor:02d}", name)
    reader = CORPORA["ravdess"]
    listing = reader.read(tmp_path)
    assert len(listing.utterances) == 1440
    assert count_differences(listing, reader.published) == ()
    assert set(speakers(listing).values()) == {f"ravdess_{actor:02d}" for actor in range(1, 25)}
    (tmp_path / "Actor_07" / "03-01-05-01-01-01-07.wav").unlink()
    differences = count_differences(reader.read(tmp_path), reader.published)
    assert differences == ("angry: 191, published 192",)


def test_the_whole_of_savee_has_the_published_counts(tmp_path):
    sizes = {"a": 15, "d": 15, "f": 15, "h": 15, "n": 30, "sa": 15, "su": 15}
    for speaker, (letters, size) in product(("DC", "JE", "JK", "KL"), sizes.items()):
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
    files = ("DC_a01.wav", "DC_sa01.wav", "DC_su01.wav", "JE_a01.wav")
    own = ("anger", "sadness", "surprise", "anger")
    assert emotions(listing) == dict(zip(files, own, strict=True))
    assert reasons(listing) == {
        "XY/a01.wav": "not in a folder of SAVEE's speakers (DC, JE, JK, KL)"
    }
    monkeypatch.chdir(root / "DC")
    assert set(speakers(read("savee", Path("."))).values()) == {"savee_DC"}


@pytest.mark.parametrize("name", ["s01", "aa01", "a1", "a001", "b01", "dc_a01", "DC-a01"])
def test_savee_names_that_are_none(name):
    why = CORPORA["savee"].utterance_of(Path(f"DC/{name}.wav"))
    assert why == "not named as a recording of SAVEE"


def test_savee_in_folders_and_flat_is_two_copies(tmp_path):
    assert "a single copy" in error_of(read, "savee", touch(tmp_path, "DC/a01.wav", "DC_a01.wav"))
