"""What the columns of a feature file are: keys, times, labels, features."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from aegan.data.corpus import LABEL_COLUMNS, MARK, PASSPORT
from aegan.data.names import flaw
from aegan.errors import InputError
from aegan.tables.text import listed

KEYS = ("file", "name", "filename", "path")  # the first of them that is there holds the keys
TARGETS = ("emotion", "label", "class")  # likewise for the emotion
TIMES = ("start", "end")
LABELS = tuple(name for name in LABEL_COLUMNS if name != "file")
RENAMED = ("file", *TIMES, *LABELS)  # what a user may say a column is
FRAMES = ("frametime", "frameindex")  # openSMILE's, in lower case

_NAMES = {
    role: (role,) for role in (*RENAMED, PASSPORT, MARK, *FRAMES)
}  # of the column that has a role
_NAMES |= {"file": KEYS, "emotion": TARGETS}
_ROLES = {name: role for role, names in _NAMES.items() for name in names}


@dataclass(frozen=True)
class Options:
    """What the user says of the columns."""

    columns: Mapping[str, str] = field(default_factory=dict)  # "file" -> the file's own name of it
    leave_out: Sequence[str] = ()
    strict: bool = True  # refuse names in ``columns`` that the file has not
    finite: bool = True  # refuse cells without a number, which else are NaN


class Target(NamedTuple):
    """A column that may hold the emotion; words count in any case."""

    role: str  # in ``Roles.texts``
    name: str  # its own
    declared: bool  # the file says that it holds text
    codes: bool  # two whole numbers at least count, too


class Roles(NamedTuple):
    """The columns of a file by position."""

    texts: dict[int, str]  # one of RENAMED, PASSPORT, FRAMES, a target's or "" for what is left out
    features: dict[int, str]  # name of the feature
    targets: tuple[Target, ...]  # best first
    notes: tuple[str, ...]
    cut: bool  # whether the user left columns out


@dataclass
class Columns:
    """Cells of a file, by the role of their column."""

    place: str  # the file's path
    roles: Roles
    texts: dict[str, list[str]]  # "file", "start", "speaker", ...
    features: np.ndarray  # (rows, dim) float32, all finite
    row_name: Callable[[int], str]  # 3 -> "line 5"
    metadata: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """(dim,) of the features."""
        return tuple(self.roles.features.values())


def assign(
    place: str, header: Sequence[str], options: Options, kinds: Mapping[str, str] | None = None
) -> Roles:
    """The role of every column, by what the user says or by its name.

    A key without a name is "file" in ``header``. ``kinds`` has what the file declares of a column
    by its name: "string" and "nominal" are text.

    Raises:
        InputError: doubled or nameless columns, no features, or columns of ``options`` that are
            not there.
    """
    header = [name.strip() for name in header]
    check_there(place, header, options)
    for name, count in Counter(header).items():
        where = f"{place}: column {header.index(name) + 1}"
        if not name:
            raise InputError(
                f"{where} has no name; name it, or, if it is a row number of pandas, write the "
                "table with index=False"
            )
        if wrong := flaw(name):
            raise InputError(f"{where}: its name {wrong}")
        if count > 1:
            raise InputError(f"{place}: column '{name}' is there {count} times; rename or drop one")
    used = columns_by_role(header, options)
    targets = [used["emotion"]] if used["emotion"] else []
    if targets and "emotion" not in options.columns:
        rest = [name for name in header if name not in {*targets, *options.leave_out}]
        targets += [name for target in TARGETS for name in rest if name.lower() == target]
    roles = {name: role for role, name in used.items() if name is not None}
    roles |= {name: f"emotion {name}" for name in targets[1:]}
    texts, features, notes = {}, {}, []
    for position, name in enumerate(header):
        other = _ROLES.get(name.lower())
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
    found = [
        Target(
            roles[name],
            name,
            declared=kinds is not None and kinds[name] in ("string", "nominal"),
            codes="emotion" in options.columns or (kinds is None and name.lower() == "emotion"),
        )
        for name in targets
    ]
    return Roles(texts, features, tuple(found), tuple(notes), bool(options.leave_out))


def no_feature(place: str, what: str, name: str) -> InputError:
    """The error of a column of text or the like; ``what`` says what is wrong with it."""
    return InputError(
        f"{place}: {what}, not a feature; take it out with --leave_out={shlex.quote(name)}, or say "
        "what it is with --columns"
    )


def columns_by_role(header: Sequence[str], options: Options) -> dict[str, str | None]:
    """The column that has each role, by what the user says, else by its name; None without one."""
    lower = {name.lower(): name for name in reversed(header) if name not in options.leave_out}
    found = {
        role: next((lower[name] for name in names if name in lower), None)
        for role, names in _NAMES.items()
    }
    return found | {role: name for role, name in options.columns.items() if name in header}


def check_there(place: str, header: Sequence[str], options: Options) -> None:
    """Refuses columns that the user names and the file has not."""
    wanted = [*(options.columns.values() if options.strict else ()), *options.leave_out]
    for name in wanted:
        if name not in header:
            raise InputError(f"{place}: no column '{name}'; it has {listed(header)}")
