"""What the paper claims of Fig. 4."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from aegan.study.rule import MODELS, MOST, UNKNOWN, Claim, Part, above, below, figure

OUTSIDE = 0.05  # share off the support among set-1's own rows, by the definition of the measure
MIXED = 0.5  # mixing: nearer to wholly mixed (1) than to wholly apart (0)
SEPARATE = 0.5  # silhouette; Kaufman and Rousseeuw (1990) call 0.5 and more a clear structure


def _parts(experiments: Mapping[str, Any], classes: int) -> Iterator[Part]:
    found = experiments.get("embedding")
    for condition, end in (
        (below(MOST, "%"), "most are on"),
        (above(OUTSIDE, "%"), "some are off"),
    ):
        for model in MODELS:
            what = f"{model.upper()}: rows off the support of the real ones ({end} it)"
            yield Part(what, figure(found, f"off_support/{model}"), condition, "%")
    what = "M1 and M2 mixed in the embedding (1 = wholly)"
    yield Part(what, _measure(found, "mixing/m1-m2"), above(MIXED))
    others = {"m1": "M1", "m2": "M2", "real": "real rows"}
    known = {words: figure(found, f"silhouette/{key}") for key, words in others.items()}
    texts = [f"{words} {value:.2f}" for words, value in known.items() if value is not None]
    beside = f" (beside it {', '.join(texts)})" if texts else ""
    what = f"M3: silhouette of the classes in the embedding{beside}"
    yield Part(what, _measure(found, "silhouette/m3"), above(SEPARATE))


def _measure(found: Any, path: str) -> Any:
    """A measure of the embedding; one that was taken without a result is undecided."""
    value = figure(found, path, missing=...)
    return None if value is ... else UNKNOWN if value is None else value


CLAIMS = (Claim(6, "Fig. 4", _parts),)
