"""The readers of corpora whose recordings have their labels in their names."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from corpus_trees import (
    emotions,
    error_of,
    read,
    reasons,
    speakers,
    touch,
)

from aegan.corpora.interface import count_differences, four_classes
from aegan.corpora.registry import CORPORA


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
    utterance = CORPORA["emodb"].utterance_of(Path(f"16b10{letter}b.wav"))
    assert (utterance.speaker, utterance.emotion) == ("emodb_16", emotion)


def test_emodb_and_nemo_have_their_published_totals():
    assert sum(CORPORA["emodb"].published.values()) == 535
    assert sum(CORPORA["nemo"].published.values()) == 4481


def test_the_whole_of_savee_has_the_published_counts(tmp_path):
    sizes = {"a": 15, "d": 15, "f": 15, "h": 15, "n": 30, "sa": 15, "su": 15}
    for speaker, (letters, size) in product(CORPORA["savee"].speakers, sizes.items()):
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
    assert (
        CORPORA["savee"].utterance_of(Path(f"DC/{name}.wav")) == "not named as a recording of SAVEE"
    )


def test_savee_in_folders_and_flat_is_two_copies(tmp_path):
    assert "a single copy" in error_of(read, "savee", touch(tmp_path, "DC/a01.wav", "DC_a01.wav"))
