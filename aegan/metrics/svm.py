"""The SVM of metric 1 (TRTS) and metric 2 (TSTR), tuned on its own training set (section 5.1).

One Gram matrix per training set serves every C and every inner fold by slicing, and the answers
are those of scikit-learn's ``GridSearchCV(SVC(...), StratifiedKFold(..., shuffle=True),
scoring="balanced_accuracy")``, many times faster. (The linear Gram is float32: libsvm keeps its
kernel cache in single precision in any case.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Literal

import numpy as np
from sklearn import config_context
from sklearn.metrics import balanced_accuracy_score
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import SVC
from sklearn.utils import compute_class_weight

from aegan.metrics import device
from aegan.metrics.device import Choice

_CHUNK = 4096  # rows predicted at once
_SEARCHED = 256  # and in a search, where each is as wide as there are rows
_ROUNDING = 1e-9  # mean scores closer than this are equal


@dataclass(frozen=True)
class SvmProtocol:
    """What is fixed about every SVM of an evaluation.

    Of C on z-scores of 1582 features everything from about 0.01 upwards is the hard margin.
    Synthetic sets are often so easy that every C scores 0.98 to 0.99, and a search for the last
    half point then ends there, which fits their quirks: it costs 4 points of TSTR on nEMO.
    """

    kernel: Literal["linear", "rbf"] = "linear"
    c_grid: tuple[float, ...] = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2)  # ascending
    inner_folds: int = 3  # of the search: stratified and shuffled
    class_weight: Literal["balanced"] | None = "balanced"  # every class weighs the same
    seed: int = 0  # of the inner folds and of the subsample
    max_search_rows: int = 10_000  # above it search and fit use a stratified subsample of so many
    tie: float = 0.0  # the smallest C no more than this below the best wins; 0: scikit-learn's way
    gamma: float | Literal["scale"] = "scale"  # of rbf: 1 / (dim * variance of all training values)
    device: Choice = "off"  # whether a GPU or TPU makes Gram matrices

    def __post_init__(self) -> None:
        if self.kernel not in ("linear", "rbf"):
            raise ValueError(f"kernel must be 'linear' or 'rbf', not {self.kernel!r}")
        grid = self.c_grid
        if not grid or min(grid) <= 0 or list(grid) != sorted(set(grid)):
            raise ValueError(f"c_grid must be positive and ascending, not {grid!r}")
        if not 0 <= self.tie < 1:
            raise ValueError(f"tie must lie in [0, 1), not {self.tie!r}")
        if self.inner_folds < 2:
            raise ValueError(f"inner_folds must be at least 2, not {self.inner_folds!r}")


@dataclass(frozen=True, eq=False)
class FittedSvm:
    """A tuned SVM as arrays: one-against-one decisions, the lower class where they are positive."""

    classes: np.ndarray  # labels seen in training, ascending
    c: float | None  # None where there was one class only
    intercept: np.ndarray  # (pairs,) float64
    weights: np.ndarray | None = None  # (pairs, dim) float64 of the linear kernel
    support: np.ndarray | None = None  # (n_sv, dim) float32 support rows of the rbf kernel
    coefficients: np.ndarray | None = None  # (pairs, n_sv) float64 of ``support``
    gamma: float | None = None  # of the rbf kernel
    inner_scores: Sequence[float] = ()  # mean balanced accuracy of every C that was searched
    note: str | None = None  # what departed from the protocol, in words


def tune_and_fit(features_z: np.ndarray, labels: np.ndarray, protocol: SvmProtocol) -> FittedSvm:
    """Chooses C by inner folds of z-scores (rows, dim) and labels (rows,) themselves, and fits.

    Where a class has fewer members than ``inner_folds``, as many folds as it has members are
    used; with a class of one member no search is possible and the middle of the grid is taken.
    A training set of one class gives a constant prediction. Each is said in ``note``. Nothing is
    searched where the grid has one C.

    Raises:
        ValueError: no rows.
    """
    if len(labels) == 0:
        raise ValueError("an SVM needs at least one training row")
    notes = []
    rows = np.ascontiguousarray(features_z, dtype=np.float32)
    labels = np.asarray(labels, dtype=np.int32)
    size = protocol.max_search_rows
    if len(rows) > size:
        notes.append(f"searched and fitted on a stratified subsample of {size} of {len(rows)} rows")
        chosen = stratified_subsample(labels, size, protocol.seed)
        rows, labels = rows[chosen], labels[chosen]
    classes, counts = np.unique(labels, return_counts=True)
    if len(classes) == 1:
        notes.append("one class only: constant prediction")
        return FittedSvm(classes, None, np.zeros(0), note="; ".join(notes))

    gamma = None
    if protocol.kernel == "rbf":
        # scikit-learn's "scale", one number for the whole search.
        scale = rows.shape[1] * float(rows.var(dtype=np.float64))
        gamma = (1 / scale if scale > 0 else 1.0) if protocol.gamma == "scale" else protocol.gamma
    order = np.argsort(labels, kind="stable")  # class by class, in which libsvm works
    in_order, rows = labels[order], rows[order]
    on_device = device.used(protocol.device) is not None
    gram = device.gram(rows, gamma) if on_device else _kernel(rows, rows, gamma)
    room = np.empty(int(np.sort(counts)[-2:].sum()) ** 2)  # of any two classes
    fit = partial(_fit, gram, in_order, protocol.class_weight, room)
    grid, scores = protocol.c_grid, []
    inner_folds = min(protocol.inner_folds, int(counts.min()))
    if len(grid) == 1:
        (c,) = grid
    elif inner_folds < 2:
        c = grid[len(grid) // 2]
        notes.append("a class has one member: no search, the middle of the grid")
    else:
        if inner_folds < protocol.inner_folds:
            notes.append(f"a class has {inner_folds} members: {inner_folds} inner folds")
        folds = StratifiedKFold(inner_folds, shuffle=True, random_state=protocol.seed)
        place = np.argsort(order)  # of each row in that order
        cuts = [[np.sort(place[part]) for part in cut] for cut in folds.split(labels, labels)]
        scores = _search(gram, in_order, fit, grid, cuts)
        enough = max(scores) - protocol.tie - _ROUNDING
        c = next(c for c, score in zip(grid, scores, strict=True) if score >= enough)

    (coefficients,), (intercept,) = fit((c,), np.arange(len(rows)))
    used = np.flatnonzero(coefficients.any(axis=0))
    coefficients, support = coefficients[:, used], rows[used]
    if gamma is None:
        form = {"weights": coefficients @ support.astype(np.float64)}
    else:
        form = {"support": support, "coefficients": coefficients, "gamma": gamma}
    return FittedSvm(
        classes, c, intercept, **form, inner_scores=scores, note="; ".join(notes) or None
    )


def predict(fitted: FittedSvm, rows: np.ndarray) -> np.ndarray:
    """Labels (n,) int32 of z-scored ``rows`` (n, dim): a vote per pair, ties to the lower label."""
    if len(fitted.classes) == 1:
        return np.full(len(rows), fitted.classes[0], np.int32)
    predicted = np.empty(len(rows), np.int32)
    for start in range(0, len(rows), _CHUNK):
        chunk = np.asarray(rows[start : start + _CHUNK], dtype=np.float32)
        if fitted.weights is not None:
            decision = chunk.astype(np.float64) @ fitted.weights.T
        else:
            decision = _kernel(chunk, fitted.support, fitted.gamma) @ fitted.coefficients.T
        predicted[start : start + _CHUNK] = _elected(fitted.classes, decision + fitted.intercept)
    return predicted


def confusion_counts(truth: np.ndarray, predicted: np.ndarray, n_classes: int) -> np.ndarray:
    """Counts (n_classes, n_classes) int64: row = true class, column = predicted class."""
    cells = np.asarray(truth, dtype=np.int64) * n_classes + np.asarray(predicted, dtype=np.int64)
    return np.bincount(cells, minlength=n_classes**2).reshape(n_classes, n_classes)


def recalls(confusion: np.ndarray) -> np.ndarray:
    """Recall (n_classes,) of every class; NaN for a class the tested rows lack."""
    totals = confusion.sum(axis=1)
    return np.where(totals > 0, np.diag(confusion) / np.maximum(totals, 1), np.nan)


def uar(confusion: np.ndarray) -> float | None:
    """UAR (the paper's UWA, balanced accuracy): mean recall of the classes that were tested."""
    present = recalls(confusion)
    present = present[~np.isnan(present)]
    return float(present.mean()) if len(present) else None


def stratified_subsample(labels: np.ndarray, size: int, seed: int) -> np.ndarray:
    """Sorted row numbers of ``size`` rows, every class in proportion and at least once.

    With more classes than ``size`` there is one row of each. Shares are rounded by largest
    remainder; the same labels, size and seed give the same rows.
    """
    rng = np.random.default_rng(seed)
    classes, counts = np.unique(labels, return_counts=True)
    exact = counts * (size / len(labels))
    take = np.maximum(np.floor(exact).astype(int), 1)
    while take.sum() > max(size, len(take)):  # of those that are there more than once, the fullest
        take[np.where(take > 1, take - exact, -np.inf).argmax()] -= 1
    for position in np.argsort(take - exact, kind="stable")[: max(size - take.sum(), 0)]:
        take[position] += 1
    chosen = [
        rng.permutation(np.flatnonzero(labels == label))[:n]
        for label, n in zip(classes, take, strict=True)
    ]
    return np.sort(np.concatenate(chosen))


def _fit(
    gram: np.ndarray,
    labels: np.ndarray,
    class_weight: Literal["balanced"] | None,
    room: np.ndarray,
    grid: Sequence[float],
    rows: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """SVMs of the given rows, one per C: coefficients (C, pairs, all rows), intercepts (C, pairs).

    Each pair of classes alone, as libsvm has it, and in one place, ``room``: fresh memory for the
    kernel takes longer to get than to fill.
    """
    own = labels[rows]
    classes = np.unique(own)
    weights = compute_class_weight(class_weight, classes=classes, y=own)
    pairs = list(combinations(range(len(classes)), 2))
    coefficients = np.zeros((len(grid), len(pairs), len(gram)))
    intercepts = np.zeros((len(grid), len(pairs)))
    for pair, (first, second) in enumerate(pairs):
        chosen = rows[(own == classes[first]) | (own == classes[second])]
        kernel = room[: len(chosen) ** 2].reshape(len(chosen), -1)  # libsvm wants float64
        for cells, row in zip(kernel, chosen, strict=True):
            cells[:] = gram[row].take(chosen)
        weight = {classes[place]: weights[place] for place in (first, second)}
        for place, c in enumerate(grid):
            svc = SVC(C=c, kernel="precomputed", class_weight=weight)
            # A look at every product is a tenth of the time.
            with config_context(assume_finite=True, skip_parameter_validation=True):
                svc.fit(kernel, labels[chosen])
            # scikit-learn's are positive for the second of two classes.
            coefficients[place, pair, chosen[svc.support_]] = -svc.dual_coef_[0]
            intercepts[place, pair] = -svc.intercept_[0]
    return coefficients, intercepts


def _search(
    gram: np.ndarray,
    labels: np.ndarray,
    fit: Callable[[Sequence[float], np.ndarray], tuple[np.ndarray, np.ndarray]],
    grid: Sequence[float],
    folds: Iterable[Sequence[np.ndarray]],
) -> list[float]:
    """Mean UAR of every C over inner folds (train rows, test rows)."""
    classes, scores = np.unique(labels), []
    for train, test in folds:
        coefficients, intercepts = fit(grid, train)
        by_c = [[] for _ in grid]
        for start in range(0, len(test), _SEARCHED):
            kernel = gram[test[start : start + _SEARCHED]].astype(np.float64)
            decisions = kernel @ coefficients.reshape(-1, len(gram)).T
            decisions = decisions.reshape(len(kernel), *intercepts.shape) + intercepts
            for found, decision in zip(by_c, decisions.swapaxes(0, 1), strict=True):
                found.append(_elected(classes, decision))
        truth = labels[test]
        scores.append([balanced_accuracy_score(truth, np.concatenate(of)) for of in by_c])
    return np.mean(scores, axis=0).tolist()


def _elected(classes: np.ndarray, decisions: np.ndarray) -> np.ndarray:
    """Labels (n,) by the votes of the decisions (n, pairs), ties to the lower label."""
    first, second = np.eye(len(classes), dtype=int)[np.array(np.triu_indices(len(classes), 1))]
    won = decisions > 0
    return classes[(won @ first + ~won @ second).argmax(axis=1)]


def _kernel(a: np.ndarray, b: np.ndarray, gamma: float | None) -> np.ndarray:
    """Linear in float32 where gamma is None, else rbf, whose distances need float64."""
    if gamma is None:
        return a @ b.T
    return rbf_kernel(a.astype(np.float64), None if a is b else b.astype(np.float64), gamma)
