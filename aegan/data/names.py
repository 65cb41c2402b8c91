"""What a name may be: of a file, a speaker, a class, a column."""

from __future__ import annotations

import re

MAX_TEXT = 1000  # characters
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_CUT = 80  # characters of a name in a message


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
