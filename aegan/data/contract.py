"""What the columns of a feature table mean: their names, their order and their feature set.

Two tables with the same number of columns need not hold the same features: openSMILE's IS10 and
emobase2010 both have 1582, and 325 of them differ. So tables, checkpoints, generators and
synthetic files carry a contract, and everything that brings two of them together compares it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from aegan.errors import InputError

UNKNOWN = "unknown"
# SHA-256 of the names (16 hex digits) of sets whose names no other set has.
_KNOWN = {
    "a8abbe1b47d11d27": "IS10",  # opensmile's IS10 functionals, IS10_paraling_compat.conf
    "4490a9113dee54d7": "IS10_paraling",  # openSMILE 3: onset rate in place of onsets
    "f8984c149f17633c": "emobase2010",
    "1e42bee64716da7f": "emobase",
    "997b163e5ff36d99": "IS09",
    "703ff18804852b83": "IS11",
    "7df6423c4eaba332": "IS12",
    # IS13 and ComParE_2016, and the versions of eGeMAPS, share their names but not their values.
}
_SHOWN = 3  # differing names in a message


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class FeatureContract:
    """Names, order and feature set of the columns of a table."""

    names: tuple[str, ...]
    feature_set: str = UNKNOWN  # "IS10", "emobase2010", ...; UNKNOWN where nothing tells

    @classmethod
    def of(cls, names: Iterable[str], feature_set: str = "") -> FeatureContract:
        """The contract of some names; a set that is not given is told from the names, if it can."""
        names = tuple(names)
        return cls(names, feature_set or _KNOWN.get(_digest(names), UNKNOWN))

    @cached_property
    def hash(self) -> str:
        """First 16 hex digits of a SHA-256 of set, names and their order."""
        return _digest([self.feature_set, self.names])

    def to_metadata(self) -> dict[str, str]:
        """What a file says of the contract beside its columns."""
        return {"feature_set": self.feature_set, "feature_hash": self.hash}

    @classmethod
    def from_metadata(
        cls, place: str, names: Iterable[str], metadata: Mapping[str, str]
    ) -> FeatureContract:
        """The contract of a file with these columns; ``place`` names the file.

        Raises:
            InputError: the file's own hash says that its columns or its set were changed.
        """
        contract = cls.of(names, metadata.get("feature_set", ""))
        stored = metadata.get("feature_hash", contract.hash)
        if stored != contract.hash:
            raise InputError(
                f"{place}: its columns or its feature set are not those it was written with "
                f"(feature hash {stored}, now {contract.hash}); write the table again, or without "
                "its metadata"
            )
        return contract


def difference(found: FeatureContract, wanted: FeatureContract) -> str | None:
    """How two contracts differ, with the first differing names; None if they go together.

    An unknown set goes with any.
    """
    here, there = found.names, wanted.names
    if here == there:
        if len({found.feature_set, wanted.feature_set} - {UNKNOWN}) < 2:
            return None
        return (
            f"feature set {found.feature_set} for {wanted.feature_set}: the names are the same, "
            "the values need not be"
        )
    pairs = enumerate(zip(here, there, strict=False))
    shown = [f"column {i} is '{a}' for '{b}'" for i, (a, b) in pairs if a != b]
    what = f"{len(here)} features for {len(there)}"
    if len(here) == len(there):
        what = f"{len(shown)} of {len(here)} features differ"
    if sorted(here) == sorted(there):
        what = "the same features in another order"
    if not shown:  # one list begins with the other
        whose = "only here" if len(here) > len(there) else "missing here"
        extra = (here[len(there) :] or there[len(here) :])[:_SHOWN]
        shown = [f"{whose}: {', '.join(map(repr, extra))}"]
    return "; ".join([what, *shown[:_SHOWN]])


def check_same(place: str, found: FeatureContract, owner: str, wanted: FeatureContract) -> None:
    """Refuses the features of ``place``, say a path, if not those of ``owner``, say "corpus nemo".

    Raises:
        InputError: other names, another order or another set.
    """
    how = difference(found, wanted)
    if how is not None:
        same = sorted(found.names) == sorted(wanted.names) and found.names != wanted.names
        mend = "put the columns in one order" if same else "use the same feature set for both"
        raise InputError(f"{place}: not the features of {owner} ({how}); {mend}")
