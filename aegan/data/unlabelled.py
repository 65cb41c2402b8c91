"""Rows of speakers whose labels nobody needs to know."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np

from aegan.data.contract import FeatureContract
from aegan.data.corpus import open_table
from aegan.data.parquet import is_numeric
from aegan.errors import InputError
from aegan.system.files import whole


class Unlabelled(NamedTuple):
    """Rows and whose they are; a column of labels is not looked at."""

    features: np.ndarray  # (rows, features) float32, raw units
    speakers: np.ndarray  # (rows,) names; "" where the table names none


def read_unlabelled(path: Path, contract: FeatureContract) -> Unlabelled:
    """The features of a contract in a Parquet table, by name, and its column ``speaker`` if any.

    Raises:
        InputError: no such table, a feature that is missing or not a number, no rows, or speakers
            of some rows alone.
    """
    with whole(path, "make it again"), closing(open_table(path)) as table:
        places = {name: i for i, name in enumerate(table.schema.names)}
        for name in (name for name in contract.names if name not in places):
            number = sum(n not in places for n in contract.names)
            others = f" and {number - 1} others" if number > 1 else ""
            what = f"feature '{name}'{others} missing"
            raise InputError(f"{path}: {what}; extract the features that the run was given")
        for name in contract.names:
            if not is_numeric(table.schema.field(places[name]).type):
                raise InputError(f"{path}: column '{name}' is not numeric; make it numbers")
        if not table.rows:
            raise InputError(f"{path}: has no rows; give one row of the speaker at least")

        def refuse(row: int, position: int, value: float | None) -> NoReturn:
            where = f"row {row} (counted from 0), column '{table.schema.names[position]}'"
            raise InputError(f"{path}: {where} is {value}; drop the row or mend the cell")

        features = table.matrix([places[name] for name in contract.names], refuse)
        speakers = [""] * table.rows
        if "speaker" in places:
            speakers = table.texts("speaker", table.column(places["speaker"]))
            nameless = speakers.count("")
            if 0 < nameless < len(speakers):
                what = f"{nameless} of {len(speakers)} rows have no speaker"
                raise InputError(f"{path}: {what}; fill them in, or drop the column")
    return Unlabelled(features, np.asarray(speakers, dtype=object).astype(str))
