"""One word about a model's synthetic rows, by one stated rule, with its reasons.

High TRTS alone is no merit: class means score more than real rows do. The rule therefore asks
how near the figures are to those of real rows, not how high they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan, nan

from aegan.metrics.intervals import summarise

# Variance ratio under which a class is a single point: deviations a tenth of those of real rows. A
# class mean with a little noise has 0.003, M1 on nEMO, the narrowest model, 0.14.
COLLAPSED_RATIO = 0.01
NARROW_RATIO = 0.5  # under it rows are prototypes rather than a distribution
WIDE_RATIO = 1.5
COPIES_SHARE = 0.1  # share of copies, or of interpolated rows, above that among real rows
TRTS_TOLERANCE = 0.1  # of TRTS on set-2 around that of real rows, as a fraction
TSTR_SHARE = 0.9  # of real_to_real that TSTR on set-2 must reach
FID_SHARE = 0.1  # of the class means' FID over floor that is still near

COPIED = {
    "copies": "are copies of training rows",
    "interpolated": "lie on a line between two training rows",
}

RULE = (
    "By means over folds, the first that holds. "
    "diverged: no lane has a value. "
    "collapsed: half of the lanes or more collapsed, or a class is missing or has a variance "
    f"ratio below {COLLAPSED_RATIO}. "
    "copying: copies of training rows, or rows on a line between two of them, are more than "
    f"{COPIES_SHARE} above their share among real rows. "
    f"off the data: TRTS on set-2 is more than {TRTS_TOLERANCE} below that of real rows, and TSTR "
    f"on set-2 is below {TSTR_SHARE} of real_to_real. "
    f"prototype-like: the variance ratio is below {NARROW_RATIO}, or TRTS on set-2 is more than "
    f"{TRTS_TOLERANCE} above that of real rows with the 95 % interval of the paired difference "
    "above 0. "
    f"off the data: the variance ratio is above {WIDE_RATIO}, or TSTR on set-2 is below "
    f"{TSTR_SHARE} of real_to_real; where nothing is held out, the FID over its floor is above "
    f"{FID_SHARE} of that of the class means. "
    "faithful: none of these."
)


def judge(
    metrics: Mapping[str, Mapping],
    references: Mapping[str, Mapping[str, Mapping]],
    per_class: Mapping[str, Mapping[str, float | None]],
    lanes: Sequence[Mapping],
) -> dict:
    """Applies RULE and returns {"word", "reasons", "rule"}; the first reasons decided the word.

    Args:
        metrics: name -> summary (``intervals.summarise``) of the rows to be judged.
        references: reference -> name -> summary; "real" and "class_mean" are read.
        per_class: "variance_ratio" -> class -> mean ratio, or None for a class without one.
        lanes: lane records; "status" and, where present, "classes_missing" are read.
    """
    lost = {what: sum(r["status"] == what for r in lanes) for what in ("diverged", "collapsed")}
    of = f"of {len(lanes)} trainings (one per fold and seed)"
    said = {what: f"{n} {of} {what}" for what, n in lost.items() if n}
    if metrics["variance_ratio"]["mean"] is not None:
        collapsed = [said["collapsed"]] if 2 * lost["collapsed"] >= len(lanes) > 0 else []
        collapsed += _collapsed_classes(per_class["variance_ratio"], lanes)
        word, reasons = _first_that_holds(metrics, references, collapsed, lanes)
    elif lost["diverged"]:
        word, reasons = "diverged", [f"{said['diverged']}; none has a value"]
    else:
        word, reasons = "no verdict", ["no lane has a variance ratio"]
    reasons += [words for what, words in said.items() if what != word]
    return {"word": word, "reasons": reasons, "rule": RULE}


def _collapsed_classes(ratios: Mapping[str, float | None], lanes: Sequence[Mapping]) -> list[str]:
    missing = sorted({name for lane in lanes for name in lane.get("classes_missing") or ()})
    low = ", ".join(
        f"{name} {r:.3f}" for name, r in ratios.items() if r is not None and r < COLLAPSED_RATIO
    )
    return [f"classes missing: {', '.join(missing)}"] * bool(missing) + [
        f"rows of a class vary so many times as much as real ones (variance ratio): {low}"
    ] * bool(low)


def _first_that_holds(
    metrics: Mapping[str, Mapping],
    references: Mapping[str, Mapping[str, Mapping]],
    collapsed: list[str],
    lanes: Sequence[Mapping],
) -> tuple[str, list[str]]:
    real = references["real"]
    pairs = zip(metrics["trts_set2"]["per_lane"], real["trts_set2"]["per_lane"], strict=True)
    gap = summarise([None if None in pair else pair[0] - pair[1] for pair in pairs], lanes)

    def mean(summary: Mapping) -> float:
        """NaN for none: no comparison holds with it."""
        return nan if summary["mean"] is None else summary["mean"]

    value = {name: mean(summary) for name, summary in metrics.items()}
    ratio, above = value["variance_ratio"], mean(gap)
    ceiling = value["real_to_real"] or nan
    reached = value["tstr_set2"] / ceiling
    lacking = value["tstr_set2"] < TSTR_SHARE * ceiling
    over, far = value["fid_over_floor"], mean(references["class_mean"]["fid_over_floor"]) or nan
    scores = (value["trts_set2"], mean(real["trts_set2"]))
    shown = ("an unknown share" if isnan(score) else f"{100 * score:.1f} %" for score in scores)
    trts = (
        "a classifier trained on held-out speakers' rows recognises {} of the synthetic rows and "
        "{} of the real ones (TRTS, set-2)"
    ).format(*shown)
    tstr = (
        f"a classifier trained on the rows recognises {100 * value['tstr_set2']:.1f} % of held-out "
        f"speakers' rows, {reached:.2f} of what one trained on real rows does (TSTR, set-2)"
    )
    spread = f"rows of a class vary {ratio:.2f} times as much as real ones (variance ratio)"
    rule = (
        ("collapsed", *collapsed),
        (
            "copying",
            *(_copied(value, real, name, words) for name, words in COPIED.items()),
        ),
        (
            "off the data",
            lacking and above < -TRTS_TOLERANCE and f"{trts}: it does not know the classes",
        ),
        (
            "prototype-like",
            ratio < NARROW_RATIO and f"{spread}: they are nearly alike",
            above > TRTS_TOLERANCE
            and (gap["ci95"] is None or gap["ci95"][0] > 0)
            and f"{trts}: classes are cleaner than real ones",
        ),
        (
            "off the data",
            ratio > WIDE_RATIO and f"{spread}: they are spread too far",
            lacking and tstr,
            (lacking or isnan(reached))
            and over > FID_SHARE * far
            and f"the distance of the distributions (FID above its floor) is {over:.1f}, "
            f"{over / far:.2f} of that of rows at the bare class means",
        ),
    )
    for word, *reasons in rule:
        if any(reasons):
            return word, [reason for reason in reasons if reason]
    if isnan(reached):
        return "faithful", [spread, "no copying", "nothing was held out"]
    return "faithful", [tstr, trts, spread, "no copying"]


def _copied(
    value: Mapping[str, float], real: Mapping[str, Mapping], name: str, words: str
) -> str | bool:
    """What is said of a share that is above that among real rows."""
    share, own = value.get(name, nan), (real.get(name) or {}).get("mean") or 0.0
    return share > own + COPIES_SHARE and f"{share:.0%} of the rows {words} (real rows: {own:.0%})"
