"""What the paper claims of Fig. 1."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from aegan.study.rule import Claim, Part, above, below, figure

NO_OVERLAP = 0.01  # of points of the toy in a wrong cluster: one in a hundred
LINE = 0.2  # minor over major axis of a toy cluster: five times as long as wide


def _parts(experiments: Mapping[str, Any], classes: int) -> Iterator[Part]:
    wrong, axes = "points in a wrong cluster", "minor over major axis"
    less = "InfoGAN less GAN, paired by seed"
    for what, path, condition, unit in (
        (f"InfoGAN: {wrong}", "overlap/infogan", below(NO_OVERLAP, "%"), "%"),
        (f"GAN: {wrong}", "overlap/gan", above(NO_OVERLAP, "%"), "%"),
        (f"{wrong}: {less}", "overlap/difference", below(0), "points"),
        (f"InfoGAN: {axes} of the clusters (0 = a line)", "flatness/infogan", below(LINE),
         "ratio"),
        (f"{axes}: {less}", "flatness/difference", below(0), "difference"),
        (f"width of the clusters over the target's: {less}", "spread/difference", below(0),
         "difference"),
    ):  # fmt: skip
        yield Part(what, figure(experiments, f"toy/{path}"), condition, unit)


CLAIMS = (Claim(12, "Fig. 1", _parts),)
