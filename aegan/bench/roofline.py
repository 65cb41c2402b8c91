"""What a train step cannot do without: operations, bytes and kernels, at the machine's own rates.

A product takes as long as its multiply-adds at the measured rate of a large product, or as its
operands at the measured bandwidth, whichever is longer; the floor of a step is the sum of its
products. An update is part of the product that makes its gradient: weights, and momenta where there
are any, are read once and written once.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from aegan.bench.timing import spread
from aegan.learning.cost import Product, products
from aegan.learning.steps import Learner

RATE, BANDWIDTH, LAUNCH = "large product", "stream of memory", "tiny kernel"
_WORDS = {"float32": "float32", "tensorfloat32": "TF32", "bfloat16": "bfloat16"}
_KERNELS = 64  # tiny ones in a call
# What a compiled program has instructions for, but starts nothing for.
_NO_KERNELS = {"parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all"}
_NO_KERNELS |= {"copy-done", "partition-id", "opt-barrier"}


class Work(NamedTuple):
    """A product of one lane."""

    flops: float
    bytes: float


@cache
def first_steps(learner: Learner, count: int) -> Learner:
    """A learner whose model has but its first steps."""
    kind = type(learner.model)
    cut = type(kind.__name__, (kind,), {"steps": kind.steps[:count]})  # no name: none is registered
    rules = learner.rules[:count]
    return replace(learner, model=cut(**vars(learner.model)), rules=rules)


def work_by_step(learner: Learner) -> dict[str, list[Work]]:
    """The products of each step of the schedule that those before it have not done already."""
    found, before = {}, Counter[Product]()
    for number, (step, rule) in enumerate(zip(learner.model.steps, learner.rules, strict=True), 1):
        done = Counter(products(first_steps(learner, number), 0))
        own = (done - before).elements()
        found[step.name] = [_work(p, moments=1 if rule.momentum else 0) for p in own]
        before = done
    return found


def work_of(learner: Learner) -> list[Work]:
    """The products of a whole train step."""
    return [one for works in work_by_step(learner).values() for one in works]


def _work(p: Product, moments: int) -> Work:
    passes = 2 * (1 + moments) if p.kind == "weights" else 1  # over the weights
    moved = p.rows * (p.inputs + p.outputs) + passes * p.inputs * p.outputs
    return Work(2.0 * p.multiply_adds, 4.0 * moved)


def floors(
    works: Iterable[Work], seconds: Mapping[str, list[float]], precision: str
) -> list[float]:
    """Seconds that products take at least, round by round, at the rates measured by ``rates``."""
    works = list(works)
    return [
        sum(max(one.flops * flop, one.bytes * byte) for one in works)
        for flop, byte in zip(per_flop(seconds, precision), seconds[BANDWIDTH], strict=True)
    ]


def told(seconds: Mapping[str, list[float]]) -> list[dict[str, object]]:
    """What ``rates`` measured, as rows of a table."""
    units = {RATE: (1e-9, "GFLOP/s"), BANDWIDTH: (1e-9, "GB/s"), LAUNCH: (1e-6, "million/s")}
    return [
        {"name": f"{name}, {unit}", **spread([scale / one for one in own])}
        for name, own in seconds.items()
        for what, (scale, unit) in units.items()
        if name.startswith(what)
    ]


def rates(precisions: Iterable[str], square: int) -> dict[str, Callable[[], float]]:
    """Candidates: seconds per operation of a large product, per byte, and per kernel of no work."""
    found = {_rate(name): product_of(square, name) for name in precisions}
    if jax.default_backend() == "cpu":
        found[_rate("BLAS")] = blas_product_of(square)
    return found | {BANDWIDTH: stream_of(8 * square * square), LAUNCH: launches()}


def _rate(how: str) -> str:
    return f"{RATE}, {_WORDS.get(how, how)}"


def per_flop(seconds: Mapping[str, list[float]], precision: str) -> list[float]:
    """Seconds per operation in a precision, round by round, of what ``rates`` measured."""
    ways = [seconds[name] for name in map(_rate, (precision, "BLAS")) if name in seconds]
    return [min(both) for both in zip(*ways, strict=True)]


def product_of(square: int, precision: str) -> Callable[[], float]:
    """A square product; says how many operations that was."""
    a, b = (jnp.full((square, square), value, jnp.float32) for value in (1.5, 0.5))
    run = jax.jit(lambda a, b: jnp.matmul(a, b, precision=precision))

    def call() -> float:
        jax.block_until_ready(run(a, b))
        return 2.0 * square**3

    return call


def blas_product_of(square: int) -> Callable[[], float]:
    """The same by numpy."""
    a, b = (np.full((square, square), value, np.float32) for value in (1.5, 0.5))
    out = np.empty_like(a)

    def call() -> float:
        np.matmul(a, b, out=out)
        return 2.0 * square**3

    return call


def stream_of(size: int) -> Callable[[], float]:
    """x + y of float32 vectors, written over x; says how many bytes were read or written."""
    state = [jnp.ones(size, jnp.float32)]
    y = jnp.full(size, 1e-3, jnp.float32)
    run = jax.jit(lambda x, y: x + y, donate_argnums=0)

    def call() -> float:
        state[0] = jax.block_until_ready(run(state[0], y))
        return 3.0 * 4 * size

    return call


def launches() -> Callable[[], float]:
    """Products of 8 x 8, each of the one before; says how many."""
    w = jnp.eye(8)

    @jax.jit
    def run(x: jax.Array) -> jax.Array:
        for _ in range(_KERNELS):
            x = jax.lax.optimization_barrier(x @ w)
        return x

    def call() -> float:
        jax.block_until_ready(run(w))
        return _KERNELS

    return call


def kernels_of_step(compiled: str, batches: int) -> int:
    """Kernels that a compiled program starts for one turn of its loop of so many turns.

    Of several such loops the one with most. ``compiled`` is HLO as XLA runs it.
    """
    bodies = _computations(compiled)

    @cache
    def count(name: str) -> int:
        return sum(kernels(line) for line in bodies[name])

    def kernels(line: str) -> int:
        operation = _operation(line)
        if operation == "while":
            body, condition = re.search(r"body=%?([\w.-]+)", line), _named(line, "condition")
            return _turns(line) * (count(body[1]) + count(condition))
        if operation == "call":
            return count(_named(line, "to_apply"))
        if operation == "conditional":
            names = re.search(r"branch_computations=\{([^}]*)\}", line)
            return max(count(name.strip(" %")) for name in names[1].split(","))
        return operation not in _NO_KERNELS

    found = [
        count(_named(line, "body"))
        for lines in bodies.values()
        for line in lines
        if _operation(line) == "while" and _turns(line) == batches
    ]
    return max(found, default=0)


def _computations(compiled: str) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in compiled.splitlines():
        if head := re.match(r"(?:ENTRY )?%?([\w.-]+) .*\{$", line):
            lines = found.setdefault(head[1], [])
        elif line.startswith("  "):
            lines.append(line)
    return found


def _operation(line: str) -> str:
    found = re.search(r"= .*? ([a-z][\w-]*)\(", re.sub(r"/\*.*?\*/", "", line))
    return found[1] if found else "parameter"


def _named(line: str, what: str) -> str:
    return re.search(rf"\b{what}=%?([\w.-]+)", line)[1]


def _turns(line: str) -> int:
    turns = re.search(r'known_trip_count":\{"n":"(\d+)"', line)
    return int(turns[1]) if turns else 1
