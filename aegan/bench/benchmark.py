"""The benchmark: what is measured, in which order, and the dict that bench.json holds."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jax

from aegan.bench.config import BenchConfig
from aegan.bench.metric_stage import metric_part
from aegan.bench.resources import compiling_part, memory_part, scaling_part
from aegan.bench.timing import not_run
from aegan.bench.training import PARITY, training_part
from aegan.system.screen import say
from aegan.system.workers import usable_cores

TARGET_ROWS = 4424  # for the targets of the metric stage: less is gained on fewer
# The headline figures: what each says.
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
TARGETS = {
    "peak_share": [">=", 0.9],
    "peak_share_vmap": [">=", 0.8],
    "vs_torch_eager": [">=", 1.5],
    "vs_torch_tuned": [">=", 1.15],
    "auto_vs_best": [">=", 0.95],
    "svm_speedup_linear": [">=", 8],
    "svm_speedup_rbf": [">=", 20],
    "predictions_differ": ["<=", 0],
    "torch_parity": ["<=", PARITY],
    "memory_per_lane": ["<=", 1.3],
    "linear_in_rows": [">=", 0.98],
    "linear_in_lanes": [">=", 0.98],
}


def run_benchmark(config: BenchConfig) -> dict[str, Any]:
    """Measures everything that the config asks for: "headline", "targets" and "sections"."""
    parts = []
    for model in sorted(config.models, key=lambda name: name != "m2"):  # the headline's first
        say(f"bench: {model}, strategies")
        parts.append(training_part(config, model))
    if config.compiling:
        say("bench: compile time and memory")
        parts += [compiling_part(config), memory_part(config)]
    say("bench: metric stage")
    parts.append(metric_part(config))
    say("bench: scaling")
    parts.append(scaling_part(config))
    found = dict.fromkeys(NOTES, not_run("left out by the config"))
    for part in parts:
        found |= part.headline
    few = config.metrics.rows < TARGET_ROWS
    return {
        "headline": {name: {**found[name], "detail": note} for name, note in NOTES.items()},
        "targets": {n: t for n, t in TARGETS.items() if not (few and n.startswith("svm_speedup"))},
        "sections": [section for part in parts for section in part.sections],
    }


def machine() -> dict[str, Any]:
    """Where it ran."""
    first = jax.devices()[0]
    return {
        "platform": first.platform,
        "kind": first.device_kind,
        "devices": jax.device_count(),
        "threads": usable_cores(),
        "processor": _processor(),
    }


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        return re.search(r"model name\s*: (.*)", text)[1].strip()
    except (OSError, TypeError):  # not Linux, or it has no name
        return "unknown"
