"""M2's train step in PyTorch against aegan's."""

from __future__ import annotations

from dataclasses import replace

import jax
import numpy as np
import pytest
from bench_jobs import bench_config, small_job

from aegan.bench import training
from aegan.bench.jobs import job_of
from aegan.errors import InputError
from aegan.learning.schedule import init_state
from aegan.learning.steps import StepRule

pytest.importorskip("torch", reason="TORCH NOT TESTED: pip install -e '.[bench]'")
from aegan.bench import torch_m2  # noqa: E402

NARROW = {"features": 8, "hidden": (7,)}
DEEP = {"features": 33, "hidden": (16, 9, 5), "batch_sizes": (6,)}
# What compiles takes a minute; a graph replays what it was given, which here is done instead.
COMPILED = pytest.param("compiled", marks=pytest.mark.slow)
FORMS = ["eager", "tuned", "graphs"]
# Every step its own rule, so that none can stand in for another.
RULES = (
    StepRule(0.02, 0.9),
    StepRule(0.1, 0.5),
    StepRule(0.07, 0.7),
    StepRule(0.05, 0.3),
    StepRule(0.03),
)


def case(reduction: str = "sum", **changes):
    """A job of M2 and parameters of one lane."""
    job = job_of(bench_config(**changes), "m2")
    model = replace(job.learner.model, reduction=reduction)
    learner = replace(job.learner, model=model, rules=RULES)
    return replace(job, learner=learner), init_state(learner, jax.random.key(0)).params


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch):
    """In place of a graph's replay, what it holds."""
    monkeypatch.setattr(torch_m2, "capture", lambda body, like, generator: like() and None or body)


@pytest.mark.parametrize("form", [*FORMS, COMPILED])
@pytest.mark.parametrize(
    ("changes", "reduction"), [({}, "sum"), ({}, "mean"), (NARROW, "mean"), (DEEP, "sum")]
)
def test_a_form_takes_aegans_step(changes, reduction, form):
    assert torch_m2.parity(case(reduction, **changes)[0], form) <= 1e-4


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("fault", ["points", "momentum", "rate"])
def test_parity_sees_a_fault(monkeypatch, form, fault):
    class Faulty(torch_m2.FORMS[form]):
        def __init__(self, *args):
            super().__init__(*args)
            group = self.optimisers[2].param_groups[0]
            group["momentum"] *= 0.99 if fault == "momentum" else 1
            group["lr"] *= 0.99 if fault == "rate" else 1

        def step(self, real, first, second):
            return super().step(real, first, first if fault == "points" else second)

    monkeypatch.setitem(torch_m2.FORMS, form, Faulty)
    assert not torch_m2.parity(case()[0], form) <= 1e-3


def test_what_computes_something_else_is_not_timed(monkeypatch):
    class Faulty(torch_m2.Eager):
        def step(self, real, first, second):
            return super().step(real, first, first)

    monkeypatch.setitem(torch_m2.FORMS, "eager", Faulty)
    apart = []
    with pytest.raises(RuntimeError, match="losses and updates are .* from ours"):
        training._in_torch(small_job(), "eager", apart)
    assert training._in_torch(small_job(), "tuned", apart)() == 2  # half an epoch of two lanes
    assert len(apart) == 1 and apart[0] <= training.PARITY


def test_a_graph_trains_on_each_batch_and_draws_anew():
    job, params = case()
    graphed = torch_m2.Graphed(job.learner, params, seed=1)
    other = torch_m2.Tuned(job.learner, params, seed=1)
    batches = [torch_m2._tensors(torch_m2._batch(job, i)) for i in range(2)]
    for batch in batches:
        graphed.train(batch)
        other.train(batch)
    for a, b in zip(*map(torch_m2.weights_of, (graphed.networks, other.networks)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_own_points_are_the_priors_and_leave_the_global_generator_alone():
    job, params = case()
    before, prior = torch_m2.torch.get_rng_state(), job.learner.model.prior
    z, labels = (part.numpy() for part in torch_m2.Eager(job.learner, params).draw(4000))
    assert np.abs(labels.mean(axis=0) - 0.25).max() < 0.03
    centred = z - labels @ prior.means(4)
    assert np.abs(centred.mean(axis=0)).max() < 0.07
    assert np.abs(centred.std(axis=0) / prior.spread - 1).max() < 0.05
    assert torch_m2.torch.equal(torch_m2.torch.get_rng_state(), before)


def test_what_is_not_m2s_is_refused():
    job, params = case()
    adam = tuple(replace(rule, optimiser="adam") for rule in RULES)
    for wrong in (
        small_job("m1").learner,
        small_job("m3").learner,
        replace(job.learner, rules=adam),
        replace(job.learner, fresh_z=True),
    ):
        with pytest.raises(InputError, match="M2"):
            torch_m2.Eager(wrong, params)
