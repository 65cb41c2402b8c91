"""Where a speaker lies: an offset from the middle of all, from however few rows there are."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np

from aegan.speakers.effects import Effects


class Offsets(NamedTuple):
    """What the training rows say of any speaker's offset; (d,) each, but for ``means``.

    A speaker's rows lie around the middle plus the offset u, whose variance over speakers is B.
    """

    means: np.ndarray  # (C, d): of the classes
    within: np.ndarray  # W: of a speaker in a class
    between: np.ndarray  # B: of speakers
    interaction: np.ndarray  # V: of the speakers' ways with the classes

    @classmethod
    def of(cls, effects: Effects) -> Self:
        """Those of a corpus, as float32."""
        parts = effects.means, effects.within, effects.between, effects.interaction
        return cls(*(part.astype(np.float32) for part in parts))

    @property
    def known(self) -> bool:
        """Whether the training rows told speakers from each other."""
        return bool(self.between.any() or self.interaction.any())

    def unlabelled(self, rows: np.ndarray) -> np.ndarray:
        """The offset (d,) of a speaker known by rows (k, d) of any classes.

        Their mean less the middle, shrunk column by column by what k rows leave open:
        B / (B + (W + C) / k), where C is the variance of class and interaction.
        """
        between = self._between
        classes = self.means.var(axis=0) + self.interaction
        doubt = (self.within + classes) / len(rows)
        return _shrunk(
            rows.mean(axis=0, dtype=np.float64) - self.means.mean(axis=0), between, doubt
        )

    def labelled(self, rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """The offset (d,) of a speaker known by rows (k, d) whose classes (k,) are known."""
        own, counts = np.unique(labels, return_counts=True)
        deviations = [rows[labels == c].mean(axis=0, dtype=np.float64) - self.means[c] for c in own]
        doubt = self.interaction / len(own) + self.within * np.mean(1 / counts) / len(own)
        return _shrunk(np.mean(deviations, axis=0), self._between, doubt)

    @property
    def _between(self) -> np.ndarray:
        """B; where speakers have one class alone, so that it counts as V, that."""
        return self.between if self.between.any() else self.interaction


def _shrunk(offset: np.ndarray, between: np.ndarray, doubt: np.ndarray) -> np.ndarray:
    total = between + doubt
    return offset * np.divide(between, total, out=np.zeros_like(total), where=total > 0)
