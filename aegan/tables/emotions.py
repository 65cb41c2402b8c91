"""Emotions by the names that people give them, and the classes that they count as."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from aegan.errors import InputError
from aegan.system.screen import counts
from aegan.tables.table import FeatureTable

CLASSES = ("angry", "happy", "neutral", "sad")
# Names that can only mean one of the four classes.
_FOUR_CLASSES = {"anger": "angry", "happiness": "happy", "sadness": "sad"}
_FOUR_CLASSES |= {name: name for name in CLASSES}


def own_class(emotion: str) -> str:
    """The class of an emotion of anybody's table: one of the four, or a class of its own."""
    return _FOUR_CLASSES.get(emotion.lower(), emotion)


def own_classes(emotions: np.ndarray) -> tuple[dict[str, str], str]:
    """Own emotion -> class for emotions (rows,) whose names tell one of the four, and a note of it.

    Both are empty where no name changes, or where the four are there by their own names already.
    """
    present = np.unique(emotions).tolist()
    classes = {name: own_class(name) for name in present}
    renamed = [name for name in present if classes[name] != name]
    if not renamed or set(CLASSES) <= set(present):
        return {}, ""
    first, *others = [f"{name} counts as {classes[name]}" for name in renamed]
    note = ", ".join([first, *(other.replace(" counts as ", " as ") for other in others)])
    return classes, f"{note}; --emotions says otherwise"


def with_classes(
    table: FeatureTable, classes: Mapping[str, str], place: str, strict: bool
) -> tuple[FeatureTable, list[str]]:
    """The table with renamed emotions, without those that have no class, and what was left out.

    ``classes`` is own emotion -> class, ``place`` where labels came from, for messages; ``strict``
    refuses classes of emotions that no row has.

    Raises:
        InputError: no emotions, none that has a class, or what ``strict`` refuses.
    """
    if "emotion" not in table.labels:
        raise InputError(f"{place}: no column 'emotion'; leave --emotions out")
    own = table.labels["emotion"]
    for name in classes if strict else ():
        if name not in own:
            turned = f"; write theirs=ours: {classes[name]}={name}" if classes[name] in own else ""
            raise InputError(
                f"{place}: no row has the emotion '{name}' of --emotions; it has "
                f"{', '.join(counts(own.tolist()))}{turned}"
            )
    keep = np.isin(own, list(classes))
    left = own[~keep].tolist()
    if not keep.any():
        raise InputError(
            f"{place}: no row is of a class ({', '.join(counts(left))}); give --emotions"
        )
    if left:
        table = table.select(keep)
    renamed = np.array([classes[name] for name in table.labels["emotion"].tolist()], dtype=str)
    return table.but(labels={**table.labels, "emotion": renamed}), left
