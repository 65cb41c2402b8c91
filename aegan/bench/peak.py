"""The limit of a train step: its matrix products alone, done in the fastest way found here."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from statistics import median
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.lax import optimization_barrier

from aegan.bench.timing import interleave
from aegan.models import dense
from aegan.models.declarations import Model
from aegan.models.networks import Sizes
from aegan.system.workers import Pool, threads_of, usable_cores
from aegan.training.cost import Product, products
from aegan.training.lanes import compiler_options

# Routines of a product of all lanes.
NUMPY = "numpy"  # BLAS, one lane after another
PLAIN = "jax, plain"  # XLA as it comes, one lane after another
JAX = "jax"  # as in training, one lane after another
JAX_BATCHED = "jax, batched"  # the same, one product with an axis of lanes

# More ways to do all products of a step than each by one of these.
BEST = "the best of each"
PROGRAM = "one program"
PROGRAM_BATCHED = "one program, batched"

LEAST_SECONDS = 2e-3  # cheaper products are repeated until a timing is so long
MOST_REPEATS = 200
PASSES = 4  # of all products, in a timing
ROUNDS = 2  # of timings, by which the fastest is chosen

_Product = Callable[[jax.Array, jax.Array], jax.Array]


def _inputs_gradient(gradient: jax.Array, w: jax.Array) -> jax.Array:
    """As in training, but left as it comes, (inputs, n): to turn it is no part of the product."""
    return jnp.einsum("io,bo->ib", w, gradient)


_PRODUCTS: dict[str, _Product] = {
    "forward": dense.product,
    "inputs": _inputs_gradient,
    "weights": dense.weights_gradient,
}
_BATCHED: dict[str, _Product] = {kind: jax.vmap(product) for kind, product in _PRODUCTS.items()}
_PLAIN: dict[str, _Product] = {
    kind: partial(jnp.einsum, form)
    for kind, form in {
        "forward": "bi,io->bo",
        "inputs": "bo,io->bi",
        "weights": "bi,bo->io",
    }.items()
}


@dataclass(frozen=True)
class Peak:
    """The matrix products of one train step of all lanes.

    Attributes:
        flops: of them all, a multiply-add counted as two.
        ways: of doing them all, so many times; a call returns when they are done.
        seconds: of them all, by way.
    """

    flops: float
    ways: Mapping[str, Callable[[int], None]]
    seconds: Mapping[str, float]

    @property
    def run(self) -> Callable[[int], None]:
        """The fastest way: its time, in turn with train steps', is the limit of the moment."""
        return self.ways[_fastest(self.seconds)]

    def gflops(self) -> dict[str, float]:
        """GFLOP/s of all products, by way."""
        return {name: self.flops / seconds / 1e9 for name, seconds in self.seconds.items()}


class _Job(NamedTuple):
    """A product by XLA: one pair of operands a lane, or one pair with an axis of lanes."""

    product: _Product
    pairs: Sequence[tuple[jax.Array, jax.Array]]


def prepare_peak(
    model: Model,
    sizes: Sizes,
    batch_size: int,
    lanes: int,
    rounds: int = ROUNDS,
    *,
    fresh_z: bool = False,
    update_d2: bool = True,
    fused: bool | None = None,
) -> Peak:
    """Prepares and times all ways to do the products of a train step.

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
        fused: try only programs of all products; None does so everywhere but on a CPU. (Starting
            a product can take an accelerator longer than the product.)
    """
    order = products(model, sizes, batch_size, fresh_z, update_d2)
    jobs = _jobs(order, lanes)
    if fused is None:
        fused = jax.default_backend() != "cpu"
    ways = {}
    if not fused:
        outputs: dict[tuple[int, ...], np.ndarray] = {}
        routines = {p: _routines(p, jobs[p], outputs) for p in jobs}
        best = {p: _fastest(_seconds(routine, rounds)) for p, routine in routines.items()}
        for name in (NUMPY, PLAIN, JAX, JAX_BATCHED):
            ways[name] = _in_turn([routines[p][name] for p in order])
        ways[BEST] = _in_turn([routines[p][best[p]] for p in order])
    for name, routine in ((PROGRAM, JAX), (PROGRAM_BATCHED, JAX_BATCHED)):
        ways[name] = _in_one_program([jobs[p][routine] for p in order], loop=not fused)
    timed = interleave({name: partial(run, PASSES) for name, run in ways.items()}, rounds)
    seconds = {name: median(values) / PASSES for name, values in timed.items()}
    flops = 2.0 * lanes * sum(p.multiply_adds for p in order)
    return Peak(flops, ways, seconds)


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
    _here["peak"] = prepare_peak(model, sizes, batch_size, lanes=1)


def _run_here(times: int) -> None:
    _here["peak"].run(times)


def _in_turn(calls: Sequence[Callable[[], None]]) -> Callable[[int], None]:
    def run(times: int) -> None:
        for _ in range(times):
            for call in calls:
                call()

    return run


def _fastest(seconds: Mapping[str, float]) -> str:
    return min(seconds, key=seconds.get)


def _routines(
    p: Product, jobs: Mapping[str, _Job], outputs: dict[tuple[int, ...], np.ndarray]
) -> dict[str, Callable[[], None]]:
    return {
        NUMPY: _by_numpy(p, jobs[JAX_BATCHED], outputs),
        PLAIN: _by_jax(_Job(_PLAIN[p.kind], jobs[JAX].pairs), plain=True),
        JAX: _by_jax(jobs[JAX]),
        JAX_BATCHED: _by_jax(jobs[JAX_BATCHED]),
    }


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
        one_by_one = [*zip(*(split(*operand) for operand in pair), strict=True)]
        together = [tuple(stacked(*operand) for operand in pair)]
        jobs[p] = {
            JAX: _Job(_PRODUCTS[p.kind], one_by_one),
            JAX_BATCHED: _Job(_BATCHED[p.kind], together),
        }
    return jobs


@lru_cache(None)
def _compiled(product: _Product, plain: bool = False) -> _Product:
    return jax.jit(product, compiler_options={} if plain else compiler_options())


def _by_jax(job: _Job, plain: bool = False) -> Callable[[], None]:
    product = _compiled(job.product, plain)

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
            job.product(a, b) for job, pairs in zip(jobs, operands, strict=True) for a, b in pairs
        ]

    jitted = jax.jit(program, compiler_options=compiler_options())
    return jitted.lower([job.pairs for job in jobs]).compile()


def _loop(jobs: Sequence[_Job]) -> jax.stages.Compiled:
    """A program of all products, so many times, in which each result gives way to the next.

    So it is in training. To write all results to fresh memory would take a CPU as long as some of
    the products.
    """

    def program(
        operands: Sequence[Sequence[tuple[jax.Array, jax.Array]]], times: jax.Array
    ) -> jax.Array:
        def one_pass(_: jax.Array, done: jax.Array) -> jax.Array:
            for job, pairs in zip(jobs, operands, strict=True):
                for a, b in pairs:
                    # No product begins before the last one's end, or is seen to be a repetition.
                    a, b, done = optimization_barrier((a, b, done))
                    result = optimization_barrier(job.product(a, b))
                    done += result[(0,) * result.ndim]
            return done

        return jax.lax.fori_loop(0, times, one_pass, jnp.float32(0))

    jitted = jax.jit(program, compiler_options=compiler_options())
    return jitted.lower([job.pairs for job in jobs], jnp.int32(1)).compile()


def _in_one_program(jobs: Sequence[_Job], loop: bool) -> Callable[[int], None]:
    program = (_loop if loop else _program)(jobs)
    operands = [job.pairs for job in jobs]

    def run(times: int) -> None:
        if loop:
            jax.block_until_ready(program(operands, jnp.int32(times)))
        else:
            for _ in range(times):
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
