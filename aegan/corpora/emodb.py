"""EmoDB, the Berlin Database of Emotional Speech: ten sentences in German by ten actors.

The parts of ``03a01Wa.wav``: speaker, sentence, emotion (first letter of its German name), take.
"""

from __future__ import annotations

import re
from pathlib import Path

from aegan.corpora.interface import CorpusReader, Utterance
from aegan.corpora.listing import read_by_name

CODES = {
    "W": "anger",  # Wut; A is Angst, not anger
    "L": "boredom",
    "E": "disgust",
    "A": "fear",
    "F": "happiness",
    "T": "sadness",
    "N": "neutral",
}

_NAME = re.compile(r"([0-9]{2})[ab][0-9]{2}([WLEAFTN])[a-z]")


def parse_name(path: Path) -> Utterance | str:
    """The utterance of a recording, or why it is none."""
    name = _NAME.fullmatch(path.stem)
    if name is None:
        return "not named as a recording of EmoDB"
    return Utterance(path.name, f"emodb_{name[1]}", None, CODES[name[2]], path)


EMODB = CorpusReader(
    name="emodb",
    title="EmoDB, Berlin Database of Emotional Speech",
    language="German",
    layout="wav/03a01Wa.wav",
    licence="as its authors grant, see emodb.bilderbar.info",
    classes={"anger": "angry", "happiness": "happy", "neutral": "neutral", "sadness": "sad"},
    published={
        "anger": 127,
        "boredom": 81,
        "disgust": 46,
        "fear": 69,
        "happiness": 71,
        "neutral": 79,
        "sadness": 62,
    },
    read=read_by_name("EmoDB", parse_name),
    note="boredom, disgust and fear are left out",
)
