"""What version 0.1 computed and wrote: the same numbers, files still read, runs that go on."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest
from builders import trained
from commands import command
from helpers import PAPER
from small_runs import OFTEN, tiny, write_table

from aegan.models.m1 import M1
from aegan.models.m3 import M3
from aegan.sampling.generator import load_generator
from aegan.sampling.rows import sample, sampling_key
from aegan.tables.synthetic import read_synthetic
from aegan.training.lanes import lane_key

HERE = Path(__file__).parent
NUMBERS = json.loads((HERE / "old_numbers.json").read_text())


def assert_numbers(params, numbers):
    """Of every leaf the norm and the dot product with a random vector, as they were."""
    leaves = {
        "/".join(str(key.key) for key in path): np.asarray(leaf, np.float64).ravel()
        for path, leaf in jax.tree_util.tree_leaves_with_path(params)
    }
    assert leaves.keys() == numbers.keys()
    for name, leaf in leaves.items():
        against = np.random.default_rng(leaf.size).standard_normal(leaf.size)
        found, (norm, product) = (np.linalg.norm(leaf), leaf @ against), numbers[name]
        np.testing.assert_allclose(found, (norm, product), 1e-5, 1e-5 * norm, err_msg=name)


@pytest.mark.parametrize("name", PAPER)
def test_three_epochs_on_the_simulated_corpus_of_then(name):
    assert_numbers(trained(name)[0].params, NUMBERS["small"][name])


@pytest.mark.slow
@pytest.mark.parametrize("name", PAPER)
def test_three_epochs_of_two_folds_of_nemo(name, shared_data, tmp_path):
    """Compiled as by default, on a CPU of the same kind: rounding alone moves these by 1e-3."""
    done = command(
        tmp_path,
        f"--config=configs/{name}.py",
        f"--config.data.path={shared_data / 'nemo.parquet'}",
        "--config.only_folds=0,1",
        "--config.train.epochs=3",
        "--config.train.strategy=vmap",
        "--config.sample.rows=200",
        "--stage=train",
        f"--workdir={tmp_path / 'run'}",
        environment={"XLA_FLAGS": ""},
    )
    assert done.status == 0, done.err
    place = (tmp_path / "run" / "checkpoints" / "3" / "state").resolve()
    assert_numbers(
        ocp.StandardCheckpointer().restore(place)["lanes"]["params"], NUMBERS["nemo"][name]
    )


@pytest.fixture(scope="module")
def old(tmp_path_factory) -> Path:
    """m1: a generator and rows of it. m3: likewise, and a run that was cut off after epoch 2."""
    folder = tmp_path_factory.mktemp("old")
    with tarfile.open(HERE / "old_runs.tar.xz") as file:
        file.extractall(folder, filter="data")
    return folder


MODELS = {
    "m1": M1(8, 4, encoder=(8, 6), code_discriminator=(8, 6)),
    "m3": M3(
        *(8, 4),
        encoder=(8, 6),
        code=5,
        code_discriminator=(8, 6),
        feature_discriminator=(8, 6),
        code_generator=(6,),
        auxiliary=(5,),
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_generator_of_format_1_draws_the_same_rows(old, name):
    path = old / name / "generators" / "seed0-fold1.npz"
    with np.load(path) as file:
        assert json.loads(file["meta"].tobytes())["format"] == 1
    generator = load_generator(path)
    assert generator.model == MODELS[name]
    rows = read_synthetic(old / name / "synthetic" / "seed0-fold1.parquet")
    assert generator.contract == rows.contract and generator.passport["model"] == name
    features, labels = sample(generator, sampling_key(lane_key(0, 1)), 40)
    np.testing.assert_array_equal(labels, rows.labels)
    scale = np.abs(rows.features).max(axis=0)
    np.testing.assert_allclose(features / scale, rows.features / scale, rtol=0, atol=1e-5)


def test_a_run_of_the_version_before_goes_on(old, tmp_path):
    table = write_table(tmp_path / "table.parquet")
    arguments = (f"--config.data.path={table}", "--config.data.folds=2", "--config.only_folds=(1,)")
    arguments += ("--config.model.code=5", "--config.sample.rows=40", "--stage=train", OFTEN)
    done = command(tmp_path, *tiny("m3", old / "m3", *arguments))
    assert done.status == 0, done.err
    assert "train: goes on after epoch 2 of 3" in done.out
    whole = command(tmp_path / "whole", *tiny("m3", tmp_path / "whole" / "run", *arguments))
    assert whole.status == 0, whole.err
    generators = [
        load_generator(folder / "generators" / "seed0-fold1.npz")
        for folder in (old / "m3", tmp_path / "whole" / "run")
    ]
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, 1e-5, 1e-6), *(g.params for g in generators)
    )
