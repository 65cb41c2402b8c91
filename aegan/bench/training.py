"""Train steps: by every strategy and in PyTorch, in turn with the matrix products alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from importlib.util import find_spec
from statistics import median

import jax
import numpy as np

from aegan.bench.config import BenchConfig
from aegan.bench.headline import HEADLINE
from aegan.bench.jobs import Candidate, job_of, training_of
from aegan.bench.peak import BLAS, Peak, peak_by_core, prepare_peak
from aegan.bench.timing import Measurement, Part, interleave, not_run, ratio, section, spread
from aegan.learning.cost import flops_per_update
from aegan.training import strategy
from aegan.training.job import Job, only
from aegan.training.trainers import open_trainer

# Candidates beside the strategies, and what every one is called in the table.
PEAK, PEAK_BY_CORE = "peak", "peak by core"
ONE_FOLD, SEEDS, EAGER, TUNED = "one fold", "folds x seeds", "eager", "tuned"
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


def training_part(config: BenchConfig, model: str) -> Part:
    """Train steps by every strategy, PyTorch's beside M2's, in turn with the products alone."""
    leads = model == "m2"  # which has the headlines
    rounds = config.rounds if leads else min(config.rounds, 3)
    batches = config.batches if leads else max(1, config.batches // 2)
    job = job_of(config, model, batches=batches)
    auto = strategy.choose(strategy.AUTO, job.number, strategy.WORTH_PROCESSES)
    headline: dict[str, Measurement] = {}
    with ExitStack() as stack:

        def training(name: str, job: Job) -> Candidate:
            return training_of(job, stack.enter_context(open_trainer(name, job)))

        # A candidate, or why it is left out.
        found: dict[str, Candidate | str] = {
            name: _unavailable(name) or training(name, job) for name in strategy.STRATEGIES
        }
        if leads:
            one = Job(job.learner, job.table, only(job.lanes, 0))
            found[ONE_FOLD] = training(strategy.VMAP, one)
            if config.seeds > 1:
                several = job_of(config, model, seeds=config.seeds)
                found[SEEDS] = training(strategy.VMAP, several)
            headline["torch_parity"], in_torch = _in_torch(config, job)
            found |= in_torch
        peak, alone = _products_alone(job, stack, found[auto].steps // 4)
        found |= alone
        steps = {name: one.steps for name, one in found.items() if isinstance(one, Candidate)}
        seconds = interleave({name: found[name].call for name in steps}, rounds)
    per_step = {name: [s / steps[name] for s in seconds[name]] for name in steps}
    left_out = {name: not_run(why) for name, why in found.items() if isinstance(why, str)}
    limits = [per_step[name] for name in (PEAK, PEAK_BY_CORE) if name in per_step]
    limit = [min(both) for both in zip(*limits, strict=True)]
    if leads:
        headline |= _headline(per_step, limit, left_out, auto)
    flops = flops_per_update(job.learner)
    rates = ", ".join(f"{way} {rate:.0f}" for way, rate in peak.gflops.items())
    rows = [
        {
            "name": _WORDS[name],
            **spread(values),
            "detail": f"{flops / median(values) / 1e9:.0f} GFLOP/s, share "
            f"{ratio(limit, values)['median']:.2f}{', auto' * (name == auto)}",
        }
        for name, values in per_step.items()
    ]
    rows += [{"name": _WORDS[name], **entry} for name, entry in left_out.items()]
    title = (
        f"{model.upper()}: seconds of one lane's train step, batch {config.batch_size}, "
        f"{job.number} folds"
    )
    note = (
        f"{flops / 1e9:.2f} GFLOP a step. Every candidate once a round, {rounds} rounds. "
        f"Auto takes {auto} here. Products alone: {rates} GFLOP/s."
    )
    return Part([section(title, note, rows)], headline)


def _unavailable(name: str) -> str:
    """Why this machine has not a strategy; empty if it has."""
    if name == strategy.SHARDED and jax.device_count() == 1:
        return "one device"
    if name == strategy.PROCESSES and jax.default_backend() != "cpu":
        return "processes would each take the whole device"
    return ""


def _no_torch(config: BenchConfig) -> str:
    if not config.torch:
        return "config.torch is False"
    if find_spec("torch") is None:
        return 'PyTorch is not installed: pip install -e ".[bench]"'
    if jax.default_backend() != "cpu":
        return "the PyTorch step was written and checked for a CPU"
    return ""


def _in_torch(config: BenchConfig, job: Job) -> tuple[Measurement, dict[str, Candidate | str]]:
    """PyTorch's M2, eager and tuned, once both are found to compute what ours computes.

    The first is how far they are from it.
    """
    reason = _no_torch(config)
    if reason:
        return not_run(reason), {EAGER: reason, TUNED: reason}
    from aegan.bench import torch_m2

    found: dict[str, Candidate | str] = {}
    apart = [torch_m2.parity(job, form) for form in (EAGER, TUNED)]
    for form, value in zip((EAGER, TUNED), apart, strict=True):
        if value <= HEADLINE["torch_parity"].target[1]:
            found[form] = torch_m2.candidate(job, form)
        else:
            found[form] = f"its losses and updates are {value:.2g} from ours"
    worst = float(np.max(apart))  # NaN if one is
    far = not_run(f"losses and updates are {worst:.2g} from ours")
    return spread([worst]) if np.isfinite(worst) else far, found


def _products_alone(job: Job, stack: ExitStack, steps: int) -> tuple[Peak, dict[str, Candidate]]:
    """The job's products alone, in about as many ``steps`` of single lanes.

    On all threads together, in the fastest way and by BLAS, and, on a CPU, with a process for
    each core too.
    """

    def candidate(run: Callable[[int], None], lanes: int) -> Candidate:
        passes = max(1, steps // lanes)
        return Candidate(partial(run, passes), passes * lanes)

    peak = prepare_peak(job.learner, job.number)
    found = {PEAK: candidate(peak.run, job.number)}
    if BLAS in peak.ways:
        found[BLAS] = candidate(peak.ways[BLAS], job.number)
    if not _unavailable(strategy.PROCESSES):
        run, cores = stack.enter_context(peak_by_core(job.learner))
        found[PEAK_BY_CORE] = candidate(run, cores)
    return peak, found


def _headline(
    per_step: Mapping[str, Sequence[float]],
    limit: Sequence[float],
    left_out: Mapping[str, Measurement],
    auto: str,
) -> dict[str, Measurement]:
    ours, vmapped, blas = per_step[auto], per_step[strategy.VMAP], per_step.get(BLAS)
    no_blas = not_run("BLAS is for a CPU")
    best = min((s for s in strategy.STRATEGIES if s in per_step), key=lambda s: median(per_step[s]))
    return {
        "peak_share": ratio(limit, ours),
        "peak_share_vmap": ratio(limit, vmapped),
        "blas_share": ratio(blas, ours) if blas else no_blas,
        "blas_share_vmap": ratio(blas, vmapped) if blas else no_blas,
        "vs_sequential": ratio(per_step[strategy.SEQUENTIAL], ours),
        "auto_vs_best": ratio(per_step[best], ours),
    } | {
        f"vs_torch_{form}": left_out.get(form) or ratio(per_step[form], ours)
        for form in (EAGER, TUNED)
    }
