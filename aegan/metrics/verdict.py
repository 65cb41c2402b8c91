"""One word about a model's synthetic rows, by one stated rule, with its reasons.

High TRTS alone is no merit: class means score more than real rows do. The rule therefore asks
how near the figures are to those of real rows, not how high they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aegan.metrics.intervals import difference

# Variance ratio under which a class is a single point: deviations a tenth of those of real rows. A
# class mean with a little noise has 0.003, M1 on nEMO, the narrowest model, 0.14.
COLLAPSED_RATIO = 0.01
NARROW_RATIO = 0.5  # under it rows are prototypes rather than a distribution
WIDE_RATIO = 1.5
COPIES_SHARE = 0.1  # share of copies above that among real rows
TRTS_TOLERANCE = 0.1  # of TRTS on set-2 around that of real rows, as a fraction
TSTR_SHARE = 0.9  # of real_to_real that TSTR on set-2 must reach
FID_SHARE = 0.1  # of the class means' FID over floor that is still near

RULE = (
    "By means over folds, the first that holds. "
    "diverged: no lane has a value. "
    "collapsed: half of the lanes or more collapsed, or a class is missing or has a variance "
    f"ratio below {COLLAPSED_RATIO}. "
    f"copying: copies of training rows are more than {COPIES_SHARE} above their share among "
    "real rows. "
    f"off the data: TRTS on set-2 is more than {TRTS_TOLERANCE} below that of real rows. "
    f"prototype-like: the variance ratio is below {NARROW_RATIO}, or TRTS on set-2 is more than "
    f"{TRTS_TOLERANCE} above that of real rows with the 95 % interval of the paired difference "
    "above 0. "
    f"off the data: the variance ratio is above {WIDE_RATIO}, or TSTR on set-2 is below "
    f"{TSTR_SHARE} of real_to_real, or the FID over its floor is above {FID_SHARE} of that of "
    "the class means. "
    "faithful: none of these."
)


def judge(
    metrics: Mapping[str, Mapping],
    references: Mapping[str, Mapping[str, Mapping]],
    per_class: Mapping[str, Mapping[str, float | None]],
    lanes: Sequence[Mapping],
) -> dict:
    """Applies RULE and returns {"word", "reasons", "rule"}.

    Args:
        metrics: name -> summary (``intervals.summarise``) of the rows to be judged.
        references: reference -> name -> summary; "real" and "class_mean" are read.
        per_class: "variance_ratio" -> class -> mean ratio, or None for a class without one.
        lanes: lane records; "status" and, where present, "classes_missing" are read.

    Reasons are sentences; the first ones decided the word.
    """
    word, reasons = _decide(metrics, references, per_class, lanes)
    for what in ("diverged", "collapsed"):
        count = _count(lanes, what)
        if count and word != what:
            reasons.append(f"{count} of {len(lanes)} lanes {what}")
    return {"word": word, "reasons": reasons, "rule": RULE}


def _count(lanes: Sequence[Mapping], status: str) -> int:
    return sum(lane["status"] == status for lane in lanes)


def _decide(
    metrics: Mapping[str, Mapping],
    references: Mapping[str, Mapping[str, Mapping]],
    per_class: Mapping[str, Mapping[str, float | None]],
    lanes: Sequence[Mapping],
) -> tuple[str, list[str]]:
    value = {name: summary["mean"] for name, summary in metrics.items()}
    real = {name: summary["mean"] for name, summary in references["real"].items()}
    ratio = value["variance_ratio"]
    if ratio is None:
        if diverged := _count(lanes, "diverged"):
            return "diverged", [f"{diverged} of {len(lanes)} lanes diverged; none has a value"]
        return "no verdict", ["no lane has a value"]

    if collapsed := _collapsed(per_class, lanes):
        return "collapsed", collapsed

    own = real["copies"] or 0.0
    if value["copies"] is not None and value["copies"] > own + COPIES_SHARE:
        return "copying", [
            f"{value['copies']:.0%} of the rows are copies of training rows (real rows: {own:.0%})"
        ]

    gap = difference(
        metrics["trts_set2"]["per_lane"], references["real"]["trts_set2"]["per_lane"], lanes
    )
    own_trts, real_trts = (
        "unknown" if of["trts_set2"] is None else f"{of['trts_set2']:.3f}" for of in (value, real)
    )
    trts = f"TRTS on set-2 is {own_trts}, of real rows {real_trts}"
    spread = f"the variance ratio is {ratio:.2f}"
    above = gap["mean"]
    if above is not None and above < -TRTS_TOLERANCE:
        return "off the data", [f"{trts}: an SVM of other speakers does not know the classes"]

    reasons = []
    if ratio < NARROW_RATIO:
        reasons.append(f"{spread}: rows of a class are nearly alike")
    if above is not None and above > TRTS_TOLERANCE:
        if gap["ci95"] is None or gap["ci95"][0] > 0:
            reasons.append(f"{trts}: classes are cleaner than real ones")
    if reasons:
        return "prototype-like", reasons

    if ratio > WIDE_RATIO:
        reasons.append(f"{spread}: rows are more spread than real ones")
    tstr, ceiling = value["tstr_set2"], value["real_to_real"]
    if tstr is not None and ceiling and tstr < TSTR_SHARE * ceiling:
        reasons.append(
            f"TSTR on set-2 is {tstr:.3f}, {tstr / ceiling:.2f} of real_to_real ({ceiling:.3f})"
        )
    over, far = value["fid_over_floor"], references["class_mean"]["fid_over_floor"]["mean"]
    if over is not None and far and over > FID_SHARE * far:
        reasons.append(
            f"the FID over its floor is {over:.1f}, {over / far:.2f} of that of the class means"
        )
    if reasons:
        return "off the data", reasons
    share = "" if tstr is None or not ceiling else f"; TSTR on set-2 {tstr / ceiling:.2f} of real"
    return "faithful", [f"{spread}; {trts}{share}; no copying"]


def _collapsed(
    per_class: Mapping[str, Mapping[str, float | None]], lanes: Sequence[Mapping]
) -> list[str]:
    reasons = []
    count = _count(lanes, "collapsed")
    if 2 * count >= len(lanes) > 0:
        reasons.append(f"{count} of {len(lanes)} lanes collapsed")
    missing = sorted({name for lane in lanes for name in lane.get("classes_missing") or ()})
    if missing:
        reasons.append(f"classes missing: {', '.join(missing)}")
    for name, ratio in per_class["variance_ratio"].items():
        if ratio is not None and ratio < COLLAPSED_RATIO:
            reasons.append(f"class {name} has a variance ratio of {ratio:.3f}")
    return reasons
