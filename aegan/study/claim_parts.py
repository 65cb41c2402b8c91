"""The parts of the paper's claims: each one figure of a study, with one condition.

A function per claim gives its parts from the study's experiments and the number of classes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from aegan.metrics.intervals import corrected_estimate, crossed_estimate, fold_means
from aegan.study.rule import UNKNOWN, Estimate, above, below, one_part, within

# --- thresholds, where the paper says "alike", "far" or "separate" without a figure --------------
ALIKE = 0.015  # UAR. Of Table 4 the paper calls 48.52 and 49.98 % "almost similar"
COUPLE = 0.03  # UAR lost by the codes. "Only a couple of percentage points", rounded up
FAR = 2.0  # FID of M3 over that of M1; the paper's 33.99 over 14.52 is 2.3
CONVERGED = 0.1  # change of a loss from one fifth of the epochs to the next, over its size
FOLLOWS = 0.5  # correlation of a validation curve with its training curve: half its course or more
MOST = 0.5  # "most" rows, "most" codes: more than half
OUTSIDE = 0.05  # share off the support among set-1's own rows, by the definition of the measure
MIXED = 0.5  # mixing: nearer to wholly mixed (1) than to wholly apart (0)
SEPARATE = 0.5  # silhouette; Kaufman and Rousseeuw (1990) call 0.5 and more a clear structure
OWN = 0.9  # training codes on their own component, over that share of the prior's own points
LIKE_PRIOR = 0.25  # ratio of widths or distances, off 1: a quarter is hardly seen in a scatter plot
NO_OVERLAP = 0.01  # of points of the toy in a wrong cluster: one in a hundred
LINE = 0.2  # minor over major axis of a toy cluster: five times as long as wide
LOW_PERCENT = 40  # "P less than 40 %"
LARGE_PERCENT = 80  # "higher values of P"


def _get(tree: Any, *path: str) -> Any:
    """A value of nested dicts, None where a key is missing."""
    for key in path:
        if not isinstance(tree, Mapping):
            return None
        tree = tree.get(key)
    return tree


def _measured(tree: Any, *path: str) -> Any:
    """As ``_get``, but a measure that was taken without a result is an estimate without one."""
    value = _get(tree, *path)
    there = _get(tree, *path[:-1])
    return UNKNOWN if value is None and isinstance(there, Mapping) and path[-1] in there else value


def _title(model: str) -> str:
    return model.upper()


_METRICS = {"trts": "metric 1 (TRTS)", "tstr": "metric 2 (TSTR)"}
_MODELS = ("m1", "m2", "m3")


# --- Tables 2 and 3, Fig. 3 ----------------------------------------------------------------------
def _ordered(experiments: Mapping, metric: str, pairs: Sequence[tuple[str, str]]) -> Iterable[dict]:
    for first, second in pairs:
        for part in ("set1", "set2"):
            what = (
                f"{_METRICS[metric]}, set-{part[-1]}: {_title(first)} less {_title(second)}, "
                "paired by fold"
            )
            value = _get(
                experiments, "cross_validation", "differences", f"{first}-{second}",
                f"{metric}_{part}",
            )  # fmt: skip
            yield from one_part(what, value, above(0), "points")


def metric_1_parts(experiments: Mapping, classes: int) -> Iterable[dict]:
    return _ordered(experiments, "trts", (("m2", "m1"), ("m1", "m3")))


def metric_2_parts(experiments: Mapping, classes: int) -> Iterable[dict]:
    return _ordered(experiments, "tstr", (("m3", "m1"), ("m3", "m2")))


def sets_parts(experiments: Mapping, classes: int) -> Iterable[dict]:
    for model in _MODELS:
        for metric, words in _METRICS.items():
            value = _get(experiments, "cross_validation", "sets", model, metric)
            what = f"{_title(model)}, {words}: set-1 less set-2, paired by fold"
            yield from one_part(what, value, above(0), "points")


def fid_parts(experiments: Mapping, classes: int) -> Iterable[dict]:
    found = _get(experiments, "cross_validation")
    value = _get(found, "differences", "m2-m1", "fid")
    yield from one_part("FID: M2 less M1, paired by fold", value, below(0), "difference")
    value = _get(found, "differences", "m1-m3", "fid")
    yield from one_part("FID: M1 less M3, paired by fold", value, below(0), "difference")
    what = f"FID of M3 less {FAR:g} times that of M1, paired by fold"
    yield from one_part(what, _fid_beyond(found), above(0), "difference")


def _fid_beyond(found: Mapping | None) -> Estimate | None:
    """FID of M3 less FAR times that of M1 per fold, with the corrected interval."""
    by_fold = [_fold_values(found, model, "fid") for model in ("m3", "m1")]
    if None in by_fold:
        return None
    pairs = zip(*by_fold, strict=True)
    values = [None if None in pair else pair[0] - FAR * pair[1] for pair in pairs]
    return corrected_estimate(values, _test_to_train(found))


def _fold_values(found: Mapping | None, model: str, metric: str) -> list[float | None] | None:
    run = _get(found, "models", model)
    per_lane = _get(run, "metrics", metric, "per_lane")
    return None if per_lane is None else fold_means(per_lane, run["lanes"])


def _test_to_train(found: Mapping) -> float:
    folds = found["models"]["m1"]["folds"]
    return math.fsum(fold["valid_rows"] / fold["train_rows"] for fold in folds) / len(folds)


# The paper's Fig. 3 shows the reconstruction, D2 and the generator, not the losses of the codes.
_SHOWN = {
    "reconstruction": "reconstruction",
    "feature_discriminator": "D2",
    "generator_adversarial": "generator",
}


def losses_parts(experiments: Mapping, classes: int) -> Iterable[dict]:
    tested = (
        ("convergence", "relative change at the end of training", "largest", below(CONVERGED)),
        ("correlation", "validation curve's correlation with training", "least", above(FOLLOWS)),
    )
    for model in _MODELS:
        losses = _get(experiments, "cross_validation", "losses", model) or {}
        shown = {words: losses[name] for name, words in _SHOWN.items() if name in losses}
        for key, words, end, condition in tested:
            what = f"{_title(model)}: {words}"
            known = {n: loss[key] for n, loss in shown.items() if loss.get(key) is not None}
            if known:
                name = (max if end == "largest" else min)(known, key=known.get)
                also = f"; {end}: {name}" if len(known) > 1 else ""
                yield from one_part(f"{what}, {', '.join(known)}{also}", known[name], condition)
            if lacking := [name for name in shown if name not in known]:  # too few epochs
                yield from one_part(f"{what}, {', '.join(lacking)}", UNKNOWN, condition)
            if not shown:
                yield from one_part(what, None, condition)


# --- Figs. 4 and 5, section 4.2 ------------------------------------------------------------------
def embedding_parts(experiments: Mapping, classes: int) -> Iterable[dict]:
    found = _get(experiments, "embedding")
    for model in _MODELS:
        value = _get(found, "off_support", model)
        what = f"{_title(model)}: rows off the support of the real ones (most are on it)"
        yield from one_part(what, value, below(MOST, "%"), "%")
    for model in _MODELS:
        value = _get(found, "off_support", model)
        what = f"{_title(model)}: rows off the support of the real ones (some are off it)"
        yield from one_part(what, value, above(OUTSIDE, "%"), "%")
    value = _measured(found, "mixing", "m1-m2")
    yield from one_part("M1 and M2 mixed in the embedding (1 = wholly)", value, above(MIXED))
    others = {
        words: _get(found, "silhouette", key)
        for key, words in (("m1", "M1"), ("m2", "M2"), ("real", "real rows"))
    }
    texts = [f"{words} {value:.2f}" for words, value in others.items() if value is not None]
    beside = f" (beside it {', '.join(texts)})" if texts else ""
    what = f"M3: silhouette of the classes in the embedding{beside}"
    yield from one_part(what, _measured(found, "silhouette", "m3"), above(SEPARATE))


def codes_parts(experiments: Mapping, classes: int) -> Iterable[dict]:
    found = _get(experiments, "codes")
    prior = _get(found, "prior", "own_component")  # below 1 where the components overlap
    value = _get(found, "own_component", "train")
    what = f"training codes nearest to their own component, against {OWN:g} of the prior's own"
    yield from one_part(what, value, above(OWN * (1.0 if prior is None else prior), "%"), "%")
    for key, words in (("spread", "width of the classes"), ("distance", "distance of the classes")):
        value = _get(found, key, "train")
        what = f"training codes: {words} over the prior's"
        yield from one_part(what, value, within(LIKE_PRIOR, centre=1), "ratio")
    value = _get(found, "differences", "own_component", "valid-train")
    what = "codes nearest to their own component: validation less training"
    yield from one_part(what, value, below(0), "points")
    value = _get(found, "own_component", "valid")
    what = "validation codes nearest to their own component"
    yield from one_part(what, value, above(MOST, "%"), "%")
    value = _get(found, "own_component", "m3")
    yield from one_part("M3's codes nearest to their own component", value, above(MOST, "%"), "%")
    value = _get(found, "differences", "spread", "m3-m1")
    yield from one_part("width of the classes: M3's codes less M1's", value, below(0), "difference")
    value = _get(found, "differences", "distance", "m3-m1")
    yield from one_part(
        "distance of the classes: M3's codes less M1's", value, above(0), "difference"
    )


def codes_svm_parts(experiments: Mapping, classes: int) -> Iterable[dict]:
    for model in _MODELS:
        value = _get(experiments, "codes", "svm", "differences", model)
        what = f"UAR on set-2: codes of {_title(model)} less raw features, paired by fold"
        yield from one_part(what, value, above(-COUPLE, "points"), "points")


# --- Table 4 -------------------------------------------------------------------------------------
def cross_corpus_parts(experiments: Mapping, classes: int) -> Iterable[dict]:
    found = _get(experiments, "cross_corpus")
    statistics = _get(found, "statistics")
    differences = _get(found, "differences", statistics)
    table = _get(found, "tables", statistics)
    for pair, words in (("m3-m2", "M3 less M2"), ("m2-m1", "M2 less M1")):
        value = _get(differences, pair, "trts")
        yield from one_part(f"metric 1 (TRTS): {words}", value, above(0), "points")
    for metric, name in _METRICS.items():
        for pair in ("m2-m1", "m3-m2", "m3-m1"):
            first, second = pair.split("-")
            what = f"{name}: {_title(first)} less {_title(second)}, alike"
            value = _get(differences, pair, metric)
            yield from one_part(what, value, within(ALIKE, "points"), "points")
    what = (
        "log of M3's FID over that of M1 and M2: here less that in Table 3, where the folds are "
        "other samples"
    )
    yield from one_part(
        what, _gap_change(_get(experiments, "cross_validation"), table), below(0), "difference"
    )
    for model in _MODELS:
        for metric, name in _METRICS.items():
            what = f"{_title(model)}, {name}, against chance"
            value = _get(table, model, metric)
            yield from one_part(what, value, above(1 / classes, "%"), "%")


def _gap_change(cross_validation: Mapping | None, table: Mapping | None) -> Estimate | None:
    """How the FID gap of M3 differs between Tables 4 and 3, relative to the FID of the others.

    The FIDs are measured with different networks, so that only their ratios compare.
    """
    before = [_fold_values(cross_validation, model, "fid") for model in _MODELS]
    after = [_get(table, model, "fid", "values") for model in _MODELS]
    if None in before or None in after or len({len(values) for values in after}) > 1:
        return None
    # One value per generator seed and network, seeds first.
    seeds = len({lane["seed"] for lane in cross_validation["models"]["m1"]["lanes"]})
    gaps = np.array(_log_gaps(*after), float)
    rows = seeds if len(gaps) % seeds == 0 else 1
    first = crossed_estimate(gaps.reshape(rows, -1))
    second = corrected_estimate(_log_gaps(*before), _test_to_train(cross_validation))
    return independent_difference(first, second)


def _log_gaps(m1: Sequence, m2: Sequence, m3: Sequence) -> list[float | None]:
    return [
        math.log(c / math.sqrt(a * b)) if None not in (a, b, c) and min(a, b, c) > 0 else None
        for a, b, c in zip(m1, m2, m3, strict=True)
    ]


def independent_difference(first: Estimate, second: Estimate) -> dict[str, Any]:
    """``first`` less ``second`` of two samples that are not paired; reaches add in quadrature."""
    found: dict[str, Any] = {"mean": None, "ci95": None, "values": []}
    if None in (first["mean"], second["mean"]):
        return found
    found["mean"] = first["mean"] - second["mean"]
    if None not in (first["ci95"], second["ci95"]):
        reach = math.hypot(*((high - low) / 2 for low, high in (first["ci95"], second["ci95"])))
        found["ci95"] = [found["mean"] - reach, found["mean"] + reach]
    return found


# --- Fig. 6 --------------------------------------------------------------------------------------
# The paper's mode decides, for so the paper did it; the honest one stands beside, but not at
# P = 100 %, where both are one.
_MODES = (("paper", True), ("honest", False))
_MODE_WORDS = {"paper": "", "honest": ", honest mode"}


def _low_resource(experiments: Mapping, mode: str, method: str, percent: float) -> Estimate | None:
    """Gain of a method at the largest N on the target corpus."""
    found = _get(experiments, "low_resource", "scopes", "target")
    if found is None:
        return None
    wanted = (mode, method, percent, max(found["sizes"]))
    for cell in found["cells"]:
        if (cell["mode"], cell["method"], cell["percent"], cell["n"]) == wanted:
            return cell["gain"]
    return None


def _compared(
    experiments: Mapping, mode: str, percent: float, first: tuple, second: tuple
) -> Estimate | None:
    """``first`` less ``second``, each (method, N), in whichever order the study has them."""
    found = _get(experiments, "low_resource", "scopes", "target")
    for item in (found or {}).get("comparisons", ()):
        if (item["mode"], item["percent"]) == (mode, percent):
            pair = tuple(item["first"]), tuple(item["second"])
            if pair == (first, second):
                return item["difference"]
            if pair == (second, first):
                return _negative(item["difference"])
    return None


def _negative(value: Estimate) -> Estimate:
    """The estimate of the difference the other way round."""
    turned = {
        "mean": None if value["mean"] is None else -value["mean"],
        "ci95": None if value["ci95"] is None else [-end for end in reversed(value["ci95"])],
        "values": [None if v is None else -v for v in value["values"]],
    }
    return turned


def _percents_sizes(experiments: Mapping) -> tuple[list[float], list[int]]:
    found = _get(experiments, "low_resource", "scopes", "target") or {}
    return sorted(found.get("percents", ())), sorted(found.get("sizes", ()))


def rows_help_parts(experiments: Mapping, classes: int) -> Iterable[dict]:
    percents, sizes = _percents_sizes(experiments)
    if not percents or not sizes:
        return
    least, size = percents[0], sizes[-1]
    # What the paper says of small P is not tested at a large one.
    small = len(percents) > 1 and least < LARGE_PERCENT
    large = [percent for percent in percents if percent >= LARGE_PERCENT]
    for mode, deciding in _MODES:
        also = _MODE_WORDS[mode]
        for percent in _of_mode(percents, mode):
            what = f"M1, {size} rows: gain at P = {percent:g} %{also}"
            value = _low_resource(experiments, mode, "m1", percent)
            yield from one_part(what, value, above(0), "points", deciding=deciding)
        value, words = None, "gain at small P less gain at large P"
        if small:
            value = _get(experiments, "low_resource", "gain_low_less_high", "target", mode)
            words = f"gain at P = {least:g} % less gain at {percents[-1]:g} %"
        what = f"M1, {size} rows: {words}{also}"
        yield from one_part(what, value, above(0), "points", deciding=deciding)
        steps = list(zip(sizes, sizes[1:], strict=False)) if small else []
        for less, more in steps:
            value = _compared(experiments, mode, least, ("m1", more), ("m1", less))
            what = f"M1, P = {least:g} %: {more} rows less {less} rows{also}"
            yield from one_part(what, value, above(0), "points", deciding=deciding)
        if not steps:
            what = f"M1, small P: more rows less fewer{also}"
            yield from one_part(what, None, above(0), "points", deciding=deciding)
        alike = within(ALIKE, "points")
        for percent in _of_mode(large, mode) if len(sizes) > 1 else ():
            less, more = sizes[-2:]
            value = _compared(experiments, mode, percent, ("m1", more), ("m1", less))
            what = f"M1, P = {percent:g} %: {more} rows less {less} rows, alike{also}"
            yield from one_part(what, value, alike, "points", deciding=deciding)
        if not large or len(sizes) < 2:
            what = f"M1, P from {LARGE_PERCENT} % on: the two largest numbers of rows, alike{also}"
            yield from one_part(what, None, alike, "points", deciding=deciding)


def _of_mode(percents: Sequence[float], mode: str) -> list[float]:
    return [percent for percent in percents if mode == "paper" or percent < 100]


def three_models_parts(experiments: Mapping, classes: int) -> Iterable[dict]:
    percents, sizes = _percents_sizes(experiments)
    if not percents or not sizes:
        return
    size = sizes[-1]
    for mode, deciding in _MODES:
        also = _MODE_WORDS[mode]
        for percent in _of_mode(percents, mode):
            value = _compared(experiments, mode, percent, ("m1", size), ("m2", size))
            what = f"P = {percent:g} %: M1 less M2, alike{also}"
            yield from one_part(what, value, within(ALIKE, "points"), "points", deciding=deciding)
        for model in ("m1", "m2"):
            # 100 % of the study, if it has it: there both modes are one.
            value = _low_resource(experiments, mode, model, 100) if mode == "paper" else None
            what = f"{_title(model)}, {size} rows: gain at P = 100 %{also}"
            yield from one_part(what, value, above(0), "points", deciding=deciding)
        ends = {True: (above(0), ""), False: (below(ALIKE, "points"), ", none to speak of")}
        for low, (condition, end) in ends.items():
            if not any((percent < LOW_PERCENT) is low for percent in percents):
                where = f"{'below' if low else 'from'} P = {LOW_PERCENT} %{'' if low else ' on'}"
                what = f"M3, {size} rows: gain {where}{end}{also}"
                yield from one_part(what, None, condition, "points", deciding=deciding)
        for percent in _of_mode(percents, mode):
            condition, end = ends[percent < LOW_PERCENT]
            value = _low_resource(experiments, mode, "m3", percent)
            what = f"M3, {size} rows: gain at P = {percent:g} %{end}{also}"
            yield from one_part(what, value, condition, "points", deciding=deciding)


# --- Fig. 1 --------------------------------------------------------------------------------------
def toy_parts(experiments: Mapping, classes: int) -> Iterable[dict]:
    found = _get(experiments, "toy")
    parts = (
        ("InfoGAN: points in a wrong cluster", "overlap", "infogan", below(NO_OVERLAP, "%"), "%"),
        ("GAN: points in a wrong cluster", "overlap", "gan", above(NO_OVERLAP, "%"), "%"),
        ("points in a wrong cluster: InfoGAN less GAN, paired by seed", "overlap", "difference",
         below(0), "points"),
        ("InfoGAN: minor over major axis of the clusters (0 = a line)", "flatness", "infogan",
         below(LINE), "ratio"),
        ("minor over major axis: InfoGAN less GAN, paired by seed", "flatness", "difference",
         below(0), "difference"),
        ("width of the clusters over the target's: InfoGAN less GAN, paired by seed", "spread",
         "difference", below(0), "difference"),
    )  # fmt: skip
    for what, measure, key, condition, unit in parts:
        yield from one_part(what, _get(found, measure, key), condition, unit)
