"""The evaluate stage: every metric of every lane and of the references, from tables alone.

One z-space per fold, that of its set-1, for SVMs, FID, variance ratio and distances. What does
not depend on the generator (SVMs on set-1 and set-2, the FID nets, all references) is computed
once per corpus and fold and cached.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, cached_property, partial
from itertools import count
from pathlib import Path

import numpy as np
from joblib import Parallel, cpu_count, delayed
from threadpoolctl import threadpool_limits

from aegan.data.contract import check_same
from aegan.data.corpus import Corpus
from aegan.data.folds import Fold, standardiser_of
from aegan.data.plausibility import breaches, rules_of
from aegan.errors import InputError
from aegan.metrics.along import HELD_OUT, MEASURED, Along, finite, summary_along
from aegan.metrics.classifiers import SVM, learn
from aegan.metrics.device import settings_of
from aegan.metrics.diversity import nearness, spacing, variance_ratio
from aegan.metrics.fid import FidProtocol, fid_scores
from aegan.metrics.fold_tools import (
    FoldSpace,
    FoldTools,
    Place,
    cached,
    fid_nets,
    fold_space,
    svm_on_set1,
    svm_on_set2,
)
from aegan.metrics.intervals import HeldOut, by_speaker
from aegan.metrics.pictures import pictures_of
from aegan.metrics.references import GENERATORS, Rows, reference_seed
from aegan.metrics.summary import AUGMENTED, METRICS, REFERENCES, TESTS, summary_of, words_of
from aegan.metrics.svm import SvmProtocol, confusion_counts, predict, recalls, tune_and_fit, uar
from aegan.tables.synthetic import read_synthetic

# Of the FoldTools: what the screen calls it, how it is made, its part of the protocol.
_FOLD_TASKS = (
    ("FID nets", fid_nets, "fid"),
    ("SVM on set-1", svm_on_set1, "svm"),
    ("SVM on set-2", svm_on_set2, "svm"),
)
_PICTURES = "pictures"
_MAX_JOBS = 8  # a search at 10,000 rows holds 0.7 GB, of two classes 1.3


@dataclass(frozen=True)
class EvaluationProtocol:
    """Everything that is fixed about an evaluation."""

    svm: SvmProtocol = SvmProtocol()  # of metrics 1 and 2
    classifiers: tuple[str, ...] = (SVM,)  # of TSTR on set-2; the first of AUGMENTED
    fid: FidProtocol = FidProtocol()  # of metric 3
    clip: float = 10.0  # of z-scores, as in training
    reference_rows: int = 6000  # per fold of every trivial generator: as many as the models'
    seed: int = 0  # of the trivial generators and of sampled distances


def evaluate(
    corpus: Corpus,
    folds: Sequence[Fold],
    lanes: Sequence[Mapping],
    synthetic_path: Callable[[dict], Path],
    protocol: EvaluationProtocol,
    cache_dir: Path | None,
    jobs: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    along: Along | None = None,
) -> dict:
    """Metrics, references, use, per_class, confusion, svm, plausibility, verdict and pictures.

    A lane with status "diverged" or with a non-finite cell has None for every metric and enters
    no mean. No value is NaN. What needs set-2 is None where a fold holds nothing out.

    Args:
        corpus: the real rows, as the lanes were trained on.
        folds: of the corpus; lane["fold"] is the `index` of one of them.
        lanes: lane records with "seed", "fold", "status", in the order of the results.
        synthetic_path: lane record -> the table of its synthetic rows, in raw units.
        protocol: what is fixed.
        cache_dir: where model-independent results are kept; None keeps none.
        jobs: threads, by default one per core (8 at most). Results do not depend on it: every
            product runs on one thread.
        progress: called as (what, done, total), with done 0 and after every finished task.
        along: what is judged along the way of the training, told as "along".

    Raises:
        InputError: a synthetic table is missing, or is of other features or classes.
    """
    points = [(i, epoch) for i in range(len(lanes)) for epoch in (along.epochs if along else ())]
    report = progress or (lambda what, done, total: None)
    places: dict[int, Place] = {
        fold.index: (corpus, fold, standardiser_of(corpus.features, fold, protocol.clip))
        for fold in folds
    }
    uses = {fold.index: _uses(protocol, fold) for fold in folds}
    total = (len(_FOLD_TASKS) + len(REFERENCES)) * len(folds) + len(points) + 1
    total += sum(1 + len(uses[lane["fold"]]) for lane in lanes)
    report("start", 0, total)
    done = count(1)
    pool = Parallel(
        jobs or min(cpu_count(), _MAX_JOBS), backend="threading", return_as="generator_unordered"
    )

    def run(tasks: Mapping[str, Callable]) -> dict:
        """Results of calls by their words for the screen; an error ends all."""
        found = {}
        for words, value in pool(delayed(_run)(*task) for task in tasks.items()):
            found[words] = value
            report(words, next(done), total)
        return found

    of_folds = {
        f"{words}, fold {k}": partial(make, *place, getattr(protocol, field), cache_dir)
        for words, make, field in _FOLD_TASKS
        for k, place in places.items()
    }
    with threadpool_limits(1):
        made = run(of_folds)
        tools = {
            k: FoldTools(*(made[f"{words}, fold {k}"] for words, *_ in _FOLD_TASKS)) for k in places
        }
        benches = {k: _Bench(place, tools[k], protocol, cache_dir) for k, place in places.items()}
        of_lanes = {
            words_of(lane): partial(benches[lane["fold"]].lane, lane, synthetic_path)
            for lane in lanes
        }
        of_uses = {
            f"{words_of(lane)}, {use}": partial(
                benches[lane["fold"]].lane_in_use, use, lane, synthetic_path
            )
            for lane in lanes
            for use in uses[lane["fold"]]
        }
        of_pictures = {_PICTURES: partial(_pictures, benches, lanes, synthetic_path)}
        of_references = {
            f"reference {name}, fold {k}": partial(bench.reference, name)
            for name in reversed(REFERENCES)
            for k, bench in benches.items()
        }
        of_points = {
            f"{words_of(lanes[i])}, epoch {epoch}": partial(
                benches[lanes[i]["fold"]].point, partial(along.drawn, along.rows, lanes[i], epoch)
            )
            for i, epoch in points
        }
        # The shortest last, so that no core waits long for another.
        found = run(of_lanes | of_points | of_references | of_uses | of_pictures)
    model = [found[words] for words in of_lanes]
    for value, lane in zip(model, lanes, strict=True):
        if value is not None:
            in_use = {use: found[f"{words_of(lane)}, {use}"] for use in uses[lane["fold"]]}
            value["right"] |= in_use
    references = {
        name: {k: found[f"reference {name}, fold {k}"] for k in places} for name in REFERENCES
    }
    words = settings_of(protocol.svm) | {
        "selection": "balanced accuracy over stratified shuffled inner folds of the SVM's own "
        f"training set; the smallest C within {protocol.svm.tie:g} of the best",
        "space": f"z-scores of set-1, clipped at {protocol.clip:g}",
        "reference_rows": protocol.reference_rows,
        "fid": settings_of(protocol.fid),
        "classifiers": list(protocol.classifiers),
    }
    tested = {fold.index: _tested(corpus, fold) for fold in folds}
    split_of = {fold.index: fold.split for fold in folds}
    lanes = [{**lane, "split": split_of[lane["fold"]]} for lane in lanes]
    shown = list(dict.fromkeys((SVM, *protocol.classifiers, AUGMENTED)))
    told = summary_of(corpus.classes, lanes, tools, tested, shown, model, references, words)
    told["pictures"] = found[_PICTURES]
    if along:
        of = dict(zip(points, (found[words] for words in of_points), strict=True))
        real = {
            k: references["real"][k]["metrics"] | bench.held_out() for k, bench in benches.items()
        }
        told["along"] = summary_along(along, lanes, of, real)
    return told


def _tested(corpus: Corpus, fold: Fold) -> HeldOut:
    labels, names = corpus.labels[fold.valid], np.array(fold.held_out)
    counts = by_speaker(labels, labels, corpus.speakers[fold.valid], names, len(corpus.classes))
    return HeldOut(fold.held_out, np.diagonal(counts, axis1=1, axis2=2))


def _uses(protocol: EvaluationProtocol, fold: Fold) -> list[str]:
    """What rows are used for on a fold beside metric 2."""
    others = [name for name in protocol.classifiers if name != SVM]
    return [*others, AUGMENTED] if len(fold.valid) else []


def _run(words: str, task: Callable) -> tuple:
    with threadpool_limits(1):  # of this thread; libsvm and BLAS let go of the GIL
        return words, task()


def _pictures(
    benches: Mapping[int, _Bench],
    lanes: Sequence[Mapping],
    synthetic_path: Callable[[dict], Path],
) -> dict:
    """Of the rows of the first sound lane, else of the first that has figures, beside set-1's."""
    for lane in sorted(lanes, key=lambda lane: lane["status"] != "ok"):
        bench = benches[lane["fold"]]
        rows = lane["status"] != "diverged" and bench.synthetic(lane, synthetic_path)
        if rows:
            corpus, space = bench.place[0], fold_space(*bench.place)
            real = space.set1_z, space.labels1
            found = pictures_of(corpus.feature_names, corpus.classes, real, rows[0])
            return found and {key: lane[key] for key in ("seed", "fold")} | found
    return {}


@dataclass(frozen=True)
class _Bench:
    """What the rows of one fold are measured with."""

    place: Place
    tools: FoldTools
    protocol: EvaluationProtocol
    cache_dir: Path | None

    @cached_property
    def spacing(self) -> float:
        """Of the rows of set-1."""
        return spacing(fold_space(*self.place).set1_z, self.protocol.seed)

    def synthetic(
        self, lane: Mapping, synthetic_path: Callable[[dict], Path]
    ) -> tuple[Rows, np.ndarray] | None:
        """Rows of a lane in z with their labels, and as they were; None for no rows or NaN."""
        corpus, _, standardiser = self.place
        path = synthetic_path(lane)
        table = read_synthetic(path)
        check_same(str(path), table.contract, f"corpus {corpus.name!r}", corpus.contract)
        for name in table.classes:
            if name not in corpus.classes:
                raise InputError(
                    f"{path}: class {name!r} is not in corpus {corpus.name!r}; "
                    "evaluate against the corpus that the model was trained on"
                )
        # Before standardising: the clip would make an infinite cell look finite.
        if len(table.labels) == 0 or not np.isfinite(table.features).all():
            return None
        labels = np.array([corpus.classes.index(c) for c in table.classes], np.int32)
        return (standardiser.to_z(table.features), labels[table.labels]), table.features

    def lane(self, lane: Mapping, synthetic_path: Callable[[dict], Path]) -> dict | None:
        found = None if lane["status"] == "diverged" else self.synthetic(lane, synthetic_path)
        if found is None:
            return None
        (corpus, fold, _), (rows, raw) = self.place, found
        found = self.measure(rows)
        rules = rules_of(corpus.feature_names)
        parts = {"real": corpus.features[fold.train], "synthetic": raw}
        breached = {who: [asdict(b) for b in breaches(rules, of)] for who, of in parts.items()}
        return found | {"plausibility": breached, "right": {SVM: found["right"]}}

    def lane_in_use(
        self, use: str, lane: Mapping, synthetic_path: Callable[[dict], Path]
    ) -> list[list[int]] | None:
        """A use of a lane's rows, apart from their metrics: cores share small tasks better."""
        found = None if lane["status"] == "diverged" else self.synthetic(lane, synthetic_path)
        return found and self.right_by(use, found[0])

    def point(self, drawn: Callable[[], Rows | None]) -> dict | None:
        """The metrics of rows along the way."""
        rows = finite(drawn())
        if rows is None:
            return None
        z = self.place[2].to_z(rows[0]), rows[1]
        found = self.measure(z, near=False)["metrics"] | self.held_out(z[0])
        return {name: found[name] for name in MEASURED}

    def held_out(self, rows_z: np.ndarray | None = None) -> dict:
        """FID of rows, without any of set-1's, against set-2, over the floor of its halves."""
        space = fold_space(*self.place)
        if len(space.set2_z) < 4:
            return {HELD_OUT: None}
        rows_z = space.set1_z if rows_z is None else rows_z
        found = fid_scores(self.tools.nets, space.set2_z, rows_z, self.protocol.fid)
        return {HELD_OUT: found.fid_over_floor}

    def reference(self, name: str) -> dict:
        index, protocol = self.place[1].index, settings_of(self.protocol)
        first = protocol.pop("classifiers")[0]
        parts = {"item": f"reference {name}", "fold_index": index, "protocol": protocol}
        make = None
        if name in GENERATORS:
            seed = reference_seed(self.protocol.seed, index, name)
            set1, rows = fold_space(*self.place).set1, self.protocol.reference_rows
            make = cache(partial(GENERATORS[name], *set1, rows, seed))  # once, if at all
        keep = partial(cached, self.place, self.cache_dir)
        found = keep(partial(self.measure, make), **parts)
        right = {SVM: found["right"]}
        for use in _uses(self.protocol, self.place[1]):
            by = first if use == AUGMENTED else use
            own = parts | {"use": use, "by": by}
            right[use] = keep(lambda use=use: {"right": self.right_by(use, make)}, **own)["right"]
        return found | {"right": right}

    def right_by(self, use: str, synthetic: Rows | Callable[[], Rows] | None) -> list[list[int]]:
        """Rows of each speaker and class of set-2 that a classifier trained on rows recognises.

        ``synthetic`` as in ``measure``. AUGMENTED: trained on the rows of set-1 and as many
        synthetic ones; of an SVM the C is that of set-1 alone.
        """
        space, first = fold_space(*self.place), self.protocol.classifiers[0]
        if callable(synthetic):
            synthetic = synthetic()
        rows, labels = synthetic or (space.set1_z, space.labels1)
        by = first if use == AUGMENTED else use
        if use == AUGMENTED and synthetic:
            rows = np.concatenate([space.set1_z, rows[: len(space.set1_z)]])
            labels = np.concatenate([space.labels1, labels[: len(space.set1_z)]])
        if by == SVM:
            grid = (self.tools.svm_set1.c,)
            predicted = predict(
                tune_and_fit(rows, labels, replace(self.protocol.svm, c_grid=grid)), space.set2_z
            )
        else:
            predicted = learn(by, rows, labels)(space.set2_z)
        return self.right(space, predicted)

    def right(self, space: FoldSpace, predicted: np.ndarray) -> list[list[int]]:
        names, classes = np.unique(space.speakers2), len(self.place[0].classes)
        counts = by_speaker(space.labels2, predicted, space.speakers2, names, classes)
        return np.diagonal(counts, axis1=1, axis2=2).tolist()

    def measure(self, synthetic: Rows | Callable[[], Rows] | None, near: bool = True) -> dict:
        """Every metric of synthetic rows in z, or of what makes them; None: of set-1.

        Without ``near`` none of what the nearest rows tell, which takes long.

        JSON values: "metrics" {name: value}, "confusion" {test: counts}, "per_class" {figure:
        value of each class}, "c" and "note" of the SVM trained on the synthetic rows, "right" rows
        that it recognises of each speaker and class of set-2.
        """
        space, tools, protocol = fold_space(*self.place), self.tools, self.protocol
        n_classes = len(self.place[0].classes)
        if callable(synthetic):
            synthetic = synthetic()
        rows, labels = synthetic or (space.set1_z, space.labels1)
        own = tune_and_fit(rows, labels, protocol.svm) if synthetic else tools.svm_set1
        tests = {
            "trts_set1": (tools.svm_set1, rows, labels),
            "tstr_set1": (own, space.set1_z, space.labels1),
        }
        if tools.svm_set2 is not None:
            tests |= {
                "trts_set2": (tools.svm_set2, rows, labels),
                "tstr_set2": (own, space.set2_z, space.labels2),
                "real_to_real": (tools.svm_set1, space.set2_z, space.labels2),
            }
        predicted = {name: predict(svm, tested) for name, (svm, tested, _) in tests.items()}
        confusion = {
            name: confusion_counts(truth, predicted[name], n_classes)
            for name, (_, _, truth) in tests.items()
        }
        right = None
        if tools.svm_set2 is not None:
            right = self.right(space, predicted["tstr_set2"])
        fid = fid_scores(tools.nets, space.set1_z, rows if synthetic else None, protocol.fid)
        variance = variance_ratio(rows, labels, space.set1_z, space.labels1)
        metrics = dict.fromkeys(TESTS) | {name: uar(counts) for name, counts in confusion.items()}
        metrics |= fid._asdict() | {"variance_ratio": variance.overall}
        if near:
            looked_at = rows if synthetic else None
            near_set1 = nearness(looked_at, space.set1_z, protocol.seed, self.spacing)
            metrics |= near_set1._asdict()
        per_class = {"variance_ratio": [variance.per_class.get(c) for c in range(n_classes)]}
        for test in ("trts_set2", "tstr_set2"):
            known = test in confusion
            found = recalls(confusion[test]).tolist() if known else [None] * n_classes
            per_class[f"{test}_recall"] = found
        return {
            "metrics": {name: metrics.get(name) for name in METRICS},
            "confusion": {name: counts.tolist() for name, counts in confusion.items()},
            "right": right,
            "per_class": per_class,
            "c": own.c,
            "note": own.note,
        }
