"""Leaks between the parts of a fold: what would make a score look better than it is.

Fold files in common use share speakers, and the same recording may stand in a corpus under two
names. So every training is preceded by an audit of what its folds share.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from aegan.data.corpus import Corpus
from aegan.data.folds import Fold, fit_standardiser
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
    "near duplicate": (
        "test rows equal to a training row but for rounding",
        "keep one of the rows, or give both to one speaker",
    ),
    "training row": (
        "test rows that the generator was trained on",
        "test on rows that the generator was not trained on",
    ),
}
# Share of a value, or of the deviation of its column, that a round trip through text may change.
_ROUNDING = 1e-5
_PROBES = 16  # columns by which rows are compared first
_PAIRS_AT_ONCE = 4096


@dataclass(frozen=True)
class Leak:
    """One kind of thing that a fold has in its training part and in its test part."""

    fold: str  # the fold's title
    kind: str  # "speaker", "session", "duplicate" (equal features), "near duplicate", ...
    count: int  # speakers, sessions, or rows of the test part
    example: str  # a speaker, a session, or the two files

    def __str__(self) -> str:
        return f"{self.fold}: {_KINDS[self.kind][0]}: {self.count}, first {self.example}"


def title_of(fold: Fold) -> str:
    """ "fold 0 (session Ses01)", or "fold 0" where the name is but a list of speakers."""
    return f"fold {fold.index}" + f" ({fold.name})" * (not fold.name.startswith("speakers "))


def row_digests(features: np.ndarray) -> np.ndarray:
    """(rows,) uint64: rows of `features` (rows, dim) have equal digests if every bit is equal."""
    # -0.0 + 0 is 0.0, to which it is equal.
    hashes = [hashlib.blake2b(row + np.float32(0), digest_size=8).digest() for row in features]
    return np.frombuffer(b"".join(hashes), "<u8").astype(np.uint64)


def alike(features: np.ndarray, digests: np.ndarray) -> np.ndarray:
    """(rows,) int, the same for rows of ``features`` (rows, dim) that are equal but for rounding.

    Their values differ by 1e-5 of themselves or of the column's deviation at most, as after a round
    trip through text. ``digests`` are the `row_digests`.
    """
    _, first, of = np.unique(digests, return_index=True, return_inverse=True)
    pairs = _near_pairs(features, first)
    graph = coo_array((np.ones(len(pairs)), pairs.T), (len(first), len(first)))
    return connected_components(graph, directed=False)[1][of]


def _near_pairs(features: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(pairs, 2) positions in ``rows`` of different rows that are equal but for rounding.

    They are found by a random mixture of a few columns, in which they are neighbours.
    """
    some = np.sort(features[rows[:: max(1, len(rows) // 512)]], axis=0)
    columns = np.argsort((some[1:] == some[:-1]).sum(axis=0), kind="stable")[:_PROBES]
    probes = features[np.ix_(rows, columns)].astype(np.float64)
    scale = np.where(deviation := probes.std(axis=0), deviation, 1.0)
    weights = np.random.default_rng(0).standard_normal(len(columns))
    value = np.einsum("ij,j->i", probes / scale, weights)
    slack = 2 * _ROUNDING * np.einsum("ij,j->i", np.abs(probes) / scale + 1, np.abs(weights)).max()
    order, found = np.argsort(value), [np.empty((0, 2), int)]
    for apart in range(1, len(rows)):
        near = np.flatnonzero(value[order[apart:]] - value[order[:-apart]] <= slack)
        if not len(near):
            break
        pairs = np.stack([order[near], order[near + apart]], axis=1)
        found.append(pairs[_equal_but_for_rounding(probes, pairs, scale)])
    pairs = np.concatenate(found)
    if len(pairs):
        scale = fit_standardiser(features, rows).scale
        pairs = pairs[_equal_but_for_rounding(features, rows[pairs], scale)]
    return pairs


def _equal_but_for_rounding(
    features: np.ndarray, pairs: np.ndarray, scale: np.ndarray
) -> np.ndarray:
    """(pairs,) bool: whether the two rows of ``features`` are, in all columns."""
    same = np.ones(len(pairs), bool)
    for start in range(0, len(pairs), _PAIRS_AT_ONCE):
        part = slice(start, start + _PAIRS_AT_ONCE)
        one, other = features[pairs[part, 0]], features[pairs[part, 1]]
        most = _ROUNDING * (np.maximum(np.abs(one), np.abs(other)) + scale)
        same[part] = (np.abs(one - other) <= most).all(axis=1)
    return same


def note_of_equal_rows(
    features: np.ndarray, digests: np.ndarray, files: np.ndarray, speakers: np.ndarray
) -> str:
    """What to say of rows whose features an earlier row has, too; "" where there are none."""
    _, first, of = np.unique(alike(features, digests), return_index=True, return_inverse=True)
    before = first[of]
    again = np.flatnonzero(before != np.arange(len(before)))
    if not len(again):
        return ""
    apart = again[speakers[before[again]] != speakers[again]]
    row = [*apart, *again][0]
    equal = "1 row equals" if len(again) == 1 else f"{len(again)} rows equal"
    rounded = " but for rounding" * int((digests[before[again]] != digests[again]).any())
    names = f"'{files[before[row]]}' and '{files[row]}'"
    different = " of different speakers" * (len(apart) > 0)
    return f"{equal} another row{rounded}, first {names}{different}"


def audit(corpus: Corpus, folds: Sequence[Fold], digests: np.ndarray) -> tuple[Leak, ...]:
    """Everything that the folds of a corpus, as read, share between their two parts.

    ``digests`` are the `row_digests` of its features.
    """
    leaks, groups = [], alike(corpus.features, digests)
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
        near = np.setdiff1d(test[np.isin(groups[test], groups[fold.train])], equal)
        for kind, rows, marks in (("duplicate", equal, digests), ("near duplicate", near, groups)):
            for row in rows[:1]:
                first = fold.train[marks[fold.train] == marks[row]][0]
                example = f"'{files[row]}' and '{files[first]}'"
                leaks.append(Leak(title, kind, len(rows), example))
    return tuple(leaks)


def audit_generator(
    trained_on: np.ndarray, digests: np.ndarray, files: np.ndarray, name: str
) -> tuple[Leak, ...]:
    """Test rows that a generator was trained on, whatever corpus or fold they come from.

    ``trained_on`` are its rows' digests, ``digests`` and ``files`` (rows,) are of the test set.
    """
    found = np.flatnonzero(np.isin(digests, trained_on))
    return tuple(Leak(name, "training row", len(found), f"'{files[row]}'") for row in found[:1])


def audit_target(source: Corpus, target: Corpus, name: str) -> tuple[Leak, ...]:
    """Rows of a target, of the name ``name``, that are equal but for rounding to a source's."""
    features = np.concatenate([source.features, target.features])
    groups = np.split(alike(features, row_digests(features)), [len(source.files)])
    found = np.flatnonzero(np.isin(groups[1], groups[0]))
    return tuple(
        Leak(name, "training row", len(found), f"'{target.files[row]}'") for row in found[:1]
    )


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
