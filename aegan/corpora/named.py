"""Corpora whose recordings have their labels in their names."""

from __future__ import annotations

from aegan.corpora.declaration import DeclaredCorpus

CREMA_D = DeclaredCorpus(
    name="crema_d",
    title="CREMA-D, Crowd-sourced Emotional Multimodal Actors Dataset",
    language="English",
    layout="AudioWAV/1001_DFA_ANG_XX.wav",
    licence="Open Database License 1.0",
    note="1076_MTI_SAD_XX is corrupt and left out; labels are what the actors were told",
    # Actor, sentence, emotion, intensity; 1040_ITH_SAD_X has one letter less than the others.
    pattern=r"(?P<speaker>1[0-9]{3})_[A-Z]{3}_(?P<emotion>[A-Z]{3})_(?:LO|MD|HI|XX|X)",
    speaker="crema_{speaker}",
    emotions={
        "ANG": ("anger", 1271),
        "DIS": ("disgust", 1271),
        "FEA": ("fear", 1271),
        "HAP": ("happiness", 1271),
        "NEU": ("neutral", 1087),
        "SAD": ("sadness", 1270),  # of the 1271 published one is corrupt
    },
    passed_over={"1076_MTI_SAD_XX": "corrupt in the published corpus"},  # holds no sound
)

RAVDESS = DeclaredCorpus(
    name="ravdess",
    title="RAVDESS, Ryerson Audio-Visual Database of Emotional Speech and Song",
    language="English",
    layout="Actor_01/03-01-05-01-02-02-01.wav, or all recordings in one folder",
    licence="CC BY-NC-SA 4.0",
    note="calm is not neutral and is left out; so are songs",
    # Kind of file (03 sound only), channel (01 speech, 02 song), emotion, intensity, sentence,
    # repetition, actor (odd numbers are men).
    pattern=r"0[123]-0[12]-(?P<emotion>0[1-8])-0[12]-0[12]-0[12]-(?P<speaker>[0-9]{2})",
    speaker="ravdess_{speaker}",
    emotions={
        "01": ("neutral", 96),
        "02": ("calm", 192),
        "03": ("happy", 192),
        "04": ("sad", 192),
        "05": ("angry", 192),
        "06": ("fearful", 192),
        "07": ("disgust", 192),
        "08": ("surprised", 192),
    },
    passed_over={
        "..-02-.*": "song, not speech",
        # The same performance once more.
        "0[12]-.*": "the sound of a video, not an audio-only recording",
    },
)

EMODB = DeclaredCorpus(
    name="emodb",
    title="EmoDB, Berlin Database of Emotional Speech",
    language="German",
    layout="wav/03a01Wa.wav",
    licence="as its authors grant, see emodb.bilderbar.info",
    note="boredom, disgust and fear are left out",
    # Speaker, sentence, emotion (first letter of its German name), take.
    pattern=r"(?P<speaker>[0-9]{2})[ab][0-9]{2}(?P<emotion>[A-Z])[a-z]",
    speaker="emodb_{speaker}",
    emotions={
        "W": ("anger", 127),  # Wut; A is Angst, not anger
        "L": ("boredom", 81),
        "E": ("disgust", 46),
        "A": ("fear", 69),
        "F": ("happiness", 71),
        "N": ("neutral", 79),
        "T": ("sadness", 62),
    },
)

NEMO = DeclaredCorpus(
    name="nemo",
    title="nEMO, Dataset of Emotional Speech in Polish",
    language="Polish",
    layout="samples/EB0_anger_1.wav, or all recordings in one folder",
    licence="CC BY-NC-SA 4.0",
    note="fear and surprised are left out",
    pattern=r"(?P<speaker>[A-Z]{2}[0-9])_(?P<emotion>[a-z]+)_[0-9]+",  # the last is the sentence
    speaker="nemo_{speaker}",
    emotions={
        "anger": ("anger", 749),
        "fear": ("fear", 736),
        "happiness": ("happiness", 749),
        "neutral": ("neutral", 809),
        "sadness": ("sadness", 769),
        "surprised": ("surprised", 669),
    },
)

SAVEE = DeclaredCorpus(
    name="savee",
    title="SAVEE, Surrey Audio-Visual Expressed Emotion",
    language="English",
    layout="DC/a01.wav, or DC_a01.wav in one folder",
    licence="released by the University of Surrey for research on registration",
    note="disgust, fear and surprise are left out; all four speakers are men",
    # Mirrors have it flat; this is also the utterance's file, as every speaker has an a01.
    pattern=r"(?:(?P<speaker>DC|JE|JK|KL)_)?(?P<emotion>[a-z]{1,2})[0-9]{2}",
    speaker="savee_{speaker}",
    speakers=("DC", "JE", "JK", "KL"),
    emotions={
        "a": ("anger", 60),
        "d": ("disgust", 60),
        "f": ("fear", 60),
        "h": ("happiness", 60),
        "n": ("neutral", 120),
        "sa": ("sadness", 60),
        "su": ("surprise", 60),
    },
)
