"""What cells and columns of anybody's table stand for, whatever file they come from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np

# What pandas takes for missing, and ARFF's question mark.
MISSING = frozenset(
    (
        *("", "?", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND"),
        *("1.#QNAN", "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
    )
)
_UNNAMED = re.compile(r"Unnamed: \d+(?:_level_\d+|\.\d+)*")  # pandas' word for no name
# Names that pandas gives to its index, and those that people give to the number of a row.
_INDEX = re.compile(r"Unnamed: 0(?:_level_\d+|\.\d+)*|__index_level_\d+__|level_\d+")
_NUMBERS = re.compile(
    r"(?:index|idx|id|no|nr|num|number|#|row[ ._-]?(?:index|idx|id|no|nr|num|number|names?)?"
    r"|\w+_id|\.\.\.1)\.?",
    re.IGNORECASE,
)
_MANY = 20  # rows that count by ones by no accident
_ZEROS = re.compile(r"^0*(\d+)(\.0*)?$")  # 01, 1 and 1.0 may be one speaker
# Speakers whom nobody knows by name.
_NOBODY = frozenset(
    (
        *("unknown", "unk", "unidentified", "unspecified", "undefined", "anonymous", "anon"),
        *("other", "others", "various", "misc", "default", "missing", "nobody", "speaker"),
        *("unbekannt", "inconnu", "desconocido", "none", "-", "--", "_", "-1"),
    )
)
LFS = b"version https://git-lfs"  # how a file begins that Git left behind in place of the real one
POINTER = "is a pointer of Git LFS; fetch the file itself with `git lfs pull`"


def known(text: str) -> str:
    """The text of a cell; "" where it stands for nothing."""
    return "" if text in MISSING or text.lower() == "nan" else text


def regression(number: str) -> str:
    """What is wrong with a column of emotions that holds such a number."""
    return (
        f"holds numbers such as {number}, as for a regression; bin it first, say with "
        "pandas.cut(frame['valence'], 3, labels=['low', 'mid', 'high'])"
    )


def row_numbers(names: Sequence[str], features: np.ndarray) -> list[int]:
    """Positions of the columns of ``features`` (rows, dim) that number the rows.

    Whole numbers under a name that pandas gives to its index; under a name such as "index" or "id"
    if they differ from row to row or count anew; under any other name if they count by ones through
    twenty rows or more. A network would learn them as a feature.
    """
    found = []
    first = features[:2].astype(np.float64)  # a difference of float32 may overflow
    ones = first[1] - first[0] == 1 if len(first) > 1 else np.zeros(len(names), bool)
    for position, name in enumerate(names):
        index, number = _INDEX.fullmatch(name), _NUMBERS.fullmatch(name)
        if not (index or number or ones[position]):
            continue
        column = features[:, position].astype(np.float64)
        if (column != np.floor(column)).any():
            continue
        steps = np.diff(column)
        counts = len(steps) > 0 and ((steps == 1) | (column[1:] == column[0])).all()
        differ = len(np.unique(column)) == len(column) > 1
        long = len(column) >= _MANY and (steps == 1).all()
        if index or long or (number and (differ or counts)):
            found.append(position)
    return found


def note_of_row_numbers(names: Iterable[str]) -> str:
    """What to say of columns that number the rows."""
    quoted = ", ".join(f"'{name}'" for name in names)
    return f"column {quoted} left out: it numbers the rows and is no feature"


def is_nameless(name: str) -> bool:
    """Whether this is what pandas calls a column without a name."""
    return _UNNAMED.fullmatch(name) is not None


def notes_of_speakers(speakers: np.ndarray) -> list[str]:
    """What to say of speakers (rows,) with the name of nobody, or whose names may mean one."""
    names = np.unique(speakers).tolist()
    found, notes = [name for name in names if name.lower() in _NOBODY], []
    if found:
        rows = int(np.isin(speakers, found).sum())
        notes.append(
            f"{rows} row{'s' * (rows != 1)} of the speaker {', '.join(map(repr, found))}, who "
            "counts as one person; give each a name of its own, or two folds may share one"
        )
    spellings: dict[str, list[str]] = {}
    for name in names:
        spellings.setdefault(_ZEROS.sub(r"\1", name.casefold()), []).append(name)
    if alike := [several for several in spellings.values() if len(several) > 1]:
        notes.append(
            f"speakers {' and '.join(map(repr, alike[0]))} count as {len(alike[0])} persons; if "
            "they are one, write one name, or two folds may share it"
        )
    return notes
