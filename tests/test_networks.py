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
    random_params,
    rows_and_labels,
    same_bits,
    strict_jax,
    tiny_learner,
    tiny_model,
)

from aegan.errors import InputError
from aegan.models.m2 import M2
from aegan.models.m3 import AUXILIARY
from aegan.models.model import (
    MODELS,
    Labelled,
    Model,
    count_params,
    get_model,
    networks_of_rows,
)
from aegan.models.networks import INITIALISERS, MLP
from aegan.run.plan import make_plan

# Weights + biases, layer by layer, for 1582 features and 4 classes.
ENCODER_2 = 1_583_000 + 500_500 + 50_100 + 202  # 1582-1000-500-100-2
DECODER_2 = 300 + 50_500 + 501_000 + 1_583_582  # 2-100-500-1000-1582
D1_2 = 7_000 + 500_500 + 50_100 + 101  # 6-1000-500-100-1
D2 = 1_587_000 + 500_500 + 50_100 + 101  # 1586-1000-500-100-1
ENCODER_256 = 1_583_000 + 700_700 + 210_300 + 77_056  # 1582-1000-700-300-256
DECODER_256 = 77_100 + 210_700 + 701_000 + 1_583_582  # 256-300-700-1000-1582
D1_256 = 261_000 + 500_500 + 50_100 + 101  # 260-1000-500-100-1
CG = 3_500 + 36_096  # 24-140-256
AUX = 12_928 + 516  # 100-128-4

M1_COUNTS = {"encoder": ENCODER_2, "decoder": DECODER_2, "code_discriminator": D1_2}
M3_COUNTS = {"encoder": ENCODER_256, "decoder": DECODER_256, "code_discriminator": D1_256}
COUNTS = {
    "m1": M1_COUNTS,
    "m2": {**M1_COUNTS, "feature_discriminator": D2},
    "m3": {**M3_COUNTS, "feature_discriminator": D2, "code_generator": CG, "auxiliary": AUX},
}
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
TOTALS = {"m1": 4_826_885, "m2": 6_964_586, "m3": 8_145_880}
KEY = jax.random.key(0)


@pytest.fixture(scope="module", params=PAPER)
def shipped(request):
    """Name, model and parameter shapes as the shipped config builds them."""
    config = importlib.import_module(f"configs.{request.param}").get_config()
    config.data.simulated_rows = 60
    model = make_plan(config).learner.model
    return request.param, model, jax.eval_shape(model.init_params, KEY)


def layer_shapes(tree) -> list[tuple[int, ...]]:
    """(in, out) of every dense layer from input to output."""
    if "trunk" in tree:
        return layer_shapes(tree["trunk"]) + layer_shapes(tree["head"])
    ordered = sorted(tree, key=lambda name: (name == "output", name))
    for name in ordered:
        assert tree[name]["bias"].shape == tree[name]["kernel"].shape[1:]
        assert tree[name]["kernel"].dtype == jnp.float32
    return [tree[name]["kernel"].shape for name in ordered]


def test_layers_and_their_parameters_are_those_of_table_1(shipped):
    name, model, shapes = shipped
    assert type(model) is MODELS[name]
    assert {net: count_params(tree) for net, tree in shapes.items()} == COUNTS[name]
    assert count_params(shapes) == TOTALS[name]
    assert set(shapes) == set(WIDTHS[name])
    for net, widths in WIDTHS[name].items():
        assert layer_shapes(shapes[net]) == list(zip(widths[:-1], widths[1:], strict=True)), net


def test_outputs_have_the_shapes_of_the_paper(shipped):
    name, model, shapes = shipped
    latent, code = (20, 256) if name == "m3" else (2, 2)
    x, y = jax.ShapeDtypeStruct((7, 1582), "float32"), jax.ShapeDtypeStruct((7, 4), "float32")
    assert jax.eval_shape(model.prior.sample, KEY, y).shape == (7, latent)

    def forward(params, x, y):
        codes = model.encode(params, x)
        rows = model.generate(params, jax.random.key(0), y)
        drawn = model.prior_codes(params, jax.random.key(0), y)
        out = [codes, drawn, rows, model.code_logits(params)(Labelled(codes, y))]
        if isinstance(model, M2):
            out += [model.feature_trunk(params, rows, y)]
            out += [model.feature_logits(params)(Labelled(rows, y))]
        if name == "m3":
            out.append(model.apply(AUXILIARY, params, out[4]))
        return out

    expected = [(7, code), (7, code), (7, 1582), (7,), (7, 100), (7,), (7, 4)]
    got = [leaf.shape for leaf in jax.eval_shape(forward, shapes, x, y)]
    assert got == expected[: {"m1": 4, "m2": 6, "m3": 7}[name]]


def numpy_mlp(p, x, last_relu=False):
    """ReLU on hidden layers, the output linear, in float64."""
    names = sorted(p, key=lambda name: (name == "output", name))
    for name in names:
        x = x @ np.asarray(p[name]["kernel"], np.float64) + np.asarray(p[name]["bias"], np.float64)
        if name != "output" or last_relu:
            x = np.maximum(x, 0)
    return x


@pytest.mark.parametrize("name", PAPER)
def test_forward_equals_numpy_to_six_decimals(name):
    model, params = tiny_model(name), random_params(tiny_learner(name), 1)
    x, y = rows_and_labels(3, 9)
    z = np.float64(model.prior.sample(KEY, y))
    x64, y64 = np.float64(x), np.float64(y)

    def close(actual, expected):
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-6)

    with strict_jax():
        codes = model.encode(params, x)
        close(codes, numpy_mlp(params["encoder"], x64))
        close(model.decode(params, codes), numpy_mlp(params["decoder"], np.float64(codes)))
        close(
            model.code_logits(params)(Labelled(codes, y)),
            numpy_mlp(params["code_discriminator"], np.hstack([np.float64(codes), y64]))[:, 0],
        )
        drawn = z
        if name == "m3":
            drawn = numpy_mlp(params["code_generator"], np.hstack([z, y64]))
            assert drawn.min() < 0  # CG's output is linear
        close(model.prior_codes(params, jax.random.clone(KEY), y), drawn)
        made = model.generate(params, jax.random.clone(KEY), y)
        close(made, numpy_mlp(params["decoder"], drawn))
        if name != "m1":
            d2 = params["feature_discriminator"]
            hidden = numpy_mlp(d2["trunk"], np.hstack([x64, y64]), last_relu=True)
            close(model.feature_trunk(params, x, y), hidden)
            logits = model.feature_logits(params)(Labelled(x, y))
            close(logits, numpy_mlp(d2["head"], hidden)[:, 0])
        if name == "m3":
            auxiliary = model.apply(AUXILIARY, params, jnp.float32(hidden))
            close(auxiliary, numpy_mlp(params["auxiliary"], hidden))


@pytest.mark.parametrize("name", NAMES)
def test_a_forward_has_no_effect_across_rows(name):
    model, params = tiny_model(name), random_params(tiny_learner(name))
    x, _ = rows_and_labels(3, 5)
    np.testing.assert_allclose(
        model.encode(params, x)[2:3], model.encode(params, x[2:3]), atol=1e-6
    )


def test_initialisation_depends_on_the_key_alone_and_is_shared_by_models():
    @jax.jit
    def all_models(key):
        return {name: tiny_model(name).init_params(key) for name in ("m1", "m2", "m9")}

    one, other = (all_models(jax.random.key(seed)) for seed in (7, 8))
    assert all(same_bits(one["m1"][net], one["m2"][net]) for net in one["m1"])
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
