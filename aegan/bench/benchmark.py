"""The benchmark: what is measured, in which order, and the dict that bench.json holds."""

from __future__ import annotations

from typing import Any

import jax

from aegan.bench.config import BenchConfig
from aegan.bench.headline import HEADLINE, TARGET_ROWS
from aegan.bench.metric_stage import metric_part
from aegan.bench.resources import compiling_part, memory_part
from aegan.bench.scaling import scaling_part
from aegan.bench.timing import not_run
from aegan.bench.training import training_part
from aegan.system.screen import say
from aegan.system.workers import usable_cores


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
    found = {name: entry for part in parts for name, entry in part.headline.items()}
    missing = not_run("left out by the config")
    # Less is gained on fewer rows.
    few = config.metrics.rows < TARGET_ROWS
    return {
        "headline": {
            name: {**found.get(name, missing), "detail": figure.note}
            for name, figure in HEADLINE.items()
        },
        "targets": {
            name: list(figure.target)
            for name, figure in HEADLINE.items()
            if figure.target and not (few and name.startswith("svm_speedup"))
        },
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
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            names = [line.partition(":")[2].strip() for line in file if "model name" in line]
        return names[0] if names else "unknown"
    except OSError:
        return "unknown"
