"""Train steps: by every strategy and in PyTorch, in turn with the products and the machine's rates.

And the steps of the schedule one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from math import inf
from statistics import median
from time import time
from typing import NamedTuple

import jax

from aegan.bench import roofline
from aegan.bench.config import BenchConfig
from aegan.bench.jobs import job_of, training_of
from aegan.bench.memory import compiled_epochs_of
from aegan.bench.peak import peak_by_core, prepare_peak
from aegan.bench.timing import Measurement, Part, interleave, not_run, ratio, section, spread
from aegan.learning.cost import flops_per_update
from aegan.training import strategy
from aegan.training.job import Job
from aegan.training.trainers import Vmapped, open_trainer

Candidate = Callable[[], float]  # does some train steps of single lanes, and says how many
PARITY = 5e-3  # how far PyTorch's losses and updates should be from ours
# On a GPU, which adds up in an order of its own, a unit at its kink may have another gradient.
GPU_PARITY = 5e-2
FOLDS = 5  # of an epoch that times are told of
# Candidates beside the strategies, and what the table calls one that has another name there.
PEAK, PEAK_BY_CORE = "products alone, together", "products alone, by core"
FORMS = ("graphs", "eager", "compiled", "tuned")  # in PyTorch
_WORDS = {
    strategy.VMAP: "folds vmapped",
    strategy.SHARDED: "folds sharded over devices",
    strategy.PROCESSES: "folds in processes",
    strategy.SEQUENTIAL: "folds one after the other",
    "eager": "PyTorch, eager",
    "compiled": "PyTorch, compiled",
    "tuned": "PyTorch, tuned by hand",
    "graphs": "PyTorch, CUDA graphs",
}


class Ready(NamedTuple):
    """Candidates that ran once, the device memory that each took then, and why others did not."""

    candidates: dict[str, Candidate]
    memory: dict[str, int]
    missing: dict[str, str]


def training_part(config: BenchConfig, until: float) -> Part:
    """Train steps of the first model in batches of the first size."""
    model = config.models[0]
    job, apart = job_of(config, model), []
    missing = _absent_strategies() | (_without_torch(config) if model == "m2" else {})
    with ExitStack() as stack:

        def training(name: str, lanes: int) -> Candidate:
            own = job if lanes == job.number else job_of(config, model, folds=lanes)
            return training_of(own, stack.enter_context(open_trainer(name, own)))

        makers = {name: partial(training, name, job.number) for name in strategy.STRATEGIES}
        alone = {lanes_name(n): partial(training, strategy.VMAP, n) for n in config.lanes}
        forms = FORMS if model == "m2" else ()
        in_torch = {form: partial(_in_torch, job, form, apart) for form in forms}
        products = _products_alone(job, stack)
        # The most important first, for there may not be time for all.
        first = [*makers, lanes_name(config.lanes[0]), *forms[:2], *products]
        everything = makers | alone | in_torch | products
        order = dict.fromkeys([*first, *everything])
        ready = prepared({name: everything[name] for name in order}, missing, until)
        # Now, for it compiles: after the rounds there may be no time left.
        kernels = _kernels(job) if config.accelerator else 0
        precisions = [config.precision, *["tensorfloat32"] * config.accelerator]
        rates = roofline.rates(dict.fromkeys(precisions), config.square)
        seconds = interleave(ready.candidates | rates, config.rounds, until)
    tables = [_table(config, job, seconds, ready)]
    if config.accelerator:
        tables.append(_floors(config, job, seconds, kernels))
    else:
        tables.append(section("The machine meanwhile", "", roofline.told(seconds), ""))
    parity = {"torch_parity": spread([max(apart)])} if apart else {}
    return Part(tables, _headline(config, job, seconds, ready) | parity)


def lanes_name(lanes: int) -> str:
    """What tables call so many lanes in one call."""
    return "one fold alone" if lanes == 1 else f"{lanes} lanes vmapped"


def prepared(
    makers: Mapping[str, Callable[[], Candidate]], missing: Mapping[str, str], until: float
) -> Ready:
    """Makes each candidate and has it run once, while a fifth of the time until ``until`` is left.

    What fails for want of memory or of a compiler is missing, and the others go on.
    """
    ready, end = Ready({}, {}, dict(missing)), until - (until - time()) / 5
    for name, make in makers.items():
        if name in missing:
            continue
        if time() > end:
            ready.missing[name] = "there was no time left for it"
            continue
        held, before = (_device_memory(what) for what in ("bytes_in_use", "peak_bytes_in_use"))
        try:
            candidate = make()
            candidate()
        except RuntimeError as error:  # jax's and PyTorch's
            said = (str(error).strip().splitlines() or [""])[0][:200]
            ready.missing[name] = f"{type(error).__name__}: {said}"
        else:
            ready.candidates[name] = candidate
            peak = _device_memory("peak_bytes_in_use")
            ready.memory[name] = (
                peak - held if peak > before else 0
            )  # else it took less than others
    return ready


def _device_memory(what: str) -> int:
    """Of the first device; 0 where that does not say."""
    return (jax.local_devices()[0].memory_stats() or {}).get(what, 0)


def _absent_strategies() -> dict[str, str]:
    """The strategies that this machine has not, and why."""
    missing = {strategy.SHARDED: "one device"} if jax.device_count() == 1 else {}
    if jax.default_backend() != "cpu":
        missing[strategy.PROCESSES] = "processes would each take the whole device"
        missing[strategy.SEQUENTIAL] = "one fold alone says it"
    return missing


def _without_torch(config: BenchConfig) -> dict[str, str]:
    """The forms in PyTorch that cannot run, and why."""
    if not config.torch:
        return dict.fromkeys(FORMS, "config.torch is False")
    if find_spec("torch") is None:
        return dict.fromkeys(FORMS, 'PyTorch is not installed: pip install -e ".[bench]"')
    return {"graphs": "CUDA graphs are a GPU's"} if jax.default_backend() == "cpu" else {}


def _in_torch(job: Job, form: str, apart: list[float]) -> Candidate:
    """A form in PyTorch; ``RuntimeError`` if what it computes is not what ours does."""
    from aegan.bench import torch_m2

    far = torch_m2.parity(job, form)
    if not far <= (PARITY if jax.default_backend() == "cpu" else GPU_PARITY):
        raise RuntimeError(f"its losses and updates are {far:.2g} from ours")
    apart.append(far)
    return torch_m2.training_of(job, form)


def _products_alone(job: Job, stack: ExitStack) -> dict[str, Callable[[], Candidate]]:
    """The job's products alone, in about a quarter as many steps of single lanes.

    On all threads together and, on a CPU, with a process for each core too.
    """
    steps = job.learner.batches * job.number // 4

    def candidate(run: Callable[[int], int], lanes: int) -> Candidate:
        return lambda: run(max(1, steps // lanes)) * lanes

    found = {PEAK: lambda: candidate(prepare_peak(job.learner, job.number).run, job.number)}
    if jax.default_backend() == "cpu":
        found[PEAK_BY_CORE] = lambda: candidate(*stack.enter_context(peak_by_core(job.learner)))
    return found


def _epoch(config: BenchConfig) -> int:
    """Batches of an epoch."""
    return -(-config.epoch_rows // config.batch_sizes[0])


def _auto(job: Job) -> str:
    """What auto takes for a long training."""
    return strategy.choose(strategy.AUTO, job.number, inf, job.learner.batch_size)


def _limit(seconds: Mapping[str, list[float]]) -> list[float]:
    """The products alone, in the faster way of each round; empty where they were not measured."""
    ways = [seconds[name] for name in (PEAK, PEAK_BY_CORE) if name in seconds]
    return [min(both) for both in zip(*ways, strict=True)]


def _table(
    config: BenchConfig, job: Job, seconds: Mapping[str, list[float]], ready: Ready
) -> dict[str, object]:
    flops, works = flops_per_update(job.learner), roofline.work_of(job.learner)
    limit, floors = _limit(seconds), roofline.floors(works, seconds, config.precision)

    def detail(name: str) -> str:
        own = seconds[name]
        parts = [f"{flops / median(own) / 1e9:.0f} GFLOP/s"]
        if limit:
            parts.append(f"{ratio(limit, own)['median']:.2f} of the products alone")
        parts.append(f"{ratio(floors, own)['median']:.2f} of the roofline")
        parts.append(f"{1e3 * FOLDS * _epoch(config) * median(own):.0f} ms an epoch of five folds")
        if ready.memory[name]:
            parts.append(f"{ready.memory[name] / 1e9:.2f} GB on the device")
        return ", ".join(parts) + ", auto" * (name == _auto(job))

    rows = [
        {"name": _WORDS.get(name, name), **spread(seconds[name]), "detail": detail(name)}
        for name in ready.candidates
    ]
    rows += [{"name": _WORDS.get(n, n), **not_run(why)} for n, why in ready.missing.items()]
    note = (
        f"{flops / 1e9:.2f} GFLOP and at least {sum(one.bytes for one in works) / 1e6:.0f} MB a "
        f"step. Every candidate once a round. An epoch is of {config.epoch_rows} rows."
    )
    return section(f"Seconds of one lane's train step, {job.number} folds", note, rows)


def _kernels(job: Job) -> int:
    """Kernels of a train step of all lanes."""
    return roofline.kernels_of_step(compiled_epochs_of(job).as_text(), job.learner.batches)


def _floors(
    config: BenchConfig, job: Job, seconds: Mapping[str, list[float]], kernels: int
) -> dict[str, object]:
    """What an epoch of five folds takes at least on an accelerator, in ms, by each limit."""
    works, batches = roofline.work_of(job.learner), _epoch(config)
    amounts = {name: sum(w.flops for w in works) for name in seconds if roofline.RATE in name}
    amounts[roofline.BANDWIDTH] = sum(w.bytes for w in works)
    amounts[roofline.LAUNCH] = kernels / job.number
    rows = [
        {
            "name": f"at the rate of: {name}",
            **spread([1e3 * one * amount * FOLDS * batches for one in seconds[name]]),
        }
        for name, amount in amounts.items()
    ]
    note = (
        f"ms an epoch of five folds that the step's products, its weights and rows, and the starts "
        f"of its {kernels} kernels ({job.number} lanes in one) take by themselves at the measured "
        "rates. The longest is the floor."
    )
    return section("Floors, and the machine", note, [*rows, *roofline.told(seconds)], "")


def _headline(
    config: BenchConfig, job: Job, seconds: Mapping[str, list[float]], ready: Ready
) -> dict[str, Measurement]:
    auto, works = _auto(job), roofline.work_of(job.learner)

    def over(top: list[float] | str, name: str) -> Measurement:
        for one in (top, name):
            if isinstance(one, str) and one not in seconds:
                return not_run(ready.missing.get(one, "it was not asked for"))
        top = seconds[top] if isinstance(top, str) else top
        return ratio(top, seconds[name]) if top else not_run("there was no time left for it")

    floors = roofline.floors(works, seconds, config.precision)
    found = {
        "peak_share": over(_limit(seconds), auto),
        "peak_share_vmap": over(_limit(seconds), strategy.VMAP),
        "roofline_share": over(floors, auto),
        "roofline_share_vmap": over(floors, strategy.VMAP),
        **{f"vs_torch_{form}": over(form, auto) for form in FORMS},
        "vs_sequential": over(strategy.SEQUENTIAL, auto),
    }
    done = [name for name in strategy.STRATEGIES if name in seconds]
    if auto in done:
        best = min(done, key=lambda name: median(seconds[name]))
        found["auto_vs_best"] = over(best, auto)
    if config.accelerator:
        steps = FOLDS * _epoch(config)
        many = lanes_name(config.lanes[0])
        found["lanes_vs_torch_graphs"] = over("graphs", many)
        if strategy.VMAP in seconds:
            found["epoch_ms"] = spread([1e3 * steps * one for one in seconds[strategy.VMAP]])
    return found


def steps_part(config: BenchConfig, until: float) -> Part:
    """Each step of the schedule: the time of the first k steps less that of the first k - 1."""
    job = job_of(config, config.models[0])
    works = roofline.work_by_step(job.learner)

    def up_to(number: int) -> Candidate:
        cut = replace(job, learner=roofline.first_steps(job.learner, number))
        return training_of(cut, Vmapped(cut))

    makers = {name: partial(up_to, number) for number, name in enumerate(works, 1)}
    ready = prepared(makers, {}, until)
    rates = roofline.rates([config.precision], config.square)
    seconds = interleave(ready.candidates | rates, config.rounds, until)
    rows, before = [], [0.0] * len(seconds[roofline.BANDWIDTH])
    for name in ready.candidates:
        own = [after - start for after, start in zip(seconds[name], before, strict=True)]
        floors, before = roofline.floors(works[name], seconds, config.precision), seconds[name]
        flops, moved = (sum(part) for part in zip(*works[name], strict=True))
        share = f"{median(floors) / median(own):.2f}" if median(own) > 0 else "unknown"
        detail = f"{flops / 1e9:.2f} GFLOP, {moved / 1e6:.0f} MB, share of the roofline {share}"
        rows.append({"name": name, **spread(own), "detail": detail})
    rows += [{"name": name, **not_run(why)} for name, why in ready.missing.items()]
    note = "Folds vmapped; what the first steps take less what those before it take."
    return Part([section("Seconds of one lane by step of the schedule", note, rows)], {})
