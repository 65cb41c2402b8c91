"""The limit of a train step: its matrix products alone, each by the fastest routine found here."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from statistics import median
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from aegan.bench.timing import interleave
from aegan.models.declarations import Model
from aegan.models.networks import Sizes
from aegan.training.cost import Product, products
from aegan.training.lanes import compiler_options
from aegan.workers import Pool, threads_of, usable_cores

# Routines of a product of all lanes.
NUMPY = "numpy"  # BLAS, one lane after another
PLAIN = "jax, plain"  # XLA as it comes, one lane after another
JAX = "jax"  # XLA by the options of training, one lane after another
JAX_BATCHED = "jax, batched"  # the same, one product with an axis of lanes

BEST = "the best of each"

LEAST_SECONDS = 2e-3  # cheaper products are repeated until a timing is so long
MOST_REPEATS = 200

_FORMS = {"forward": "bi,io->bo", "inputs": "bo,io->bi", "weights": "bi,bo->io"}


@dataclass(frozen=True)
class Peak:
    """The matrix products of one train step of all lanes.

    Attributes:
        flops: of them all, a multiply-add counted as two.
        seconds: of them all, by routine.
        best: the fastest routine of every distinct product.
        best_seconds: of them all, each by its fastest routine.
        step: runs them all once and returns when they are done: each by its fastest routine, or
            all by one where that is faster (routines have threads that get in each other's way).
            Its time, taken in turn with that of a train step, is the limit of the moment.
    """

    flops: float
    seconds: Mapping[str, float]
    best: Mapping[Product, str]
    best_seconds: float
    step: Callable[[], None]

    def gflops(self, seconds: float | None = None) -> float:
        """GFLOP/s of all products in so many seconds, or in the best ones."""
        return self.flops / (seconds or self.best_seconds) / 1e9


class _Job(NamedTuple):
    """A product by XLA: one pair of operands a lane, or one pair with an axis of lanes."""

    form: str  # of einsum
    pairs: Sequence[tuple[jax.Array, jax.Array]]


def prepare_peak(
    model: Model,
    sizes: Sizes,
    batch_size: int,
    lanes: int,
    rounds: int = 5,
    *,
    fresh_z: bool = False,
    update_d2: bool = True,
    fused: bool | None = None,
) -> Peak:
    """Finds the fastest routine of every distinct product of a train step.

    Every lane has operands of its own, so that weights come from memory as in training. They are
    float32, and XLA's precision is that of ``jax_default_matmul_precision``.

    Args:
        model: as in ``products``, like ``sizes``, ``batch_size``, ``fresh_z`` and ``update_d2``.
        sizes: the model's layer widths.
        batch_size: rows of a batch.
        lanes: trained together.
        rounds: of timing, in each of which every routine has its turn.
        fresh_z: whether step 5 draws a z of its own.
        update_d2: whether step 4 trains D2.
        fused: compile all products into one program, in which routines are compared as a whole
            and numpy has no part; None does so everywhere but on a CPU. (Starting a product can
            take an accelerator longer than the product.)
    """
    order = products(model, sizes, batch_size, fresh_z, update_d2)
    jobs = _jobs(order, lanes)
    flops = 2.0 * lanes * sum(p.multiply_adds for p in order)
    if fused is None:
        fused = jax.default_backend() != "cpu"
    if fused:
        passes = {name: _fused([jobs[p][name] for p in order]) for name in (JAX, JAX_BATCHED)}
        timed = {name: median(values) for name, values in interleave(passes, rounds).items()}
        name = min(timed, key=timed.get)
        return Peak(flops, timed, dict.fromkeys(order, name), timed[name], passes[name])

    counts = Counter(order)
    seconds: Counter[str] = Counter()
    best, best_seconds = {}, 0.0
    runs: dict[str, dict[Product, Callable[[], None]]] = {BEST: {}}
    outputs: dict[tuple[int, ...], np.ndarray] = {}
    for p, count in counts.items():
        candidates = {NUMPY: _by_numpy(p, jobs[p][JAX_BATCHED], outputs)}
        candidates |= {name: _by_jax(job) for name, job in jobs[p].items()}
        candidates[PLAIN] = _by_jax(jobs[p][JAX], plain=True)
        timed = _seconds(candidates, rounds)
        for name, value in timed.items():
            seconds[name] += count * value
        best[p] = min(timed, key=timed.get)
        best_seconds += count * timed[best[p]]
        for name, run in {**candidates, BEST: candidates[best[p]]}.items():
            runs.setdefault(name, {})[p] = run
    steps = [_in_turn([routine[p] for p in order]) for routine in runs.values()]
    return Peak(flops, dict(seconds), best, best_seconds, _fastest(steps, rounds))


@contextmanager
def peak_by_core(
    model: Model, sizes: Sizes, batch_size: int
) -> Iterator[tuple[Callable[[int], None], int]]:
    """The products of a train step in a process for each core, on one thread, each of one lane.

    As training in processes does them. Yields a call that runs them so many times, and the number
    of lanes.
    """
    cores = usable_cores()
    environment = threads_of(1) | {"JAX_PLATFORMS": "cpu"}
    with Pool(cores, environment, _prepare_here, (model, sizes, batch_size)) as pool:

        def run(times: int) -> None:
            for done in [pool.submit(_run_here, times) for _ in range(cores)]:
                done.result()

        yield run, cores


_here: dict[str, Peak] = {}  # in such a process


def _prepare_here(model: Model, sizes: Sizes, batch_size: int) -> None:
    _here["peak"] = prepare_peak(model, sizes, batch_size, 1, 1)


def _run_here(times: int) -> None:
    for _ in range(times):
        _here["peak"].step()


def _in_turn(calls: Sequence[Callable[[], None]]) -> Callable[[], None]:
    def step() -> None:
        for call in calls:
            call()

    return step


def _fastest(steps: Sequence[Callable[[], None]], rounds: int) -> Callable[[], None]:
    seconds = interleave(dict(enumerate(steps)), rounds)
    return steps[min(seconds, key=lambda i: median(seconds[i]))]


def _jobs(order: Sequence[Product], lanes: int) -> dict[Product, dict[str, _Job]]:
    """Operands of all lanes, shared between products where shape and role are the same.

    The roles keep x.T @ x from arising, which BLAS does with half the operations.
    """
    rng = np.random.default_rng(0)

    @lru_cache(None)
    def stacked(role: str, *shape: int) -> jax.Array:
        return jnp.array(rng.standard_normal((lanes, *shape), dtype=np.float32))

    @lru_cache(None)
    def split(role: str, *shape: int) -> list[jax.Array]:
        return [jnp.array(lane) for lane in np.asarray(stacked(role, *shape))]

    jobs = {}
    for p in dict.fromkeys(order):
        weights = ("weights", p.inputs, p.outputs)
        below, above = ("inputs", p.rows, p.inputs), ("outputs", p.rows, p.outputs)
        pair = {
            "forward": (below, weights),
            "inputs": (above, weights),
            "weights": (below, above),
        }[p.kind]
        form = _FORMS[p.kind]
        one_by_one = [*zip(*(split(*operand) for operand in pair), strict=True)]
        first, second, result = form.replace(",", "->").split("->")
        jobs[p] = {
            JAX: _Job(form, one_by_one),
            JAX_BATCHED: _Job(
                f"l{first},l{second}->l{result}", [tuple(stacked(*operand) for operand in pair)]
            ),
        }
    return jobs


@lru_cache(None)
def _compiled(form: str, plain: bool = False) -> Callable[[jax.Array, jax.Array], jax.Array]:
    options = {} if plain else compiler_options()
    return jax.jit(lambda a, b: jnp.einsum(form, a, b), compiler_options=options)


def _by_jax(job: _Job, plain: bool = False) -> Callable[[], None]:
    product = _compiled(job.form, plain)

    def run() -> None:
        jax.block_until_ready([product(a, b) for a, b in job.pairs])

    return run


def _by_numpy(
    p: Product, batched: _Job, outputs: dict[tuple[int, ...], np.ndarray]
) -> Callable[[], None]:
    """By ``np.matmul`` on the memory of the batched operands; results share one buffer a shape."""
    first, second = (np.asarray(operand) for operand in batched.pairs[0])  # no copy on a CPU
    if p.kind == "inputs":
        second = second.swapaxes(1, 2)
    elif p.kind == "weights":
        first = first.swapaxes(1, 2)
    shape = (first.shape[1], second.shape[2])
    out = outputs.setdefault(shape, np.empty(shape, np.float32))

    def run() -> None:
        for a, b in zip(first, second, strict=True):
            np.matmul(a, b, out=out)

    return run


def _program(jobs: Sequence[_Job]) -> jax.stages.Compiled:
    """All products as one program, which takes the pairs of every job and returns the results.

    Every job's operands are parameters of their own: one that comes twice is done twice.
    """

    def program(operands: Sequence[Sequence[tuple[jax.Array, jax.Array]]]) -> list[jax.Array]:
        return [
            jnp.einsum(job.form, a, b)
            for job, pairs in zip(jobs, operands, strict=True)
            for a, b in pairs
        ]

    jitted = jax.jit(program, compiler_options=compiler_options())
    return jitted.lower([job.pairs for job in jobs]).compile()


def _fused(jobs: Sequence[_Job]) -> Callable[[], None]:
    program, operands = _program(jobs), [job.pairs for job in jobs]

    def run() -> None:
        jax.block_until_ready(program(operands))

    return run


def _seconds(candidates: Mapping[str, Callable[[], None]], rounds: int) -> dict[str, float]:
    """Median seconds of one call of each."""
    repeats, looped = {}, {}
    for name, run in candidates.items():
        run()
        started = time.perf_counter()
        run()
        once = max(time.perf_counter() - started, 1e-9)
        repeats[name] = min(max(math.ceil(LEAST_SECONDS / once), 1), MOST_REPEATS)
        looped[name] = _looped(run, repeats[name])
    timed = interleave(looped, rounds, warm=False)
    return {name: median(values) / repeats[name] for name, values in timed.items()}


def _looped(run: Callable[[], Any], times: int) -> Callable[[], None]:
    def loop() -> None:
        for _ in range(times):
            run()

    return loop
