"""Counted operations: against numbers worked by hand and against XLA's own count."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import jax
import pytest
from helpers import tiny_learner

from aegan.learning.cost import Product, flops_per_update, products
from aegan.learning.schedule import init_state, train_step
from aegan.learning.steps import Learner, StepRule
from aegan.models.m1 import M1
from aegan.models.m2 import M2
from aegan.models.m3 import M3
from aegan.models.model import Labelled
from aegan.run.plan import make_plan
from aegan.run.summary import training_seconds
from configs.m2 import get_config

PAPER = {"m1": M1(1582, 4), "m2": M2(1582, 4), "m3": M3(1582, 4)}

# Weights (no biases) of Table 1: encoder = decoder 2,132,200; D1 556,100; D2 2,136,100.
M2_STEPS = {
    1: 3 * 2 * 2_132_200 - 1_582_000,  # 11.21 M: no gradient for the rows
    2: 2_132_200 + 2 * (3 * 556_100 - 6_000),  # 5.46 M: encoder forward, D1 on 2 B rows
    3: 2 * 2_132_200 - 1_582_000 + 2 * 556_100,  # 3.79 M: D1 frozen
    4: 2_132_200 + 2 * (3 * 2_136_100 - 1_586_000),  # 11.78 M
    5: 2 * 2_136_100 + 2 * 2_132_200 - 200,  # 8.54 M: D2 frozen
}
# M3: encoder = decoder 2,568,800; D1 810,100; CG 39,200; AUX 13,312.
M3_STEPS = {
    1: 3 * 2 * 2_568_800 - 1_582_000,
    2: 2_568_800 + 39_200 + 2 * (3 * 810_100 - 260_000),
    3: 2 * 2_568_800 - 1_582_000 + 2 * 810_100,
    4: 2_568_800 + 39_200 + 2 * (3 * 2_136_100 - 1_586_000),
    5: 2 * 2_136_100 + 2 * 2_568_800 + 2 * 39_200 - 3_360 + 3 * 13_312,
}


def paper_learner(name, d2_every=1, fresh_z=False, rows=64) -> Learner:
    rules = [StepRule(0.1, every=d2_every if s.idles else 1) for s in PAPER[name].steps]
    return Learner(PAPER[name], tuple(rules), rows, 1, 0.2, 10.0, fresh_z)


def count(name, **changes):
    """Multiply-adds of an update per row of the batch."""
    learner = paper_learner(name, **changes)
    return flops_per_update(learner) / (2 * learner.batch_size)


def test_steps_by_hand():
    assert [round(macs / 1e6, 2) for macs in M2_STEPS.values()] == [11.21, 5.46, 3.79, 11.78, 8.54]
    assert count("m2") == sum(M2_STEPS.values()) == 40_775_800
    assert flops_per_update(paper_learner("m2", rows=32)) == 64 * 40_775_800
    assert count("m1") == M2_STEPS[1] + M2_STEPS[2] + M2_STEPS[3] == 20_462_600
    assert count("m3") == sum(M3_STEPS.values()) == 47_732_576


@pytest.mark.parametrize("d2_every", [2, 3])
def test_d2_costs_nothing_in_the_epochs_it_sits_out(d2_every):
    d2 = 2 * (3 * 2_136_100 - 1_586_000)
    saved = d2 * (1 - 1 / d2_every)
    assert count("m2", d2_every=d2_every) == pytest.approx(40_775_800 - saved)
    assert count("m1", d2_every=d2_every) == count("m1")


def test_a_fresh_z_costs_another_generator_pass():
    assert count("m2", fresh_z=True) - count("m2") == 2_132_200
    assert count("m3", fresh_z=True) - count("m3") == 2_608_000


def test_products_of_a_small_model_by_hand():
    """7-5-2 and back, D1 5-3-1, four rows; no gradient of the rows, none for what is frozen."""

    def forward(rows, *widths):
        return [Product("forward", rows, *pair) for pair in zip(widths, widths[1:], strict=False)]

    def both(rows, inputs, outputs):
        return [Product(kind, rows, inputs, outputs) for kind in ("inputs", "weights")]

    to_encoder = [*both(4, 5, 2), Product("weights", 4, 7, 5)]
    first = forward(4, 7, 5, 2, 5, 7) + both(4, 5, 7) + both(4, 2, 5) + to_encoder
    second = forward(4, 7, 5, 2) + forward(8, 6, 3, 1) + both(8, 3, 1)
    second.append(Product("weights", 8, 6, 3))
    third = [*forward(4, 6, 3, 1), Product("inputs", 4, 3, 1), Product("inputs", 4, 6, 3)]
    third += to_encoder
    fourth = forward(4, 2, 5, 7)
    sizes = {"features": 7, "encoder": (5,), "code_discriminator": (3,)}
    m1, m2 = (tiny_learner(name, **sizes) for name in ("m1", "m2"))
    assert products(m1, 0) == (*first, *second, *third)
    with_d2, without = (products(m2, epoch) for epoch in (0, 1))
    one_and_all = len(first + second + third + fourth)
    assert with_d2[:one_and_all] == without[:one_and_all] == (*first, *second, *third, *fourth)
    assert {p.rows for p in with_d2[one_and_all : len(with_d2) - len(without) + one_and_all]} == {8}
    assert {p.rows for p in without[one_and_all:]} == {4}


@pytest.mark.parametrize(
    ("name", "fresh_z"), [("m1", False), ("m2", False), ("m3", False), ("m3", True), ("m9", False)]
)
def test_xla_counts_the_same(name, fresh_z):
    """In the compiled train step, of networks wide enough for products to rule."""
    wide = (160, 120, 80)
    widths = dict.fromkeys(("encoder", "code_discriminator", "feature_discriminator"), wide)
    widths |= {"auxiliary": (64,), "code_generator": (64,), "noise": (64,), "latent": 20}
    widths |= {"code": 64 if name == "m3" else 2}
    known = tiny_learner(name).model.__dataclass_fields__
    learner = tiny_learner(
        name,
        features=300,
        batch_size=256,
        d2_every=1,
        fresh_z=fresh_z,
        **{field: width for field, width in widths.items() if field in known},
    )
    state = jax.eval_shape(partial(init_state, learner), jax.random.key(0))
    batch = Labelled(*(jax.ShapeDtypeStruct((256, width), "float32") for width in (300, 4)))
    step = jax.jit(partial(train_step, learner, epoch=0))
    analysis = step.lower(state, jax.random.key(0), batch).compile().cost_analysis()
    assert flops_per_update(learner) == pytest.approx(analysis["flops"], rel=0.05)


def test_the_estimate_is_of_the_whole_training():
    config = get_config("quick")
    config.data.simulated_rows, config.data.simulated_features = 60, 20
    config.seeds = (0, 1)
    plan = make_plan(config)
    updates = plan.epochs * plan.learner.batches * 10
    assert plan.flops == flops_per_update(plan.learner) * updates
    assert training_seconds(plan) > 0
    longer = replace(plan, epochs=10_000 * plan.epochs)
    assert longer.flops == pytest.approx(10_000 * plan.flops)
    assert training_seconds(longer) > training_seconds(plan)
