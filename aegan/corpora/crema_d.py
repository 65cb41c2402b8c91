"""CREMA-D: twelve sentences in English by 91 actors. The names tell the labels."""

from __future__ import annotations

import re
from pathlib import Path

from aegan.corpora.interface import CorpusReader, Utterance
from aegan.corpora.listing import read_by_name

CODES = {
    "ANG": "anger",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happiness",
    "NEU": "neutral",
    "SAD": "sadness",
}
CORRUPT = "1076_MTI_SAD_XX"  # holds no sound

# Actor, sentence, emotion, intensity; 1040_ITH_SAD_X has one letter less than the others.
_NAME = re.compile(r"(1[0-9]{3})_[A-Z]{3}_([A-Z]{3})_(?:LO|MD|HI|XX|X)")


def parse_name(path: Path) -> Utterance | str:
    """The utterance of a recording, or why it is none."""
    name = _NAME.fullmatch(path.stem)
    if name is None or name[2] not in CODES:
        return "not named as a recording of CREMA-D"
    if path.stem == CORRUPT:
        return "corrupt in the published corpus"
    return Utterance(path.name, f"crema_{name[1]}", None, CODES[name[2]], path)


CREMA_D = CorpusReader(
    name="crema_d",
    title="CREMA-D, Crowd-sourced Emotional Multimodal Actors Dataset",
    language="English",
    layout="AudioWAV/1001_DFA_ANG_XX.wav",
    licence="Open Database License 1.0",
    classes={"anger": "angry", "happiness": "happy", "neutral": "neutral", "sadness": "sad"},
    published={
        "anger": 1271,
        "disgust": 1271,
        "fear": 1271,
        "happiness": 1271,
        "neutral": 1087,
        "sadness": 1270,  # of the 1271 published one is corrupt
    },
    read=read_by_name("CREMA-D", parse_name),
    note="1076_MTI_SAD_XX is corrupt and left out; labels are what the actors were told",
)
