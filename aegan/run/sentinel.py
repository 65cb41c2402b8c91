"""The health of a lane: did it diverge, did it collapse, has it converged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aegan.metrics.diversity import variance_ratio
from aegan.metrics.verdict import COLLAPSED_RATIO


@dataclass(frozen=True)
class Collapse:
    """What the synthetic rows of a lane look like, before any metric."""

    variance_ratio: float | None  # within-class, synthetic over training rows
    classes_missing: tuple[str, ...]
    non_finite_rows: int

    @property
    def reason(self) -> str | None:
        """Why the lane counts as collapsed; None if it does not."""
        if self.non_finite_rows:
            return f"{self.non_finite_rows} synthetic rows are not finite"
        if self.classes_missing:
            return f"no rows that look like {', '.join(self.classes_missing)}"
        if self.variance_ratio is not None and self.variance_ratio < COLLAPSED_RATIO:
            return f"variance ratio {self.variance_ratio:.4f}, below {COLLAPSED_RATIO}"
        return None


def check_collapse(
    synthetic_z: np.ndarray,
    synthetic_labels: np.ndarray,
    real_z: np.ndarray,
    labels: np.ndarray,
    classes: tuple[str, ...],
) -> Collapse:
    """Looks at a lane's rows (n, dim) beside its training rows (m, dim), in the latter's z-space.

    A class is missing if not one row that carries its label is nearer to its mean over the
    training rows than to the mean of every other class.
    """
    if broken := int((~np.isfinite(synthetic_z)).any(axis=1).sum()):
        return Collapse(0.0, (), broken)
    everything = range(len(classes))
    means = np.stack([real_z[labels == c].mean(axis=0) for c in everything])
    # |x - m|^2 without |x|^2, which is the same for every class
    looks_like = ((means**2).sum(axis=1) - 2 * synthetic_z @ means.T).argmin(axis=1)
    seen = {c for c in everything if np.any((synthetic_labels == c) & (looks_like == c))}
    missing = tuple(name for c, name in enumerate(classes) if c not in seen)
    ratio = variance_ratio(synthetic_z, synthetic_labels, real_z, labels).overall
    return Collapse(ratio, missing, 0)


def convergence(training_losses: np.ndarray) -> float | None:
    """How much the losses (epochs, losses) still move: 0 is a standstill.

    The largest relative change between the mean of the last fifth of the epochs (two at least)
    and of as many before; NaN was not computed. None with fewer than 4 epochs or if not finite.
    """
    window = max(2, len(training_losses) // 5)
    if len(training_losses) < 2 * window:
        return None
    windows = training_losses[-2 * window :].reshape(2, window, -1)
    if np.isnan(windows).all(axis=1).any():
        return None  # D2 sat out a whole window
    before, late = np.nanmean(windows, axis=1)
    change = float(np.max(np.abs(late - before) / np.maximum(np.abs(before), 1e-12)))
    return change if np.isfinite(change) else None
