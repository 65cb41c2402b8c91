"""Train steps: by every strategy and in PyTorch, in turn with the matrix products alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from importlib.util import find_spec
from itertools import islice
from statistics import median
from typing import Any

import jax
import numpy as np

from aegan.bench.headline import TARGETS, Measurement, not_run, single
from aegan.bench.jobs import Candidate, flops_of, job_of, shape_of, training_of
from aegan.bench.peak import NUMPY, Peak, peak_by_core, prepare_peak
from aegan.bench.timing import interleave, ratio, spread
from aegan.system.workers import usable_cores
from aegan.training import lanes, strategy
from aegan.training.job import Job, only
from aegan.training.trainers import open_trainer

PEAK, PEAK_BY_CORE, BLAS = "peak", "peak by core", "BLAS"
ONE_FOLD, SEEDS, EAGER, TUNED = "one fold", "folds x seeds", "eager", "tuned"


def training_section(
    config: Mapping[str, Any], model: str, headline: dict[str, Measurement]
) -> dict[str, Any]:
    """Train steps by every strategy, PyTorch's beside M2's, in turn with the products alone."""
    leads = model == "m2"  # which has the headlines
    job = job_of(shape_of(config, model, batches=_batches_of(config, leads)))
    auto = strategy.choose(strategy.AUTO, job.number, strategy.WORTH_PROCESSES)
    rounds = config["rounds"] if leads else min(config["rounds"], 3)
    left_out: dict[str, Measurement] = {}
    with ExitStack() as stack:
        candidates = _strategies(job, stack, left_out)
        if leads:
            candidates |= _other_lanes(config, job, stack)
            candidates |= _in_torch(config, job, left_out, headline)
        peak, products = _products_alone(job, stack, candidates[auto].steps // 4)
        candidates |= products
        seconds = interleave({name: c.call for name, c in candidates.items()}, rounds, warm=False)
    per_step = {name: [s / candidates[name].steps for s in seconds[name]] for name in candidates}
    limits = [per_step[name] for name in (PEAK, PEAK_BY_CORE) if name in products]
    limit = [min(both) for both in zip(*limits, strict=True)]
    if leads:
        _training_headline(per_step, limit, left_out, auto, headline)
    flops = flops_of(job)
    rows = [_step_row(name, values, limit, flops, auto) for name, values in per_step.items()]
    rows += [{"name": _WORDS.get(name, name), **entry} for name, entry in left_out.items()]
    return {
        "title": f"{model.upper()}: seconds of one lane's train step, batch "
        f"{job.schedule.batch_size}, {job.number} folds",
        "note": f"{flops / 1e9:.2f} GFLOP a step. Every candidate once a round, {rounds} rounds. "
        f"Auto takes {auto} here. Products alone: {_rates(peak)}.",
        "unit": "s",
        "rows": rows,
    }


def _products_alone(job: Job, stack: ExitStack, steps: int) -> tuple[Peak, dict[str, Candidate]]:
    """The job's products alone, in about as many ``steps`` of single lanes.

    On all threads together, in the fastest way and by BLAS, and, on a CPU, with a process for
    each core too.
    """
    shape = job.learner.model, job.learner.nets.sizes, job.schedule.batch_size
    peak = prepare_peak(*shape, job.number)
    passes = max(1, steps // job.number)
    found = {PEAK: Candidate(partial(peak.run, passes), passes * job.number)}
    if NUMPY in peak.ways:
        found[BLAS] = Candidate(partial(peak.ways[NUMPY], passes), passes * job.number)
    if _unavailable(strategy.PROCESSES) is None:
        run, number = stack.enter_context(peak_by_core(*shape))
        passes = max(1, steps // number)
        run(1)
        found[PEAK_BY_CORE] = Candidate(partial(run, passes), passes * number)
    return peak, found


def _batches_of(config: Mapping[str, Any], leads: bool) -> int:
    return config["batches"] if leads else max(1, config["batches"] // 2)


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
            candidates[name] = training_of(job, trainer)
    return candidates


def _other_lanes(config: Mapping[str, Any], job: Job, stack: ExitStack) -> dict[str, Candidate]:
    """One fold alone; all folds with several seeds, where the config has them."""
    others = {ONE_FOLD: Job(job.learner, job.schedule, job.table, only(job.lanes, 0))}
    if config["seeds"] > 1:
        others[SEEDS] = job_of(shape_of(config, "m2", seeds=config["seeds"]))
    return {
        name: training_of(other, stack.enter_context(open_trainer(strategy.VMAP, other)))
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
    BLAS: "products alone, by BLAS",
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
    for name, step in (("blas_share", ours), ("blas_share_vmap", per_step[strategy.VMAP])):
        alone = per_step.get(BLAS)
        headline[name] = ratio(alone, step) if alone else not_run("BLAS is for a CPU")
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


def _rates(peak: Peak) -> str:
    rates = [f"{name} {rate:.0f}" for name, rate in peak.gflops().items()]
    return ", ".join(rates) + " GFLOP/s"


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
