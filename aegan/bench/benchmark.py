"""The benchmark: what is measured, in which order, and the dict that bench.json holds."""

from __future__ import annotations

import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from importlib.util import find_spec
from itertools import islice
from statistics import median
from typing import Any, NamedTuple

import jax
import numpy as np
from scipy.stats import linregress

from aegan.bench import jobs
from aegan.bench.jobs import Candidate, Shape
from aegan.bench.metric_stage import SvmComparison, compare
from aegan.bench.peak import Peak, peak_by_core, prepare_peak
from aegan.bench.timing import interleave, ratio, spread
from aegan.data.simulate import simulated_corpus
from aegan.metrics.svm import SvmProtocol
from aegan.screen import say
from aegan.training import lanes, strategy
from aegan.training.job import Job, only, run_chunk
from aegan.training.trainers import open_trainer
from aegan.workers import Pool, threads_of, usable_cores

Measurement = dict[str, Any]  # "median", "min", "max", "n", or "value" None and a "reason"

PEAK, PEAK_BY_CORE = "peak", "peak by core"
ONE_FOLD, SEEDS, EAGER, TUNED = "one fold", "folds x seeds", "eager", "tuned"
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
    "peak_share": "M2, five folds under auto: time of the step's matrix products alone, each by "
    "the fastest routine at hand, on all threads together or a lane for each core, whichever is "
    "faster in the round, over time of the step",
    "peak_share_vmap": "the same, vmapped",
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


def run_benchmark(config: Mapping[str, Any]) -> dict[str, Any]:
    """Measures everything that the config asks for: "headline", "targets" and "sections"."""
    headline = {name: not_run("left out by the config") for name in NOTES}
    sections = []
    for model in sorted(config["models"], key=lambda name: name != "m2"):  # the headline's first
        say(f"bench: {model}, strategies")
        sections.append(_training(config, model, headline))
    if config["compiling"]:
        say("bench: compile time and memory")
        sections += [_compiling(config), _memory(config, headline)]
    say("bench: metric stage")
    sections.append(_metrics(config, headline))
    say("bench: scaling")
    sections += _scaling(config, headline)
    for name, note in NOTES.items():
        headline[name]["detail"] = note
    targets = dict(TARGETS)
    if config["metrics"]["rows"] < TARGET_ROWS:  # less is gained on fewer rows
        del targets["svm_speedup_linear"], targets["svm_speedup_rbf"]
    return {"headline": headline, "targets": targets, "sections": sections}


def _shape(config: Mapping[str, Any], model: str, **changes: int) -> Shape:
    fields = {name: config[name] for name in ("features", "batch_size", "batches", "folds")}
    return Shape(model, hidden=tuple(config["hidden"]), **(fields | changes))


# --- training ------------------------------------------------------------------------------------


def _training(
    config: Mapping[str, Any], model: str, headline: dict[str, Measurement]
) -> dict[str, Any]:
    """Train steps by every strategy, PyTorch's beside M2's, in turn with the products alone."""
    first = model == "m2"  # which has the headlines
    job = jobs.job_of(_shape(config, model, batches=_batches_of(config, first)))
    auto = strategy.choose(strategy.AUTO, job.number, strategy.WORTH_PROCESSES)
    rounds = config["rounds"] if first else min(config["rounds"], 2)
    left_out: dict[str, Measurement] = {}
    with ExitStack() as stack:
        candidates = _strategies(job, stack, left_out)
        if first:
            candidates |= _other_lanes(config, job, stack)
            candidates |= _in_torch(config, job, left_out, headline)
        peak, products = _products_alone(job, stack, candidates[auto].steps // 4)
        candidates |= products
        seconds = interleave({name: c.call for name, c in candidates.items()}, rounds, warm=False)
    per_step = {name: [s / candidates[name].steps for s in seconds[name]] for name in candidates}
    limit = [min(both) for both in zip(*(per_step[name] for name in products), strict=True)]
    if first:
        _training_headline(per_step, limit, left_out, auto, headline)
    flops = jobs.flops_of(job)
    rows = [_step_row(name, values, limit, flops, auto) for name, values in per_step.items()]
    rows += [{"name": _WORDS.get(name, name), **entry} for name, entry in left_out.items()]
    return {
        "title": f"{model.upper()}: seconds of one lane's train step, batch "
        f"{job.schedule.batch_size}, {job.number} folds",
        "note": f"{flops / 1e9:.2f} GFLOP a step. Every candidate once a round, {rounds} rounds. "
        f"Auto takes {auto} here. Products alone: {_routines(peak)}.",
        "unit": "s",
        "rows": rows,
    }


def _products_alone(job: Job, stack: ExitStack, steps: int) -> tuple[Peak, dict[str, Candidate]]:
    """The job's products alone, in about as many ``steps`` of single lanes.

    On all threads together and, on a CPU, with a process for each core too.
    """
    shape = job.learner.model, job.learner.nets.sizes, job.schedule.batch_size
    peak = prepare_peak(*shape, job.number, 1)
    passes = max(1, steps // job.number)
    found = {PEAK: Candidate(partial(_times, peak.step, passes), passes * job.number)}
    if _unavailable(strategy.PROCESSES) is None:
        run, number = stack.enter_context(peak_by_core(*shape))
        passes = max(1, steps // number)
        run(1)
        found[PEAK_BY_CORE] = Candidate(partial(run, passes), passes * number)
    return peak, found


def _batches_of(config: Mapping[str, Any], first: bool) -> int:
    return config["batches"] if first else max(1, config["batches"] // 4)


def _strategies(
    job: Job, stack: ExitStack, left_out: dict[str, Measurement]
) -> dict[str, Candidate]:
    """The job by every strategy that this machine has."""
    candidates = {}
    for name in strategy.STRATEGIES:
        reason = _unavailable(name)
        if reason:
            left_out[name] = not_run(reason)
        else:
            trainer = stack.enter_context(open_trainer(name, job))
            candidates[name] = jobs.training_of(job, trainer)
    return candidates


def _other_lanes(config: Mapping[str, Any], job: Job, stack: ExitStack) -> dict[str, Candidate]:
    """One fold alone; all folds with several seeds, where the config has them."""
    others = {ONE_FOLD: Job(job.learner, job.schedule, job.table, only(job.lanes, 0))}
    if config["seeds"] > 1:
        others[SEEDS] = jobs.job_of(_shape(config, "m2", seeds=config["seeds"]))
    return {
        name: jobs.training_of(other, stack.enter_context(open_trainer(strategy.VMAP, other)))
        for name, other in others.items()
    }


def _in_torch(
    config: Mapping[str, Any],
    job: Job,
    left_out: dict[str, Measurement],
    headline: dict[str, Measurement],
) -> dict[str, Candidate]:
    """PyTorch's M2, eager and tuned, once both are found to compute what ours computes."""
    reason = _no_torch(config)
    if reason:
        headline["torch_parity"] = not_run(reason)
        left_out |= {form: not_run(reason) for form in (EAGER, TUNED)}
        return {}
    apart = {form: _parity(job, form) for form in (EAGER, TUNED)}
    headline["torch_parity"] = single(float(np.max([*apart.values()])))  # NaN if one is
    candidates = {}
    for form, value in apart.items():
        if value <= TARGETS["torch_parity"][1]:
            candidates[form] = _torch_steps(job, form)
        else:
            left_out[form] = not_run(f"its losses and updates are {value:.2g} from ours")
    return candidates


_WORDS = {
    PEAK: "products alone, together",
    PEAK_BY_CORE: "products alone, by core",
    strategy.VMAP: "folds vmapped",
    strategy.SHARDED: "folds sharded over devices",
    strategy.PROCESSES: "folds in processes",
    strategy.SEQUENTIAL: "folds one after the other",
    ONE_FOLD: "one fold alone",
    SEEDS: "folds x seeds vmapped",
    EAGER: "PyTorch, eager",
    TUNED: "PyTorch, tuned",
}


def _step_row(
    name: str, values: list[float], limit: list[float], flops: float, auto: str
) -> Measurement:
    rate = flops / median(values) / 1e9
    share = ratio(limit, values)["median"]
    chosen = ", auto" if name == auto else ""
    return {
        "name": _WORDS[name],
        **spread(values),
        "detail": f"{rate:.0f} GFLOP/s, share {share:.2f}{chosen}",
    }


def _training_headline(
    per_step: Mapping[str, list[float]],
    limit: list[float],
    left_out: Mapping[str, Measurement],
    auto: str,
    headline: dict[str, Measurement],
) -> None:
    ours = per_step[auto]
    headline["peak_share"] = ratio(limit, ours)
    headline["peak_share_vmap"] = ratio(limit, per_step[strategy.VMAP])
    headline["vs_sequential"] = ratio(per_step[strategy.SEQUENTIAL], ours)
    best = min((s for s in strategy.STRATEGIES if s in per_step), key=lambda s: median(per_step[s]))
    headline["auto_vs_best"] = ratio(per_step[best], ours)
    for form in (EAGER, TUNED):
        headline[f"vs_torch_{form}"] = left_out.get(form) or ratio(per_step[form], ours)


def _unavailable(name: str) -> str | None:
    if name == strategy.SHARDED and jax.device_count() == 1:
        return "one device"
    if name == strategy.PROCESSES and jax.default_backend() != "cpu":
        return "processes would each take the whole device"
    return None


def _routines(peak: Peak) -> str:
    rates = [f"{name} {peak.gflops(seconds):.0f}" for name, seconds in peak.seconds.items()]
    return ", ".join([*rates, f"the best of each {peak.gflops():.0f} GFLOP/s"])


def _times(call: Callable[[], None], number: int) -> None:
    for _ in range(number):
        call()


def _no_torch(config: Mapping[str, Any]) -> str | None:
    if not config["torch"]:
        return "config.torch is False"
    if find_spec("torch") is None:
        return 'PyTorch is not installed: pip install -e ".[bench]"'
    if jax.default_backend() != "cpu":
        return "the PyTorch step was written and checked for a CPU"
    return None


def _batches(job: Job) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The batches of an epoch in training space, as the first lane would see them unshuffled."""
    table = np.asarray(job.table.features), np.asarray(job.table.labels)
    mean, scale = np.asarray(job.lanes.mean[0]), np.asarray(job.lanes.scale[0])
    size, classes = job.schedule.batch_size, job.learner.nets.sizes.classes
    for i in range(job.schedule.batches):
        rows = slice(i * size, (i + 1) * size)
        z = np.clip((table[0][rows] - mean) / scale, -job.schedule.clip, job.schedule.clip)
        yield job.schedule.gain * z, np.eye(classes, dtype=np.float32)[table[1][rows]]


def _torch_steps(job: Job, form: str) -> Candidate:
    """Half an epoch of every lane in PyTorch, one after the other, on as many threads as ours."""
    from aegan.bench import torch_m2

    state = lanes.init_lanes(job.learner, job.lanes)
    models = [
        torch_m2.FORMS[form](
            job.learner, job.schedule, jax.device_get(lanes.lane_of(state, i).params), seed=i
        )
        for i in range(job.number)
    ]
    half = max(1, job.schedule.batches // 2)
    batches = [tuple(map(torch_m2.tensor, batch)) for batch in islice(_batches(job), half)]

    def call() -> None:
        with torch_m2.threads(usable_cores()):
            for model in models:
                for x, labels in batches:
                    model.step(x, labels)

    call()  # to warm up
    return Candidate(call, half * job.number)


def _parity(job: Job, form: str) -> float:
    from aegan.bench import torch_m2

    params = jax.device_get(lanes.lane_of(lanes.init_lanes(job.learner, job.lanes), 0).params)
    x, labels = next(_batches(job))
    key = jax.random.key(0)
    return torch_m2.parity(job.learner, job.schedule, params, key, x, labels, form)


# --- compile time and memory ---------------------------------------------------------------------


def _compiling(config: Mapping[str, Any]) -> dict[str, Any]:
    """A new process each time: with an empty cache, then with what the one before left in it."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in ("from an empty cache", "from the persistent cache"):
            with Pool(1, threads_of(usable_cores())) as pool:
                shape = _shape(config, "m2")
                found[name] = pool.submit(_first_call, shape, folder).result()
    return {
        "title": "M2: seconds to the first epoch, compiling and loading",
        "note": "Folds vmapped, in a process that has imported everything and built the job: the "
        "first call less the second.",
        "unit": "s",
        "rows": [
            {"name": name, **single(seconds), "detail": f"peak memory {peak / 1e9:.2f} GB"}
            for name, (seconds, peak) in found.items()
        ],
    }


def _first_call(shape: Shape, cache: str) -> tuple[float, int]:
    """Seconds of the first call beyond the second's, and the peak memory of this process."""
    jax.config.update("jax_compilation_cache_dir", cache)
    job = jobs.job_of(shape)
    state = lanes.init_lanes(job.learner, job.lanes)
    spent = []
    for _ in range(2):
        started = time.perf_counter()
        state, _ = run_chunk(job, job.lanes, state, 0, 1)
        spent.append(time.perf_counter() - started)
    return spent[0] - spent[1], _peak_memory()


def _peak_memory() -> int:
    """Bytes that this process held at most."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:
            lines = dict(line.split(":", 1) for line in file)
        return int(lines["VmHWM"].split()[0]) * 1024
    except (OSError, KeyError):  # not Linux, where this would be that of the starting process
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak * (1 if os.uname().sysname == "Darwin" else 1024)


def _memory(config: Mapping[str, Any], headline: dict[str, Measurement]) -> dict[str, Any]:
    """Bytes that XLA plans for one lane of M2 and for all folds; what one more lane adds."""
    one, all_ = (
        jobs.memory_of(jobs.job_of(_shape(config, "m2", batches=2, folds=folds)))
        for folds in (1, config["folds"])
    )
    added = (all_["planned"] - one["planned"]) / (config["folds"] - 1)
    need = one["state"] + _activations(_shape(config, "m2", batches=2, folds=1))
    headline["memory_per_lane"] = single(added / need)
    return {
        "title": "M2: memory of one more lane, as XLA plans it",
        "note": "Folds vmapped. The rest is gradients.",
        "unit": "B",
        "rows": [
            {"name": "one more lane", **single(added)},
            {"name": "its parameters and optimisers", **single(one["state"])},
            {"name": "and its activations", **single(need)},
        ],
    }


def _activations(shape: Shape) -> int:
    """Bytes of the values that the step with most of them keeps for its way back, of one lane."""
    job = jobs.job_of(shape)
    learner, batch = job.learner, job.schedule.batch_size
    state = jax.eval_shape(lanes.init_lanes, learner, job.lanes)
    found = []
    for step in learner.model.steps:
        own = jax.tree.leaves(learner.own(step, state.params))
        # One bias for every unit; the discriminators see real and synthetic rows.
        units = sum(leaf.shape[-1] for leaf in own if leaf.ndim == 2)
        found.append(units * batch * (2 if "discriminator" in step else 1))
    return 4 * max(found)


# --- metrics -------------------------------------------------------------------------------------


def _metrics(config: Mapping[str, Any], headline: dict[str, Measurement]) -> dict[str, Any]:
    """The search of one SVM, as in one fold, against scikit-learn's grid search."""
    chosen = config["metrics"]
    rows = chosen["rows"] + chosen["tested"]
    corpus = simulated_corpus(rows=rows, dim=config["features"], seed=1)
    # In random order, as the table is sorted by speaker.
    order = np.random.default_rng(0).permutation(len(corpus.labels))
    z = (corpus.features - corpus.features.mean(axis=0)) / corpus.features.std(axis=0)
    z, labels = z[order].astype(np.float32), corpus.labels[order]
    cut = chosen["rows"]
    table, differ = [], 0
    for kernel in ("linear", "rbf"):
        protocol = SvmProtocol(kernel=kernel, c_grid=tuple(chosen[kernel]))
        found = compare(kernel, z[:cut], labels[:cut], z[cut:], protocol)
        headline[f"svm_speedup_{kernel}"] = spread(
            [found.seconds_grid / seconds for seconds in found.seconds_ours]
        )
        differ += found.predictions_differ
        table += _svm_rows(kernel, found)
    headline["predictions_differ"] = single(differ)
    return {
        "title": f"Metric stage: search, fit and prediction of one SVM, {cut} rows",
        "note": f"C of {len(chosen['linear'])} values, 3 inner folds; {chosen['tested']} rows "
        "predicted. The grid search runs once, on one core as scikit-learn does.",
        "unit": "s",
        "rows": table,
    }


def _svm_rows(kernel: str, found: SvmComparison) -> list[Measurement]:
    cpu = found.cpu_grid / median(found.cpu_ours)
    return [
        {
            "name": f"{kernel}: one Gram matrix",
            **spread(found.seconds_ours),
            "detail": f"{found.predictions_differ} of {found.tested} predictions differ, C "
            f"{found.c_ours:g} and {found.c_grid:g}; processor time {cpu:.1f}x less",
        },
        {"name": f"{kernel}: scikit-learn's grid search", **single(found.seconds_grid)},
    ]


# --- scaling -------------------------------------------------------------------------------------


_BATCHES = 8  # of an epoch on the curves that do not vary it


class _Curve(NamedTuple):
    """How the time of an epoch of M2 grows with something."""

    what: str
    shapes: Mapping[int, Shape]
    note: str
    shares: Callable[[Shape], int] = lambda shape: 1  # into which an epoch's time is divided
    straight: bool = False  # should be


def _curves(config: Mapping[str, Any]) -> list[_Curve]:
    points, size = config["scaling"], config["batch_size"]
    one = partial(_shape, config, "m2", folds=1)
    return [
        _Curve(
            "rows",
            {n * size: one(batches=n) for n in points["batches"]},
            "Seconds of an epoch of one lane.",
            straight=True,
        ),
        _Curve(
            "lanes",
            {n: _shape(config, "m2", folds=n, batches=_BATCHES) for n in points["lanes"]},
            f"Seconds of an epoch of {_BATCHES} batches, folds x seeds vmapped.",
            straight=True,
        ),
        _Curve(
            "batch size",
            {n: one(batch_size=n, batches=_BATCHES) for n in points["batch_sizes"]},
            "Seconds per row of one lane.",
            lambda shape: shape.batches * shape.batch_size,
        ),
        _Curve(
            "features",
            {n: one(features=n, batches=_BATCHES) for n in points["features"]},
            "Seconds of one lane's train step.",
            lambda shape: shape.batches,
        ),
    ]


def _scaling(config: Mapping[str, Any], headline: dict[str, Measurement]) -> list[dict[str, Any]]:
    """How the time of M2 grows: rows, lanes, batch size, feature dimension."""
    sections = []
    for curve in _curves(config):
        if not curve.shapes:
            continue
        seconds = _epochs(curve.shapes, min(config["rounds"], 2))
        note = curve.note
        if curve.straight and len(seconds) < 3:
            headline[f"linear_in_{curve.what}"] = not_run("a line needs three points")
        elif curve.straight:
            line = linregress(list(seconds), [median(values) for values in seconds.values()])
            headline[f"linear_in_{curve.what}"] = single(line.rvalue**2)
            note += (
                f" A straight line: {line.intercept:.3g} s and {line.slope:.3g} s for each of the "
                f"{curve.what}, R squared {line.rvalue**2:.4f}."
            )
        rows = [
            {
                "name": f"{curve.what} {point}",
                **spread([s / curve.shares(curve.shapes[point]) for s in values]),
            }
            for point, values in seconds.items()
        ]
        sections.append(
            {"title": f"Scaling: {curve.what}", "note": note, "unit": "s", "rows": rows}
        )
    return sections


def _epochs(shapes: Mapping[int, Shape], rounds: int) -> dict[int, list[float]]:
    """Seconds of an epoch of all lanes at every point, in turn."""
    with ExitStack() as stack:
        candidates, epochs = {}, {}
        for point, shape in shapes.items():
            job = jobs.job_of(shape)
            trainer = stack.enter_context(open_trainer(strategy.VMAP, job))
            candidates[point] = jobs.training_of(job, trainer)
            epochs[point] = candidates[point].steps / job.schedule.batches / job.number
        calls = {point: candidate.call for point, candidate in candidates.items()}
        seconds = interleave(calls, rounds, warm=False)
    return {point: [s / epochs[point] for s in seconds[point]] for point in shapes}


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
