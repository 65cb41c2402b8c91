"""The headline figures: what each says and what it is to reach."""

from __future__ import annotations

from typing import NamedTuple

TARGET_ROWS = 4424  # for the targets of the metric stage


class Figure(NamedTuple):
    """A headline figure."""

    note: str
    target: tuple[str, float] | None = None


HEADLINE = {
    "peak_share": Figure(
        "M2, five folds under auto: time of the step's matrix products alone, in the fastest way "
        "at hand, on all threads together or a lane for each core, whichever is faster in the "
        "round, over time of the step",
        (">=", 0.9),
    ),
    "peak_share_vmap": Figure("the same, vmapped", (">=", 0.8)),
    "blas_share": Figure(
        "M2, five folds under auto: time of the products by BLAS alone (numpy, on all threads "
        "together) over time of the step"
    ),
    "blas_share_vmap": Figure("the same, vmapped"),
    "vs_torch_eager": Figure("throughput of M2 under auto over eager PyTorch's", (">=", 1.5)),
    "vs_torch_tuned": Figure("over PyTorch tuned by hand", (">=", 1.15)),
    "vs_sequential": Figure("M2 under auto over one fold after the other"),
    "auto_vs_best": Figure("M2 under auto over the best strategy of this run", (">=", 0.95)),
    "svm_speedup_linear": Figure(
        "the metric stage's search over scikit-learn's grid search", (">=", 8)
    ),
    "svm_speedup_rbf": Figure("the same with the rbf kernel", (">=", 20)),
    "predictions_differ": Figure(
        "test rows that both searches' SVMs label differently, both kernels", ("<=", 0)
    ),
    "torch_parity": Figure(
        "M2 after two steps of each: worst relative difference of losses and updates", ("<=", 5e-3)
    ),
    "memory_per_lane": Figure(
        "bytes planned for one more lane of M2 over those of its parameters, optimisers and "
        "activations",
        ("<=", 1.3),
    ),
    "linear_in_rows": Figure("R squared of a straight line through seconds by rows", (">=", 0.98)),
    "linear_in_lanes": Figure(
        "R squared of a straight line through seconds by lanes", (">=", 0.98)
    ),
}
