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
    # -0.0 + 0 is 0.0, to which it is equal.
    hashes = [hashlib.blake2b(row + np.float32(0), digest_size=8).digest() for row in features]
    return np.frombuffer(b"".join(hashes), "<u8").astype(np.uint64)


def audit(corpus: Corpus, folds: Sequence[Fold], digests: np.ndarray) -> tuple[Leak, ...]:
    """Everything that the folds of a corpus, as read, share between their two parts.

    ``digests`` are the `row_digests` of its features.
    """
    leaks = []
    for fold in folds:
        title, files = title_of(fold), corpus.files
        for kind, values in (("speaker", corpus.speakers), ("session", corpus.sessions)):
            if values is not None:
                shared = np.intersect1d(values[fold.train], values[fold.valid])
                leaks += [Leak(title, kind, len(shared), f"'{name}'") for name in shared[:1]]
        same = np.intersect1d(fold.train, fold.valid)
        leaks += [Leak(title, "training row", len(same), f"'{files[row]}'") for row in same[:1]]
        test = np.setdiff1d(fold.valid, same)
        equal = test[np.isin(digests[test], digests[fold.train])]
        for row in equal[:1]:
            first = fold.train[digests[fold.train] == digests[row]][0]
            example = f"'{files[row]}' and '{files[first]}'"
            leaks.append(Leak(title, "duplicate", len(equal), example))
    return tuple(leaks)


def audit_generator(
    trained_on: np.ndarray, digests: np.ndarray, files: np.ndarray, name: str
) -> tuple[Leak, ...]:
    """Test rows that a generator was trained on, whatever corpus or fold they come from.

    ``trained_on`` are its rows' digests, ``digests`` and ``files`` (rows,) are of the test set.
    """
    found = np.flatnonzero(np.isin(digests, trained_on))
    return tuple(Leak(name, "training row", len(found), f"'{files[row]}'") for row in found[:1])


def refuse(place: str, leaks: Sequence[Leak], way_around: str = "") -> None:
    """Stops at the first leak of a place; the message ends with what lets the leaks pass.

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
