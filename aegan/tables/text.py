"""Small pieces of text that readers and writers of tables share."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from itertools import islice

SUFFIXES = (".parquet", ".csv", ".arff")  # of the tables that are written
REFUSE, DROP = "refuse", "drop"  # what may be done about what does not fit
MAX_TEXT = 1000  # characters of a file name, a label or the name of a column
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SHOWN = 3  # names in a message
_CUT = 80  # characters of each


def listed(names: Iterable[str], shown: int = _SHOWN) -> str:
    """The first names in quotes: 'a', 'b', 'c', ..."""
    first = list(islice(names, shown + 1))
    return ", ".join(f"'{cut(name)}'" for name in first[:shown]) + ", ..." * (len(first) > shown)


def flaw(text: str) -> str | None:
    """What is wrong with the name of a file, a label or the name of a column; None if nothing."""
    if len(text) > MAX_TEXT:
        return f"has {len(text)} characters; shorten it to {MAX_TEXT} at most"
    if _CONTROL.search(text):
        return f"holds a control character ({cut(text)!r}); take it out"
    return None


def cut(text: str) -> str:
    """The text, or its beginning if it is long."""
    return text if len(text) <= _CUT else f"{text[:_CUT]}..."


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
