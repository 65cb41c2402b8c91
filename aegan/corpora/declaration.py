"""A published corpus as a declaration: how its recordings are named, and what its codes mean."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from aegan.corpora.interface import CLASSES, CorpusReader, Listing, Utterance, own_class
from aegan.corpora.listing import Folder, list_utterances, scan


class Label(NamedTuple):
    """What a label file says of one recording."""

    code: str
    where: str  # "path: line 12"


@dataclass(frozen=True, kw_only=True)
class DeclaredCorpus(CorpusReader):
    """A corpus whose recordings or label files tell the emotion by a code."""

    # Of a recording's name without its suffix; has the groups that ``speaker`` and ``session`` take
    # up, and "emotion" where the name tells the code.
    pattern: str
    speaker: str  # "crema_{speaker}"; where the name lacks the group, the folder is the speaker
    speakers: Sequence[str] = ()  # folders that are speakers
    session: str | None = None  # "Ses{session}"; None where the corpus has none
    emotions: Mapping[str, tuple[str, int]]  # by code: own class, published number of utterances
    more_classes: Mapping[str, str] = field(default_factory=dict)  # that their names do not tell
    passed_over: Mapping[str, str] = field(default_factory=dict)  # pattern of names -> reason
    labels_of: Callable[[Folder], Mapping[str, Label]] | None = None  # None: the names tell them
    undecided: Mapping[str, str] = field(default_factory=dict)  # code of a label file -> reason

    @property
    def classes(self) -> Mapping[str, str]:
        named = {own: own_class(own) for own in self.published} | self.more_classes
        return {own: one for own, one in named.items() if one in CLASSES}

    @property
    def published(self) -> Mapping[str, int]:
        return dict(self.emotions.values())

    def read(self, root: Path) -> Listing:
        folder = scan(root)
        labels = self.labels_of(folder) if self.labels_of else None
        unrecorded = set(labels or ()) - {path.stem for path in folder.recordings}
        return list_utterances(
            folder,
            self._short,
            lambda path: self.utterance_of(path, labels),
            sorted(unrecorded),
        )

    def utterance_of(
        self, path: Path, labels: Mapping[str, Label] | None = None
    ) -> Utterance | str:
        """The utterance of a recording, or why it is none.

        Args:
            path: of the recording.
            labels: of the label files, by name; None where the recordings' names tell them.
        """
        match = re.fullmatch(self.pattern, path.stem, re.ASCII)
        if match is None or (labels is None and match["emotion"] not in self.emotions):
            what = "an utterance" if self.labels_of else "a recording"
            return f"not named as {what} of {self._short}"
        for names, why in self.passed_over.items():
            if re.fullmatch(names, path.stem):
                return why
        if labels is not None and path.stem not in labels:
            return "a recording without a label"
        code = match["emotion"] if labels is None else labels[path.stem].code
        if code not in self.emotions:
            return f"label {code}: {self.undecided[code]}"
        groups, file = match.groupdict(), path.name
        if groups["speaker"] is None:
            groups["speaker"] = path.absolute().parent.name
            file = f"{groups['speaker']}_{file}"
            if groups["speaker"] not in self.speakers:
                folders = ", ".join(self.speakers)
                return f"not in a folder of {self._short}'s speakers ({folders})"
        session = self.session and self.session.format(**groups)
        emotion, _ = self.emotions[code]
        return Utterance(file, self.speaker.format(**groups), session, emotion, path)

    @property
    def _short(self) -> str:
        return self.title.partition(",")[0]
