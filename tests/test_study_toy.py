"""Fig. 1: measures on points whose clusters are known, losses by hand, and the task itself."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from helpers import strict_jax
from scipy import stats
from study_helpers import tiny_study

from aegan.metrics.intervals import estimate
from aegan.models.priors import MixturePrior
from aegan.study.study import StudyDir
from aegan.study.toy import gans
from aegan.study.toy import tasks as toy

TARGET = MixturePrior(2, 4.0, 1.0)
MEANS = TARGET.means(4)


def clusters(rng, n: int, sd: tuple[float, float] = (1, 1), at=range(4)) -> np.ndarray:
    """``n`` points about each of the target means ``at``."""
    return np.concatenate([MEANS[k] + rng.normal(size=(n, 2)) * sd for k in at])


def test_points_of_the_target():
    found = toy.measure(clusters(np.random.default_rng(0), 5000), TARGET)
    assert found.spread == pytest.approx(1, abs=0.02)
    assert 0.95 < found.flatness <= 1
    assert found.modes == 4
    np.testing.assert_array_less((found.clusters != np.repeat(np.arange(4), 5000)).mean(), 0.01)


@pytest.mark.parametrize("spread", [1.0, 1.5, 2.0])
def test_overlap_is_the_error_of_the_best_guess(spread):
    """Against the posteriors of the mixture that the points were drawn from."""
    target = replace(TARGET, spread=spread)
    points = clusters(np.random.default_rng(1), 4000, (spread, spread))
    densities = np.stack([stats.multivariate_normal(m, spread**2).pdf(points) for m in MEANS])
    error = 1 - (densities.max(axis=0) / densities.sum(axis=0)).mean()
    assert toy.measure(points, target).overlap == pytest.approx(error, rel=0.15)


@pytest.mark.parametrize("minor", [0.5, 0.1])
def test_drawn_out_clusters(minor):
    found = toy.measure(clusters(np.random.default_rng(2), 3000, (1, minor)), TARGET)
    assert found.flatness == pytest.approx(minor, rel=0.05)
    assert found.spread == pytest.approx(np.sqrt((1 + minor**2) / 2), rel=0.03)


def test_turned_lines_are_as_flat():
    angle = 0.7
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    along = np.random.default_rng(3).normal(size=(4000, 2)) * (0.5, 0) @ turn
    found = toy.measure(MEANS[np.arange(4000) % 4] + along, TARGET)
    assert found.flatness == pytest.approx(toy.LEAST_SD / 0.5, rel=0.1)
    assert found.overlap < 1e-6 and found.modes == 4


def test_the_order_of_points_does_not_count():
    points = clusters(np.random.default_rng(4), 300)
    order = np.random.default_rng(5).permutation(len(points))
    first, second = toy.measure(points, TARGET), toy.measure(points[order], TARGET)
    assert first[:4] == pytest.approx(second[:4], abs=1e-6)
    np.testing.assert_array_equal(first.clusters[order], second.clusters)


def test_classes_in_one_point_each():
    found = toy.measure(np.repeat(MEANS, 100, axis=0), TARGET)
    assert found.overlap == 0 and found.modes == 4
    assert found.spread == pytest.approx(toy.LEAST_SD, rel=1e-3)
    assert found.flatness == pytest.approx(1)
    np.testing.assert_array_equal(found.clusters, np.repeat(np.arange(4), 100))
    one = toy.measure(np.tile(MEANS[2], (200, 1)), TARGET)
    assert one.overlap == 0 and one.modes == 1 and set(one.clusters) == {2}
    assert 0 < one.spread < 0.02


def test_a_missing_mode_is_no_overlap():
    """Only as many clusters as there are points for, or two would share one mode."""
    rng = np.random.default_rng(6)
    strays = clusters(rng, 30, at=[3])  # 1 %
    found = toy.measure(np.concatenate([clusters(rng, 1000, at=(0, 1, 2)), strays]), TARGET)
    assert found.modes == 3 and set(found.clusters) == {0, 1, 2}
    assert found.overlap < 0.02


def test_points_between_the_clusters():
    found = toy.measure(np.random.default_rng(7).normal(size=(2000, 2)) * 0.5, TARGET)
    assert found.modes == 0 and found.overlap > 0.1


def test_a_mode_needs_its_share():
    rng = np.random.default_rng(8)
    for n, modes in ((120, 3), (220, 4)):  # 3.8 % and 6.8 %
        strays = clusters(rng, n, (0.1, 0.1), at=[3])
        points = np.concatenate([clusters(rng, 1000, at=(0, 1, 2)), strays])
        assert toy.measure(points, TARGET).modes == modes


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_points_that_are_not_finite_have_no_measure(bad):
    points = clusters(np.random.default_rng(9), 20)
    points[3, 1] = bad
    found = toy.measure(points, TARGET)
    assert found[:4] == (None, None, None, 0)
    assert len(found.clusters) == 80


@pytest.mark.parametrize("reach", [1e-30, 1e8, 1e30])
def test_clusters_of_any_size_are_measured(reach):
    rng = np.random.default_rng(10)
    lines = np.stack([reach * rng.normal(size=400), np.zeros(400)], axis=1)
    found = toy.measure(lines.astype(np.float32), TARGET)
    assert np.isfinite(found[:3]).all() and found.overlap >= 0 and 0 <= found.flatness <= 1


SMALL = {"hidden": (8, 6), "batch_size": 16, "updates": 1, "rate": 0.1, "seeds": 2, "points": 200}
GAN = gans.Gan(gans.Settings(**SMALL), labelled=False)
INFOGAN = replace(GAN, labelled=True)


@cache
def drawn(s: gans.Gan) -> tuple[gans.Networks, gans.Points]:
    def both(key):
        return gans.init(s, key), gans.draw_source(s, key, s.settings.batch_size)

    return jax.jit(both)(jax.random.key(0))


def test_same_layers_but_for_label_and_head():
    gan, infogan = (drawn(s)[0] for s in (GAN, INFOGAN))
    assert gan.auxiliary == {}
    assert infogan.auxiliary["params"]["output"]["kernel"].shape == (6, 4)
    first = [params["params"]["hidden0"]["kernel"].shape for params in (gan[0], infogan[0])]
    assert first == [(2, 8), (6, 8)]
    shapes = [jax.tree.map(jnp.shape, (nets.trunk, nets.head)) for nets in (gan, infogan)]
    assert shapes[0] == shapes[1]


def test_only_the_infogan_reads_labels():
    for s in (GAN, INFOGAN):
        nets, source = drawn(s)
        other = source._replace(labels=jnp.roll(source.labels, 1, axis=1))
        points = (gans.generate(s, nets.generator, given) for given in (source, other))
        assert bool(jnp.array_equal(*points)) is not s.labelled


def test_losses_by_hand():
    """Heads of zeros say 1/2 and 1/4: D pays 2 log 2, G log 2, the auxiliary head log 4."""
    nets, source = drawn(INFOGAN)
    head, auxiliary = (jax.tree.map(jnp.zeros_like, p) for p in (nets.head, nets.auxiliary))
    real = jnp.ones((16, 2))
    d_loss = gans.discriminator_loss((nets.trunk, head), INFOGAN, -real, real)
    assert d_loss == pytest.approx(2 * np.log(2))
    trained = (nets.generator, auxiliary)
    for weight in (0.0, 1.0, 2.5):
        s = replace(INFOGAN, settings=replace(GAN.settings, information_weight=weight))
        g_loss = gans.generator_loss(trained, s, nets.trunk, head, source)
        assert g_loss == pytest.approx(np.log(2) + weight * np.log(4), rel=1e-6)
    gan, source = drawn(GAN)
    g_loss = gans.generator_loss((gan.generator, {}), GAN, gan.trunk, head, source)
    assert g_loss == pytest.approx(np.log(2))


def test_discriminator_loss_calls_synthetic_points_one():
    """A head that is sure: right costs nothing, wrong its logit."""
    nets, _ = drawn(GAN)
    points = jnp.ones((4, 2))
    for sure, cost in ((9.0, 9.0), (-9.0, 9.0)):  # one half is right, the other wrong
        head = jax.tree.map(jnp.zeros_like, nets.head)
        head["params"]["output"]["bias"] += sure
        loss = gans.discriminator_loss((nets.trunk, head), GAN, points, points)
        assert loss == pytest.approx(cost, abs=1e-3)
        source = gans.Points(points, jnp.zeros((4, 4)))
        fooled = gans.generator_loss((nets.generator, {}), GAN, nets.trunk, head, source)
        assert fooled == pytest.approx(max(sure, 0), abs=1e-3)


@partial(jax.jit, static_argnums=0)
def one_update(s: gans.Gan, key: jax.Array) -> tuple[gans.Networks, Any]:
    """The networks before, and the generator after one update as section 3 describes it."""
    nets = gans.init(s, jax.random.fold_in(key, 0))
    real_key, z_key = jax.random.split(jax.random.split(jax.random.fold_in(key, 1), 1)[0])
    component_key, noise_key = jax.random.split(real_key)
    component = jax.random.randint(component_key, (s.settings.batch_size,), 0, 4)
    real = jnp.asarray(MEANS)[component] + jax.random.normal(noise_key, (s.settings.batch_size, 2))
    source = gans.draw_source(s, z_key, s.settings.batch_size)

    def step(params, slope):
        return jax.tree.map(lambda p, g: p - s.settings.rate * g, params, slope)

    synthetic = gans.generate(s, nets.generator, source)
    d = (nets.trunk, nets.head)
    d = step(d, jax.grad(gans.discriminator_loss)(d, s, synthetic, real))
    g = (nets.generator, nets.auxiliary)
    return nets, step(g, jax.grad(gans.generator_loss)(g, s, *d, source))[0]


def test_one_update_by_hand():
    """SGD on D, then on G against the new D."""
    keys = jax.vmap(jax.random.key)(jnp.arange(2))
    nets, wanted = one_update(INFOGAN, keys[1])
    after = jax.tree.map(lambda leaf: leaf[1], gans.train(INFOGAN, keys))
    jax.tree.map(partial(np.testing.assert_allclose, atol=1e-6), after, wanted)
    stood = jax.tree.map(np.allclose, nets.generator, wanted)
    assert not any(jax.tree.leaves(stood))


def test_sources_and_targets():
    keys = jax.vmap(jax.random.key)(jnp.arange(2))
    with strict_jax():
        source = jax.jit(gans.draw_source, static_argnums=(0, 2))(GAN, jax.random.key(5), 20000)
        target = gans.sample_target(GAN, keys, 20000)
    assert np.abs(source.z.mean(axis=0)).max() < 0.03
    assert source.z.std() == pytest.approx(1, abs=0.02)
    np.testing.assert_allclose(source.labels.mean(axis=0), 0.25, atol=0.02)
    np.testing.assert_allclose(target.labels.mean(axis=1), 0.25, atol=0.02)
    centred = target.z - target.labels @ MEANS
    assert centred.std() == pytest.approx(1, abs=0.02)
    assert not np.array_equal(target.z[0], target.z[1])


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    # As GAN and INFOGAN above, which compile once for the whole file.
    fields = {f"toy__{name}": value for name, value in SMALL.items()}
    return tiny_study(tmp_path_factory.mktemp("study"), **fields)


@pytest.fixture(scope="module")
def record(study):
    (task,) = toy.tasks(study)
    assert (task.name, task.needs) == ("toy", ())
    return task.run(study, *task.arguments)


def test_the_table_is_of_seed_0(study, record):
    table = pd.read_parquet(study.dir.table("toy"))
    assert list(table.columns) == ["panel", "x", "y", "cluster"]
    panels = {name: rows for name, rows in table.groupby("panel", sort=False)}
    assert list(panels) == ["source", "target", "gan", "infogan"]
    assert {len(rows) for rows in panels.values()} == {200}
    assert set(panels["source"]["cluster"]) == {0}
    xy, own = panels["target"][["x", "y"]].to_numpy(), MEANS[panels["target"]["cluster"]]
    assert np.abs(xy - own).max() < 5
    for model in ("gan", "infogan"):
        found = toy.measure(panels[model][["x", "y"]].to_numpy(), TARGET)
        first = next(r for r in record["per_seed"] if r["model"] == model)
        assert first["seed"] == 0
        assert [first[name] for name in (*toy.MEASURES, "modes")] == list(found[:4])
        np.testing.assert_array_equal(panels[model]["cluster"], found.clusters)


def test_the_source_panel_is_what_both_generators_read(study, record):
    table = pd.read_parquet(study.dir.table("toy"))
    found = table[table["panel"] == "source"][["x", "y"]].to_numpy()
    key = jax.random.fold_in(jax.random.key(0), gans._SAMPLE)
    for s in (GAN, INFOGAN):
        np.testing.assert_array_equal(gans.draw_source(s, key, 200).z, found)


def test_the_record(study, record):
    lanes = [(row["seed"], row["model"]) for row in record["per_seed"]]
    assert lanes == [(0, "gan"), (0, "infogan"), (1, "gan"), (1, "infogan")]
    assert record["per_seed"][0]["spread"] != record["per_seed"][2]["spread"]
    assert record["target"]["modes"] == [4, 4]
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    found = toy.results(study, {"toy": record})
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert set(found["definitions"]) == {"overlap", "spread", "flatness", "modes"}


def test_the_same_study_gives_the_same_bits(study, record):
    other = replace(study, dir=StudyDir(study.dir.root / "again"))
    assert toy.run(other) == record
    tables = (pd.read_parquet(s.dir.table("toy")) for s in (study, other))
    pd.testing.assert_frame_equal(*tables, check_exact=True)


def test_results_by_hand(study):
    values = {"gan": (0.3, None, 0.5), "infogan": (0.1, 0.2, 0.4)}
    rows = [
        {"seed": s, "model": m, "overlap": values[m][s], "spread": 1.0, "flatness": 0.5, "modes": 4}
        for s in range(3)
        for m in ("gan", "infogan")
    ]
    ideal = {name: [1.0, 1.0] for name in (*toy.MEASURES, "modes")}
    found = toy.results(study, {"toy": {"per_seed": rows, "target": ideal}})
    assert found["overlap"]["gan"] == estimate([0.3, None, 0.5])
    assert found["overlap"]["gan"]["mean"] == pytest.approx(0.4)
    difference = found["overlap"]["difference"]
    assert difference["values"] == [pytest.approx(-0.2), None, pytest.approx(-0.1)]
    assert difference["mean"] == pytest.approx(-0.15)
    assert found["spread"]["difference"]["ci95"] == [0, 0]
    assert set(found["modes"]) == {"gan", "infogan"}
    assert found["per_seed"] == rows


@pytest.mark.slow
def test_both_gans_cover_the_target(tmp_path):
    """With the paper's config, whatever it says of their shapes."""
    study = tiny_study(tmp_path, toy=vars(gans.Settings()))
    found = toy.results(study, {"toy": toy.run(study)})
    for model in ("gan", "infogan"):
        assert found["modes"][model]["values"] == [4] * 5
        assert 0.8 < found["spread"][model]["mean"] < 1.2
