"""Parts of the benchmark: timing in turn, the products' limit, the SVM's oracle, tables."""

from __future__ import annotations

import re

import numpy as np
import pytest
from bench_jobs import small_job

from aegan.bench import peak as peaks
from aegan.bench import table, timing
from aegan.bench.metric_stage import compare
from aegan.bench.timing import interleave, ratio, spread
from aegan.data.simulate import simulated_corpus
from aegan.learning.cost import Product, flops_per_update
from aegan.metrics.svm import SvmProtocol


def test_rounds_take_turns_and_rotate():
    calls = []
    seconds = interleave({name: lambda n=name: calls.append(n) or 1 for name in "abc"}, 4)
    assert "".join(calls) == "abc" + "abc" + "bca" + "cab" + "abc"  # the first to warm up
    assert [len(seconds[name]) for name in "abc"] == [4, 4, 4]


def test_no_round_begins_when_time_is_over(monkeypatch):
    monkeypatch.setattr(timing.time, "time", lambda: 5.0)
    assert timing.interleave({"a": lambda: 1}, 4, until=4.0).keys() == {"a"}
    assert len(timing.interleave({"a": lambda: 1}, 4, until=4.0)["a"]) == 1
    assert len(timing.interleave({"a": lambda: 1}, 4, until=6.0)["a"]) == 4


def test_seconds_are_of_one_part_of_a_candidates_work(monkeypatch):
    clock = iter(range(100))
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(clock))
    assert interleave({"a": lambda: next(clock), "b": lambda: 1}, 1) == {"a": [2 / 2], "b": [1.0]}


def test_ratios_are_round_by_round():
    assert spread([3.0, 1.0, 2.0]) == {"median": 2.0, "min": 1.0, "max": 3.0, "n": 3}
    assert ratio([2.0, 20.0], [1.0, 10.0]) == {"median": 2.0, "min": 2.0, "max": 2.0, "n": 2}
    with pytest.raises(ValueError):
        ratio([1.0], [1.0, 2.0])


@pytest.mark.parametrize(("backend", "ways"), [("cpu", 2), ("gpu", 1)])
def test_the_peak_is_of_a_train_steps_products(monkeypatch, backend, ways):
    learner = small_job("m1").learner
    monkeypatch.setattr(peaks.jax, "default_backend", lambda: backend)
    monkeypatch.setattr(peaks, "compiler_options", dict)
    times = iter([0.2, 0.1][-ways:])

    def interleave(calls, rounds):
        for call in calls.values():
            assert call() == peaks.PASSES
        return {name: [next(times)] * rounds for name in calls}

    monkeypatch.setattr(peaks, "interleave", interleave)
    peak = peaks.prepare_peak(learner, lanes=3)
    assert [*peak.ways] == [peaks.BLAS, peaks.PROGRAM][-ways:]
    fastest = [*peak.ways][-1]
    assert peak.run is peak.ways[fastest]
    gflops = 3 * flops_per_update(learner) / 0.1 / 1e9
    assert peak.gflops[fastest] == pytest.approx(gflops)


def test_products_by_core_are_of_a_lane_each(monkeypatch):
    monkeypatch.setattr(peaks, "usable_cores", lambda: 2)
    with peaks.peak_by_core(small_job("m1").learner) as (run, lanes):
        assert lanes == 2
        assert run(2) == 2


@pytest.mark.parametrize("kind", ["forward", "inputs", "weights"])
def test_all_ways_compute_the_same(monkeypatch, kind):
    # Equal widths: operands of one shape must still not be one array.
    order = [Product(kind, 4, 4, 4) if kind == "weights" else Product(kind, 4, 5, 6)]
    ((a, b),) = pairs = peaks.operands(order, 3)
    assert a is not b
    (by_xla,) = peaks.program_of(order, pairs, False)(pairs, 1)
    form = {"forward": "lbi,lio->lbo", "inputs": "lbo,lio->lib", "weights": "lbi,lbo->lio"}[kind]
    np.testing.assert_allclose(by_xla, np.einsum(form, a, b), rtol=1e-5, atol=1e-5)
    by_blas = []
    monkeypatch.setattr(peaks.np, "matmul", lambda a, b, out: by_blas.append(a @ b))
    peaks.by_blas(order, pairs)(1)
    by_blas = np.stack(by_blas).swapaxes(1, 2) if kind == "inputs" else np.stack(by_blas)
    np.testing.assert_allclose(by_xla, by_blas, rtol=1e-5, atol=1e-5)


def test_one_program_does_a_product_as_often_as_it_comes():
    order = (Product("forward", 40, 50, 60),) * 3 + (Product("inputs", 40, 50, 60),)
    pairs = peaks.operands(order, 2)
    once = peaks.program_of(order, pairs, looped=False)
    assert once.cost_analysis()["flops"] == pytest.approx(2 * 2 * 4 * 120_000, rel=0.01)
    loop = peaks.program_of(order, pairs, looped=True).as_text()
    body = re.search(r"while\(.*body=(%[\w.]+)", loop)[1]
    inside = loop.split(f"\n{body} ")[1].split("\n}")[0]
    assert inside.count(" dot(") == loop.count(" dot(") == len(order)
    assert "transpose(" not in loop


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_the_grid_search_predicts_the_same(kernel):
    corpus = simulated_corpus(300, 40)
    scale = corpus.features.std(axis=0)
    z = (corpus.features - corpus.features.mean(axis=0)) / np.where(scale > 0, scale, 1)
    rows = np.random.default_rng(0).permutation(300)
    train, test = rows[:200], rows[250:]
    grid = (1e-3, 1e-2, 1e-1) if kernel == "linear" else (0.1, 1.0, 10.0)
    protocol = SvmProtocol(kernel=kernel, c_grid=grid, tie=0.2, max_search_rows=100)
    (first, second), other = compare(z[train], corpus.labels[train], z[test], protocol, 2)
    for found in (first, second):
        assert found.c == other.c and min(found.seconds, found.cpu) > 0
        np.testing.assert_array_equal(found.predicted, other.predicted)
    assert len(other.predicted) == 50 and min(other.seconds, other.cpu) > 0


RESULTS = {
    "command": "python -m experiments.bench --config=configs/bench.py",
    "date": "2020-01-02",
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
    },
    "sections": [
        {
            "title": "A train step of five lanes",
            "note": "Seconds of one step. " + "A long note that must be wrapped. " * 4,
            "unit": "s",
            "rows": [
                {"name": "jax", "median": 0.12345, "min": 0.1, "max": 0.99999, "n": 5},
                {"name": "numpy", "median": 0.0123456, "min": 0.0123456, "max": 0.0123456, "n": 1},
                {"name": "torch", "value": None, "reason": "not installed"},
            ],
        },
        {
            "title": "Memory",
            "note": "A note.",
            "unit": "B",
            "rows": [
                {"name": "best", "median": 1.5e11, "min": 1.4e11, "max": 1.6e11, "n": 3}
                | {"detail": "numpy for 7 of 9 products"}
            ],
        },
    ],
}


def test_the_document():
    text = table.markdown(RESULTS)
    assert text.startswith("# Benchmark, default\n\n`python -m experiments.bench")
    assert "configs/bench.py`, 2020-01-02\n" in text
    for line in (
        "Device: platform cpu, matmul precision highest, threads 2.",
        "Versions: jax 0.10.2, numpy 2.4.0.",
        "## Headline",
        "|       | median (ms) |  min to max |   n |",
        "| :---- | ----------: | ----------: | --: |",
        "| jax   |         123 | 100 to 1000 |   5 |",
        "| numpy |        12.3 |           \u2013 |   1 |",
        "| torch |     not run |           \u2013 |   \u2013 |",
        "- torch: not installed",
        "|      | median (GB) | min to max |   n |",
        "| best |         150 | 140 to 160 |   3 |",
        "- best: numpy for 7 of 9 products",
    ):
        assert line in text.splitlines(), line
    targets = [line for line in text.splitlines() if "reached" in line or ", not run" in line]
    assert len(targets) == 4
    assert "0.812" in targets[0] and ">= 0.8, reached" in targets[0]
    assert max(map(len, text.splitlines())) <= 80


def test_the_screen():
    lines = table.screen_lines(RESULTS)
    assert max(map(len, lines)) <= 80
    first = "  share of peak       0.812 (0.790 to 0.830, n = 5); target >= 0.8, reached"
    assert lines[0] == first
    assert lines[1].endswith("; target >= 2, not reached")
    assert lines[2].endswith("  0; target <= 0, reached")
    assert "not run: no accelerator here" in lines[3]


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
