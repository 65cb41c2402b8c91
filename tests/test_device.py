"""What a device computes of the metrics, on a CPU device, against numpy and scikit-learn."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from sklearn.metrics.pairwise import rbf_kernel
from test_svm import clouds

from aegan.errors import InputError
from aegan.metrics import device
from aegan.metrics.fid import FidProtocol, train_nets
from aegan.metrics.svm import SvmProtocol
from aegan.run.config import MetricsConfig, that_counts
from aegan.run.schema import typed

OFF_ON = ("off", "on")


@pytest.mark.parametrize(
    ("choice", "plugin", "platform", "kind"),
    [
        ("off", True, "gpu", None),
        ("on", False, "cpu", "a kind"),
        ("auto", False, "gpu", None),  # jax is not asked
        ("auto", True, "cpu", None),
        ("auto", True, "gpu", "a kind"),
    ],
)
def test_which_device_is_used(choice, plugin, platform, kind, monkeypatch):
    found = SimpleNamespace(platform=platform, device_kind="a kind")
    monkeypatch.setattr(device, "plugin_installed", lambda: plugin)
    monkeypatch.setattr(jax, "local_devices", lambda: [found])
    assert device.used.__wrapped__(choice) == kind


def test_the_field_is_checked_and_makes_no_other_run():
    with pytest.raises(InputError, match=r"config.metrics.device='gpu': must be one of auto, on"):
        typed(MetricsConfig, {"device": "gpu"}, "config.metrics")
    assert that_counts({"metrics": {"device": "off", "kernel": "rbf"}}) == {
        "metrics": {"kernel": "rbf"}
    }


def test_a_protocol_tells_a_device_that_is_used():
    off, on = ({"svm": SvmProtocol(device=choice), "clip": 2.0} for choice in OFF_ON)
    before, after = (device.settings_of(SimpleNamespace(**of)) for of in (off, on))
    assert "device" not in before["svm"] and before["clip"] == 2.0
    assert after["svm"] == before["svm"] | {"device": "cpu"}


def test_gram_matrices_are_exact_to_float32():
    """Some rows twice, some far out: distances of float32 alone would be off by more."""
    rows, _ = clouds(60, 500, 3, seed=0)
    rows[1], rows[2], rows[3] = rows[0], rows[0] * (1 + 1e-6), rows[4] * 10
    exact = rows.astype(np.float64)
    squares = np.sqrt(np.sum(exact**2, axis=1))
    products = device.gram(rows, None)
    assert products.dtype == np.float32
    assert np.max(np.abs(products - exact @ exact.T) / np.outer(squares, squares)) < 1e-6
    gamma = 1 / (500 * exact.var())
    found = device.gram(rows, gamma)
    assert found.dtype == np.float64 and np.all(np.diag(found) == 1)
    np.testing.assert_allclose(found, rbf_kernel(exact, gamma=gamma), atol=1e-6)


def test_nets_are_scikit_learns():
    """Two classes have one output, and 20 rows are fewer than a batch; for others see
    test_accelerator.py."""
    rows, labels = clouds(20, 12, 2, seed=2)
    protocol = FidProtocol(epochs=5, net_seeds=(3, 0))
    own, found = (train_nets(rows, 2 * labels + 1, replace(protocol, device=d)) for d in OFF_ON)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-5), found, own)
