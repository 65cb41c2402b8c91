"""What the paper prints about each model, to stand beside our own figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

# UWA in per cent as in Table 2 (metric 1 and 2 on set-1, metric 1 and 2 on set-2), FID of Table 3.
_PRINTED = {
    "m1": (85.60, 48.58, 72.52, 45.89, 14.52),
    "m2": (88.41, 49.91, 74.75, 46.96, 13.24),
    "m3": (55.20, 52.24, 45.63, 51.58, 33.99),
}
# Table 4: metric 1 and 2 in per cent on MSP-IMPROV, FID; generators trained on IEMOCAP.
_PRINTED_CROSS_CORPUS = {
    "m1": (48.52, 38.30, 15.91),
    "m2": (49.60, 38.61, 15.60),
    "m3": (49.98, 37.72, 18.93),
}


def paper_figures(model: str) -> dict[str, Any] | None:
    """The printed figures of ``model``, UAR as fractions, or None for a model not in the paper.

    Keys: ``trts_set1``, ``trts_set2`` (metric 1), ``tstr_set1``, ``tstr_set2`` (metric 2), ``fid``,
    ``source``. The FID's scale depends on the corpus and on the network it is measured with.
    """
    keys = ("trts_set1", "tstr_set1", "trts_set2", "tstr_set2")
    return _figures(_PRINTED.get(model.lower()), keys, "Tables 2 and 3, IEMOCAP")


def cross_corpus_figures(model: str) -> dict[str, Any] | None:
    """What Table 4 prints of ``model``: ``trts``, ``tstr`` (fractions), ``fid``, ``source``."""
    printed = _PRINTED_CROSS_CORPUS.get(model.lower())
    return _figures(printed, ("trts", "tstr"), "Table 4, IEMOCAP to MSP-IMPROV")


def _figures(printed: Sequence[float] | None, keys: Sequence[str], source: str) -> dict | None:
    if printed is None:
        return None
    shares = [round(value / 100, 4) for value in printed[:-1]]
    return dict(zip(keys, shares, strict=True)) | {"fid": printed[-1], "source": source}
