"""M2's train step in PyTorch against aegan's."""

from __future__ import annotations

import importlib
import sys
from dataclasses import replace

import jax
import numpy as np
import pytest

from aegan.errors import InputError
from aegan.learning.steps import StepRule
from aegan.models.networks import build_networks
from tests.helpers import (
    random_params,
    rows_and_labels,
    same_bits,
    tiny_learner,
    tiny_schedule,
    tiny_sizes,
)

MODULE = "aegan.bench.torch_m2"
NARROW = {"encoder": (7,), "code_discriminator": (5,), "feature_discriminator": (6,)}
DEEP = {
    "encoder": (16, 9, 5),
    "code_discriminator": (8, 6, 4),
    "feature_discriminator": (10, 8, 6),
    "code": 2,
}
WIDTHS = {"tiny": (12, {}), "narrow": (5, NARROW), "deep": (33, DEEP)}
# Every step its own rule, so that none can stand in for another.
RULES = (
    ("autoencoder", StepRule(0.02, 0.9)),
    ("code_discriminator", StepRule(0.1, 0.5)),
    ("encoder", StepRule(0.07, 0.7)),
    ("feature_discriminator", StepRule(0.05, 0.3)),
    ("generator", StepRule(0.03)),
)


@pytest.fixture(scope="module")
def m2():
    pytest.importorskip("torch", reason="TORCH NOT TESTED: pip install -e '.[bench]'")
    return importlib.import_module(MODULE)


def case(width: str = "tiny", reduction: str = "sum"):
    """Learner, schedule, parameters, key and a batch."""
    features, changes = WIDTHS[width]
    learner = tiny_learner("m2", features=features, reduction=reduction)
    sizes = replace(tiny_sizes("m2", features), **changes)
    learner = replace(learner, nets=build_networks(learner.model.networks, sizes), rules=RULES)
    schedule = tiny_schedule("m2", batch_size=6)
    x, labels = rows_and_labels(1, schedule.batch_size, features)
    return learner, schedule, random_params(learner), jax.random.key(3), x, labels


def steps_of(m2, form: str, update_d2: bool = True, given: bool = True, count: int = 3):
    """The model and its losses (count, 5) after some steps, with given or its own points."""
    learner, schedule, params, _, x, labels = case()
    model = m2.FORMS[form](learner, schedule, params, seed=5)
    other = m2.FORMS["eager"](learner, schedule, params, seed=6)
    losses = []
    for _ in range(count):
        points = [other.draw(len(x)) for _ in range(2)] if given else []
        losses.append(model.step(m2.tensor(x), m2.tensor(labels), update_d2, *points).numpy())
    return model, np.stack(losses)


@pytest.mark.parametrize("form", ["eager", "tuned"])
@pytest.mark.parametrize("update_d2", [True, False])
@pytest.mark.parametrize(
    ("width", "reduction"),
    [("tiny", "sum"), ("tiny", "mean"), ("narrow", "mean"), ("deep", "sum")],
)
def test_a_form_takes_aegans_step(m2, width, reduction, update_d2, form):
    assert m2.parity(*case(width, reduction), form, update_d2) <= 1e-4


@pytest.mark.parametrize("form", ["eager", "tuned"])
@pytest.mark.parametrize("fault", ["points", "momentum", "rate", "d2"])
def test_parity_sees_a_fault(m2, monkeypatch, form, fault):
    class Faulty(m2.FORMS[form]):
        def __init__(self, *args):
            super().__init__(*args)
            group = self.optimisers["encoder"].param_groups[0]
            group["momentum"] *= 0.99 if fault == "momentum" else 1
            group["lr"] *= 0.99 if fault == "rate" else 1

        def step(self, x, labels, update_d2, first, second):
            second = first if fault == "points" else second
            return super().step(x, labels, update_d2 and fault != "d2", first, second)

    monkeypatch.setitem(m2.FORMS, form, Faulty)
    assert not m2.parity(*case(), form) <= 1e-3


def test_weights_come_back_as_they_went(m2):
    _, _, params, *_ = case("deep")
    networks = m2.networks_from(params)
    assert same_bits(m2.params_of(networks), params)
    assert networks["encoder"][0].weight.shape == (16, 33)
    assert networks["encoder"][0].weight.is_contiguous()


@pytest.mark.parametrize("update_d2", [True, False])
@pytest.mark.parametrize("given", [True, False])
def test_the_two_forms_agree(m2, update_d2, given):
    (eager, losses), (tuned, others) = (
        steps_of(m2, form, update_d2, given) for form in ("eager", "tuned")
    )
    assert np.isnan(losses[:, 3]).all() == (not update_d2)
    np.testing.assert_allclose(losses, others, rtol=1e-4)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5),
        m2.params_of(eager.networks),
        m2.params_of(tuned.networks),
    )


def test_own_points_are_the_priors(m2):
    learner, schedule, params, *_ = case()
    z, labels = (part.numpy() for part in m2.Eager(learner, schedule, params).draw(4000))
    assert np.abs(labels.mean(axis=0) - 0.25).max() < 0.03
    centred = z - labels @ schedule.prior.means(4)
    assert np.abs(centred.mean(axis=0)).max() < 0.07
    assert np.abs(centred.std(axis=0) / schedule.prior.spread - 1).max() < 0.05


def test_nothing_global_is_left_changed(m2):
    before = m2.torch.get_rng_state(), m2.torch.get_num_threads()
    with m2.threads(before[1] + 1):
        assert m2.torch.get_num_threads() == before[1] + 1
        steps_of(m2, "tuned", given=False)
    assert m2.torch.equal(m2.torch.get_rng_state(), before[0])
    assert m2.torch.get_num_threads() == before[1]


def test_what_is_not_m2s_is_refused(m2):
    learner, schedule, params, *_ = case()
    adam = replace(learner, rules=tuple((s, StepRule(0.1, 0.9, "adam")) for s, _ in RULES))
    for wrong in (
        (tiny_learner("m1"), schedule),
        (adam, schedule),
        (learner, replace(schedule, fresh_z=True)),
        (learner, tiny_schedule("m3")),
    ):
        with pytest.raises(InputError, match="M2"):
            m2.Eager(*wrong, params)


def test_without_torch_the_error_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    with pytest.raises(InputError) as caught:
        importlib.import_module(MODULE)
    message = str(caught.value)
    assert 'pip install -e ".[bench]"' in message and "\n" not in message
