"""The headline figures: names, what each says, targets; and how any measurement looks."""

from __future__ import annotations

from typing import Any

from aegan.bench.timing import spread

Measurement = dict[str, Any]  # "median", "min", "max", "n", or "value" None and a "reason"

TARGET_ROWS = 4424  # for the targets of the metric stage
TARGETS = {
    "peak_share": [">=", 0.9],
    "peak_share_vmap": [">=", 0.8],
    "vs_torch_eager": [">=", 1.5],
    "vs_torch_tuned": [">=", 1.15],
    "auto_vs_best": [">=", 0.95],
    "svm_speedup_linear": [">=", 8],
    "svm_speedup_rbf": [">=", 20],
    "predictions_differ": ["<=", 0],
    "torch_parity": ["<=", 5e-3],
    "memory_per_lane": ["<=", 1.3],
    "linear_in_rows": [">=", 0.98],
    "linear_in_lanes": [">=", 0.98],
}
NOTES = {
    "peak_share": "M2, five folds under auto: time of the step's matrix products alone, in the "
    "fastest way at hand, on all threads together or a lane for each core, whichever is "
    "faster in the round, over time of the step",
    "peak_share_vmap": "the same, vmapped",
    "blas_share": "M2, five folds under auto: time of the products by BLAS alone (numpy, on all "
    "threads together) over time of the step",
    "blas_share_vmap": "the same, vmapped",
    "vs_torch_eager": "throughput of M2 under auto over eager PyTorch's",
    "vs_torch_tuned": "over PyTorch tuned by hand",
    "vs_sequential": "M2 under auto over one fold after the other",
    "auto_vs_best": "M2 under auto over the best strategy of this run",
    "svm_speedup_linear": "the metric stage's search over scikit-learn's grid search",
    "svm_speedup_rbf": "the same with the rbf kernel",
    "predictions_differ": "test rows that both searches' SVMs label differently, both kernels",
    "torch_parity": "M2 after two steps of each: worst relative difference of losses and updates",
    "memory_per_lane": "bytes planned for one more lane of M2 over those of its parameters, "
    "optimisers and activations",
    "linear_in_rows": "R squared of a straight line through seconds by rows",
    "linear_in_lanes": "R squared of a straight line through seconds by lanes",
}


def not_run(reason: str) -> Measurement:
    """A measurement that was left out."""
    return {"value": None, "reason": reason}


def single(value: float) -> Measurement:
    """A measurement that was taken once."""
    return spread([value])
