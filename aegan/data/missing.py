"""Cells that hold no number: what may be done about them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aegan.errors import InputError

FILL, DROP_ROWS, DROP_COLUMNS = MENDS = ("fill", "drop_rows", "drop_columns")
_SHOWN = 3  # columns in a note


def mended(
    place: str, features: np.ndarray, names: Sequence[str], speakers: np.ndarray, how: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray, str]:
    """``features`` (rows, dim) without NaN and infinity, the rows and columns kept, and a note.

    "fill" takes the median of the speaker's own values, so that nothing passes from speaker to
    speaker and so from fold to fold; a column of which a speaker has none at all is left out.

    Raises:
        InputError: nothing is left.
    """
    missing = ~np.isfinite(features)
    rows, columns = np.ones(len(features), bool), ~missing.any(axis=0)
    if columns.all():
        return features, rows, columns, ""
    said = f"{missing.sum()} cells without a number in {(~columns).sum()} columns"
    said += f" ({', '.join(map(repr, np.array(names)[~columns][:_SHOWN].tolist()))}"
    said += ", ...)" if (~columns).sum() > _SHOWN else ")"
    if how == DROP_ROWS:
        rows, columns = ~missing.any(axis=1), np.ones(len(columns), bool)
        said += f": {(~rows).sum()} rows left out"
    elif how == DROP_COLUMNS:
        said += ": these columns are left out"
    else:
        features = features.copy()
        gaps, columns = np.flatnonzero(~columns), np.ones(len(columns), bool)
        for speaker in np.unique(speakers):
            own = np.flatnonzero(speakers == speaker)
            block = np.where(missing[np.ix_(own, gaps)], np.nan, features[np.ix_(own, gaps)])
            some = np.isfinite(block).any(axis=0)
            columns[gaps[~some]] = False
            block, gap = block[:, some], gaps[some]
            features[np.ix_(own, gap)] = np.where(
                np.isnan(block), np.nanmedian(block, axis=0), block
            )
        said += " are filled with the median of the speaker's own"
        empty = int((~columns).sum())
        said += f"; {empty} of the columns left out, as a speaker has none" * bool(empty)
    if not rows.any() or not columns.any():
        what = "row" if columns.any() else "column"
        raise InputError(f"{place}: {said}, and no {what} is left; mend the table, or another way")
    return features[np.ix_(rows, columns)], rows, columns, said
