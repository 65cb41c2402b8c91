"""What the paper prints about each model, to stand beside our own figures."""

from __future__ import annotations

from typing import Any

SOURCE = "Tables 2 and 3, IEMOCAP"

# UWA in per cent as in Table 2 (metric 1 and 2 on set-1, metric 1 and 2 on set-2), FID of Table 3.
_PRINTED = {
    "m1": (85.60, 48.58, 72.52, 45.89, 14.52),
    "m2": (88.41, 49.91, 74.75, 46.96, 13.24),
    "m3": (55.20, 52.24, 45.63, 51.58, 33.99),
}
_KEYS = ("trts_set1", "tstr_set1", "trts_set2", "tstr_set2", "fid")

# Table 4: metric 1 and 2 in per cent on MSP-IMPROV, FID; generators trained on IEMOCAP.
_PRINTED_CROSS_CORPUS = {
    "m1": (48.52, 38.30, 15.91),
    "m2": (49.60, 38.61, 15.60),
    "m3": (49.98, 37.72, 18.93),
}
CROSS_CORPUS_SOURCE = "Table 4, IEMOCAP to MSP-IMPROV"

IN_WORDS = {
    "m1": (
        "An adversarial auto-encoder: its two-dimensional code is pressed into one Gaussian per "
        "class, and new rows are drawn from those Gaussians and decoded."
    ),
    "m2": (
        "M1 with a second discriminator, which judges the decoded rows, so that the decoder also "
        "learns to make rows that pass for real ones."
    ),
    "m3": (
        "An InfoGAN in an auto-encoder: a code generator turns noise and a class label into a "
        "code, the decoder turns the code into a row, and the class must be readable from the row."
    ),
}


def paper_figures(model: str) -> dict[str, Any] | None:
    """The printed figures of ``model``, UAR as fractions, or None for a model not in the paper.

    Keys: ``trts_set1``, ``trts_set2`` (metric 1), ``tstr_set1``, ``tstr_set2`` (metric 2), ``fid``,
    ``source``. The FID's scale depends on the corpus and on the network it is measured with.
    """
    printed = _PRINTED.get(model.lower())
    if printed is None:
        return None
    values = dict(zip(_KEYS, printed, strict=True))
    fractions = {key: round(values[key] / 100, 4) for key in _KEYS[:-1]}
    return {**fractions, "fid": values["fid"], "source": SOURCE}


def cross_corpus_figures(model: str) -> dict[str, Any] | None:
    """What Table 4 prints of ``model``: ``trts``, ``tstr`` (fractions), ``fid``, ``source``."""
    printed = _PRINTED_CROSS_CORPUS.get(model.lower())
    if printed is None:
        return None
    trts, tstr, fid = printed
    return {
        "trts": round(trts / 100, 4),
        "tstr": round(tstr / 100, 4),
        "fid": fid,
        "source": CROSS_CORPUS_SOURCE,
    }
