"""Parts of the benchmark: timing in turn, the products' limit, the SVM's oracle, tables."""

from __future__ import annotations

import re
import time
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from helpers import tiny_sizes

from aegan.bench import peak as peaks
from aegan.bench import table
from aegan.bench.metric_stage import compare
from aegan.bench.peak import JAX, JAX_BATCHED, NUMPY, PLAIN, prepare_peak
from aegan.bench.timing import interleave, ratio, spread
from aegan.data.simulate import simulated_corpus
from aegan.metrics.svm import SvmProtocol
from aegan.models.declarations import MODELS
from aegan.training.cost import Product, flops_per_update, products


def test_rounds_take_turns_and_rotate():
    calls = []
    seconds = interleave({name: lambda n=name: calls.append(n) for name in "abc"}, 4)
    assert "".join(calls) == "abc" + "abc" + "bca" + "cab" + "abc"
    assert [len(seconds[name]) for name in "abc"] == [4, 4, 4]
    calls.clear()
    interleave({name: lambda n=name: calls.append(n) for name in "ab"}, 2, warm=False)
    assert "".join(calls) == "abba"


def test_seconds_are_those_of_the_candidate():
    seconds = interleave({"slow": lambda: time.sleep(0.02), "fast": lambda: None}, 2)
    assert min(seconds["slow"]) >= 0.02 > max(seconds["fast"])


def test_timing_needs_something_to_time():
    with pytest.raises(ValueError, match="round"):
        interleave({}, 3)
    with pytest.raises(ValueError, match="round"):
        interleave({"a": lambda: None}, 0)


def test_ratios_are_round_by_round():
    assert spread([3.0, 1.0, 2.0]) == {"median": 2.0, "min": 1.0, "max": 3.0, "n": 3}
    assert ratio([2.0, 20.0], [1.0, 10.0]) == {"median": 2.0, "min": 2.0, "max": 2.0, "n": 2}
    with pytest.raises(ValueError):
        ratio([1.0], [1.0, 2.0])


def small(name):
    layer = {"encoder": (6,), "code_discriminator": (5,), "feature_discriminator": (7,)}
    return replace(tiny_sizes(name), **layer)


def test_the_peak_is_of_a_train_steps_products(monkeypatch):
    monkeypatch.setattr(peaks, "LEAST_SECONDS", 1e-5)
    model, sizes = MODELS["m1"], small("m1")
    peak = prepare_peak(model, sizes, 4, lanes=3, rounds=1)
    assert peak.flops == 3 * flops_per_update(model, sizes, 4)
    assert set(peak.seconds) == {
        *(NUMPY, PLAIN, JAX, JAX_BATCHED),
        *(peaks.BEST, peaks.PROGRAM, peaks.PROGRAM_BATCHED),
    }
    assert min(peak.seconds.values()) > 0
    assert peak.run(2) is None
    assert peak.gflops()[JAX] == peak.flops / peak.seconds[JAX] / 1e9


def test_a_step_does_every_product_in_the_fastest_way(monkeypatch):
    done = Counter()

    def counting(make):
        def made(p, *rest):
            run = make(p, *rest)
            return lambda: (done.update([p]), run())[1]

        return made

    monkeypatch.setattr(peaks, "_by_numpy", counting(peaks._by_numpy))
    # Numpy is best for all but the gradients of weights, and doing each by its best is fastest.
    monkeypatch.setattr(
        peaks,
        "_seconds",
        lambda routines, rounds: dict.fromkeys(routines, 0.2) | {NUMPY: next(times)},
    )
    monkeypatch.setattr(
        peaks,
        "interleave",
        lambda ways, rounds: {way: [0.1 if way == peaks.BEST else 0.2] for way in ways},
    )
    sizes = small("m2")
    order = products(MODELS["m2"], sizes, 4, update_d2=False)
    times = iter([0.3 if p.kind == "weights" else 0.1 for p in dict.fromkeys(order)])
    peak = prepare_peak(MODELS["m2"], sizes, 4, lanes=2, update_d2=False)
    peak.run(1)
    assert done == Counter(p for p in order if p.kind != "weights")
    assert peak.seconds[peaks.BEST] == min(peak.seconds.values()) == 0.1 / peaks.PASSES


def test_products_by_core_are_of_a_lane_each(monkeypatch):
    monkeypatch.setattr(peaks, "usable_cores", lambda: 2)
    with peaks.peak_by_core(MODELS["m1"], small("m1"), 4) as (run, lanes):
        assert lanes == 2
        assert run(2) is None


@pytest.mark.parametrize("kind", ["forward", "inputs", "weights"])
def test_routines_compute_the_same(kind):
    # Equal widths: operands of one shape must still not be one array.
    p, lanes = Product(kind, 4, 4, 4) if kind == "weights" else Product(kind, 4, 5, 6), 3
    jobs = peaks._jobs((p,), lanes)[p]
    alone = [np.asarray(peaks._compiled(jobs[JAX].product)(a, b)) for a, b in jobs[JAX].pairs]
    plain = [np.asarray(peaks._compiled(peaks._PLAIN[kind], True)(*ab)) for ab in jobs[JAX].pairs]
    ((a, b),) = jobs[JAX_BATCHED].pairs
    assert a is not b
    batched = np.asarray(peaks._compiled(jobs[JAX_BATCHED].product)(a, b))
    np.testing.assert_allclose(alone, batched, rtol=1e-5, atol=1e-5)
    if kind == "inputs":
        batched = batched.swapaxes(1, 2)
    np.testing.assert_allclose(plain, batched, rtol=1e-5, atol=1e-5)
    outputs = {}
    peaks._by_numpy(p, jobs[JAX_BATCHED], outputs)()
    ((shape, last),) = outputs.items()
    assert shape == batched.shape[1:]
    np.testing.assert_allclose(last, batched[-1], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", [JAX, JAX_BATCHED])
def test_one_program_does_a_product_as_often_as_it_comes(name):
    order = (Product("forward", 40, 50, 60),) * 3 + (Product("weights", 40, 50, 60),)
    jobs = peaks._jobs(order, 2)
    program = peaks._program([jobs[p][name] for p in order])
    assert program.cost_analysis()["flops"] == pytest.approx(2 * 2 * 4 * 120_000, rel=0.01)


@pytest.mark.parametrize(("name", "each"), [(JAX, 2), (JAX_BATCHED, 1)])
def test_a_loop_does_every_product_in_every_pass(name, each):
    order = (Product("forward", 40, 50, 60),) * 3 + (Product("inputs", 40, 50, 60),)
    jobs = peaks._jobs(order, 2)
    program = peaks._loop([jobs[p][name] for p in order]).as_text()
    body = re.search(r"while\(.*body=(%[\w.]+)", program)[1]
    inside = program.split(f"\n{body} ")[1].split("\n}")[0]
    assert inside.count(" dot(") == program.count(" dot(") == each * len(order)
    assert "transpose(" not in program


def test_one_program_has_a_peak():
    model, sizes = MODELS["m1"], small("m1")
    peak = prepare_peak(model, sizes, 4, lanes=2, rounds=1, fused=True)
    assert peak.flops == 2 * flops_per_update(model, sizes, 4)
    assert set(peak.seconds) == {peaks.PROGRAM, peaks.PROGRAM_BATCHED}
    assert peak.run(2) is None


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_the_grid_search_predicts_the_same(kernel):
    corpus = simulated_corpus(300, 40)
    scale = corpus.features.std(axis=0)
    z = (corpus.features - corpus.features.mean(axis=0)) / np.where(scale > 0, scale, 1)
    rows = np.random.default_rng(0).permutation(300)
    train, test = rows[:250], rows[250:]
    grid = (1e-3, 1e-2, 1e-1) if kernel == "linear" else (0.1, 1.0, 10.0)
    protocol = SvmProtocol(c_grid=grid, tie=0.2, max_search_rows=100)
    found = compare(kernel, z[train][:200], corpus.labels[train][:200], z[test], protocol, 2)
    assert (found.rows, found.tested, found.predictions_differ) == (200, 50, 0)
    assert found.c_ours == found.c_grid
    assert len(found.seconds_ours) == len(found.cpu_ours) == 2
    assert min(*found.seconds_ours, found.seconds_grid) > 0
    assert min(*found.cpu_ours, found.cpu_grid) > 0


def test_a_comparison_needs_members_for_every_inner_fold():
    labels = np.array([0, 1, 1, 1, 1])
    with pytest.raises(ValueError, match="1 rows"):
        compare("linear", np.eye(5), labels, np.eye(5), SvmProtocol())
    with pytest.raises(ValueError, match="repeat"):
        compare("linear", np.eye(5), labels, np.eye(5), SvmProtocol(), repeats=0)


RESULTS = {
    "format": 1,
    "command": "python -m experiments.bench --config=configs/bench.py",
    "variant": "default",
    "versions": {"jax": "0.10.2", "numpy": "2.4.0"},
    "device": {"platform": "cpu", "matmul_precision": "highest", "threads": 2},
    "headline": {
        "share_of_peak": {"median": 0.8123, "min": 0.79, "max": 0.83, "n": 5},
        "over_torch": {"median": 1.5, "min": 1.4, "max": 1.6, "n": 3},
        "predictions_differ": {"median": 0, "min": 0, "max": 0, "n": 1},
        "accelerator": {"value": None, "reason": "no accelerator here, only a processor"},
    },
    "targets": {
        "share_of_peak": [">=", 0.8],
        "over_torch": [">=", 2],
        "predictions_differ": ["<=", 0],
        "accelerator": [">=", 10],
        "forgotten": [">=", 1],
    },
    "sections": [
        {
            "title": "A train step of five lanes",
            "note": "Seconds of one step. " + "A long note that must be wrapped. " * 4,
            "unit": "s",
            "rows": [
                {"name": "jax", "median": 0.12345, "min": 0.1, "max": 0.99999, "n": 5},
                {"name": "a|b", "median": 0.0123456, "min": 0.0123456, "max": 0.0123456, "n": 1},
                {"name": "torch", "value": None, "reason": "not installed"},
            ],
        },
        {
            "title": "Products",
            "note": None,
            "unit": "FLOP/s",
            "rows": [
                {
                    "name": "best",
                    "median": 1.5e11,
                    "min": 1.4e11,
                    "max": 1.6e11,
                    "n": 3,
                    "detail": "numpy for 7 of 9 products",
                }
            ],
        },
        {"title": "Empty", "note": None, "unit": "", "rows": []},
    ],
}


def test_the_document():
    text = table.markdown(RESULTS)
    assert text.startswith("# Benchmark, default\n\n`python -m experiments.bench")
    for line in (
        "Device: platform cpu, matmul precision highest, threads 2.",
        "Versions: jax 0.10.2, numpy 2.4.0.",
        "## Headline",
        "|       | median (ms) |  min to max |   n |",
        "| :---- | ----------: | ----------: | --: |",
        "| jax   |         123 | 100 to 1000 |   5 |",
        "| a\\|b  |        12.3 |           \u2013 |   1 |",
        "| torch |     not run |           \u2013 |   \u2013 |",
        "- torch: not installed",
        "|      | median (GFLOP/s) | min to max |   n |",
        "| best |              150 | 140 to 160 |   3 |",
        "- best: numpy for 7 of 9 products",
    ):
        assert line in text.splitlines(), line
    targets = [line for line in text.splitlines() if "reached" in line or ", not run" in line]
    assert len(targets) == 5
    assert "0.812" in targets[0] and ">= 0.8, reached" in targets[0]
    assert max(map(len, text.splitlines())) <= 80


def test_the_document_without_targets_and_with_a_date():
    plain = {k: v for k, v in RESULTS.items() if k != "targets"} | {"date": "2020-01-02"}
    text = table.markdown(plain)
    assert "target" not in text and "`, 2020-01-02\n" in text


def test_the_screen():
    lines = table.screen_lines(RESULTS)
    assert max(map(len, lines)) <= 80
    assert lines[0] == (
        "  share of peak       0.812 (0.790 to 0.830, n = 5); target >= 0.8, reached"
    )
    assert lines[1].endswith("; target >= 2, not reached")
    assert lines[2].endswith("  0; target <= 0, reached")
    assert "not run: no accelerator here" in lines[3]
    assert lines[-1].endswith("not run: not measured; target >= 1")


@pytest.mark.parametrize(
    ("value", "scale", "text"),
    [
        (0.0, 1.0, "0"),
        (4424, 1.0, "4424"),
        (4424.0, 1.0, "4420"),
        (9.999, 1.0, "10.0"),
        (0.01234, 1e-3, "12.3"),
        (1234567.0, 1.0, "1.23e+06"),
        (-0.5, 1.0, "-0.500"),
        (0.000012345, 1.0, "0.0000123"),
    ],
)
def test_three_significant_figures(value, scale, text):
    assert table.figures(value, scale) == text
