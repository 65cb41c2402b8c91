"""RAVDESS: two sentences in English by 24 actors. The names tell the labels.

The fields of ``03-01-05-01-02-02-24.wav``: kind of file (03 sound only), channel (01 speech, 02
song), emotion, intensity, sentence, repetition, actor (odd numbers are men).
"""

from __future__ import annotations

import re
from pathlib import Path

from aegan.corpora.interface import CorpusReader, Utterance
from aegan.corpora.listing import read_by_name

CODES = {
    "01": "neutral",
    "02": "calm",
    "03": "happy",
    "04": "sad",
    "05": "angry",
    "06": "fearful",
    "07": "disgust",
    "08": "surprised",
}

_NAME = re.compile(r"(0[123])-(0[12])-(0[1-8])-0[12]-0[12]-0[12]-([0-9]{2})")


def parse_name(path: Path) -> Utterance | str:
    """The utterance of a recording, or why it is none."""
    name = _NAME.fullmatch(path.stem)
    if name is None:
        return "not named as a recording of RAVDESS"
    kind, channel, emotion, actor = name.groups()
    if channel == "02":
        return "song, not speech"
    if kind != "03":  # the same performance once more
        return "the sound of a video, not an audio-only recording"
    return Utterance(path.name, f"ravdess_{actor}", None, CODES[emotion], path)


RAVDESS = CorpusReader(
    name="ravdess",
    title="RAVDESS, Ryerson Audio-Visual Database of Emotional Speech and Song",
    language="English",
    layout="Actor_01/03-01-05-01-02-02-01.wav, or all recordings in one folder",
    licence="CC BY-NC-SA 4.0",
    classes={"angry": "angry", "happy": "happy", "neutral": "neutral", "sad": "sad"},
    published={"neutral": 96} | {name: 192 for name in CODES.values() if name != "neutral"},
    read=read_by_name("RAVDESS", parse_name),
    note="calm is not neutral and is left out; so are songs",
)
