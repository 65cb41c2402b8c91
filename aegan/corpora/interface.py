"""What every corpus reader gives: utterances with their labels, and what it passed over."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


class Utterance(NamedTuple):
    """One recording and its labels."""

    # Unique: the base name; of SAVEE with the speaker in front, of csv as its table has it.
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
    matched: str = ""  # how many labels and recordings belong together, by a table
    warning: str = ""  # what the user should look at before anything is made of it


@dataclass(frozen=True, kw_only=True)
class CorpusReader(ABC):
    """A corpus: how to list its utterances, and what to expect of them."""

    name: str  # what --corpus takes
    title: str  # begins with the corpus' own name
    language: str
    layout: str  # one line: where recordings and labels lie
    licence: str  # one line, for the passport of what is made from it
    note: str  # of the four-class mapping: "excited counts as happy"

    @property
    @abstractmethod
    def classes(self) -> Mapping[str, str]:
        """The class of each of the corpus' own classes; those without one are left out."""

    @property
    @abstractmethod
    def published(self) -> Mapping[str, int]:
        """Utterances per own class, as the corpus' authors count them."""

    @abstractmethod
    def read(self, root: Path) -> Listing:
        """What the corpus' folder holds.

        Raises:
            InputError: the folder is not of this corpus (naming what is missing), or a label
                file cannot be understood (naming file and line), or hardly fits the folder.
        """


def four_classes(listing: Listing, classes: Mapping[str, str]) -> tuple[Utterance, ...]:
    """The utterances of the four classes, their emotion the class."""
    return tuple(
        utterance._replace(emotion=classes[utterance.emotion])
        for utterance in listing.utterances
        if utterance.emotion in classes
    )


def count_differences(listing: Listing, published: Mapping[str, int]) -> tuple[str, ...]:
    """Where counts per own class are not the published ones: "anger: 1102, published 1103"."""
    counts = Counter(utterance.emotion for utterance in listing.utterances)
    return tuple(
        f"{name}: {counts[name]}, published {count}"
        for name, count in sorted(published.items())
        if counts[name] != count
    )
