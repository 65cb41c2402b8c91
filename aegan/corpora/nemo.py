"""nEMO: ninety sentences in Polish by nine actors. The names tell the labels."""

from __future__ import annotations

import re
from pathlib import Path

from aegan.corpora.interface import CorpusReader, Utterance
from aegan.corpora.listing import read_by_name

_NAME = re.compile(
    r"([A-Z]{2}[0-9])_(anger|fear|happiness|neutral|sadness|surprised)_[0-9]+"
)  # speaker, emotion, sentence


def parse_name(path: Path) -> Utterance | str:
    """The utterance of a recording, or why it is none."""
    name = _NAME.fullmatch(path.stem)
    if name is None:
        return "not named as a recording of nEMO"
    return Utterance(path.name, f"nemo_{name[1]}", None, name[2], path)


NEMO = CorpusReader(
    name="nemo",
    title="nEMO, Dataset of Emotional Speech in Polish",
    language="Polish",
    layout="samples/EB0_anger_1.wav, or all recordings in one folder",
    licence="CC BY-NC-SA 4.0",
    classes={"anger": "angry", "happiness": "happy", "neutral": "neutral", "sadness": "sad"},
    published={
        "anger": 749,
        "fear": 736,
        "happiness": 749,
        "neutral": 809,
        "sadness": 769,
        "surprised": 669,
    },
    read=read_by_name("nEMO", parse_name),
    note="fear and surprised are left out",
)
