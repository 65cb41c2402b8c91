"""Leaks between the parts of a fold: what would make a score look better than it is.

Fold files in common use share speakers, and the same recording may stand in a corpus under two
names. So every training is preceded by an audit of what its folds share.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from aegan.data.corpus import Corpus
from aegan.data.folds import Fold
from aegan.errors import InputError

# Kind -> what it is called, and the mend.
_KINDS = {
    "speaker": (
        "speakers in both parts",
        "name speakers per session, drop the columns 'fold' and 'session', or mend them",
    ),
    "session": ("sessions in both parts", "mend the column 'fold', or drop it"),
    "duplicate": (
        "test rows equal to a training row",
        "keep one of the rows, or give both to one speaker",
    ),
    "training row": (
        "test rows that the generator was trained on",
        "test on rows that the generator was not trained on",
    ),
}


@dataclass(frozen=True)
class Leak:
    """One kind of thing that a fold has in its training part and in its test part."""

    fold: str  # the fold's title
    kind: str  # "speaker", "session", "duplicate" (equal features) or "training row"
    count: int  # speakers, sessions, or rows of the test part
    example: str  # a speaker, a session, or the two files

    def __str__(self) -> str:
        return f"{self.fold}: {_KINDS[self.kind][0]}: {self.count}, first {self.example}"


def title_of(fold: Fold) -> str:
    """ "fold 0 (session Ses01)", or "fold 0" where the name is but a list of speakers."""
    return f"fold {fold.index}" + f" ({fold.name})" * (not fold.name.startswith("speakers "))


def row_digests(features: np.ndarray) -> np.ndarray:
    """(rows,) uint64: rows of `features` (rows, dim) have equal digests if every bit is equal.

    So a row is not told from its copy that lost digits in a text file.
    """
    digests = np.empty(len(features), dtype=np.uint64)
    for row, values in enumerate(features):
        values = values + np.float32(0)  # -0.0 becomes 0.0, to which it is equal
        digests[row] = int.from_bytes(hashlib.blake2b(values, digest_size=8).digest(), "little")
    return digests


def audit(corpus: Corpus, folds: Sequence[Fold], digests: np.ndarray) -> tuple[Leak, ...]:
    """Everything that the folds of a corpus share between their two parts.

    Args:
        corpus: as read, before any standardisation.
        folds: of the corpus.
        digests: `row_digests` of the corpus' features.
    """
    leaks = []
    for fold in folds:
        title = title_of(fold)
        for kind, values in (("speaker", corpus.speakers), ("session", corpus.sessions)):
            if values is not None:
                shared = np.intersect1d(values[fold.train], values[fold.valid])
                if len(shared):
                    leaks.append(Leak(title, kind, len(shared), f"'{shared[0]}'"))
        same = np.intersect1d(fold.train, fold.valid)
        if len(same):
            example = f"'{corpus.files[same[0]]}'"
            leaks.append(Leak(title, "training row", len(same), example))
        test = np.setdiff1d(fold.valid, same)
        equal = test[np.isin(digests[test], digests[fold.train])]
        if len(equal):
            first = fold.train[digests[fold.train] == digests[equal[0]]][0]
            example = f"'{corpus.files[equal[0]]}' and '{corpus.files[first]}'"
            leaks.append(Leak(title, "duplicate", len(equal), example))
    return tuple(leaks)


def audit_generator(
    trained_on: np.ndarray, digests: np.ndarray, files: np.ndarray, name: str
) -> tuple[Leak, ...]:
    """Test rows that a generator was trained on, whatever corpus or fold they come from.

    Args:
        trained_on: digests of the generator's training rows.
        digests: (rows,) of the test rows.
        files: (rows,) their files.
        name: of the test set.
    """
    found = np.flatnonzero(np.isin(digests, trained_on))
    if not len(found):
        return ()
    return (Leak(name, "training row", len(found), f"'{files[found[0]]}'"),)


def refuse(place: str, leaks: Sequence[Leak], way_around: str = "") -> None:
    """Stops at the first leak.

    Args:
        place: what has the leaks.
        leaks: all of them.
        way_around: what lets the leaks pass, for the end of the message.

    Raises:
        InputError: if there is any, with the mend and the number of the others.
    """
    if leaks:
        others = f", and {len(leaks) - 1} more such" if len(leaks) > 1 else ""
        mend = _KINDS[leaks[0].kind][1]
        raise InputError(f"{place}: leak, {leaks[0]}{others}; {mend}{way_around}")


def as_json(leaks: Sequence[Leak]) -> list[dict]:
    """The leaks as plain values, with their words."""
    return [asdict(leak) | {"words": str(leak)} for leak in leaks]
