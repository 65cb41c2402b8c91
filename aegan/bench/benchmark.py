"""The benchmark: what is measured, in which order, and the dict that bench.json holds.

Every part has a process of its own, and so many seconds: one that fails, that takes too long or
that takes the whole device leaves the others what they need, and what ended is written at once.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from time import time
from typing import Any

import jax

from aegan.bench.accelerator import DETERMINISTIC, overlap_part, repeats_part, tests_part
from aegan.bench.config import BenchConfig
from aegan.bench.memory import memory_part
from aegan.bench.metric_stage import metric_part
from aegan.bench.timing import Part, not_run, section, spread
from aegan.bench.training import PARITY, steps_part, training_part
from aegan.bench.whole import whole_part
from aegan.system.cache import keep_compiled
from aegan.system.screen import say
from aegan.system.workers import Pool, usable_cores

TARGET_ROWS = 4424  # for the targets of the metric stage: less is gained on fewer
# The headline figures: what each says. Those of training are of M2 in batches of the first size;
# with _64 behind their name, say, of that one.
NOTES = {
    "peak_share": "five folds under auto: time of the step's matrix products alone, in the "
    "fastest way at hand, on all threads together or a lane for each core, whichever is "
    "faster in the round, over time of the step",
    "peak_share_vmap": "the same, vmapped",
    "roofline_share": "the same under auto, of the time that products take at the rate of a large "
    "one and at the bandwidth of memory, whichever is longer for each",
    "roofline_share_vmap": "the same, vmapped",
    "vs_torch_eager": "throughput under auto over eager PyTorch's",
    "vs_torch_compiled": "over PyTorch tuned by hand and compiled",
    "vs_torch_tuned": "over PyTorch tuned by hand",
    "vs_torch_graphs": "over PyTorch tuned by hand as a CUDA graph",
    "lanes_vs_torch_graphs": "many lanes vmapped over the same",
    "vs_sequential": "under auto over one fold after the other",
    "auto_vs_best": "under auto over the best strategy of this run",
    "torch_parity": "after two steps of each: worst relative difference of losses and updates",
    "epoch_ms": "an epoch of five folds, vmapped",
    "bits_differ": "arrays of the state that differ when the same training is done twice",
    "lane_alone": "worst difference of a lane from the fold alone, over what training changed",
    "tests_failed": "of those marked gpu, on this device",
    "overlap": "training and evaluation in turn over both at once",
    "svm_speedup_linear": "the metric stage's search over scikit-learn's grid search",
    "svm_speedup_rbf": "the same with the rbf kernel",
    "predictions_differ": "test rows that both searches' SVMs label differently, both kernels",
    "memory_per_lane": "bytes planned for one more lane of M2 over those of its parameters, "
    "optimisers and activations",
}
TARGETS = {
    "peak_share": [">=", 0.95],
    "peak_share_vmap": [">=", 0.9],
    "peak_share_64": [">=", 0.95],
    "peak_share_vmap_64": [">=", 0.8],
    "vs_torch_eager": [">=", 2.5],
    "vs_torch_compiled": [">=", 1.8],
    "auto_vs_best": [">=", 0.95],
    "torch_parity": ["<=", PARITY],
    "svm_speedup_linear": [">=", 8],
    "svm_speedup_rbf": [">=", 20],
    "predictions_differ": ["<=", 0],
    "memory_per_lane": ["<=", 1.3],
}
# On an accelerator, where the first batch size is 64: for an H200.
ACCELERATOR_TARGETS = {
    "epoch_ms": ["<=", 40],
    "lanes_vs_torch_graphs": [">=", 2],
    "torch_parity": ["<=", PARITY],
    "bits_differ": ["<=", 0],
    "lane_alone": ["<=", 1e-3],
    "tests_failed": ["<=", 0],
}


@dataclass(frozen=True)
class Task:
    """A part of the benchmark."""

    name: str
    measure: Callable[[BenchConfig, float], Part]  # the second is when it should have ended
    config: BenchConfig
    seconds: float  # after which it is ended
    suffix: str | None = ""  # of its headline's names; None: it gives the headline nothing
    flags: str = ""  # of XLA, beside the environment's


def tasks(config: BenchConfig) -> Iterator[Task]:
    """All parts, the most important first."""
    if config.accelerator:
        yield from _on_accelerator(config)
    else:
        yield from _on_cpu(config)
    if config.metrics:
        yield Task("metric stage", metric_part, config, 1200)
    if config.memory:
        yield Task("memory", memory_part, config, 300)
    if config.commands:
        yield Task("whole commands", whole_part, config, 4500)


def _on_cpu(config: BenchConfig) -> Iterator[Task]:
    for model in config.models:
        lead = model == config.models[0]
        own = replace(config, models=(model,))
        if not lead:
            half = max(1, config.batches // 2)
            own = replace(own, batches=half, rounds=min(config.rounds, 3), lanes=config.lanes[:1])
        for batch in config.batch_sizes if lead else config.batch_sizes[:1]:
            first = batch == config.batch_sizes[0]
            one = replace(own, batch_sizes=(batch,))
            name = f"{model.upper()}, batch {batch}"
            suffix = None if not lead else "" if first else f"_{batch}"
            yield Task(name, training_part, one, 900, suffix)
            if config.steps:
                yield Task(f"{name}, step by step", steps_part, one, 600, None)


def _on_accelerator(config: BenchConfig) -> Iterator[Task]:
    first, *others = config.batch_sizes
    one = replace(config, batch_sizes=(first,))
    name = f"{config.models[0].upper()}, batch"
    # Folds alone: for what is compared with the first part's.
    few = replace(one, lanes=config.lanes[:1], torch=False)
    yield Task(f"{name} {first}", training_part, one, 90)
    sizes = [
        Task(f"{name} {b}", training_part, replace(config, batch_sizes=(b,)), 60, f"_{b}")
        for b in others
    ]
    yield from sizes[:1]
    yield Task("the same twice, and alone", repeats_part, one, 40, flags=DETERMINISTIC)
    yield Task("tests", tests_part, one, 40)
    for how, kinds in COMMAND_BUFFERS.items():
        flags = f"--xla_gpu_enable_command_buffer={kinds}"
        yield Task(f"{name} {first}, command buffers {how}", training_part, few, 30, None, flags)
    tf32 = replace(few, precision="tensorfloat32")
    yield Task(f"{name} {first}, TF32", training_part, tf32, 30, "_tf32")
    yield from sizes[1:]
    yield Task("training and evaluation", overlap_part, one, 40)


# What XLA is to put into command buffers; by itself it takes none of the loops.
COMMAND_BUFFERS = {
    "off": "",
    "with loops": "FUSION,CUBLAS,CUBLASLT,CUDNN,DYNAMIC_SLICE_FUSION,CONDITIONAL,WHILE",
}


def run_benchmark(config: BenchConfig, write: Callable[[dict[str, Any]], None]) -> list[str]:
    """Measures everything that the config asks for; ``write`` gets all that is known, each time.

    That is "headline", "targets", "sections" and "device". Returns what failed, and why.
    """
    until, failed, times = time() + config.seconds, [], []
    found: dict[str, Any] = {"headline": {}, "targets": {}, "sections": [], "device": {}}
    known = ACCELERATOR_TARGETS if config.accelerator else TARGETS
    few = config.metrics and config.metrics.rows < TARGET_ROWS
    for task in tasks(config):
        say(f"bench: {task.name}")
        started = time()
        part, device, state = _measured(task, min(task.seconds, until - started))
        if state == FAILED:
            failed.append(f"{task.name}: {part.sections[0]['rows'][0]['reason']}")
        found["device"] |= device
        found["sections"] += [{**s, "title": f"{task.name}: {s['title']}"} for s in part.sections]
        for name, entry in part.headline.items():
            if task.suffix is not None:
                of = f"{name}{task.suffix}"
                found["headline"][of] = {**entry, "detail": NOTES[name]}
                if of in known and not (few and name.startswith("svm_speedup")):
                    found["targets"][of] = known[of]
        times.append({"name": task.name, **spread([time() - started]), "detail": state})
        note = f"Each in a process of its own; all end within {config.seconds} s."
        write({**found, "sections": [*found["sections"], section("Parts", note, times)]})
    return failed


ENDED, CUT, FAILED = "ended", "cut", "failed"


def _measured(task: Task, seconds: float) -> tuple[Part, dict[str, Any], str]:
    """What a part finds in a new process, where, and how it ended."""

    def nothing(reason: str, state: str) -> tuple[Part, dict[str, Any], str]:
        rows = [{"name": task.name, **not_run(reason)}]
        return Part([section(state, "", rows, "")], {}), {}, state

    if seconds < 1:
        return nothing("there was no time left for it", CUT)
    flags = " ".join(filter(None, (os.environ.get("XLA_FLAGS"), task.flags)))
    # A part should end before it is ended: what it knows then would be lost.
    end = time() + 0.8 * seconds
    try:
        with Pool(1, {"XLA_FLAGS": flags}) as pool:
            call = pool.submit(_measure, task.measure, task.config, end)
            part, device = call.result(timeout=seconds)
        return part, device, ENDED
    except TimeoutError:
        return nothing(f"it was cut after {seconds:.0f} s", CUT)
    except BrokenProcessPool:
        return nothing("its process ended", FAILED)
    except Exception as error:
        said = (str(error).strip().splitlines() or [""])[0][:300]
        return nothing(f"{type(error).__name__}: {said}", FAILED)


def _measure(
    measure: Callable[[BenchConfig, float], Part], config: BenchConfig, until: float
) -> tuple[Part, dict[str, Any]]:
    keep_compiled()
    jax.config.update("jax_default_matmul_precision", config.precision)
    return measure(config, until), machine()


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
