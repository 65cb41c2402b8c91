"""MSP-IMPROV: improvised dialogues in English, labelled by a crowd.

Labels are in ``Evalution.txt`` (its first spelling) or ``Evaluation.txt``: blocks of lines, with
``UTD-IMPROV-S01A-F01-P-FM01.avi; N; A:2.8; V:3.0; D:NaN ; N:4.0;`` first, then single evaluators.
"""

from __future__ import annotations

import re
from pathlib import Path

from aegan.corpora.interface import CorpusReader, Listing, Utterance
from aegan.corpora.listing import (
    Folder,
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

CODES = {"A": "angry", "H": "happy", "N": "neutral", "S": "sad"}
LEFT_OUT = {"O": "another emotion", "X": "the evaluators do not agree"}

# Sentence and target emotion, speaker (letter and session), kind of recording, turn.
# Recordings begin with MSP, the names in the label file with UTD.
_NAME = re.compile(r"(MSP|UTD)-IMPROV-S[0-9]{2}[A-Z]-([FM]([0-9]{2}))-[A-Z]-[A-Z]+[0-9]+")
_LABEL_FILES = ("evalution.txt", "evaluation.txt")


def parse_evaluation(text: str, place: str) -> dict[str, Label]:
    """Codes by name of the recording (``MSP-IMPROV-...``), of one label file.

    Raises:
        InputError: a line that begins as a label is none, two disagree, or there is none at all.
    """
    labels: dict[str, Label] = {}
    for number, line in enumerate(split_lines(text), start=1):
        if not line.startswith(("UTD-IMPROV-", "MSP-IMPROV-")):  # blank, or a single evaluator's
            continue
        where = f"{place}: line {number}"
        file, *fields = (field.strip() for field in line.split(";"))
        name = file.removesuffix(".avi").removesuffix(".wav")
        if not fields or not _NAME.fullmatch(name):
            raise InputError(
                f"{where}: {quoted(line)} is not 'UTD-IMPROV-....avi; code; A:..; V:..; D:..; "
                "N:..;'; take the corpus' own file"
            )
        if fields[0] not in CODES and fields[0] not in LEFT_OUT:
            raise InputError(
                f"{where}: unknown code {quoted(fields[0])}; the codes are "
                f"{', '.join([*CODES, *LEFT_OUT])}"
            )
        add_label(labels, name.replace("UTD", "MSP", 1), Label(fields[0], where))
    if not labels:
        raise InputError(
            f"{place}: no line begins with UTD-IMPROV-; take the corpus' own Evaluation.txt"
        )
    return labels


def read(root: Path) -> Listing:
    """The utterances below a folder; the label file is in it, below it or beside it."""
    folder = scan(root)
    labels = read_labels(_label_files(folder), parse_evaluation)

    def describe(path: Path) -> Utterance | str:
        name = _NAME.fullmatch(path.stem)
        if name is None or name[1] != "MSP":
            return "not named as an utterance of MSP-IMPROV"
        if path.stem not in labels:
            return "a recording without a label"
        code = labels[path.stem].code
        if code in LEFT_OUT:
            return f"label {code}: {LEFT_OUT[code]}"
        return Utterance(path.name, f"msp_{name[2]}", f"Ses{name[3]}", CODES[code], path)

    recorded = {path.stem for path in folder.recordings}
    return list_utterances(folder, "MSP-IMPROV", describe, sorted(labels.keys() - recorded))


def _label_files(folder: Folder) -> list[Path]:
    found = [path for path in folder.others if path.name.lower() in _LABEL_FILES]
    if not found:
        beside = folder.root.resolve().parent
        found = [beside / name for name in ("Evalution.txt", "Evaluation.txt")]
        found = [path for path in found if path.is_file()]
    if not found:
        raise InputError(
            f"{shown(folder.root)}: neither Evalution.txt nor Evaluation.txt in it, below it or "
            "beside it; give the folder that holds session1 to session6 and the label file"
        )
    return found


MSP_IMPROV = CorpusReader(
    name="msp_improv",
    title="MSP-IMPROV",
    language="English",
    layout="session?/S01A/P/MSP-IMPROV-S01A-F01-P-FM01.wav, Evalution.txt or Evaluation.txt",
    licence="released by UT Dallas for research under an agreement; not to be passed on",
    classes={"angry": "angry", "happy": "happy", "neutral": "neutral", "sad": "sad"},
    published={"angry": 792, "happy": 2644, "neutral": 3477, "sad": 885},
    read=read,
    note="other emotions and utterances without agreement (O, X) are left out",
)
