"""Emotions by the names that people give them, and the classes that they count as."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

CLASSES = ("angry", "happy", "neutral", "sad")
# Names that can only mean one of the four classes.
_FOUR_CLASSES = {"anger": "angry", "happiness": "happy", "sadness": "sad"}


def _alike(emotion: str) -> str:
    """The same text for all spellings of one class: "Anger", "ANGRY" and "angry"."""
    folded = emotion.casefold()
    return _FOUR_CLASSES.get(folded, folded)


def classes_of(
    emotions: Iterable[str], wanted: Iterable[str] = (), by_four: bool = True
) -> dict[str, str]:
    """The class of every emotion of anybody's table.

    A class is called as in ``wanted``; else, with ``by_four``, by one of the four if it means that;
    else as the table calls it, in small letters or by one of the four if that has several names.
    """
    called: dict[str, str] = {}
    emotions = sorted(set(emotions))
    for name in emotions:
        key = _alike(name)
        called[key] = key if key in called or (by_four and key in CLASSES) else name
    called |= {_alike(name): name for name in wanted}
    return {name: called[_alike(name)] for name in emotions}


def note_of_classes(classes: Mapping[str, str]) -> str:
    """What to say of emotions that count as a class of another name: "anger counts as angry"."""
    renamed = [f"{name} counts as {one}" for name, one in classes.items() if one != name]
    return ", ".join(renamed[:1] + [text.replace(" counts as ", " as ") for text in renamed[1:]])
