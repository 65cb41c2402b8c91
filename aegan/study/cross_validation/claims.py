"""What the paper claims of Tables 2 and 3 and Fig. 3."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aegan.metrics.intervals import corrected_estimate, fold_means
from aegan.study.rule import (
    METRICS,
    MODELS,
    UNKNOWN,
    Claim,
    Estimate,
    Part,
    above,
    below,
    figure,
)

FAR = 2.0  # FID of M3 over that of M1; the paper's 33.99 over 14.52 is 2.3
CONVERGED = 0.1  # change of a loss from one fifth of the epochs to the next, over its size
FOLLOWS = 0.5  # correlation of a validation curve with its training curve: half its course or more

# The paper's Fig. 3 shows the reconstruction, D2 and the generator, not the losses of the codes.
_SHOWN = {
    "reconstruction": "reconstruction",
    "feature_discriminator": "D2",
    "generator_adversarial": "generator",
}
Results = Mapping[str, Any]


def _ordered(results: Results, metric: str, *pairs: tuple[str, str]) -> Iterator[Part]:
    for first, second in pairs:
        for part in ("set1", "set2"):
            yield Part(
                f"{METRICS[metric]}, set-{part[-1]}: {first.upper()} less {second.upper()}, "
                "paired by fold",
                figure(results, "differences", f"{first}-{second}", f"{metric}_{part}"),
                above(0),
                "points",
            )


def _metric_1(experiments: Results, classes: int) -> Iterator[Part]:
    found = experiments.get("cross_validation")
    return _ordered(found, "trts", ("m2", "m1"), ("m1", "m3"))


def _metric_2(experiments: Results, classes: int) -> Iterator[Part]:
    found = experiments.get("cross_validation")
    return _ordered(found, "tstr", ("m3", "m1"), ("m3", "m2"))


def _sets(experiments: Results, classes: int) -> Iterator[Part]:
    for model in MODELS:
        for metric, words in METRICS.items():
            value = figure(experiments, "cross_validation", "sets", model, metric)
            what = f"{model.upper()}, {words}: set-1 less set-2, paired by fold"
            yield Part(what, value, above(0), "points")


def _fid(experiments: Results, classes: int) -> Iterator[Part]:
    found = experiments.get("cross_validation")
    for first, second in (("m2", "m1"), ("m1", "m3")):
        what = f"FID: {first.upper()} less {second.upper()}, paired by fold"
        value = figure(found, "differences", f"{first}-{second}", "fid")
        yield Part(what, value, below(0), "difference")
    what = f"FID of M3 less {FAR:g} times that of M1, paired by fold"
    yield Part(what, _fid_beyond(found), above(0), "difference")


def _fid_beyond(found: Results | None) -> Estimate | None:
    """FID of M3 less FAR times that of M1 per fold, with the corrected interval."""
    by_fold = [fids_of(found, model) for model in ("m3", "m1")]
    if None in by_fold:
        return None
    pairs = zip(*by_fold, strict=True)
    return over_folds(found, [None if None in pair else pair[0] - FAR * pair[1] for pair in pairs])


def fids_of(found: Results | None, model: str) -> list[float | None] | None:
    """FID of a model by fold, of the results of the cross-validation."""
    run = figure(found, "models", model)
    per_lane = figure(run, "metrics", "fid", "per_lane")
    return None if per_lane is None else fold_means(per_lane, run["lanes"])


def over_folds(found: Results, values: Sequence[float | None]) -> dict[str, Any]:
    """Mean and corrected interval of a value per fold of the cross-validation."""
    folds = next(iter(found["models"].values()))["folds"]
    shares = [fold["valid_rows"] / fold["train_rows"] for fold in folds]
    return corrected_estimate(values, math.fsum(shares) / len(folds))


def _losses(experiments: Results, classes: int) -> Iterator[Part]:
    tested = (
        ("convergence", "relative change at the end of training", "largest", below(CONVERGED)),
        ("correlation", "validation curve's correlation with training", "least", above(FOLLOWS)),
    )
    for model in MODELS:
        losses = figure(experiments, "cross_validation", "losses", model, missing={})
        shown = {words: losses[name] for name, words in _SHOWN.items() if name in losses}
        for key, words, end, condition in tested:
            what = f"{model.upper()}: {words}"
            known = {n: loss[key] for n, loss in shown.items() if loss.get(key) is not None}
            if known:
                name = (max if end == "largest" else min)(known, key=known.get)
                also = f"; {end}: {name}" if len(known) > 1 else ""
                yield Part(f"{what}, {', '.join(known)}{also}", known[name], condition)
            if lacking := [name for name in shown if name not in known]:  # too few epochs
                yield Part(f"{what}, {', '.join(lacking)}", UNKNOWN, condition)
            if not shown:
                yield Part(what, None, condition)


CLAIMS = (
    Claim(
        1,
        "Table 2",
        "metric 1 (TRTS): M2 > M1 > M3",
        "An SVM trained on real rows classifies the rows of M2 better than those of M1, and those "
        "of M1 better than those of M3, on both sets.",
        _metric_1,
        "The paper compares means of five folds without an interval and does not say how its SVM "
        "is tuned; here differences are paired by fold, and one whose interval holds 0 stays open.",
    ),
    Claim(
        2,
        "Table 2",
        "metric 2 (TSTR): M3 best",
        "An SVM trained on the rows of M3 classifies real rows better than one trained on those of "
        "M1 or M2, on both sets.",
        _metric_2,
        "As for claim 1. As printed, M3's auxiliary head can read the label off its own input; "
        "config.m3.train.aux_sees_label says whether it can here.",
    ),
    Claim(
        3,
        "Table 2",
        "set-1 above set-2",
        "Both metrics are higher on set-1, which the models have seen, than on set-2, for all "
        "three models.",
        _sets,
        "As for claim 1; set-2 holds speakers that set-1 does not, and far fewer rows, from which "
        "the SVM of metric 1 learns.",
    ),
    Claim(
        4,
        "Table 3",
        "FID: M2 < M1 << M3",
        "The FID of M2 is below that of M1, and that of M3 far above both.",
        _fid,
        "The paper does not say which real rows its FID compares with; here it is set-1, and the "
        f"network is trained on this corpus. Far above is read as {FAR:g} times that of M1.",
    ),
    Claim(
        5,
        "Fig. 3",
        "losses converge, validation follows training",
        "Reconstruction, discriminator and generator errors converge, and validation curves follow "
        "the training ones.",
        _losses,
        "The paper shows one fold; here it is the mean over all lanes. Converged is read as a "
        f"relative change below {CONVERGED:g} between the last two fifths of the epochs, "
        f"following as a correlation above {FOLLOWS:g}.",
    ),
)
