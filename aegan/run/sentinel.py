"""The health of a lane: did it diverge, did it collapse, has it converged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aegan.metrics.diversity import variance_ratio
from aegan.metrics.verdict import COLLAPSED_RATIO


@dataclass(frozen=True)
class Collapse:
    """What the synthetic rows of a lane look like, before any metric."""

    variance_ratio: float  # within-class, synthetic over training rows
    classes_missing: tuple[str, ...]
    non_finite_rows: int

    @property
    def reason(self) -> str | None:
        """Why the lane counts as collapsed; None if it does not."""
        if self.non_finite_rows:
            return f"{self.non_finite_rows} synthetic rows are not finite"
        if self.classes_missing:
            return f"no rows that look like {', '.join(self.classes_missing)}"
        if self.variance_ratio < COLLAPSED_RATIO:
            return f"variance ratio {self.variance_ratio:.4f}, below {COLLAPSED_RATIO}"
        return None


def check_collapse(
    synthetic_z: np.ndarray,
    synthetic_labels: np.ndarray,
    real_z: np.ndarray,
    labels: np.ndarray,
    classes: tuple[str, ...],
) -> Collapse:
    """Looks at a lane's rows in the z-space of its training part.

    A class is missing if not one row that carries its label is nearer to its mean over the
    training rows than to the mean of every other class.

    Args:
      synthetic_z: (n, features), with synthetic_labels (n,).
      real_z: (m, features) training rows, with labels (m,).
      classes: names of the labels.
    """
    finite = np.isfinite(synthetic_z).all(axis=1)
    if not finite.all():
        return Collapse(0.0, (), int((~finite).sum()))
    everything = range(len(classes))
    means = np.stack([real_z[labels == c].mean(axis=0) for c in everything])
    # |x - m|^2 without |x|^2, which is the same for every class
    looks_like = ((means**2).sum(axis=1) - 2 * synthetic_z @ means.T).argmin(axis=1)
    seen = {c for c in everything if np.any((synthetic_labels == c) & (looks_like == c))}
    missing = tuple(name for c, name in enumerate(classes) if c not in seen)
    ratio = variance_ratio(synthetic_z, synthetic_labels, real_z, labels).overall
    return Collapse(ratio, missing, 0)


def convergence(training_losses: np.ndarray) -> float | None:
    """How much the losses still move: 0 is a standstill.

    The largest relative change, over the losses, between the mean of the last fifth of the epochs
    (two at least) and that of as many epochs before.

    Args:
      training_losses: (epochs, losses); NaN where a loss was not computed in an epoch.

    Returns:
      The change, or None with fewer than 4 epochs or where it is not finite.
    """
    window = max(2, len(training_losses) // 5)
    if len(training_losses) < 2 * window:
        return None
    late, before = training_losses[-window:], training_losses[-2 * window : -window]
    if np.isnan(late).all(axis=0).any() or np.isnan(before).all(axis=0).any():
        return None  # D2 sat out a whole window
    late, before = np.nanmean(late, axis=0), np.nanmean(before, axis=0)
    change = float(np.max(np.abs(late - before) / np.maximum(np.abs(before), 1e-12)))
    return change if np.isfinite(change) else None
