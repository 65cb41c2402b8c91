"""The limit of a train step: its matrix products alone, done in the fastest way found here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from statistics import median
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.lax import optimization_barrier

from aegan.bench.timing import interleave
from aegan.learning.cost import Product, products
from aegan.learning.steps import Learner
from aegan.models import dense
from aegan.system.workers import Pool, threads_of, usable_cores
from aegan.training.lanes import compiler_options

# Ways to do all products of all lanes.
BLAS = "numpy"  # one lane after another
PROGRAM = "one program"  # by XLA as in training, with an axis of lanes
PASSES, ROUNDS = 4, 2  # of all products in a timing; of timings, by which the fastest is chosen

Pairs = list[tuple[jax.Array, jax.Array]]  # of operands of every product, (lanes, ...) each
_PRODUCTS = {
    "forward": jax.vmap(dense.product),
    # As in training, but left as it comes, (inputs, n): to turn it is no part of the product.
    "inputs": lambda gradient, w: jnp.einsum("lio,lbo->lib", w, gradient),
    "weights": jax.vmap(dense.weights_gradient),
}


class Peak(NamedTuple):
    """The matrix products of one train step of all lanes."""

    ways: Mapping[str, Callable[[int], int]]  # does them so many times, and returns that
    gflops: Mapping[str, float]  # GFLOP/s by way, a multiply-add counted as two

    @property
    def run(self) -> Callable[[int], int]:
        """The fastest way: its time, in turn with train steps', is the limit of the moment."""
        return self.ways[max(self.gflops, key=self.gflops.get)]


def prepare_peak(learner: Learner, lanes: int) -> Peak:
    """All ways to do the products of a train step of so many lanes in the first epoch, timed.

    Every lane has operands of its own, so that weights come from memory as in training. They are
    float32, and XLA's precision is that of ``jax_default_matmul_precision``. BLAS is for a CPU.
    """
    order, on_cpu = products(learner, 0), jax.default_backend() == "cpu"
    pairs = operands(order, lanes)
    ways = {BLAS: by_blas(order, pairs)} if on_cpu else {}
    ways[PROGRAM] = by_xla(order, pairs, looped=on_cpu)
    timed = interleave({name: partial(run, PASSES) for name, run in ways.items()}, ROUNDS)
    flops = 2.0 * lanes * sum(p.multiply_adds for p in order)
    return Peak(ways, {way: flops / median(s) / 1e9 for way, s in timed.items()})


@contextmanager
def peak_by_core(learner: Learner) -> Iterator[tuple[Callable[[int], int], int]]:
    """The products of a train step in a process for each core, on one thread, each of one lane.

    As training in processes does them. Yields a call that runs them so many times, and the number
    of lanes.
    """
    cores = usable_cores()
    with Pool(cores, threads_of(1) | {"JAX_PLATFORMS": "cpu"}, _of_one_lane, (learner,)) as pool:

        def run(times: int) -> int:
            for done in [pool.submit(_run_here, learner, times) for _ in range(cores)]:
                done.result()
            return times

        yield run, cores


@cache  # in such a process
def _of_one_lane(learner: Learner) -> Peak:
    return prepare_peak(learner, lanes=1)


def _run_here(learner: Learner, times: int) -> None:
    _of_one_lane(learner).run(times)


def operands(order: Sequence[Product], lanes: int) -> Pairs:
    """A pair for every product, shared where shape and role are the same.

    The roles keep x.T @ x from arising, which BLAS does with half the operations.
    """
    rng = np.random.default_rng(0)

    @cache
    def draw(role: str, *shape: int) -> jax.Array:
        return jnp.array(rng.standard_normal((lanes, *shape), dtype=np.float32))

    pairs: Pairs = []
    for p in order:
        weights = ("weights", p.inputs, p.outputs)
        below, above = ("inputs", p.rows, p.inputs), ("outputs", p.rows, p.outputs)
        by_kind = {"forward": (below, weights), "inputs": (above, weights)}
        first, second = by_kind.get(p.kind, (below, above))
        pairs.append((draw(*first), draw(*second)))
    return pairs


def by_blas(order: Sequence[Product], pairs: Pairs) -> Callable[[int], int]:
    """By ``np.matmul`` on the memory of the operands; results share one buffer a shape."""
    buffer = cache(partial(np.empty, dtype=np.float32))
    calls = []
    for p, pair in zip(order, pairs, strict=True):
        a, b = map(np.asarray, pair)  # no copy on a CPU
        a = a.mT if p.kind == "weights" else a
        b = b.mT if p.kind == "inputs" else b
        out = buffer((a.shape[1], b.shape[2]))
        calls += [partial(np.matmul, *lane, out=out) for lane in zip(a, b, strict=True)]

    def run(times: int) -> int:
        for call in calls * times:
            call()
        return times

    return run


def program_of(order: Sequence[Product], pairs: Pairs, looped: bool) -> jax.stages.Compiled:
    """All products as one program, which takes their operands and how many times.

    Every pair is a parameter of its own: one that comes twice is done twice. ``looped``, each
    result gives way to the next, as in training: to write all of them to fresh memory would take a
    CPU as long as some of the products. Else they are done once, and returned.
    """

    def once(pairs: Pairs, _: jax.Array) -> list[jax.Array]:
        return [_PRODUCTS[p.kind](*pair) for p, pair in zip(order, pairs, strict=True)]

    def loop(pairs: Pairs, times: jax.Array) -> jax.Array:
        def one_pass(_: jax.Array, done: jax.Array) -> jax.Array:
            for p, pair in zip(order, pairs, strict=True):
                # No product begins before the last one's end, or is seen to be a repetition.
                pair, done = optimization_barrier((pair, done))
                result = optimization_barrier(_PRODUCTS[p.kind](*pair))
                done += result[0, 0, 0]
            return done

        return jax.lax.fori_loop(0, times, one_pass, jnp.float32(0))

    jitted = jax.jit(loop if looped else once, compiler_options=compiler_options())
    return jitted.lower(pairs, np.int32(1)).compile()


def by_xla(order: Sequence[Product], pairs: Pairs, looped: bool) -> Callable[[int], int]:
    """By ``program_of``; on an accelerator, starting a product can take longer than doing it."""
    program = program_of(order, pairs, looped)

    def run(times: int) -> int:
        for count in (times,) if looped else (1,) * times:
            jax.block_until_ready(program(pairs, np.int32(count)))
        return times

    return run
