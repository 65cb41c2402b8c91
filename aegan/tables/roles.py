"""What the columns of a feature file are: keys, times, labels, features."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from aegan.data.corpus import LABEL_COLUMNS
from aegan.errors import InputError
from aegan.tables.text import flaw, listed

KEYS = ("file", "name", "filename", "path")  # the first of them that is there holds the keys
TARGETS = ("emotion", "label", "class")  # likewise for the emotion
TIMES = ("start", "end")
LABELS = tuple(name for name in LABEL_COLUMNS if name != "file")
RENAMED = ("file", *TIMES, *LABELS)  # what a user may say a column is
PASSPORT = "passport"
FRAMES = ("frametime", "frameindex")  # openSMILE's, in lower case
_SPECIAL = (*RENAMED, PASSPORT, *FRAMES)


@dataclass(frozen=True)
class Options:
    """What the user says of the columns."""

    columns: Mapping[str, str] = field(default_factory=dict)  # "file" -> the file's own name of it
    leave_out: Sequence[str] = ()
    strict: bool = True  # refuse names in ``columns`` that the file has not


class Roles(NamedTuple):
    """The columns of a file by position."""

    texts: dict[int, str]  # one of RENAMED, PASSPORT, FRAMES, a target's or "" for what is left out
    features: dict[int, str]  # name of the feature
    targets: dict[str, str]  # role in ``texts`` -> column that may hold the emotion, best first
    notes: tuple[str, ...]


def assign(place: str, header: Sequence[str], options: Options) -> Roles:
    """The role of every column.

    Args:
        place: the file, for messages.
        header: names of the columns; that of a key that has none is "file".
        options: of the user.

    Raises:
        InputError: doubled or nameless columns, no features, or columns of ``options`` that are
            not there.
    """
    header = [name.strip() for name in header]
    check_there(place, header, options)
    for name, count in Counter(header).items():
        if not name:
            raise InputError(
                f"{place}: column {header.index(name) + 1} has no name; name it, or, if it is a "
                "row number of pandas, write the table with index=False"
            )
        wrong = flaw(name)
        if wrong:
            raise InputError(f"{place}: column {header.index(name) + 1}: its name {wrong}")
        if count > 1:
            raise InputError(f"{place}: column '{name}' is there {count} times; rename or drop one")
    used = columns_by_role(header, options)
    targets = _targets(header, options, used)
    roles = {name: role for role, name in (used | targets).items() if name is not None}
    texts, features, notes = {}, {}, []
    for position, name in enumerate(header):
        other = _role_of(name.lower())
        if name in options.leave_out:
            texts[position] = ""
        elif name in roles:
            texts[position] = roles[name]
        elif other is not None:
            texts[position] = ""
            notes.append(f"column '{name}' left out; '{used[other]}' is used in its place")
        else:
            features[position] = name
    if not features:
        raise InputError(
            f"{place}: no feature columns (it has {listed(header)}); a feature table has numeric "
            "columns beside names and labels"
        )
    return Roles(texts, features, targets, tuple(notes))


def _targets(
    header: Sequence[str], options: Options, used: Mapping[str, str | None]
) -> dict[str, str]:
    """Columns that may hold the emotion: the one the user names, or all that are called so."""
    if "emotion" in options.columns or used["emotion"] is None:
        return {} if used["emotion"] is None else {"emotion": used["emotion"]}
    others = [
        name
        for target in TARGETS
        for name in header
        if name.lower() == target and name != used["emotion"] and name not in options.leave_out
    ]
    return {"emotion": used["emotion"]} | {f"emotion {name}": name for name in others}


def columns_by_role(header: Sequence[str], options: Options) -> dict[str, str | None]:
    """The column that has each role, by what the user says, else by its name; None without one."""
    lower = {name.lower(): name for name in reversed(header) if name not in options.leave_out}
    named = {role: name for role, name in options.columns.items() if name in header}
    found = {role: lower.get(role) for role in _SPECIAL}
    found |= {"file": _first(KEYS, lower), "emotion": _first(TARGETS, lower)}
    return found | named


def _role_of(name: str) -> str | None:
    """The role that a column of this name would have; None for a feature."""
    for role, names in (("file", KEYS), ("emotion", TARGETS)):
        if name in names:
            return role
    return name if name in _SPECIAL else None


def check_there(place: str, header: Sequence[str], options: Options) -> None:
    """Refuses columns that the user names and the file has not."""
    wanted = [*(options.columns.values() if options.strict else ()), *options.leave_out]
    for name in wanted:
        if name not in header:
            raise InputError(f"{place}: no column '{name}'; it has {listed(header)}")


def _first(names: Sequence[str], lower: Mapping[str, str]) -> str | None:
    return next((lower[name] for name in names if name in lower), None)
