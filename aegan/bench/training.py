"""Train steps: by every strategy and in PyTorch, in turn with the matrix products alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from importlib.util import find_spec
from statistics import median

import jax
import numpy as np

from aegan.bench.config import BenchConfig
from aegan.bench.jobs import job_of, training_of
from aegan.bench.peak import BLAS, Peak, peak_by_core, prepare_peak
from aegan.bench.timing import Measurement, Part, interleave, not_run, ratio, section, spread
from aegan.learning.cost import flops_per_update
from aegan.training import strategy
from aegan.training.job import Job, only
from aegan.training.trainers import open_trainer

Candidate = Callable[[], int]  # does some train steps of single lanes, and says how many
PARITY = 5e-3  # how far PyTorch's losses and updates may be from ours
# Candidates beside the strategies, and what the table calls one that has another name there.
PEAK, PEAK_BY_CORE = "products alone, together", "products alone, by core"
ONE_FOLD, SEEDS, EAGER, TUNED = "one fold alone", "folds x seeds vmapped", "eager", "tuned"
_WORDS = {
    BLAS: "products alone, by BLAS",
    strategy.VMAP: "folds vmapped",
    strategy.SHARDED: "folds sharded over devices",
    strategy.PROCESSES: "folds in processes",
    strategy.SEQUENTIAL: "folds one after the other",
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
    headline, missing = {}, _missing()
    with ExitStack() as stack:

        def training(name: str, job: Job) -> Candidate:
            return training_of(job, stack.enter_context(open_trainer(name, job)))

        candidates = {s: training(s, job) for s in strategy.STRATEGIES if s not in missing}
        if leads:
            one = Job(job.learner, job.table, only(job.lanes, 0))
            candidates[ONE_FOLD] = training(strategy.VMAP, one)
            if config.seeds > 1:
                several = job_of(config, model, seeds=config.seeds)
                candidates[SEEDS] = training(strategy.VMAP, several)
            headline["torch_parity"], in_torch, without = _in_torch(config, job)
            candidates |= in_torch
            missing |= without
        peak, alone = _products_alone(job, stack, candidates[auto]() // 4)
        per_step = interleave(candidates | alone, rounds)
    limits = [per_step[name] for name in (PEAK, PEAK_BY_CORE) if name in per_step]
    limit = [min(both) for both in zip(*limits, strict=True)]
    left_out = {name: not_run(why) for name, why in missing.items()}
    if leads:
        headline |= _headline(per_step, limit, left_out, auto)
    flops = flops_per_update(job.learner)
    rows = [
        {
            "name": _WORDS.get(name, name),
            **spread(values),
            "detail": f"{flops / median(values) / 1e9:.0f} GFLOP/s, share "
            f"{ratio(limit, values)['median']:.2f}{', auto' * (name == auto)}",
        }
        for name, values in per_step.items()
    ]
    rows += [{"name": _WORDS[name], **entry} for name, entry in left_out.items()]
    rates = ", ".join(f"{way} {rate:.0f}" for way, rate in peak.gflops.items())
    title = f"{model.upper()}: seconds of one lane's train step, batch {config.batch_size}, "
    note = (
        f"{flops / 1e9:.2f} GFLOP a step. Every candidate once a round, {rounds} rounds. "
        f"Auto takes {auto} here. Products alone: {rates} GFLOP/s."
    )
    return Part([section(f"{title}{job.number} folds", note, rows)], headline)


def _missing() -> dict[str, str]:
    """The strategies that this machine has not, and why."""
    missing = {strategy.SHARDED: "one device"} if jax.device_count() == 1 else {}
    if jax.default_backend() != "cpu":
        missing[strategy.PROCESSES] = "processes would each take the whole device"
    return missing


def _in_torch(
    config: BenchConfig, job: Job
) -> tuple[Measurement, dict[str, Candidate], dict[str, str]]:
    """How far PyTorch's M2 is from ours, its forms to time, and why others are missing."""
    reasons = {
        "config.torch is False": not config.torch,
        'PyTorch is not installed: pip install -e ".[bench]"': find_spec("torch") is None,
        "the PyTorch step was written and checked for a CPU": jax.default_backend() != "cpu",
    }
    for reason, holds in reasons.items():
        if holds:
            return not_run(reason), {}, {EAGER: reason, TUNED: reason}
    from aegan.bench import torch_m2

    apart = {form: torch_m2.parity(job, form) for form in (EAGER, TUNED)}
    said = {form: f"its losses and updates are {far:.2g} from ours" for form, far in apart.items()}
    timed = {form: torch_m2.training_of(job, form) for form in apart if apart[form] <= PARITY}
    worst = float(np.max([*apart.values()]))  # NaN if one is
    parity = spread([worst]) if np.isfinite(worst) else not_run(f"{worst:.2g} from ours")
    return parity, timed, {form: text for form, text in said.items() if form not in timed}


def _products_alone(job: Job, stack: ExitStack, steps: int) -> tuple[Peak, dict[str, Candidate]]:
    """The job's products alone, in about as many ``steps`` of single lanes.

    On all threads together, in the fastest way and by BLAS, and, on a CPU, with a process for
    each core too.
    """

    def candidate(run: Callable[[int], int], lanes: int) -> Candidate:
        return lambda: run(max(1, steps // lanes)) * lanes

    peak = prepare_peak(job.learner, job.number)
    found = {PEAK: candidate(peak.run, job.number)}
    if BLAS in peak.ways:  # on a CPU
        found[BLAS] = candidate(peak.ways[BLAS], job.number)
        found[PEAK_BY_CORE] = candidate(*stack.enter_context(peak_by_core(job.learner)))
    return peak, found


def _headline(
    per_step: Mapping[str, list[float]],
    limit: list[float],
    left_out: Mapping[str, Measurement],
    auto: str,
) -> dict[str, Measurement]:
    def over(name: str, steps: list[float]) -> Measurement:
        return ratio(per_step[name], steps) if name in per_step else not_run("BLAS is for a CPU")

    ours, vmapped = per_step[auto], per_step[strategy.VMAP]
    best = min((s for s in strategy.STRATEGIES if s in per_step), key=lambda s: median(per_step[s]))
    return {
        "peak_share": ratio(limit, ours),
        "peak_share_vmap": ratio(limit, vmapped),
        "blas_share": over(BLAS, ours),
        "blas_share_vmap": over(BLAS, vmapped),
        "vs_torch_eager": left_out.get(EAGER) or over(EAGER, ours),
        "vs_torch_tuned": left_out.get(TUNED) or over(TUNED, ours),
        "vs_sequential": over(strategy.SEQUENTIAL, ours),
        "auto_vs_best": over(best, ours),
    }
