"""A run before it begins, in lines of at most 80 columns, and how long its training will take."""

from __future__ import annotations

import time

import jax
import jax.numpy as jnp

from aegan.learning.cost import products
from aegan.report.tables import quick_banner
from aegan.run.plan import Plan
from aegan.system.screen import duration, field

# Share of the matrix-product rate that the whole train step reaches, gathers, activations,
# optimisers and the validation pass included.
SHARE_OF_RATE = 0.7
PROBE_SECONDS = 0.2


def training_seconds(plan: Plan) -> float:
    """Estimated seconds of training, compiling left out."""
    largest = max(products(plan.learner, 0), key=lambda product: product.inputs * product.outputs)
    lanes = len(plan.lanes)
    x = jnp.ones((lanes, plan.learner.batch_size, largest.inputs))
    w = jnp.ones((lanes, largest.inputs, largest.outputs))
    product = jax.jit(lambda x, w: x @ w)
    product(x, w).block_until_ready()
    started, count = time.perf_counter(), 0
    while time.perf_counter() - started < PROBE_SECONDS:
        product(x, w).block_until_ready()
        count += 1
    spent = time.perf_counter() - started
    rate = 2.0 * x.size * largest.outputs * count / spent
    return plan.flops / (rate * SHARE_OF_RATE)


def summary(plan: Plan, strategy: str | None) -> list[str]:
    """The run in a few lines; ``strategy`` is that of its training, None where it is trained."""
    corpus, device, devices = plan.corpus, jax.devices()[0], jax.device_count()
    described = plan.identity["corpus"]
    kind = "SIMULATED corpus" if corpus.simulated else f"corpus {corpus.name}"
    seeds = len(plan.config.seeds)
    notes = [*quick_banner({"variant": plan.config.variant}), *corpus.notes]
    return [
        plan.learner.model.title,
        f"  data    {kind}: {described['rows']} rows x {described['features']} features,"
        f" {described['speakers']} speakers",
        "          " + ", ".join(f"{name} {n}" for name, n in described["classes"].items()),
        f"  lanes   {_cut(plan)} x {seeds} seed{'s' * (seeds > 1)} on"
        f" {devices} {device.platform} device{'s' * (devices > 1)}"
        f" ({device.device_kind})" + (f", strategy {strategy}" if strategy else ""),
        f"  length  {_length(plan, strategy is not None)}",
        *_speakers(plan),
        *(line for leak in plan.leaks for line in field("LEAK", str(leak))),
        *(line for note in notes for line in field("NOTE", note)),
    ]


def _length(plan: Plan, ahead: bool) -> str:
    if not plan.epochs:
        return "nothing is trained: closed form"
    batches = f"{plan.learner.batches} batches of {plan.learner.batch_size}"
    takes = f"; training takes about {duration(training_seconds(plan))}" if ahead else ""
    return f"{plan.epochs} epochs x {batches}{takes}"


def _speakers(plan: Plan) -> list[str]:
    """What the first fold tells of speakers, for a model that makes new ones."""
    if not plan.learner.model.margins:
        return []
    return field("effects", plan.rows[plan.lanes[0][1]].effects.words, 7)


def _cut(plan: Plan) -> str:
    """What the corpus is cut into."""
    if not plan.largest_valid:
        return "all rows, nothing held out,"
    splits = plan.config.data.splits
    folds = len(plan.lanes) // len(plan.config.seeds)
    return f"{folds} folds" + f" ({splits} splits)" * (splits > 1)


def fold_lines(plan: Plan) -> list[str]:
    """The folds, one line each."""
    lines = ["  fold  train  held out"]
    for fold in plan.folds:
        who = ", ".join(fold.held_out) or "nothing"
        who = who if len(who) < 44 else f"{len(fold.held_out)} speakers"
        lines.append(f"  {fold.index:>4}  {len(fold.train):>5}  {len(fold.valid):>8}  {who}")
    return lines
