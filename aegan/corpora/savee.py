"""SAVEE: sentences in English by four men.

The folder of ``DC/sa01.wav`` is the speaker, the letters of the name are the emotion. Mirrors have
it flat, as ``DC_sa01.wav``; this is also the utterance's file, as every speaker has an ``a01``.
"""

from __future__ import annotations

import re
from pathlib import Path

from aegan.corpora.interface import CorpusReader, Utterance
from aegan.corpora.listing import read_by_name

CODES = {
    "a": "anger",
    "d": "disgust",
    "f": "fear",
    "h": "happiness",
    "n": "neutral",
    "sa": "sadness",
    "su": "surprise",
}
SPEAKERS = ("DC", "JE", "JK", "KL")

_NAME = re.compile(r"(?:(DC|JE|JK|KL)_)?(sa|su|[adfhn])[0-9]{2}")


def parse_name(path: Path) -> Utterance | str:
    """The utterance of a recording, or why it is none."""
    name = _NAME.fullmatch(path.stem)
    if name is None:
        return "not named as a recording of SAVEE"
    speaker = name[1] or path.absolute().parent.name
    if speaker not in SPEAKERS:
        return f"not in a folder of SAVEE's speakers ({', '.join(SPEAKERS)})"
    file = path.name if name[1] else f"{speaker}_{path.name}"
    return Utterance(file, f"savee_{speaker}", None, CODES[name[2]], path)


SAVEE = CorpusReader(
    name="savee",
    title="SAVEE, Surrey Audio-Visual Expressed Emotion",
    language="English",
    layout="DC/a01.wav, or DC_a01.wav in one folder",
    licence="released by the University of Surrey for research on registration",
    classes={"anger": "angry", "happiness": "happy", "neutral": "neutral", "sadness": "sad"},
    published={"neutral": 120} | {name: 60 for name in CODES.values() if name != "neutral"},
    read=read_by_name("SAVEE", parse_name),
    note="disgust, fear and surprise are left out; all four speakers are men",
)
