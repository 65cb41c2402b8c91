"""Corpora with label files: IEMOCAP and MSP-IMPROV, dialogues that several people labelled.

A label is one line among those of single evaluators. IEMOCAP's are in
``Session?/dialog/EmoEvaluation/*.txt``:
``[6.2901 - 8.2357]<TAB>Ses01F_impro01_F000<TAB>neu<TAB>[2.5000, 2.5000, 2.5000]``, MSP-IMPROV's in
``Evalution.txt`` (its first spelling) or ``Evaluation.txt``:
``UTD-IMPROV-S01A-F01-P-FM01.avi; N; A:2.8; V:3.0; D:NaN ; N:4.0;``
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from aegan.corpora.declaration import DeclaredCorpus, Label
from aegan.corpora.listing import Folder, quoted, read_text, shown
from aegan.errors import InputError


def parse_iemocap(text: str, place: str) -> dict[str, Label]:
    """Labels by name of the utterance, of one file of EmoEvaluation.

    Raises:
        InputError: a line that begins as a label is none, or two disagree.
    """

    def split(line: str) -> list[str]:
        return line.partition("]")[2].split()

    form = "[start - end] NAME code [V, A, D]"
    return _parse(text, place, IEMOCAP, ("[",), split, form)


def parse_msp_improv(text: str, place: str) -> dict[str, Label]:
    """Labels by name of the recording (``MSP-IMPROV-...``), of one label file.

    Raises:
        InputError: a line that begins as a label is none, two disagree, or there is none at all.
    """

    def split(line: str) -> list[str]:
        file, *fields = (field.strip() for field in line.split(";"))
        return ["MSP" + file[3:].removesuffix(".avi").removesuffix(".wav"), *fields]

    form = "UTD-IMPROV-....avi; code; A:..; V:..; D:..; N:..;"
    labels = _parse(text, place, MSP_IMPROV, ("UTD-IMPROV-", "MSP-IMPROV-"), split, form)
    if not labels:
        raise InputError(
            f"{place}: no line begins with UTD-IMPROV-; take the corpus' own Evaluation.txt"
        )
    return labels


def _parse(
    text: str,
    place: str,
    corpus: DeclaredCorpus,
    starts: tuple[str, ...],
    split: Callable[[str], list[str]],
    form: str,
) -> dict[str, Label]:
    """Labels by name; ``split`` gives name and code, and more, of a line that begins as a label."""
    labels: dict[str, Label] = {}
    codes = (*corpus.emotions, *corpus.undecided)
    # Lines as editors number them; `str.splitlines` cuts at rarer characters too.
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for number, line in enumerate(lines, start=1):
        if not line.startswith(starts):  # header, blank, or what single evaluators said
            continue
        fields = split(line)
        where = f"{place}: line {number}"
        if len(fields) < 2 or not re.fullmatch(corpus.pattern, fields[0], re.ASCII):
            raise InputError(f"{where}: {quoted(line)} is not '{form}'; take the corpus' own file")
        name, code = fields[:2]
        if code not in codes:
            raise InputError(
                f"{where}: unknown code {quoted(code)}; the codes are {', '.join(codes)}"
            )
        _add(labels, name, Label(code, where))
    return labels


def _add(labels: dict[str, Label], name: str, label: Label) -> None:
    first = labels.setdefault(name, label)
    if first.code != label.code:
        raise InputError(
            f"{label.where}: {quoted(name)} is labelled '{label.code}', but '{first.code}' in "
            f"{first.where}; correct one of them"
        )


def _read(
    paths: Iterable[Path], parse: Callable[[str, str], Mapping[str, Label]]
) -> dict[str, Label]:
    """The labels of several files; what they say twice must agree."""
    labels: dict[str, Label] = {}
    for path in paths:
        for name, label in parse(read_text(path), shown(path)).items():
            _add(labels, name, label)
    return labels


def _iemocap_labels(folder: Folder) -> dict[str, Label]:
    files = [
        path
        for path in folder.others
        if path.parent.name == "EmoEvaluation" and path.suffix.lower() == ".txt"
    ]
    labels = _read(files, parse_iemocap)
    if not labels:
        raise InputError(
            f"{shown(folder.root)}: no label in any Session?/dialog/EmoEvaluation/*.txt below it; "
            "give the folder that holds Session1 to Session5"
        )
    return labels


def _msp_improv_labels(folder: Folder) -> dict[str, Label]:
    """Of the label file in the folder, below it or beside it."""
    names = ("Evalution.txt", "Evaluation.txt")
    files = [path for path in folder.others if path.name.lower() in map(str.lower, names)]
    if not files:
        beside = (folder.root.resolve().parent / name for name in names)
        files = [path for path in beside if path.is_file()]
    if not files:
        raise InputError(
            f"{shown(folder.root)}: neither Evalution.txt nor Evaluation.txt in it, below it or "
            "beside it; give the folder that holds session1 to session6 and the label file"
        )
    return _read(files, parse_msp_improv)


IEMOCAP = DeclaredCorpus(
    name="iemocap",
    title="IEMOCAP, Interactive Emotional Dyadic Motion Capture",
    language="English",
    layout="Session?/sentences/wav/<dialog>/<NAME>.wav, Session?/dialog/EmoEvaluation/*.txt",
    licence="released by USC SAIL for research on request; not to be passed on",
    note="excited counts as happy; utterances without agreement (xxx, oth) are left out",
    # The letter after Ses01 wears the motion-capture markers; the last token's letter speaks.
    pattern=r"(?P<session>Ses0[1-5])[FM]_(?:impro|script)[0-9]\w*_(?P<speaker>[FM])[^\W_]+",
    speaker="iemocap_{session}{speaker}",
    session="{session}",
    emotions={
        "ang": ("anger", 1103),
        "hap": ("happiness", 595),
        "exc": ("excited", 1041),
        "sad": ("sadness", 1084),
        "neu": ("neutral", 1708),
        "dis": ("disgust", 2),
        "fru": ("frustration", 1849),
        "fea": ("fear", 40),
        "sur": ("surprise", 107),
    },
    labels_of=_iemocap_labels,
    undecided={"oth": "another emotion", "xxx": "the evaluators do not agree"},
    more_classes={"excited": "happy"},
)

MSP_IMPROV = DeclaredCorpus(
    name="msp_improv",
    title="MSP-IMPROV",
    language="English",
    layout="session?/S01A/P/MSP-IMPROV-S01A-F01-P-FM01.wav, Evalution.txt or Evaluation.txt",
    licence="released by UT Dallas for research under an agreement; not to be passed on",
    note="other emotions and utterances without agreement (O, X) are left out",
    # Sentence and target emotion, speaker (letter and session), kind of recording, turn.
    pattern=r"MSP-IMPROV-S[0-9]{2}[A-Z]-(?P<speaker>[FM](?P<session>[0-9]{2}))-[A-Z]-[A-Z]+[0-9]+",
    speaker="msp_{speaker}",
    session="Ses{session}",
    emotions={"A": ("angry", 792), "H": ("happy", 2644), "N": ("neutral", 3477), "S": ("sad", 885)},
    labels_of=_msp_improv_labels,
    undecided={"O": "another emotion", "X": "the evaluators do not agree"},
)
