"""IEMOCAP: acted dialogues in English, labelled by several evaluators per utterance.

Labels are in ``Session?/dialog/EmoEvaluation/*.txt``, one line per utterance among others:
``[6.2901 - 8.2357]<TAB>Ses01F_impro01_F000<TAB>neu<TAB>[2.5000, 2.5000, 2.5000]``.
"""

from __future__ import annotations

import re
from pathlib import Path

from aegan.corpora.interface import CorpusReader, Listing, Utterance
from aegan.corpora.listing import (
    Label,
    add_label,
    list_utterances,
    quoted,
    read_labels,
    scan,
    shown,
    split_lines,
)
from aegan.errors import InputError

CODES = {
    "ang": "anger",
    "hap": "happiness",
    "exc": "excited",
    "sad": "sadness",
    "neu": "neutral",
    "dis": "disgust",
    "fru": "frustration",
    "fea": "fear",
    "sur": "surprise",
}
LEFT_OUT = {"oth": "another emotion", "xxx": "the evaluators do not agree"}

# The letter after Ses01 wears the motion-capture markers; the last token's letter speaks.
_NAME = re.compile(r"(Ses0[1-5])[FM]_(?:impro|script)[0-9]\w*_([FM])[^\W_]+", re.ASCII)


def parse_evaluation(text: str, place: str) -> dict[str, Label]:
    """Codes by utterance name, of one file of EmoEvaluation.

    Raises:
        InputError: a line that begins as a label is none, or two disagree.
    """
    labels: dict[str, Label] = {}
    for number, line in enumerate(split_lines(text), start=1):
        if not line.startswith("["):  # the header, or what single evaluators said
            continue
        where = f"{place}: line {number}"
        fields = line.partition("]")[2].split()
        if len(fields) < 2 or not _NAME.fullmatch(fields[0]):
            raise InputError(
                f"{where}: {quoted(line)} is not '[start - end] NAME code [V, A, D]'; "
                "take the corpus' own file"
            )
        name, code = fields[:2]
        if code not in CODES and code not in LEFT_OUT:
            raise InputError(
                f"{where}: unknown code {quoted(code)}; the codes are "
                f"{', '.join([*CODES, *LEFT_OUT])}"
            )
        add_label(labels, name, Label(code, where))
    return labels


def read(root: Path) -> Listing:
    """The utterances below a folder that holds Session1 to Session5, or some of them."""
    folder = scan(root)
    files = [
        path
        for path in folder.others
        if path.parent.name == "EmoEvaluation" and path.suffix.lower() == ".txt"
    ]
    labels = read_labels(files, parse_evaluation)
    if not labels:
        raise InputError(
            f"{shown(root)}: no label in any Session?/dialog/EmoEvaluation/*.txt below it; give "
            "the folder that holds Session1 to Session5"
        )

    def describe(path: Path) -> Utterance | str:
        name = _NAME.fullmatch(path.stem)
        if name is None:
            return "not named as an utterance of IEMOCAP"
        if path.stem not in labels:
            return "a recording without a label"
        code = labels[path.stem].code
        if code in LEFT_OUT:
            return f"label {code}: {LEFT_OUT[code]}"
        session, letter = name.groups()
        return Utterance(path.name, f"iemocap_{session}{letter}", session, CODES[code], path)

    recorded = {path.stem for path in folder.recordings}
    return list_utterances(folder, "IEMOCAP", describe, sorted(labels.keys() - recorded))


IEMOCAP = CorpusReader(
    name="iemocap",
    title="IEMOCAP, Interactive Emotional Dyadic Motion Capture",
    language="English",
    layout="Session?/sentences/wav/<dialog>/<NAME>.wav, Session?/dialog/EmoEvaluation/*.txt",
    licence="released by USC SAIL for research on request; not to be passed on",
    classes={
        "anger": "angry",
        "excited": "happy",
        "happiness": "happy",
        "neutral": "neutral",
        "sadness": "sad",
    },
    published={
        "anger": 1103,
        "disgust": 2,
        "excited": 1041,
        "fear": 40,
        "frustration": 1849,
        "happiness": 595,
        "neutral": 1708,
        "sadness": 1084,
        "surprise": 107,
    },
    read=read,
    note="excited counts as happy; utterances without agreement (xxx, oth) are left out",
)
