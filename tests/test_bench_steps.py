"""Floors of a train step, and what the benchmark makes of its candidates' times."""

from __future__ import annotations

import json
import subprocess
from types import SimpleNamespace

import numpy as np
import pytest
from bench_jobs import bench_config, small_job
from test_cost import M2_STEPS, M3_STEPS

from aegan.bench import accelerator, roofline, training, whole
from aegan.bench.jobs import learner_for
from aegan.bench.memory import compiled_epochs_of
from aegan.bench.roofline import BANDWIDTH, Work
from aegan.errors import InputError
from aegan.learning.cost import products

PRODUCT = "large product, float32"


@pytest.mark.parametrize(("model", "steps"), [("m2", M2_STEPS), ("m3", M3_STEPS)])
def test_a_steps_work_is_what_those_before_it_have_not_done(model, steps):
    learner = learner_for(bench_config(features=1582, hidden=()), model, 4)
    works = roofline.work_by_step(learner)
    flops = [sum(one.flops for one in own) for own in works.values()]
    assert flops == [2 * 4 * each for each in steps.values()]  # batches of four rows


def test_bytes_are_those_of_operands_and_of_weights_read_and_written_once():
    works = roofline.work_by_step(small_job("m1").learner)
    # D1 takes codes of 2 and 4 classes through 16 and 8 units to 1, for 4 real and 4 drawn rows,
    # without momentum; the encoder's pass before it has no momentum's bytes either.
    d1 = [(6, 16), (16, 8), (8, 1)]
    encoder = [(12, 16), (16, 8), (8, 2)]

    def moved(rows, layers, passes):
        return sum(4 * (rows * (a + b) + passes * a * b) for a, b in layers)

    forward = moved(4, encoder, 1) + moved(8, d1, 1)
    back = moved(8, d1[1:], 1) + moved(8, d1, 2)  # of inputs, of weights
    assert sum(one.bytes for one in works["code_discriminator"]) == forward + back
    # With momentum, weights and momenta are read and written.
    with_momentum = [one for one in works["autoencoder"] if one == Work(2 * 4 * 192, 4 * 880)]
    assert 4 * (4 * (12 + 16) + 4 * 12 * 16) == 4 * 880 and len(with_momentum) >= 1


def test_each_product_waits_for_its_slower_half():
    works = [Work(100.0, 1.0), Work(1.0, 100.0)]
    seconds = {PRODUCT: [1.0, 2.0], "large product, BLAS": [3.0, 1.0], BANDWIDTH: [2.0, 3.0]}
    assert roofline.floors(works, seconds, "float32") == [100 + 200, 100 + 300]
    names = {row["name"]: row["median"] for row in roofline.told({BANDWIDTH: [1e-9, 1e-9]})}
    assert names == {"stream of memory, GB/s": 1.0}


def test_rates_say_how_much_they_did():
    found = roofline.rates(["float32"], 16)
    amounts = {name: call() for name, call in found.items()}
    assert amounts[PRODUCT] == amounts["large product, BLAS"] == 2 * 16**3
    assert amounts[BANDWIDTH] == 12 * 8 * 16**2 and amounts[roofline.LAUNCH] == 64


PROGRAM = """
%fused (p: f32[2]) -> f32[2] {
  %p = f32[2]{0} parameter(0)
  ROOT %n = f32[2]{0} negate(%p)
}

%inner_body (t: (s32[], f32[2])) -> (s32[], f32[2]) {
  %t = (s32[], f32[2]{0}) parameter(0)
  %a = f32[2]{0} get-tuple-element(%t), index=1
  %f = f32[2]{0} fusion(%a), kind=kLoop, calls=%fused
  ROOT %r = (s32[], f32[2]{0}) tuple(%f)
}

%inner_cond (t: (s32[], f32[2])) -> pred[] {
  ROOT %c = pred[] compare(%t, %t), direction=LT
}

%called (p: f32[2]) -> f32[2] {
  %d = f32[2]{0} custom-call(%p), custom_call_target="gemm"
  ROOT %e = f32[2]{0} copy(%d)
}

%body (t: (s32[], /*index=1*/f32[2])) -> (s32[], f32[2]) {
  %w = (s32[], /*index=1*/f32[2]{0}) while(%t), condition=%inner_cond, body=%inner_body, backend_config={"known_trip_count":{"n":"3"}}
  %k = f32[2]{0} call(%t), to_apply=%called
  %o = f32[2]{0} conditional(%t, %t), branch_computations={%called, %fused}
  ROOT %r = (s32[], f32[2]{0}) tuple(%k)
}

ENTRY %main (p: f32[2]) -> f32[2] {
  %p = f32[2]{0} parameter(0)
  ROOT %w = (s32[], f32[2]{0}) while(%p), condition=%inner_cond, body=%body, backend_config={"known_trip_count":{"n":"7"}}
}
"""  # noqa: E501


def test_kernels_are_counted_in_the_loop_over_batches():
    # Three turns of a fusion and a comparison, a product and a copy, the longer branch.
    assert roofline.kernels_of_step(PROGRAM, batches=7) == 3 * 2 + 2 + 2
    assert roofline.kernels_of_step(PROGRAM, batches=5) == 0


def test_kernels_of_a_real_program():
    job = small_job()
    found = roofline.kernels_of_step(compiled_epochs_of(job).as_text(), job.learner.batches)
    # Each product is a kernel at least.
    assert len(products(job.learner, 0)) < found < 5000


def test_what_fails_or_comes_too_late_is_missing(monkeypatch):
    def broken():
        raise RuntimeError("RESOURCE_EXHAUSTED: out of memory\nand more")

    clock = iter([0.0, 1.0, 2.0, 9.0])
    monkeypatch.setattr(training, "time", lambda: next(clock))
    done = []
    makers = {
        "gone": broken,
        "first": lambda: lambda: done.append(1),
        "no": broken,
        "late": broken,
    }
    ready = training.prepared(makers, {"no": "absent"}, until=10.0)  # a fifth is for the rounds
    assert [*ready.candidates] == ["first"] and done == [1]
    assert ready.missing == {
        "no": "absent",
        "gone": "RuntimeError: RESOURCE_EXHAUSTED: out of memory",
        "late": "there was no time left for it",
    }


def test_the_headline_is_of_each_round(monkeypatch):
    job, config = small_job(), bench_config()
    monkeypatch.setattr(training.strategy, "usable_cores", lambda: 2)
    seconds = {
        "vmap": [2.0, 4.0],
        "processes": [1.0, 2.0],
        "sequential": [3.0, 6.0],
        "eager": [5.0, 10.0],
        training.PEAK: [1.0, 1.0],
        training.PEAK_BY_CORE: [2.0, 0.5],
        PRODUCT: [0.0, 0.0],
        BANDWIDTH: [1e-3, 2e-3],
    }
    ready = training.Ready({}, {}, {"compiled": "no compiler"})
    found = training._headline(config, job, seconds, ready)
    medians = {name: entry.get("median") for name, entry in found.items()}
    assert medians["peak_share"] == (1.0 + 0.25) / 2
    assert medians["peak_share_vmap"] == (0.5 + 0.125) / 2
    assert medians["vs_torch_eager"] == 5 and medians["vs_sequential"] == 3
    assert medians["auto_vs_best"] == 1
    assert found["vs_torch_compiled"] == {"value": None, "reason": "no compiler"}
    moved = sum(one.bytes for one in roofline.work_of(job.learner))
    assert medians["roofline_share"] == pytest.approx(1e-3 * moved)


def test_steps_are_what_each_adds(monkeypatch):
    def interleave(candidates, rounds, until):
        times = dict(zip(candidates, (0.1, 0.3, 0.4, 0.0, 0.0, 0.0, 0.0), strict=False))
        return {name: [times[name]] for name in candidates}

    monkeypatch.setattr(training, "interleave", interleave)
    monkeypatch.setattr(training, "training_of", lambda job, trainer: lambda: 1)
    rows = training.steps_part(bench_config(models=("m1",)), np.inf).sections[0]["rows"]
    assert [row["name"] for row in rows] == ["autoencoder", "code_discriminator", "encoder"]
    assert [row["median"] for row in rows] == pytest.approx([0.1, 0.2, 0.1])


# --- what matters on an accelerator --------------------------------------------------------------


def test_other_bits_and_another_lane_are_seen(monkeypatch):
    shapes = iter([1.0, 1.5, 2.0])

    def trained(job):
        value = next(shapes)
        lanes = job.number
        return SimpleNamespace(params={"w": np.full((lanes, 3), value, np.float32)})

    monkeypatch.setattr(accelerator, "trained", trained)
    monkeypatch.setattr(accelerator, "only", lambda tree, i: tree)
    monkeypatch.setattr(accelerator.jax.tree, "leaves", lambda tree: [*_params(tree).values()])
    monkeypatch.setattr(accelerator, "apart", lambda a, b, c: 0.5)
    found = accelerator.repeats_part(bench_config(), np.inf).headline
    assert found["bits_differ"]["median"] == 1 and found["lane_alone"]["median"] == 0.5


def _params(tree):
    return getattr(tree, "params", tree)


def test_how_far_states_are_apart():
    def state(*values):
        return SimpleNamespace(params={"w": np.array(values, np.float32)})

    assert accelerator.apart(state(1.0, 3.0), state(1.0, 2.0), state(1.0, 0.0)) == 0.5
    # A change of a millionth counts as one of a thousandth.
    tiny = accelerator.apart(state(1.000002), state(1.000001), state(1.0))
    assert tiny == pytest.approx(1e-6 / 1e-3, rel=0.1)


@pytest.mark.parametrize(
    ("out", "failed", "said"),
    [
        ("5 passed, 2 deselected in 3.2s", 0, ""),
        ("1 failed, 4 passed in 3.2s", 1, ""),
        ("1 error in 0.2s", None, "1 error in 0.2s"),
        ("No module named pytest", None, "No module named pytest"),
    ],
)
def test_the_tests_on_the_device_are_counted(monkeypatch, out, failed, said):
    def run(command, **how):
        assert "gpu and not slow" in command and "deterministic" in how["env"]["XLA_FLAGS"]
        return SimpleNamespace(stdout=out, stderr="")

    monkeypatch.setattr(subprocess, "run", run)
    entry = accelerator.tests_part(bench_config(), np.inf).headline["tests_failed"]
    assert entry.get("median") == failed and entry.get("reason", "") == said


def test_whole_commands_are_timed_and_shared(monkeypatch):
    ran, clock = [], iter(range(0, 1000, 5))
    monkeypatch.setattr(whole, "perf_counter", lambda: next(clock))

    def run(command, env, **_):
        ran.append(command[2:])
        workdir = next(text.partition("=")[2] for text in command if "--workdir" in text)
        if "--stage=train" in command:
            whole.Path(workdir).mkdir(parents=True)
            record = {"lanes": [], "timing": {"train_s": 1.0}}
            (whole.Path(workdir) / "train.json").write_text(json.dumps(record))
        assert env["AEGAN_CACHE"].startswith(workdir.rpartition("/")[0])
        return SimpleNamespace(returncode=len(ran) > 5, stderr="error: no\n")

    monkeypatch.setattr(subprocess, "run", run)
    config = bench_config(commands="simulated")
    rows = whole.whole_part(config, np.inf).sections[0]["rows"]
    assert [row["median"] for row in rows] == [5, 5, 1, 5, 5, 5]
    assert rows[0]["detail"] == "20% of all" and rows[2]["detail"].startswith("80% of the command")
    assert [one[0] for one in ran] == ["experiments.run"] * 4 + ["experiments.paper"]
    with pytest.raises(InputError, match="train, nothing compiled: error: no"):
        whole.whole_part(config, np.inf)
