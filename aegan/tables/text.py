"""Small pieces of text that readers and writers of tables share."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from itertools import islice

from aegan.data.names import cut

SUFFIXES = (".parquet", ".csv", ".arff")  # of the tables that are written
REFUSE, DROP = "refuse", "drop"  # what may be done about what does not fit
_FORMULA = tuple("=+-@")  # what a spreadsheet takes for one at the start of a cell
_SHOWN = 3  # names in a message


def listed(names: Iterable[str], shown: int = _SHOWN) -> str:
    """The first names in quotes: 'a', 'b', 'c', ..."""
    first = list(islice(names, shown + 1))
    return ", ".join(f"'{cut(name)}'" for name in first[:shown]) + ", ..." * (len(first) > shown)


def is_number(text: str) -> bool:
    """Whether text is a number: no label, and no key."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def with_point(text: str) -> str:
    """A number with a decimal comma with a point; other text as it is."""
    return re.sub(r"^([+-]?\d+),(\d+)$", r"\1.\2", text)


def is_metadata_key(key: str) -> bool:
    """Whether every format can hold the key."""
    return re.fullmatch(r"[A-Za-z_][\w.\-]*", key, re.ASCII) is not None


def for_spreadsheet(text: str) -> str:
    """A text cell of a CSV file that no spreadsheet takes for a formula: a ' stands before it."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def from_spreadsheet(text: str) -> str:
    """The inverse of ``for_spreadsheet``."""
    return text[1:] if text[:1] == "'" and text[1:].startswith(_FORMULA) else text


def write_one_line(value: str) -> str:
    """A metadata value without line breaks: itself, or as JSON where it needs that."""
    plain = value and value.isprintable() and value == value.strip() and not value.startswith('"')
    return value if plain else json.dumps(value)


def read_one_line(value: str) -> str:
    """The value that ``write_one_line`` wrote."""
    if not value.startswith('"'):
        return value
    try:
        text = json.loads(value)
    except ValueError:
        return value
    return text if isinstance(text, str) else value
