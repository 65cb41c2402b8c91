"""The metrics stand alone: nothing of training, and no jax but for a device."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import aegan.metrics


def test_the_stage_imports_nothing_of_training():
    rooms = {"errors", "system", "data", "tables", "speakers", "metrics"}
    libraries = {"jax", "jaxlib", "flax", "optax", "orbax", "torch"}
    for path in Path(aegan.metrics.__file__).parent.glob("*.py"):
        found = re.findall(r"^\s*(?:from|import) (\w+)\.?(\w*)", path.read_text(), re.M)
        if path.name != "device.py":
            assert not libraries & {root for root, _ in found}, path.name
        assert {room for root, room in found if root == "aegan"} <= rooms, path.name


def test_the_stage_loads_no_jax():
    code = (
        "import sys, numpy, aegan.metrics.evaluate; from aegan.metrics import fid, svm; "
        "rows, labels = numpy.eye(6, dtype='float32'), numpy.arange(6) % 2; "
        "svm.tune_and_fit(rows, labels, svm.SvmProtocol(device='auto')); "
        "fid.train_nets(rows, labels, fid.FidProtocol(epochs=1, device='auto')); "
        "sys.exit(' '.join({'jax', 'flax', 'optax', 'orbax'} & set(sys.modules)))"
    )
    root = Path(aegan.metrics.__file__).parents[2]
    found = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert found.stderr.strip() == ""
