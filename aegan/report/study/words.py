"""How a study's figures are said: names, numbers with their intervals, where a figure is from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aegan.report.kit.numbers import DASH, Estimate, Results, number, percent, plain
from aegan.report.tables import REFERENCES

MODELS = {"m1": "M1", "m2": "M2", "m3": "M3"}
METHODS = {
    "none": "No added rows",
    **MODELS,
    "oversampling": "Oversampling",
    "jitter": "Jitter",
    "smote": "SMOTE",
    "class_gaussian": "Class Gaussian",
}
STATISTICS = {
    "own": "target standardised by its own unlabelled rows (transductive)",
    "source": "target standardised by the source's statistics",
}
SETS = {"train": "Training codes", "valid": "Validation codes"}


def experiment(results: Results, name: str) -> Results | None:
    """An experiment's results, None where it was not run."""
    return (results.get("experiments") or {}).get(name) or None


def classes(results: Results) -> list[str]:
    return list(results["source"]["classes"])


def chance(results: Results) -> float:
    return 1 / len(classes(results))


def corpus_name(corpus: Mapping[str, Any]) -> str:
    told = "simulated" in corpus["name"] or not corpus["simulated"]
    return corpus["name"] if told else f"{corpus['name']} (simulated)"


def corpora(results: Results) -> str:
    """Source and target: "nemo \u2192 ravdess"; a study without a target has the source alone."""
    return " \u2192 ".join(corpus_name(corpus) for corpus in parts(results).values())


def parts(results: Results) -> dict[str, Results]:
    """The corpora that the study has: source, and target unless no experiment needed one."""
    return {part: results[part] for part in ("source", "target") if results.get(part)}


def simulated(results: Results) -> list[str]:
    return [part for part, corpus in parts(results).items() if corpus["simulated"]]


def one_seed(results: Results) -> bool:
    """Whether each generator was trained with one seed only."""
    seeds = (results.get("config") or {}).get("seeds")
    return isinstance(seeds, Sequence) and len(seeds) == 1


def drawn_over(results: Results) -> str:
    """What the intervals of Table 4 and Fig. 6 are over, and for which generators they hold."""
    if one_seed(results):
        return (
            "draws and tested speakers. Every generator has one seed: intervals hold for that one "
            "training and do not tell how another would come out"
        )
    return "draws, generator seeds and tested speakers"


def origin(results: Results, part: str) -> str:
    """Corpus and versions behind a table or figure; ``part``: source, both or none."""
    several = len(parts(results)) > 1
    where = {
        "source": f"Corpus {corpus_name(results['source'])}",
        "both": f"{'Corpora' if several else 'Corpus'} {corpora(results)}",
        "none": "Points in the plane, no corpus",
    }[part]
    versions = results.get("versions") or {}
    known = (f"{name} {versions[name]}" for name in ("jax", "scikit-learn") if name in versions)
    return "; ".join((where, *known))


def signed(value: float | None) -> str:
    """About three significant digits and a sign."""
    value = number(value)
    if value is None:
        return DASH
    digits = 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0
    return f"{value:+.{digits}f}".replace("-0.00", "+0.00")


def points(value: float | None) -> str:
    """A difference of UAR or of shares in points."""
    value = number(value)
    return DASH if value is None else f"{100 * value:+.1f}".replace("-0.0", "+0.0")


_FORMATS = {
    "%": percent,
    "points": points,
    "plain": plain,
    "ratio": plain,
    "signed": signed,
    "difference": signed,
    "": plain,
}


def said(estimate: Mapping[str, Any] | None, unit: str = "plain") -> str:
    """An estimate as "48.1 [45.0, 51.2]", or a dash; ``unit`` as in ``_FORMATS``."""
    show, found = _FORMATS[unit], Estimate.of(estimate)
    if found.mean is None or found.half_width is None:
        return show(found.mean)
    return f"{show(found.mean)} [{show(found.low)}, {show(found.high)}]"


def pair_title(pair: str) -> str:
    """ "M2 less M1" of "m2-m1"."""
    first, second = pair.split("-")
    names = MODELS | {"valid": "validation", "train": "training"}
    names |= {"real_set2": "real rows of set-2"}
    return f"{names.get(first, first)} less {names.get(second, second)}"


def method_title(method: str, size: int | None = None) -> str:
    title = METHODS.get(method, REFERENCES.get(method, method))
    return title if not size or method == "none" else f"{title}, {size} rows"


def counted(claims: list[Results]) -> dict[str, int]:
    """How many claims have each verdict."""
    words = [claim["verdict"] for claim in claims]
    return {word: words.count(word) for word in ("holds", "does not hold", "undecided")}
