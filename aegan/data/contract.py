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


def check_same(place: str, found: FeatureContract, owner: str, wanted: FeatureContract) -> None:
    """Refuses features other than those wanted.

    Args:
        place: what has the features ``found``, say a path.
        found: its contract.
        owner: what has the features ``wanted``, say "corpus nemo".
        wanted: its contract.

    Raises:
        InputError: other names, another order or another set; an unknown set goes with any.
    """
    mend = "extract both with the same feature set"
    if found.names != wanted.names:
        pairs = list(zip(found.names, wanted.names, strict=False))
        differing = [(i, *pair) for i, pair in enumerate(pairs) if pair[0] != pair[1]]
        parts = [f"{len(found.names)} features for {len(wanted.names)}"]
        if len(found.names) == len(wanted.names):
            parts = [f"{len(differing)} of {len(pairs)} features differ"]
        shown = [f"column {i} is '{a}' for '{b}'" for i, a, b in differing[:_SHOWN]]
        if not differing:  # one list begins with the other
            longer, whose = (
                (found, "only here") if len(found.names) > len(pairs) else (wanted, "missing here")
            )
            extra = ", ".join(f"'{name}'" for name in longer.names[len(pairs) :][:_SHOWN])
            shown = [f"{whose}: {extra}"]
        if sorted(found.names) == sorted(wanted.names):
            parts, mend = ["the same features in another order"], "put the columns in one order"
        raise InputError(
            f"{place}: not the features of {owner} ({'; '.join(parts + shown)}); {mend}"
        )
    sets = {found.feature_set, wanted.feature_set} - {UNKNOWN}
    if len(sets) > 1:
        raise InputError(
            f"{place}: feature set {found.feature_set}, but {owner} has {wanted.feature_set} "
            f"(the names are the same, the values need not be); {mend}"
        )
