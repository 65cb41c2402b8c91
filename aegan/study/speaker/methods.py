"""What can be done with k unlabelled rows of a speaker: each as a classifier of other rows.

A classifier here is fitted on rows of a fold's training speakers, once, and labels rows of a held
out speaker by what k other rows of that speaker say. Moving synthetic rows to the speaker and
moving the speaker's rows back to the middle are the same to a linear classifier and nearly so to
others; the latter needs one classifier for all speakers. Everything is in z-scores of the training
rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax
import numpy as np

from aegan.metrics.svm import FittedSvm, SvmProtocol, predict, tune_and_fit
from aegan.models.m5 import M5
from aegan.speakers.effects import estimate
from aegan.speakers.offsets import Offsets

Rows = tuple[np.ndarray, np.ndarray]
# Rows tested (n, d), known rows (k, d) of their speaker -> labels (n,).
Classifier = Callable[[np.ndarray, np.ndarray], np.ndarray]
_ROUNDS = 6  # of iterative feature normalisation
_LEAST = 1e-3  # z: a deviation below it is that of a constant column


@dataclass(frozen=True, eq=False)
class Seen:
    """Training rows: z-scores (n, d) float32, labels (n,), speakers (n,) as numbers."""

    z: np.ndarray
    labels: np.ndarray
    speakers: np.ndarray
    classes: int
    protocol: SvmProtocol

    def svm(self, z: np.ndarray, labels: np.ndarray) -> FittedSvm:
        """Tuned on rows of its own."""
        return tune_and_fit(z, labels, self.protocol)

    def by_speaker(self, move: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
        """All rows, those of each speaker as ``move(rows, labels)`` makes them."""
        out = np.empty_like(self.z)
        for speaker in np.unique(self.speakers):
            own = self.speakers == speaker
            out[own] = move(self.z[own], self.labels[own])
        return out


def nothing(seen: Seen) -> Classifier:
    """Real rows as they are."""
    svm = seen.svm(seen.z, seen.labels)
    return lambda rows, known: predict(svm, rows)


def mean(seen: Seen) -> Classifier:
    """Every speaker's rows less their mean, a held-out one's less that of the known rows."""
    svm = seen.svm(seen.by_speaker(lambda z, _: z - z.mean(axis=0)), seen.labels)
    return lambda rows, known: predict(svm, rows - known.mean(axis=0))


def z_norm(seen: Seen) -> Classifier:
    """The mean, and the deviation too; of one known row there is none."""

    def normal(rows: np.ndarray, by: np.ndarray) -> np.ndarray:
        scale = by.std(axis=0) if len(by) > 1 else np.ones(by.shape[1], np.float32)
        return (rows - by.mean(axis=0)) / np.where(scale < _LEAST, 1, scale)

    svm = seen.svm(seen.by_speaker(lambda z, _: normal(z, z)), seen.labels)
    return lambda rows, known: predict(svm, normal(rows, known))


def iterative(seen: Seen, neutral: int) -> Classifier:
    """Iterative feature normalisation (Busso et al., IEEE Trans. Affective Computing, 2013).

    Every speaker's rows less the mean of the neutral ones; of a held-out one those among the known
    rows that the classifier calls neutral, anew in each of six rounds, all where it calls none so.
    """

    def own(z: np.ndarray, labels: np.ndarray) -> np.ndarray:
        calm = labels == neutral
        return z - z[calm if calm.any() else slice(None)].mean(axis=0)

    svm = seen.svm(seen.by_speaker(own), seen.labels)

    def classify(rows: np.ndarray, known: np.ndarray) -> np.ndarray:
        centre = known.mean(axis=0)
        for _ in range(_ROUNDS):
            calm = predict(svm, known - centre) == neutral
            centre = known[calm if calm.any() else slice(None)].mean(axis=0)
        return predict(svm, rows - centre)

    return classify


def shifted(svm: FittedSvm, offsets: Offsets) -> Classifier:
    """Rows less the speaker's offset, by a classifier of rows of nobody in particular."""

    def classify(rows: np.ndarray, known: np.ndarray) -> np.ndarray:
        return predict(svm, (rows - offsets.unlabelled(known)).astype(np.float32))

    return classify


def revoiced(seen: Seen, offsets: Offsets) -> Classifier:
    """Real rows moved to the speaker: less their own speaker's offset, told by their labels."""
    moved = seen.by_speaker(lambda z, labels: z - offsets.labelled(z, labels))
    return shifted(seen.svm(moved.astype(np.float32), seen.labels), offsets)


def new_speakers(seen: Seen, rows: int, seed: int) -> tuple[Rows, Rows, Offsets]:
    """M5's rows in z: of new speakers, of nobody, and what tells a speaker's offset."""
    model = M5(seen.z.shape[1], seen.classes).for_rows([seen.labels], [seen.speakers])
    effects = estimate(seen.z, seen.labels, seen.speakers, seen.classes)
    params = model.given(effects, seen.z, seen.labels, seen.speakers)
    labels = np.arange(rows, dtype=np.int32) % seen.classes
    wanted = np.eye(seen.classes, dtype=np.float32)[labels]
    key, draw = jax.random.key(seed), jax.jit(model.generate)
    made = [np.asarray(draw(p, key, wanted)) for p in (params, model.without_speaker(params))]
    return (made[0], labels), (made[1], labels), Offsets.of(effects)
