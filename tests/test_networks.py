"""Networks against Table 1: layer sizes and parameter counts worked by hand, and the forward."""

from __future__ import annotations

import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import (
    NAMES,
    PAPER,
    same_bits,
    tiny_model,
)

from aegan.errors import InputError
from aegan.models.m2 import M2
from aegan.models.model import MODELS, Model, get_model, networks_of_rows
from aegan.models.networks import INITIALISERS, MLP
from aegan.run.plan import make_plan

M1_WIDTHS = {
    "encoder": (1582, 1000, 500, 100, 2),
    "decoder": (2, 100, 500, 1000, 1582),
    "code_discriminator": (6, 1000, 500, 100, 1),
}
D2_WIDTHS = {"feature_discriminator": (1586, 1000, 500, 100, 1)}
WIDTHS = {
    "m1": M1_WIDTHS,
    "m2": M1_WIDTHS | D2_WIDTHS,
    "m3": D2_WIDTHS
    | {
        "encoder": (1582, 1000, 700, 300, 256),
        "decoder": (256, 300, 700, 1000, 1582),
        "code_discriminator": (260, 1000, 500, 100, 1),
        "code_generator": (24, 140, 256),
        "auxiliary": (100, 128, 4),
    },
}
# Weights and biases of them all, worked by hand layer by layer.
TOTALS = {"m1": 4_826_885, "m2": 6_964_586, "m3": 8_145_880}


def layer_shapes(tree) -> list[tuple[int, ...]]:
    """(in, out) of every dense layer from input to output."""
    if "trunk" in tree:
        return layer_shapes(tree["trunk"]) + layer_shapes(tree["head"])
    ordered = sorted(tree, key=lambda name: (name == "output", name))
    for name in ordered:
        assert tree[name]["bias"].shape == tree[name]["kernel"].shape[1:]
        assert tree[name]["kernel"].dtype == jnp.float32
    return [tree[name]["kernel"].shape for name in ordered]


@pytest.mark.parametrize("name", PAPER)
def test_layers_are_those_of_table_1(name):
    """As the shipped config builds them for 1582 features and 4 classes."""
    config = importlib.import_module(f"configs.{name}").get_config()
    config.data.simulated_rows = 60
    model = make_plan(config).learner.model
    shapes = jax.eval_shape(model.init_params, jax.random.key(0))
    assert type(model) is MODELS[name] and set(shapes) == set(WIDTHS[name])
    for net, widths in WIDTHS[name].items():
        assert layer_shapes(shapes[net]) == list(zip(widths[:-1], widths[1:], strict=True)), net
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == TOTALS[name]


def test_initialisation_depends_on_the_key_alone_and_is_shared_by_models():
    @jax.jit
    def all_models(key):
        return {name: tiny_model(name).init_params(key) for name in ("m1", "m2", "m4", "m9")}

    one, other = (all_models(jax.random.key(seed)) for seed in (7, 8))
    assert all(same_bits(one["m1"][net], one["m2"][net]) for net in one["m1"])
    assert all(same_bits(one["m2"][net], one["m4"][net]) for net in one["m2"])
    same = {net for net in one["m2"] if same_bits(one["m2"][net], one["m9"][net])}
    assert same == set(one["m2"]) - {"decoder"}  # M9's reads the label
    kernels, others = (
        [leaf for leaf in jax.tree.leaves(params) if leaf.ndim == 2] for params in (one, other)
    )
    assert not any(np.array_equal(a, b) for a, b in zip(kernels, others, strict=True))


@pytest.mark.parametrize("initialiser", INITIALISERS)
def test_initialisers_have_their_textbook_scale(initialiser):
    """Variances: Glorot 2 / (in + out), He 2 / in, LeCun 1 / in; biases zero."""
    module = MLP((400,), 300, initialiser)
    params = module.init(jax.random.key(0), jnp.zeros((1, 500)))["params"]
    kernel = np.asarray(params["hidden0"]["kernel"])
    assert kernel.shape == (500, 400)
    expected = {"glorot_uniform": 2 / 900, "he_uniform": 2 / 500, "lecun_normal": 1 / 500}
    assert kernel.var() == pytest.approx(expected[initialiser], rel=0.02)
    assert not np.any(params["hidden0"]["bias"])


@pytest.mark.parametrize("name", NAMES)
def test_a_model_is_a_value(name):
    assert tiny_model(name) == tiny_model(name) and hash(tiny_model(name)) == hash(tiny_model(name))
    assert tiny_model(name) != tiny_model(name, features=13)
    assert tiny_model(name, features=0, classes=0).for_data(12, 4) == tiny_model(name)


@pytest.mark.parametrize("name", NAMES)
def test_no_two_networks_begin_with_the_same_key(name):
    numbers = [network.number for network in tiny_model(name).networks().values()]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("m1", {"decoder"}),
        ("m2", {"decoder"}),
        ("m3", {"decoder", "code_generator"}),
        ("m4", {"decoder"}),
        ("m9", {"decoder", "noise"}),
    ],
)
def test_networks_of_rows_are_those_that_generate_goes_through(name, kept):
    assert set(networks_of_rows(tiny_model(name))) == kept


def test_a_name_has_one_model():
    with pytest.raises(ValueError, match="'m2'.*has this name; give another"):

        class Other(Model):
            name = "m2"

    assert MODELS["m2"] is M2
    with pytest.raises(InputError, match="config.model.name: no model 'm0'; choose from m1, m2,"):
        get_model("m0")
