"""Classifiers beside the SVM: what rows are good for must not hang on one of them.

None is tuned: each has one stated form for every set of rows. But in the net, classes weigh the
same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from aegan.metrics.fid import HIDDEN

SVM = "svm"  # tuned, see svm.py
OTHERS = ("logistic", "forest", "mlp")
CLASSIFIERS = (SVM, *OTHERS)
TREES = 300
UPDATES = 1000  # of Adam, however many rows: see the low-resource study
BATCH = 64  # rows of an update


def estimator(name: str, dim: int, seed: int = 0) -> Any:
    """A scikit-learn classifier of z-scores of ``dim`` columns: "logistic" or "forest".

    The penalty of the logistic regression expects weights that give a row a score of variance 1.
    """
    if name == "forest":
        return RandomForestClassifier(TREES, class_weight="balanced", random_state=seed)
    return LogisticRegression(C=1 / dim, class_weight="balanced", max_iter=1000)


def learn(
    name: str, features_z: np.ndarray, labels: np.ndarray, seed: int = 0
) -> Callable[[np.ndarray], np.ndarray]:
    """Trains one of OTHERS on z-scores (rows, dim) and labels (rows,): rows -> their labels.

    "mlp" is the paper's net (64-64-64-64). A training set of one class gives that class.
    """
    rows, classes = np.ascontiguousarray(features_z, np.float32), np.unique(labels)
    if len(classes) == 1:
        return lambda tested: np.repeat(classes, len(tested))
    if name != "mlp":
        return estimator(name, rows.shape[1], seed).fit(rows, labels).predict
    net = MLPClassifier(HIDDEN, batch_size=min(BATCH, len(rows)), random_state=seed)
    # One call is one shuffled epoch; `fit` would stop early and warn that it did not converge.
    for _ in range(-(-UPDATES * BATCH // len(rows))):
        net.partial_fit(rows, labels, classes=classes)
    return net.predict
