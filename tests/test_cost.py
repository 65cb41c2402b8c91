"""Counted operations: against numbers worked by hand and against XLA's own count."""

from __future__ import annotations

from dataclasses import replace

import jax
import pytest
from helpers import tiny_learner, tiny_schedule

from aegan.learning.schedule import init_state, train_step
from aegan.models.declarations import MODELS
from aegan.models.networks import Sizes, build_networks
from aegan.run.estimate import training_seconds
from aegan.run.plan import make_plan
from aegan.training.cost import Product, flops_per_update, multiply_adds_per_row, products
from configs.m2 import get_config

PAPER_M2 = Sizes(
    features=1582,
    classes=4,
    encoder=(1000, 500, 100),
    code=2,
    latent=2,
    code_discriminator=(1000, 500, 100),
    feature_discriminator=(1000, 500, 100),
    auxiliary=(128,),
    code_generator=(140,),
)
PAPER_M3 = replace(PAPER_M2, encoder=(1000, 700, 300), code=256, latent=20)

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


def count(name, sizes, d2_every=1, fresh_z=False):
    return multiply_adds_per_row(MODELS[name], sizes, d2_every, fresh_z)


def test_steps_of_m2_by_hand():
    assert [round(macs / 1e6, 2) for macs in M2_STEPS.values()] == [11.21, 5.46, 3.79, 11.78, 8.54]
    assert count("m2", PAPER_M2) == sum(M2_STEPS.values()) == 40_775_800
    assert flops_per_update(MODELS["m2"], PAPER_M2, 64) == 128 * 40_775_800


def test_m1_has_the_first_three_steps():
    assert count("m1", PAPER_M2) == M2_STEPS[1] + M2_STEPS[2] + M2_STEPS[3] == 20_462_600


def test_steps_of_m3_by_hand():
    assert count("m3", PAPER_M3) == sum(M3_STEPS.values()) == 47_732_576


@pytest.mark.parametrize("d2_every", [2, 3])
def test_d2_costs_nothing_in_the_epochs_it_sits_out(d2_every):
    d2 = 2 * (3 * 2_136_100 - 1_586_000)
    saved = d2 * (1 - 1 / d2_every)
    assert count("m2", PAPER_M2, d2_every=d2_every) == pytest.approx(40_775_800 - saved)
    assert count("m1", PAPER_M2, d2_every=d2_every) == count("m1", PAPER_M2)


def test_a_fresh_z_costs_another_generator_pass():
    assert count("m2", PAPER_M2, fresh_z=True) - count("m2", PAPER_M2) == 2_132_200
    assert count("m3", PAPER_M3, fresh_z=True) - count("m3", PAPER_M3) == 2_608_000


@pytest.mark.parametrize("d2_every", [1, 2])
@pytest.mark.parametrize("fresh_z", [False, True])
@pytest.mark.parametrize("name", ["m1", "m2", "m3"])
def test_products_sum_to_the_operations(name, fresh_z, d2_every):
    model, sizes, batch = MODELS[name], PAPER_M3 if name == "m3" else PAPER_M2, 64
    epochs = [products(model, sizes, batch, fresh_z, epoch == 0) for epoch in range(d2_every)]
    mean = sum(2 * p.rows * p.inputs * p.outputs for ps in epochs for p in ps) / d2_every
    assert mean == flops_per_update(model, sizes, batch, d2_every, fresh_z)


def test_products_of_a_small_model_by_hand():
    sizes = replace(PAPER_M2, features=7, encoder=(5,), code_discriminator=(3,))
    fourth = [
        Product("forward", 4, 2, 5),
        Product("forward", 4, 5, 7),
    ]
    first = [
        Product("forward", 4, 7, 5),
        Product("forward", 4, 5, 2),
        *fourth,
        Product("weights", 4, 5, 7),
        Product("inputs", 4, 5, 7),
        Product("weights", 4, 2, 5),
        Product("inputs", 4, 2, 5),
        Product("weights", 4, 5, 2),
        Product("inputs", 4, 5, 2),
        Product("weights", 4, 7, 5),
    ]
    second = [
        *first[:2],
        Product("forward", 8, 6, 3),
        Product("forward", 8, 3, 1),
        Product("weights", 8, 3, 1),
        Product("inputs", 8, 3, 1),
        Product("weights", 8, 6, 3),
    ]
    third = [
        Product("forward", 4, 6, 3),
        Product("forward", 4, 3, 1),
        Product("inputs", 4, 3, 1),
        Product("inputs", 4, 6, 3),
        *first[-3:],
    ]
    assert products(MODELS["m1"], sizes, 4) == (*first, *second, *third)
    with_d2 = products(MODELS["m2"], sizes, 4)
    without = products(MODELS["m2"], sizes, 4, update_d2=False)
    one_and_all = len(first + second + third + fourth)
    assert with_d2[:one_and_all] == without[:one_and_all] == (*first, *second, *third, *fourth)
    assert {p.rows for p in with_d2[one_and_all : len(with_d2) - len(without) + one_and_all]} == {8}
    assert {p.rows for p in without[one_and_all:]} == {4}


def xla_flops(name, fresh_z, aux_sees_label, update_d2):
    """What XLA counts in the compiled train step, of networks wide enough for products to rule."""
    sizes = replace(
        PAPER_M3 if name == "m3" else PAPER_M2,
        features=300,
        encoder=(160, 120, 80),
        code=64 if name == "m3" else 2,
        code_discriminator=(160, 120, 80),
        feature_discriminator=(160, 120, 80),
        auxiliary=(64,),
        code_generator=(64,),
    )
    batch = 256
    tiny = tiny_learner(name, aux_sees_label=aux_sees_label)
    learner = replace(tiny, nets=build_networks(tiny.model.networks, sizes))
    plan = tiny_schedule(name, batch_size=batch, fresh_z=fresh_z)
    plan = replace(plan, prior=replace(plan.prior, latent=sizes.latent))
    state = jax.eval_shape(lambda key: init_state(learner, key), jax.random.key(0))
    x = jax.ShapeDtypeStruct((batch, 300), "float32")
    y = jax.ShapeDtypeStruct((batch, 4), "float32")
    step = jax.jit(lambda s, k, x, y: train_step(learner, plan, s, k, x, y, update_d2))
    analysis = step.lower(state, jax.random.key(0), x, y).compile().cost_analysis()
    return analysis["flops"], learner, sizes, batch


@pytest.mark.parametrize(
    ("name", "fresh_z", "sees_label"),
    [
        ("m1", False, True),
        ("m2", False, True),
        ("m3", False, True),
        ("m3", True, True),
    ],
)
def test_xla_counts_the_same(name, fresh_z, sees_label):
    flops, learner, sizes, batch = xla_flops(name, fresh_z, sees_label, True)
    counted = flops_per_update(learner.model, sizes, batch, 1, fresh_z)
    assert counted == pytest.approx(flops, rel=0.05)


@pytest.fixture(scope="module")
def plan():
    config = get_config("quick")
    config.data.simulated_rows, config.data.simulated_features = 60, 20
    config.seeds = (0, 1)
    return make_plan(config)


def test_a_runs_operations_are_those_of_its_updates(plan):
    one = flops_per_update(MODELS["m2"], plan.learner.nets.sizes, plan.schedule.batch_size, 2)
    assert plan.flops == one * plan.epochs * plan.schedule.batches * 10


def test_the_estimate_is_a_positive_time_that_grows_with_the_training(plan):
    assert training_seconds(plan) > 0
    longer = replace(plan, epochs=10_000 * plan.epochs)
    assert longer.flops == pytest.approx(10_000 * plan.flops)
    assert training_seconds(longer) > training_seconds(plan)
