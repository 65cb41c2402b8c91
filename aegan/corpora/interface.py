"""What every corpus reader gives: utterances with their labels, and what it passed over."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple


class Utterance(NamedTuple):
    """One recording and its labels."""

    # Unique in the corpus: the recording's base name; SAVEE puts the speaker in front, csv takes
    # the name that its table of labels has.
    file: str
    speaker: str  # with the corpus' name in front: "iemocap_Ses01F"
    session: str | None  # None where the corpus has no sessions
    emotion: str  # the corpus' own class in full: "anger", "excited", "calm"
    path: Path  # of the recording


class PassedOver(NamedTuple):
    """A recording or a label that gives no utterance, and why."""

    what: str  # path below the corpus' folder, or the label's name
    why: str  # "not named as a recording of RAVDESS"


class Listing(NamedTuple):
    """All that a folder holds of a corpus."""

    utterances: tuple[Utterance, ...]  # sorted by file
    passed_over: tuple[PassedOver, ...]
    matched: str = ""  # how many labels and recordings belong together, where a table says it
    warning: str = ""  # what the user should look at before anything is made of it


class CorpusReader(ABC):
    """A corpus: how to list its utterances, and what to expect of them."""

    name: str  # what --corpus takes
    title: str
    language: str
    layout: str  # one line: where recordings and labels lie
    licence: str  # one line, for the passport of what is made from it
    note: str  # of the four-class mapping: "excited counts as happy"
    classes: Mapping[str, str]  # the corpus' own class -> one of CLASSES; the others are left out
    published: Mapping[str, int]  # utterances per own class, as the corpus' authors count them

    @abstractmethod
    def read(self, root: Path) -> Listing:
        """What the corpus' folder holds.

        Raises:
            InputError: the folder is not of this corpus (naming what is missing), or a label file
                cannot be understood (naming file and line).
        """


def four_classes(listing: Listing, classes: Mapping[str, str]) -> tuple[Utterance, ...]:
    """The utterances of the four classes, their emotion the class."""
    return tuple(
        utterance._replace(emotion=classes[utterance.emotion])
        for utterance in listing.utterances
        if utterance.emotion in classes
    )


def count_differences(listing: Listing, published: Mapping[str, int]) -> tuple[str, ...]:
    """Where the counts per own class are not the published ones: "anger: 1102, published 1103".

    A class without a published count is not compared.
    """
    counts = Counter(utterance.emotion for utterance in listing.utterances)
    return tuple(
        f"{name}: {counts[name]}, published {count}"
        for name, count in sorted(published.items())
        if counts[name] != count
    )
