"""The published corpora: how recordings are named, where labels are, what codes mean.

Five have their labels in the names of their recordings. IEMOCAP and MSP-IMPROV have label
files, where a label is one line among those of single evaluators:
``[6.2901 - 8.2357]<TAB>Ses01F_impro01_F000<TAB>neu<TAB>[2.5000, 2.5000, 2.5000]`` in
``Session?/dialog/EmoEvaluation/*.txt``, and
``UTD-IMPROV-S01A-F01-P-FM01.avi; N; A:2.8; V:3.0; D:NaN ; N:4.0;`` in
``Evalution.txt`` (its first spelling) or ``Evaluation.txt``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import NamedTuple

from aegan.corpora.interface import CorpusReader, Listing, Utterance
from aegan.corpora.listing import (
    Folder,
    decode,
    list_utterances,
    quoted,
    read_bytes,
    scan,
    shown,
)
from aegan.data.emotions import CLASSES, classes_of
from aegan.errors import InputError

Labels = dict[str, tuple[str, str]]  # by name of the recording: code, "path: line 12"


class LabelFiles(NamedTuple):
    """Where a corpus has its labels, and how a line tells one."""

    files: str  # pattern of the last two parts of their paths
    missing: str  # what to say of a folder without labels
    starts: tuple[str, ...]  # of a line that is a label
    line: str  # pattern of it, with the groups "name" and "code"
    form: str  # of it, in words
    undecided: Mapping[str, str]  # reasons by code of labels that give no utterance
    beside: tuple[str, ...] = ()  # names of files beside the folder that are read, too
    empty: str = ""  # what to say of a file without labels, where it must have some


@dataclass(frozen=True, kw_only=True)
class DeclaredCorpus(CorpusReader):
    """A corpus whose recordings or label files tell the emotion by a code."""

    # Of a recording's name without its suffix; has the groups of ``speaker`` and ``session``,
    # and "emotion" where the name tells the code.
    pattern: str
    speaker: str  # "crema_{speaker}"; where the name lacks it, the folder is the speaker
    speakers: Sequence[str] = ()  # folders that are speakers
    session: str | None = None  # "Ses{session}"; None where the corpus has none
    codes: str  # code, own class, published number of utterances: "W anger 127, ..."
    more_classes: Mapping[str, str] = field(default_factory=dict)  # that names do not tell
    passed_over: Mapping[str, str] = field(default_factory=dict)  # reasons by pattern of names
    labels: LabelFiles | None = None  # None: names tell them

    @cached_property
    def emotions(self) -> dict[str, str]:
        """Own classes by code."""
        return {row.split()[0]: row.split()[1] for row in self.codes.split(",")}

    @cached_property
    def published(self) -> Mapping[str, int]:
        return {row.split()[1]: int(row.split()[2]) for row in self.codes.split(",")}

    @cached_property
    def classes(self) -> Mapping[str, str]:
        named = classes_of(self.published) | self.more_classes
        return {own: one for own, one in named.items() if one in CLASSES}

    @property
    def _short(self) -> str:
        return self.title.partition(",")[0]

    def read(self, root: Path) -> Listing:
        folder = scan(root)
        labels = self._read_labels(folder) if self.labels else None
        unrecorded = set(labels or ()) - {path.stem for path in folder.recordings}
        describe = partial(self.utterance_of, labels=labels)
        return list_utterances(folder, self._short, describe, unrecorded)

    def utterance_of(self, path: Path, labels: Labels | None = None) -> Utterance | str:
        """The utterance of a recording, or why it is none.

        ``labels`` are None where the names of recordings tell them.
        """
        match = re.fullmatch(self.pattern, path.stem, re.ASCII)
        if match is None or (labels is None and match["emotion"] not in self.emotions):
            what = "an utterance" if self.labels else "a recording"
            return f"not named as {what} of {self._short}"
        for names, why in self.passed_over.items():
            if re.fullmatch(names, path.stem):
                return why
        if labels is not None and path.stem not in labels:
            return "a recording without a label"
        code = match["emotion"] if labels is None else labels[path.stem][0]
        if code not in self.emotions:
            return f"label {code}: {self.labels.undecided[code]}"
        groups, file = match.groupdict(), path.name
        if groups["speaker"] is None:
            speaker = groups["speaker"] = path.absolute().parent.name
            file = f"{speaker}_{file}"
            if speaker not in self.speakers:
                folders = ", ".join(self.speakers)
                return f"not in a folder of {self._short}'s speakers ({folders})"
        speaker = self.speaker.format(**groups)
        session = self.session and self.session.format(**groups)
        return Utterance(file, speaker, session, self.emotions[code], path)

    def parse_labels(self, text: str, place: str, before: Labels | None = None) -> Labels:
        """Labels of one label file and of those ``before`` it.

        Raises:
            InputError: a line that begins as a label is none, two disagree, or there is none
                where there must be some.
        """
        labels, empty = dict(before or {}), True
        codes = (*self.emotions, *self.labels.undecided)
        # Lines as editors number them; `str.splitlines` cuts at rarer characters too.
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        for number, line in enumerate(lines, start=1):
            if not line.startswith(self.labels.starts):  # what single evaluators said
                continue
            where, empty = f"{place}: line {number}", False
            match = re.fullmatch(self.labels.line, line)
            name = match and match["name"].replace("UTD", "MSP", 1)  # as recordings have it
            if match is None or not re.fullmatch(self.pattern, name, re.ASCII):
                form = f"{quoted(line)} is not '{self.labels.form}'"
                raise InputError(f"{where}: {form}; take the corpus' own file")
            code = match["code"].strip()
            if code not in codes:
                unknown = f"unknown code {quoted(code)}"
                raise InputError(f"{where}: {unknown}; the codes are {', '.join(codes)}")
            first, there = labels.setdefault(name, (code, where))
            if first != code:
                raise InputError(
                    f"{where}: {quoted(name)} is labelled '{code}', but '{first}' in {there}; "
                    "correct one of them"
                )
        if self.labels.empty and empty:
            raise InputError(f"{place}: {self.labels.empty}")
        return labels

    def _read_labels(self, folder: Folder) -> Labels:
        named = re.compile(self.labels.files, re.DOTALL)
        files = [path for path in folder.others if named.fullmatch("/".join(path.parts[-2:]))]
        beside = [folder.root.resolve().parent / name for name in self.labels.beside]
        labels: Labels = {}
        for path in files or filter(Path.is_file, beside):
            place = shown(path)
            labels = self.parse_labels(decode(read_bytes(path), place), place, labels)
        if not labels:
            raise InputError(f"{shown(folder.root)}: {self.labels.missing}")
        return labels


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
    codes=(
        "ang anger 1103, hap happiness 595, exc excited 1041, sad sadness 1084, "
        "neu neutral 1708, dis disgust 2, fru frustration 1849, fea fear 40, "
        "sur surprise 107"
    ),
    labels=LabelFiles(
        files=r"EmoEvaluation/.*\.(?i:txt)",
        missing="no label in any Session?/dialog/EmoEvaluation/*.txt below it; give the folder "
        "that holds Session1 to Session5",
        starts=("[",),
        line=r"\[[^]]*\]\s*(?P<name>\S+)\s+(?P<code>\S+).*",
        form="[start - end] NAME code [V, A, D]",
        undecided={"oth": "another emotion", "xxx": "the evaluators do not agree"},
    ),
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
    codes="A angry 792, H happy 2644, N neutral 3477, S sad 885",
    labels=LabelFiles(
        files=r"(?i)(.*/)?evalua?tion\.txt",
        beside=("Evalution.txt", "Evaluation.txt"),
        missing="neither Evalution.txt nor Evaluation.txt in it, below it or beside it; give the "
        "folder that holds session1 to session6 and the label file",
        starts=("UTD-IMPROV-", "MSP-IMPROV-"),
        line=r"(?P<name>[^;\s]*?)(?:\.wav)?(?:\.avi)?\s*;(?P<code>[^;]*)(?:;.*)?",
        form="UTD-IMPROV-....avi; code; A:..; V:..; D:..; N:..;",
        undecided={"O": "another emotion", "X": "the evaluators do not agree"},
        empty="no line begins with UTD-IMPROV-; take the corpus' own Evaluation.txt",
    ),
)

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
    codes=(  # sadness is without the corrupt one
        "ANG anger 1271, DIS disgust 1271, FEA fear 1271, HAP happiness 1271, "
        "NEU neutral 1087, SAD sadness 1270"
    ),
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
    codes=(
        "01 neutral 96, 02 calm 192, 03 happy 192, 04 sad 192, 05 angry 192, "
        "06 fearful 192, 07 disgust 192, 08 surprised 192"
    ),
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
    codes=(  # W is Wut; A is Angst, not anger
        "W anger 127, L boredom 81, E disgust 46, A fear 69, F happiness 71, "
        "N neutral 79, T sadness 62"
    ),
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
    codes=(
        "anger anger 749, fear fear 736, happiness happiness 749, neutral neutral 809, "
        "sadness sadness 769, surprised surprised 669"
    ),
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
    codes=(
        "a anger 60, d disgust 60, f fear 60, h happiness 60, n neutral 120, "
        "sa sadness 60, su surprise 60"
    ),
)
