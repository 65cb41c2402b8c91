"""The evaluate stage: every metric of every lane and of the references, from tables alone.

One z-space per fold, that of its set-1, for SVMs, FID, variance ratio and distances. What does
not depend on the generator (SVMs on set-1 and set-2, the FID nets, all references) is computed
once per corpus and fold and cached.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
from joblib import Parallel, cpu_count, delayed
from threadpoolctl import threadpool_limits

from aegan.data.contract import check_same
from aegan.data.corpus import Corpus
from aegan.data.folds import Fold, Standardiser, fit_standardiser
from aegan.data.plausibility import breaches, rules_of
from aegan.errors import InputError
from aegan.metrics.cache import Item, cached
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
from aegan.metrics.references import GENERATORS, reference_seed
from aegan.metrics.summary import METRICS, REFERENCES, summary_of
from aegan.metrics.svm import SvmProtocol, confusion_counts, predict, recalls, tune_and_fit, uar
from aegan.tables.synthetic import SyntheticTable, read_synthetic

# Field of FoldTools -> (what the screen calls it, how it is made, its part of the protocol).
_FOLD_TASKS = {
    "nets": ("FID nets", fid_nets, "fid"),
    "svm_set1": ("SVM on set-1", svm_on_set1, "svm"),
    "svm_set2": ("SVM on set-2", svm_on_set2, "svm"),
}
_MAX_JOBS = 8  # a search at 10,000 rows holds about 1.2 GB

_Place = tuple[Corpus, Fold, Standardiser]


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
    report = progress or (lambda what, done, total: None)
    report("start", 0, total)
    done = count(1)
    pool = Parallel(
        jobs or min(cpu_count(), _MAX_JOBS), backend="threading", return_as="generator_unordered"
    )

    def run(tasks: Mapping[tuple, tuple[str, Callable]]) -> dict:
        """Results by key of calls with their words for the screen; an error ends all."""
        found = {}
        for key, words, value in pool(delayed(_run)(key, *task) for key, task in tasks.items()):
            found[key] = value
            report(words, next(done), total)
        return found

    places: dict[int, _Place] = {
        fold.index: (corpus, fold, fit_standardiser(corpus.features, fold.train, protocol.clip))
        for fold in folds
    }
    with threadpool_limits(1):
        parts = run(
            {
                (what, k): (
                    f"{words}, fold {k}",
                    partial(make, *place, getattr(protocol, field), cache_dir),
                )
                for what, (words, make, field) in _FOLD_TASKS.items()
                for k, place in places.items()
            }
        )
        tools = {k: FoldTools(**{what: parts[what, k] for what in _FOLD_TASKS}) for k in places}
        of_lanes = {
            ("model", number): (
                f"synthetic rows, seed {lane['seed']}, fold {lane['fold']}",
                partial(
                    _lane, places[lane["fold"]], tools[lane["fold"]], lane, synthetic_path, protocol
                ),
            )
            for number, lane in enumerate(lanes)
        }
        of_references = {
            (name, k): (
                f"reference {name}, fold {k}",
                partial(_reference, place, tools[k], name, protocol, cache_dir),
            )
            for name in REFERENCES
            for k, place in places.items()
        }
        measured = run(of_lanes | of_references)
    model = [measured["model", number] for number in range(len(lanes))]
    references = {name: {k: measured[name, k] for k in places} for name in REFERENCES}
    return summary_of(corpus.classes, lanes, tools, model, references, _protocol_words(protocol))


def measure(
    space: FoldSpace,
    tools: FoldTools,
    synthetic: tuple[np.ndarray, np.ndarray] | None,
    n_classes: int,
    protocol: EvaluationProtocol,
) -> dict:
    """Every metric of one set of synthetic rows (z, labels); None for the rows of set-1 themselves.

    Returns JSON values: "metrics" {name: value}, "confusion" {test: counts}, "per_class" {figure:
    value of each class}, "chosen_c" and "note" of the SVM trained on the synthetic rows.
    """
    rows, labels = synthetic or (space.set1_z, space.labels1)
    own = tune_and_fit(rows, labels, protocol.svm) if synthetic else tools.svm_set1
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
    fid = fid_scores(tools.nets, space.set1_z, rows if synthetic else None, protocol.fid)
    variance = variance_ratio(rows, labels, space.set1_z, space.labels1)
    near = nearness(rows if synthetic else None, space.set1_z, protocol.seed)
    metrics = {name: uar(counts) for name, counts in confusion.items()}
    metrics |= fid._asdict() | near._asdict() | {"variance_ratio": variance.overall}
    return {
        "metrics": {name: metrics[name] for name in METRICS},
        "confusion": {name: counts.tolist() for name, counts in confusion.items()},
        "per_class": {
            "variance_ratio": [variance.per_class.get(label) for label in range(n_classes)],
            "trts_set2_recall": recalls(confusion["trts_set2"]).tolist(),
            "tstr_set2_recall": recalls(confusion["tstr_set2"]).tolist(),
        },
        "chosen_c": own.c,
        "note": own.note,
    }


def _run(key: tuple, words: str, task: Callable) -> tuple:
    with threadpool_limits(1):  # of this thread; libsvm and BLAS let go of the GIL
        return key, words, task()


def _reference(
    place: _Place,
    tools: FoldTools,
    name: str,
    protocol: EvaluationProtocol,
    cache_dir: Path | None,
) -> dict:
    corpus, fold, _ = place

    def make() -> Item:
        space, rows = fold_space(*place), None
        if name in GENERATORS:
            seed = reference_seed(protocol.seed, fold.index, name)
            rows = GENERATORS[name](space.set1_z, space.labels1, protocol.reference_rows, seed)
        return Item(measure(space, tools, rows, len(corpus.classes), protocol), {})

    parts = {"item": f"reference {name}", "fold_index": fold.index, "protocol": asdict(protocol)}
    return cached(cache_dir, fold_key(*place, **parts), make).meta


def _lane(
    place: _Place,
    tools: FoldTools,
    lane: Mapping,
    synthetic_path: Callable[[dict], Path],
    protocol: EvaluationProtocol,
) -> dict | None:
    if lane["status"] == "diverged":
        return None
    corpus, fold, standardiser = place
    path = synthetic_path(lane)
    table = read_synthetic(path)
    labels = _checked_labels(table, corpus, path)
    # Before standardising: the clip would make an infinite cell look finite.
    if len(labels) == 0 or not np.isfinite(table.features).all():
        return None
    rows = (standardiser.to_z(table.features), labels)
    found = measure(fold_space(*place), tools, rows, len(corpus.classes), protocol)
    rules = rules_of(corpus.feature_names)
    parts = {"real": corpus.features[fold.train], "synthetic": table.features}
    breached = {who: [asdict(b) for b in breaches(rules, raw)] for who, raw in parts.items()}
    return found | {"plausibility": breached}


def _checked_labels(table: SyntheticTable, corpus: Corpus, path: Path) -> np.ndarray:
    """Labels of the table as indices into the corpus' classes."""
    check_same(str(path), table.contract, f"corpus {corpus.name!r}", corpus.contract)
    for name in table.classes:
        if name not in corpus.classes:
            raise InputError(
                f"{path}: class {name!r} is not in corpus {corpus.name!r}; "
                "evaluate against the corpus that the model was trained on"
            )
    lookup = np.array([corpus.classes.index(name) for name in table.classes], dtype=np.int32)
    return lookup[table.labels]


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
