"""The evaluate stage: every metric of every lane and of the references, from tables alone.

One z-space per fold, that of its set-1, for SVMs, FID, variance ratio and distances. What does
not depend on the generator (SVMs on set-1 and set-2, the FID nets, all references) is computed
once per corpus and fold and cached.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from joblib import cpu_count
from threadpoolctl import threadpool_limits

from aegan.data.contract import check_same
from aegan.data.corpus import Corpus
from aegan.data.folds import Fold, Standardiser, fit_standardiser
from aegan.data.plausibility import breaches, rules_of
from aegan.errors import InputError
from aegan.metrics.cache import load, store
from aegan.metrics.diversity import nearness, variance_ratio
from aegan.metrics.fid import FidProtocol, fid_scores
from aegan.metrics.fold_tools import (
    FoldSpace,
    FoldTools,
    fid_nets,
    fold_key,
    fold_space,
    svm_on_set1,
    svm_on_set2,
)
from aegan.metrics.intervals import summarise
from aegan.metrics.references import GENERATORS, reference_seed
from aegan.metrics.runner import Runner
from aegan.metrics.svm import (
    SvmProtocol,
    confusion_counts,
    predict,
    recalls,
    tune_and_fit,
    uar,
)
from aegan.metrics.verdict import judge
from aegan.tables.synthetic import SyntheticTable, read_synthetic

METRICS = (
    "trts_set1",  # metric 1: SVM trained on set-1, tested on synthetic rows
    "trts_set2",  # metric 1: SVM trained on set-2, tested on synthetic rows
    "tstr_set1",  # metric 2: SVM trained on synthetic rows, tested on set-1
    "tstr_set2",  # metric 2: SVM trained on synthetic rows, tested on set-2
    "real_to_real",  # SVM trained on set-1, tested on set-2: the ceiling of tstr_set2
    "fid",
    "fid_real",
    "fid_over_floor",
    "variance_ratio",
    "nn_distance",
    "copies",
)
TESTS = METRICS[:5]  # those with a confusion matrix
REFERENCES = ("real", *GENERATORS)
# Field of FoldTools -> (what the screen calls it, how it is made, its part of the protocol).
_FOLD_TASKS = {
    "nets": ("FID nets", fid_nets, "fid"),
    "svm_set1": ("SVM on set-1", svm_on_set1, "svm"),
    "svm_set2": ("SVM on set-2", svm_on_set2, "svm"),
}
_MAX_JOBS = 8  # a search at 10,000 rows holds about 1.2 GB


@dataclass(frozen=True)
class EvaluationProtocol:
    """Everything that is fixed about an evaluation.

    Attributes:
        svm: of metrics 1 and 2.
        fid: of metric 3.
        clip: z-scores are clipped at +-clip, as in training.
        reference_rows: rows per fold of every trivial generator (the models' 6000).
        seed: of the trivial generators and of sampled distances.
    """

    svm: SvmProtocol = SvmProtocol()
    fid: FidProtocol = FidProtocol()
    clip: float = 10.0
    reference_rows: int = 6000
    seed: int = 0


def evaluate(
    corpus: Corpus,
    folds: Sequence[Fold],
    lanes: Sequence[Mapping],
    synthetic_path: Callable[[dict], Path],
    protocol: EvaluationProtocol,
    cache_dir: Path | None,
    jobs: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> dict:
    """Evaluates all lanes.

    The keys are metrics, references, per_class, confusion, svm, plausibility and verdict.

    Args:
        corpus: the real rows, as the lanes were trained on.
        folds: of the corpus; lane["fold"] is the `index` of one of them.
        lanes: lane records with "seed", "fold", "status", in the order of the results.
        synthetic_path: lane record -> the Parquet table of its synthetic rows, in raw units.
        protocol: what is fixed.
        cache_dir: where model-independent results are kept; None keeps none.
        jobs: threads; None takes the machine's cores (8 at most). The results do not depend on
            it: every product runs on one thread.
        progress: called as (what, done, total), once with done 0 and after every finished task.

    A lane with status "diverged" or with a non-finite cell has None for every metric and enters
    no mean. No value is NaN.

    Raises:
        InputError: a synthetic table that is missing, or whose features or classes are not the
            corpus'.
    """
    total = (len(_FOLD_TASKS) + len(REFERENCES)) * len(folds) + len(lanes)
    run = Runner(jobs or min(cpu_count(), _MAX_JOBS), total, progress)
    spaces = [fit_standardiser(corpus.features, f.train, clip=protocol.clip) for f in folds]
    position = {fold.index: number for number, fold in enumerate(folds)}

    with threadpool_limits(1):
        parts = run(
            {
                (what, k): (
                    f"{words}, fold {fold.index}",
                    partial(task, corpus, fold, spaces[k], getattr(protocol, field), cache_dir),
                )
                for what, (words, task, field) in _FOLD_TASKS.items()
                for k, fold in enumerate(folds)
            }
        )
        tools = [
            FoldTools(**{what: parts[what, k] for what in _FOLD_TASKS}) for k in range(len(folds))
        ]
        tasks: dict = {}
        for number, lane in enumerate(lanes):
            k = position[lane["fold"]]
            tasks["lane", number] = (
                f"synthetic rows, seed {lane['seed']}, fold {lane['fold']}",
                partial(
                    _lane, corpus, folds[k], spaces[k], tools[k], lane, synthetic_path, protocol
                ),
            )
        for name in REFERENCES:
            for k, fold in enumerate(folds):
                tasks[name, k] = (
                    f"reference {name}, fold {fold.index}",
                    partial(
                        _reference, corpus, fold, spaces[k], tools[k], name, protocol, cache_dir
                    ),
                )
        measured = run(tasks)

    of_lane = [position[lane["fold"]] for lane in lanes]
    model = [measured["lane", number] for number in range(len(lanes))]
    references = {name: [measured[name, k] for k in of_lane] for name in REFERENCES}
    groups = {"model": model, **references}
    metrics = {name: _summaries(values, lanes) for name, values in groups.items()}
    per_class = {name: _per_class(v, lanes, corpus.classes) for name, v in groups.items()}
    reference_metrics = {name: metrics[name] for name in REFERENCES}
    verdict = judge(metrics["model"], reference_metrics, per_class["model"], lanes)
    verdict["references"] = {
        name: judge(metrics[name], reference_metrics, per_class[name], _healthy(lanes))["word"]
        for name in REFERENCES
    }
    return {
        "metrics": metrics["model"],
        "references": reference_metrics,
        "per_class": per_class,
        "confusion": {name: _confusions(values) for name, values in groups.items()},
        "svm": {
            "protocol": _protocol_words(protocol),
            "chosen_c": {
                "set1": [part.svm_set1.c for part in tools],
                "set2": [part.svm_set2.c for part in tools],
                "synthetic": [None if r is None else r["chosen_c"] for r in model],
                **{
                    name: [measured[name, k]["chosen_c"] for k in range(len(folds))]
                    for name in GENERATORS
                },
            },
            "notes": _notes(folds, lanes, tools, model, measured),
        },
        "plausibility": _plausibility(model, lanes),
        "verdict": verdict,
    }


def measure(
    space: FoldSpace,
    tools: FoldTools,
    synthetic: tuple[np.ndarray, np.ndarray] | None,
    n_classes: int,
    protocol: EvaluationProtocol,
) -> dict:
    """Every metric of one set of synthetic rows (z, labels); None for the rows of set-1 themselves.

    Returns JSON values: "metrics" {name: value}, "confusion" {test: counts}, "variance_ratio"
    {label as text: ratio}, "chosen_c" and "note" of the SVM trained on the synthetic rows.
    """
    rows, labels = (space.set1_z, space.labels1) if synthetic is None else synthetic
    if synthetic is None:
        own = tools.svm_set1
    else:
        own = tune_and_fit(rows, labels, protocol.svm)
    tests = {
        "trts_set1": (tools.svm_set1, rows, labels),
        "trts_set2": (tools.svm_set2, rows, labels),
        "tstr_set1": (own, space.set1_z, space.labels1),
        "tstr_set2": (own, space.set2_z, space.labels2),
        "real_to_real": (tools.svm_set1, space.set2_z, space.labels2),
    }
    confusion = {
        name: confusion_counts(truth, predict(svm, tested), n_classes)
        for name, (svm, tested, truth) in tests.items()
    }
    fid = fid_scores(tools.nets, space.set1_z, None if synthetic is None else rows, protocol.fid)
    variance = variance_ratio(rows, labels, space.set1_z, space.labels1)
    near = nearness(None if synthetic is None else rows, space.set1_z, protocol.seed)
    metrics = {name: uar(counts) for name, counts in confusion.items()}
    metrics |= fid._asdict() | near._asdict() | {"variance_ratio": variance.overall}
    return {
        "metrics": {name: metrics[name] for name in METRICS},
        "confusion": {name: counts.tolist() for name, counts in confusion.items()},
        "variance_ratio": {str(label): ratio for label, ratio in variance.per_class.items()},
        "chosen_c": own.c,
        "note": own.note,
    }


def _reference(
    corpus: Corpus,
    fold: Fold,
    standardiser: Standardiser,
    tools: FoldTools,
    name: str,
    protocol: EvaluationProtocol,
    cache_dir: Path | None,
) -> dict:
    key = fold_key(
        corpus,
        fold,
        standardiser,
        item=f"reference {name}",
        fold_index=fold.index,
        protocol=asdict(protocol),
    )
    item = load(cache_dir, key)
    if item is not None:
        return item.meta
    space = fold_space(corpus, fold, standardiser)
    rows = None
    if name in GENERATORS:
        seed = reference_seed(protocol.seed, fold.index, name)
        rows = GENERATORS[name](space.set1_z, space.labels1, protocol.reference_rows, seed)
    measured = measure(space, tools, rows, len(corpus.classes), protocol)
    store(cache_dir, key, measured, {})
    return measured


def _lane(
    corpus: Corpus,
    fold: Fold,
    standardiser: Standardiser,
    tools: FoldTools,
    lane: Mapping,
    synthetic_path: Callable[[dict], Path],
    protocol: EvaluationProtocol,
) -> dict | None:
    if lane["status"] == "diverged":
        return None
    path = synthetic_path(lane)
    table = read_synthetic(path)
    labels = _checked_labels(table, corpus, path)
    # Before standardising: the clip would make an infinite cell look finite.
    if len(labels) == 0 or not np.isfinite(table.features).all():
        return None
    rows = (standardiser.to_z(table.features), labels)
    space = fold_space(corpus, fold, standardiser)
    measured = measure(space, tools, rows, len(corpus.classes), protocol)
    rules = rules_of(corpus.feature_names)
    return measured | {
        "plausibility": {
            "real": breaches(rules, corpus.features[fold.train]),
            "synthetic": breaches(rules, table.features),
        }
    }


def _checked_labels(table: SyntheticTable, corpus: Corpus, path: Path) -> np.ndarray:
    """Labels of the table as indices into the corpus' classes."""
    check_same(str(path), table.contract, f"corpus {corpus.name!r}", corpus.contract)
    places = {name: place for place, name in enumerate(corpus.classes)}
    for name in table.classes:
        if name not in places:
            raise InputError(
                f"{path}: class {name!r} is not in corpus {corpus.name!r}; "
                "evaluate against the corpus that the model was trained on"
            )
    lookup = np.array([places[name] for name in table.classes], dtype=np.int32)
    return lookup[table.labels]


def _summaries(values: Sequence[dict | None], lanes: Sequence[Mapping]) -> dict:
    return {
        name: summarise([None if v is None else v["metrics"][name] for v in values], lanes)
        for name in METRICS
    }


def _per_class(
    values: Sequence[dict | None], lanes: Sequence[Mapping], classes: tuple[str, ...]
) -> dict:
    """Means over folds of every class's variance ratio and recalls on set-2."""

    def mean(value_of: Callable[[dict], float | None]) -> float | None:
        return summarise([None if v is None else value_of(v) for v in values], lanes)["mean"]

    def recall(test: str, label: int) -> float | None:
        return mean(lambda v: float(recalls(np.array(v["confusion"][test]))[label]))

    named = list(enumerate(classes))
    return {
        "variance_ratio": {
            name: mean(lambda v, label=label: v["variance_ratio"].get(str(label)))
            for label, name in named
        },
        "trts_set2_recall": {name: recall("trts_set2", label) for label, name in named},
        "tstr_set2_recall": {name: recall("tstr_set2", label) for label, name in named},
    }


def _plausibility(values: Sequence[dict | None], lanes: Sequence[Mapping]) -> list[dict]:
    """Per rule: how often real rows of set-1 and synthetic rows break it, means over folds."""
    healthy = [value for value in values if value is not None]
    if not healthy:
        return []

    def mean(who: str, place: int, field: str) -> float | None:
        per_lane = [
            None if v is None else getattr(v["plausibility"][who][place], field) for v in values
        ]
        return summarise(per_lane, lanes)["mean"]

    return [
        {
            "rule": breach.rule,
            "checks": breach.checks,
            "real_rows": mean("real", place, "rows"),
            "synthetic_rows": mean("synthetic", place, "rows"),
            "synthetic_checks": mean("synthetic", place, "places"),
        }
        for place, breach in enumerate(healthy[0]["plausibility"]["real"])
    ]


def _confusions(values: Sequence[dict | None]) -> dict:
    """Counts summed over the lanes that have a value; None where no lane has."""
    present = [value["confusion"] for value in values if value is not None]
    return {
        test: np.sum([np.array(counts[test]) for counts in present], axis=0).tolist()
        if present
        else None
        for test in TESTS
    }


def _healthy(lanes: Sequence[Mapping]) -> list[dict]:
    """The lanes without what happened to the model in them, for judging a reference."""
    return [{"seed": lane["seed"], "fold": lane["fold"], "status": "ok"} for lane in lanes]


def _protocol_words(protocol: EvaluationProtocol) -> dict:
    svm = asdict(protocol.svm)
    svm["c_grid"] = list(protocol.svm.c_grid)
    return svm | {
        "selection": "balanced accuracy over stratified shuffled inner folds of the SVM's own "
        f"training set; the smallest C within {protocol.svm.tie:g} of the best",
        "space": f"z-scores of set-1, clipped at {protocol.clip:g}",
        "reference_rows": protocol.reference_rows,
        "fid": asdict(protocol.fid) | {"net_seeds": list(protocol.fid.net_seeds)},
    }


def _notes(
    folds: Sequence[Fold],
    lanes: Sequence[Mapping],
    tools: Sequence[FoldTools],
    model: Sequence[dict | None],
    measured: dict,
) -> list[str]:
    """Every departure of an SVM from the protocol, in words."""
    notes = []
    for fold, part in zip(folds, tools, strict=True):
        for name, svm in (("set-1", part.svm_set1), ("set-2", part.svm_set2)):
            if svm.note:
                notes.append(f"SVM on {name}, fold {fold.index}: {svm.note}")
    for lane, value in zip(lanes, model, strict=True):
        if value is not None and value["note"]:
            place = f"seed {lane['seed']}, fold {lane['fold']}"
            notes.append(f"SVM on synthetic rows, {place}: {value['note']}")
    for name in GENERATORS:
        for k, fold in enumerate(folds):
            if measured[name, k]["note"]:
                notes.append(f"SVM on {name}, fold {fold.index}: {measured[name, k]['note']}")
    return notes
