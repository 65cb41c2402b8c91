"""A generator on disk is the same generator, and nothing else is taken for one."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from builders import generator_of, small_run
from helpers import NAMES, random_params, same_bits, strict_jax

from aegan.errors import InputError
from aegan.sampling.generator import constant_columns, load_generator, save_generator
from aegan.sampling.rows import sample, sampling_key
from aegan.system.files import read_npz, write_npz
from aegan.training import lanes


@pytest.fixture(autouse=True)
def _strict():
    with strict_jax():
        yield


@pytest.mark.parametrize("model", NAMES)
def test_a_generator_comes_back_and_draws_the_same_bits(tmp_path, model):
    run = small_run(model)
    generator = generator_of(run, 1, params=random_params(run.learner))
    path = tmp_path / "deep" / "seed0-fold1.npz"
    save_generator(path, generator)
    back = load_generator(path)
    assert same_bits(back.params, generator.params)
    for field in ("model", "gain", "classes", "contract", "rules", "passport"):
        assert getattr(back, field) == getattr(generator, field), field
    assert same_bits(back.trained_on, generator.trained_on)
    key = sampling_key(lanes.lane_key(0, 1), 3)
    assert same_bits(sample(back, key, 70), sample(generator, key, 70))
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_constant_columns():
    rows = np.array([[1, 2, 3], [1, 2.5, 3], [1, 2, 3]], np.float32)
    np.testing.assert_array_equal(constant_columns(rows, np.arange(3)), [1, np.nan, 3])
    np.testing.assert_array_equal(constant_columns(rows, np.array([0, 2])), [1, 2, 3])


def test_other_files_are_refused_in_one_line(tmp_path):
    good = tmp_path / "good.npz"
    save_generator(good, generator_of(small_run("m3"), 1))
    (tmp_path / "text.npz").write_text("not arrays")
    (tmp_path / "cut.npz").write_bytes(good.read_bytes()[:-200])
    (tmp_path / "empty.npz").write_bytes(b"")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    np.savez(tmp_path / "pickled.npz", meta=np.array([{"a": 1}], dtype=object))
    for name in ("text", "cut", "empty", "other", "pickled", "missing"):
        with pytest.raises(InputError) as error:
            load_generator(tmp_path / f"{name}.npz")
        assert "\n" not in str(error.value) and f"{name}.npz" in str(error.value)


def test_parts_that_do_not_fit_together_are_refused(tmp_path):
    path = tmp_path / "g.npz"
    save_generator(path, generator_of(small_run("m3"), 1))
    arrays = read_npz(path)
    meta = json.loads(arrays["meta"].tobytes())
    kernel = "params/decoder/output/kernel"
    damages = {
        "one feature less": {"features": meta["features"][:-1]},
        "another name": {"features": ["x", *meta["features"][1:]]},
        "one class less": {"classes": meta["classes"][:-1]},
        "another format": {"format": 0},
        "no gain": {"gain": "a"},
        "no fields": {"fields": []},
        "wide encoder": {"fields": meta["fields"] | {"encoder": [8, 7]}},
        "short mean": {"mean": arrays["mean"][:3]},
        "double scale": {"scale": arrays["scale"].astype(np.float64)},
        "thin kernel": {kernel: arrays[kernel][:, :-1]},
    }
    for what, change in damages.items():
        new = arrays | {k: v for k, v in change.items() if k in arrays}
        text = json.dumps(meta | {k: v for k, v in change.items() if k in meta}).encode()
        write_npz(path, new | {"meta": np.frombuffer(text, np.uint8)})  # with its digest
        with pytest.raises(InputError) as error:
            load_generator(path)
        assert "\n" not in str(error.value) and "g.npz" in str(error.value), what


@pytest.mark.slow
def test_whatever_bytes_are_changed_a_generator_or_one_line_comes_back(tmp_path):
    path = tmp_path / "g.npz"
    save_generator(path, generator_of(small_run("m3"), 1))
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    for _ in range(3000):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), rng.integers(1, 4)):
            damaged[place] = rng.integers(0, 256)
        path.write_bytes(bytes(damaged[: rng.integers(1, 2 * len(whole))]))
        try:
            load_generator(path)
        except InputError as error:
            assert "\n" not in str(error)


def test_a_half_written_generator_is_never_seen(tmp_path):
    generator = generator_of(small_run("m3"), 1)
    with pytest.raises(TypeError):
        save_generator(tmp_path / "g.npz", replace(generator, passport={"seed": object()}))
    assert list(tmp_path.iterdir()) == []
