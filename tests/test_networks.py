"""Networks against Table 1: layer sizes and parameter counts worked by hand, and the forward."""

from __future__ import annotations

import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import random_params, rows_and_labels, same_bits, strict_jax, tiny_learner, tiny_sizes

from aegan.models import networks as n
from aegan.models.declarations import MODELS, get_model
from aegan.models.priors import Draw
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

TABLE_1 = {
    "m1": {"encoder": ENCODER_2, "decoder": DECODER_2, "code_discriminator": D1_2},
    "m2": {
        "encoder": ENCODER_2,
        "decoder": DECODER_2,
        "code_discriminator": D1_2,
        "feature_discriminator": D2,
    },
    "m3": {
        "encoder": ENCODER_256,
        "decoder": DECODER_256,
        "code_discriminator": D1_256,
        "feature_discriminator": D2,
        "code_generator": CG,
        "auxiliary": AUX,
    },
}
WIDTHS_2 = {
    "encoder": (1582, 1000, 500, 100, 2),
    "decoder": (2, 100, 500, 1000, 1582),
    "code_discriminator": (6, 1000, 500, 100, 1),
    "feature_discriminator": (1586, 1000, 500, 100, 1),
}
WIDTHS = {
    "m1": {k: v for k, v in WIDTHS_2.items() if k != "feature_discriminator"},
    "m2": WIDTHS_2,
    "m3": {
        "encoder": (1582, 1000, 700, 300, 256),
        "decoder": (256, 300, 700, 1000, 1582),
        "code_discriminator": (260, 1000, 500, 100, 1),
        "feature_discriminator": (1586, 1000, 500, 100, 1),
        "code_generator": (24, 140, 256),
        "auxiliary": (100, 128, 4),
    },
}
TOTALS = {"m1": 4_826_885, "m2": 6_964_586, "m3": 8_145_880}


@pytest.fixture(scope="module", params=list(MODELS))
def shipped(request):
    """Name, networks and parameter shapes of a model as its shipped config builds it."""
    config = importlib.import_module(f"configs.{request.param}").get_config()
    config.data.simulated_rows = 60
    nets = make_plan(config).learner.nets
    shapes = jax.eval_shape(lambda key: n.init_params(nets, key), jax.random.key(0))
    return request.param, nets, shapes


def layer_shapes(tree) -> list[tuple[int, ...]]:
    """(in, out) of every dense layer from input to output."""
    if "trunk" in tree:
        return layer_shapes(tree["trunk"]) + layer_shapes(tree["head"])
    ordered = sorted(tree, key=lambda name: (name == "output", name))
    for name in ordered:
        assert tree[name]["bias"].shape == tree[name]["kernel"].shape[1:]
        assert tree[name]["kernel"].dtype == jnp.float32
    return [tree[name]["kernel"].shape for name in ordered]


def test_parameter_counts_are_those_of_table_1(shipped):
    name, _, shapes = shipped
    assert {net: n.count_params(tree) for net, tree in shapes.items()} == TABLE_1[name]
    assert n.count_params(shapes) == TOTALS[name]


def test_layers_are_those_of_table_1(shipped):
    name, _, shapes = shipped
    assert set(shapes) == set(WIDTHS[name])
    for net, widths in WIDTHS[name].items():
        assert layer_shapes(shapes[net]) == list(zip(widths[:-1], widths[1:], strict=True)), net


def test_outputs_have_the_shapes_of_the_paper(shipped):
    name, nets, shapes = shipped
    latent, code = (20, 256) if name == "m3" else (2, 2)
    x, y = jax.ShapeDtypeStruct((7, 1582), "float32"), jax.ShapeDtypeStruct((7, 4), "float32")
    z = jax.ShapeDtypeStruct((7, latent), "float32")

    def forward(params, x, y, z):
        codes = n.encode(nets, params, x)
        drawn = n.prior_codes(nets, params, Draw(z, y))
        rows = n.generate(nets, params, Draw(z, y))
        out = [codes, drawn, rows, n.code_logits(nets, params["code_discriminator"], codes, y)]
        if "feature_discriminator" in params:
            d2 = params["feature_discriminator"]
            out += [n.feature_trunk(nets, d2, rows, y), n.feature_logits(nets, d2, rows, y)]
        if "auxiliary" in params:
            out.append(n.class_logits(nets, params["auxiliary"], out[4]))
        return out

    expected = [(7, code), (7, code), (7, 1582), (7,), (7, 100), (7,), (7, 4)]
    got = [leaf.shape for leaf in jax.eval_shape(forward, shapes, x, y, z)]
    assert got == expected[: {"m1": 4, "m2": 6, "m3": 7}[name]]


def test_aux_reads_the_trunk_of_d2():
    """AUX has no path of its own from the rows: through a zeroed trunk every row looks alike."""
    learner = tiny_learner("m3")
    nets = learner.nets
    params = random_params(learner)
    x, y = rows_and_labels(0, 6)

    @jax.jit
    def logits(d2):
        return n.class_logits(nets, params["auxiliary"], n.feature_trunk(nets, d2, x, y))

    d2 = params["feature_discriminator"]
    silent = {"trunk": jax.tree.map(jnp.zeros_like, d2["trunk"]), "head": d2["head"]}
    assert np.ptp(np.asarray(logits(d2)), axis=0).max() > 1e-3
    assert np.ptp(np.asarray(logits(silent)), axis=0).max() == 0
    moved = {"trunk": d2["trunk"], "head": jax.tree.map(lambda leaf: leaf + 1, d2["head"])}
    np.testing.assert_array_equal(logits(d2), logits(moved))


def numpy_mlp(p, x, last_relu=False):
    """ReLU on hidden layers, the output linear, in float64."""
    names = sorted(p, key=lambda name: (name == "output", name))
    for name in names:
        x = x @ np.asarray(p[name]["kernel"], np.float64) + np.asarray(p[name]["bias"], np.float64)
        if name != "output" or last_relu:
            x = np.maximum(x, 0)
    return x


@pytest.mark.parametrize("name", MODELS)
def test_forward_equals_numpy_to_six_decimals(name):
    nets = tiny_learner(name).nets
    params = random_params(tiny_learner(name), 1)
    x, y = rows_and_labels(3, 9)
    z = jax.random.normal(jax.random.key(4), (9, nets.sizes.latent))
    x64, y64, z64 = (np.asarray(a, np.float64) for a in (x, y, z))

    def close(actual, expected):
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-6)

    with strict_jax():
        codes = n.encode(nets, params, x)
        close(codes, numpy_mlp(params["encoder"], x64))
        close(n.decode(nets, params, codes), numpy_mlp(params["decoder"], np.float64(codes)))
        close(
            n.code_logits(nets, params["code_discriminator"], codes, y),
            numpy_mlp(params["code_discriminator"], np.hstack([np.float64(codes), y64]))[:, 0],
        )
        drawn = z64
        if name == "m3":
            drawn = numpy_mlp(params["code_generator"], np.hstack([z64, y64]))
            assert drawn.min() < 0  # CG's output is linear
        close(n.prior_codes(nets, params, Draw(z, y)), drawn)
        close(n.generate(nets, params, Draw(z, y)), numpy_mlp(params["decoder"], drawn))
        if name != "m1":
            d2 = params["feature_discriminator"]
            hidden = numpy_mlp(d2["trunk"], np.hstack([x64, y64]), last_relu=True)
            close(n.feature_trunk(nets, d2, x, y), hidden)
            close(n.feature_logits(nets, d2, x, y), numpy_mlp(d2["head"], hidden)[:, 0])
        if name == "m3":
            close(
                n.class_logits(nets, params["auxiliary"], jnp.float32(hidden)),
                numpy_mlp(params["auxiliary"], hidden),
            )


@pytest.mark.parametrize("name", MODELS)
def test_a_forward_has_no_effect_across_rows(name):
    nets = tiny_learner(name).nets
    params = random_params(tiny_learner(name))
    x, _ = rows_and_labels(3, 5)
    np.testing.assert_allclose(
        n.encode(nets, params, x)[2:3], n.encode(nets, params, x[2:3]), atol=1e-6
    )


def test_initialisation_depends_on_the_key_alone_and_is_shared_by_models():
    @jax.jit
    def both(key):
        return tuple(n.init_params(tiny_learner(name).nets, key) for name in ("m1", "m2"))

    m1, m2 = both(jax.random.key(7))
    assert all(same_bits(m1[net], m2[net]) for net in m1)
    _, other = both(jax.random.key(8))
    kernels = [leaf for leaf in jax.tree.leaves(m2) if leaf.ndim == 2]
    others = [leaf for leaf in jax.tree.leaves(other) if leaf.ndim == 2]
    assert not any(np.array_equal(a, b) for a, b in zip(kernels, others, strict=True))


@pytest.mark.parametrize("initialiser", n.INITIALISERS)
def test_initialisers_have_their_textbook_scale(initialiser):
    """Variances: Glorot 2 / (in + out), He 2 / in, LeCun 1 / in; biases zero."""
    module = n.MLP((400,), 300, initialiser)
    params = module.init(jax.random.key(0), jnp.zeros((1, 500)))["params"]
    kernel = np.asarray(params["hidden0"]["kernel"])
    assert kernel.shape == (500, 400)
    expected = {"glorot_uniform": 2 / 900, "he_uniform": 2 / 500, "lecun_normal": 1 / 500}
    assert kernel.var() == pytest.approx(expected[initialiser], rel=0.02)
    assert not np.any(params["hidden0"]["bias"])


def test_networks_are_hashable_and_equal_by_their_sizes():
    build = n.build_networks
    names = MODELS["m3"].networks
    assert build(names, tiny_sizes("m3")) == build(names, tiny_sizes("m3"))
    assert hash(build(names, tiny_sizes("m3"))) == hash(build(names, tiny_sizes("m3")))
    assert build(names, tiny_sizes("m3")) != build(names, tiny_sizes("m3", features=13))


def test_declarations_are_those_of_section_4():
    assert get_model("m1").steps == ("autoencoder", "code_discriminator", "encoder")
    all_five = (*get_model("m1").steps, "feature_discriminator", "generator")
    assert get_model("m2").steps == get_model("m3").steps == all_five
    assert [get_model(name).prior for name in ("m1", "m2", "m3")] == [
        "mixture",
        "mixture",
        "normal",
    ]
