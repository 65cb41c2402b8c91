"""Measures training and metrics against the machine's limit and PyTorch.

    python -m experiments.bench
    python -m experiments.bench --config=configs/bench.py:quick --workdir=runs/bench

Writes bench.json and bench.md. Nothing else should run on the machine
meanwhile. PyTorch is compared where it is installed (the extra `bench`).
"""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Sequence
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import jax
from absl import flags
from ml_collections import FrozenConfigDict, config_flags

from aegan.bench.benchmark import machine, run_benchmark
from aegan.bench.table import markdown, screen_lines
from aegan.errors import InputError
from aegan.run.plan import plain
from aegan.run.stages import versions
from aegan.system.cache import keep_compiled
from aegan.system.files import write_json, write_text
from aegan.system.screen import duration, say

from .command import guarded, start
from .configured import default_workdir
from .configured import parse_flags as parse_config_flags

_DEFAULT = "configs/bench.py"
_CONFIG = config_flags.DEFINE_config_file(
    "config", None, f"Config file, with a variant after a colon; default: {_DEFAULT}"
)
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of bench.json; default: runs/<config>")


def run(config: FrozenConfigDict, workdir: Path) -> None:
    """Measures, writes and prints."""
    values = plain(config)
    check(values)
    try:
        workdir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"--workdir={workdir}: cannot be written ({error.strerror}); give another one"
        ) from None
    started = time.perf_counter()
    keep_compiled()
    jax.config.update("jax_default_matmul_precision", values["matmul_precision"])
    command = shlex.join(["python", "-m", "experiments.bench", *sys.argv[1:]])
    found = run_benchmark(values)
    packages = versions()
    if find_spec("torch") is not None:
        packages["torch"] = _version("torch")
    results = {
        "format": 1,
        "command": command,
        "variant": values["variant"],
        "date": date.today().isoformat(),
        "versions": packages,
        "device": machine() | {"matmul_precision": values["matmul_precision"]},
        "seconds": round(time.perf_counter() - started, 1),
        "config": values,
        # Each at the top level too, where scripts look for it.
        **{name: entry for name, entry in found["headline"].items()},
        **found,
    }
    write_json(workdir / "bench.json", results)
    write_text(workdir / "bench.md", markdown(results))
    say("", *screen_lines(results), "", f"bench: {workdir / 'bench.md'}")
    say(f"  took {duration(results['seconds'])}")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def check(values: dict) -> None:
    """Refuses values that can't be measured, naming the field."""
    for field in ("features", "folds", "seeds", "batch_size", "batches", "rounds"):
        if values[field] < 1:
            raise InputError(f"config.{field}={values[field]!r}: must be 1 or more")
    if values["folds"] < 2:
        raise InputError(f"config.folds={values['folds']!r}: must be 2 or more")
    unknown = [name for name in values["models"] if name not in ("m1", "m2", "m3")]
    if unknown or not values["models"]:
        raise InputError(f"config.models={values['models']!r}: must be of m1, m2, m3")
    if values["matmul_precision"] not in ("float32", "tensorfloat32", "bfloat16"):
        raise InputError(
            f"config.matmul_precision={values['matmul_precision']!r}: must be one of float32, "
            "tensorfloat32, bfloat16"
        )
    for field, points in values["scaling"].items():
        least = 20 if field == "features" else 1
        if any(point < least for point in points):
            raise InputError(
                f"config.scaling.{field}={points!r}: must be {least} or more, each of them"
            )
    if any(width < 1 for width in values["hidden"]):
        raise InputError(f"config.hidden={values['hidden']!r}: must be 1 or more, each of them")
    for kernel in ("linear", "rbf"):
        grid = values["metrics"][kernel]
        if not grid or any(c <= 0 for c in grid):
            raise InputError(f"config.metrics.{kernel}={grid!r}: must be values of C above 0")
    if values["metrics"]["rows"] < 100 or values["metrics"]["tested"] < 1:
        raise InputError("config.metrics.rows: must be 100 or more, and metrics.tested 1 or more")


def parse_flags(argv: list[str]) -> list[str]:
    """``configured.parse_flags``, with the default config where none is given."""
    given = any(text.lstrip("-").partition("=")[0] == "config" for text in argv[1:])
    # By hand, for a default of the flag itself would take no --config.FIELD=VALUE.
    config = [] if given else [f"--config={_DEFAULT}"]
    return parse_config_flags([*argv[:1], *config, *argv[1:]], example=_DEFAULT)


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns its exit status."""
    workdir = Path(_WORKDIR.value or default_workdir(flags.FLAGS["config"].config_filename))
    return guarded(
        lambda: run(FrozenConfigDict(_CONFIG.value), workdir), argv, "nothing was written"
    )


if __name__ == "__main__":
    start(main, parse_flags)
