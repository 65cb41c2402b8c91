"""What stands beside a generator in the low-resource study: rows that need no network (Fig. 6).

Each method sees the P % of real rows alone, in their z-scores, and gives rows to add to them, their
classes drawn uniformly as the generators' are. A smaller number of rows is always a prefix of a
larger: ``first``.
"""

from __future__ import annotations

import numpy as np

from aegan.metrics.references import Generator, Rows, class_gaussian, draw_labels, jitter

SMOTE_NEIGHBOURS = 5


def oversampling(features_z: np.ndarray, labels: np.ndarray, n: int, seed: int) -> Rows:
    """Real rows of the class, drawn with replacement: what more and balanced rows do alone."""
    rng, drawn = draw_labels(labels, n, seed)
    places = np.empty(n, np.int64)
    for label in np.unique(drawn):
        members = np.flatnonzero(labels == label)
        chosen = drawn == label
        places[chosen] = rng.choice(members, size=int(chosen.sum()))
    return features_z[places], drawn


def smote(features_z: np.ndarray, labels: np.ndarray, n: int, seed: int) -> Rows:
    """imbalanced-learn's SMOTE, ``n`` rows of it.

    A point lies between a real row and one of its five nearest of its class. A class of two to
    five rows uses the neighbours it has; a class of one row gives that row.
    """
    # Half a second that a study without this experiment need not spend.
    from imblearn.over_sampling import SMOTE

    _, drawn = draw_labels(labels, n, seed)
    out = np.empty((n, features_z.shape[1]), np.float32)
    for label in np.unique(drawn):
        members = np.flatnonzero(labels == label)
        chosen = drawn == label
        if len(members) == 1:
            out[chosen] = features_z[members]
            continue
        wanted = len(members) + int(chosen.sum())
        method = SMOTE(
            sampling_strategy={label: wanted},
            k_neighbors=min(SMOTE_NEIGHBOURS, len(members) - 1),
            random_state=int(np.random.SeedSequence([seed, label]).generate_state(1)[0]),
        )
        # It wants a second class, of which it makes nothing.
        other = np.flatnonzero(labels != label)[:1]
        rows = np.concatenate([members, other])
        topped_up, _ = method.fit_resample(features_z[rows], labels[rows])
        out[chosen] = topped_up[len(rows) :]
    return out, drawn


BASELINES: dict[str, Generator] = {
    "oversampling": oversampling,
    "jitter": jitter,
    "smote": smote,
    "class_gaussian": class_gaussian,
}


def first(rows: Rows, n: int) -> Rows:
    """The first ``n`` of drawn rows."""
    return rows[0][:n], rows[1][:n]
