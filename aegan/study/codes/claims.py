"""What the paper claims of Fig. 5, and of the codes in section 4.2."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from aegan.study.rule import MODELS, MOST, Claim, Part, above, below, figure, within

OWN = 0.9  # training codes on their own component, over that share of the prior's own points
LIKE_PRIOR = 0.25  # ratio of widths or distances, off 1: a quarter is hardly seen in a scatter plot
COUPLE = 0.03  # UAR lost by the codes. "Only a couple of percentage points", rounded up


def _codes(experiments: Mapping[str, Any], classes: int) -> Iterator[Part]:
    found = experiments.get("codes")
    prior = figure(found, "prior/own_component")  # below 1 where the components overlap
    least = OWN * (1.0 if prior is None else prior)
    like, own = within(LIKE_PRIOR, centre=1), "nearest to their own component"
    width, apart = "width of the classes", "distance of the classes"
    for what, path, condition, unit in (
        (f"training codes {own}, against {OWN:g} of the prior's own", "own_component/train",
         above(least, "%"), "%"),
        (f"training codes: {width} over the prior's", "spread/train", like, "ratio"),
        (f"training codes: {apart} over the prior's", "distance/train", like, "ratio"),
        (f"codes {own}: validation less training", "differences/own_component/valid-train",
         below(0), "points"),
        (f"validation codes {own}", "own_component/valid", above(MOST, "%"), "%"),
        (f"M3's codes {own}", "own_component/m3", above(MOST, "%"), "%"),
        (f"{width}: M3's codes less M1's", "differences/spread/m3-m1", below(0), "difference"),
        (f"{apart}: M3's codes less M1's", "differences/distance/m3-m1", above(0), "difference"),
    ):  # fmt: skip
        yield Part(what, figure(found, path), condition, unit)


def _svms(experiments: Mapping[str, Any], classes: int) -> Iterator[Part]:
    for model in MODELS:
        value = figure(experiments, f"codes/svm/differences/{model}")
        what = f"UAR on set-2: codes of {model.upper()} less raw features, paired by fold"
        yield Part(what, value, above(-COUPLE, "points"), "points")


CLAIMS = (Claim(7, "Fig. 5", _codes), Claim(11, "Section 4.2", _svms, {"couple": COUPLE}))
