"""The benchmark: what is measured, in which order, and the dict that bench.json holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax

from aegan.bench.headline import NOTES, TARGET_ROWS, TARGETS, not_run
from aegan.bench.metric_stage import metric_section
from aegan.bench.resources import compiling_section, memory_section
from aegan.bench.scaling import scaling_sections
from aegan.bench.training import training_section
from aegan.system.screen import say
from aegan.system.workers import usable_cores


def run_benchmark(config: Mapping[str, Any]) -> dict[str, Any]:
    """Measures everything that the config asks for: "headline", "targets" and "sections"."""
    headline = {name: not_run("left out by the config") for name in NOTES}
    sections = []
    for model in sorted(config["models"], key=lambda name: name != "m2"):  # the headline's first
        say(f"bench: {model}, strategies")
        sections.append(training_section(config, model, headline))
    if config["compiling"]:
        say("bench: compile time and memory")
        sections += [compiling_section(config), memory_section(config, headline)]
    say("bench: metric stage")
    sections.append(metric_section(config, headline))
    say("bench: scaling")
    sections += scaling_sections(config, headline)
    for name, note in NOTES.items():
        headline[name]["detail"] = note
    targets = dict(TARGETS)
    if config["metrics"]["rows"] < TARGET_ROWS:  # less is gained on fewer rows
        del targets["svm_speedup_linear"], targets["svm_speedup_rbf"]
    return {"headline": headline, "targets": targets, "sections": sections}


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
