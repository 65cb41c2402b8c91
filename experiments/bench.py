"""Measures training and metrics against the machine's limit and PyTorch.

    python -m experiments.bench
    python -m experiments.bench --config=configs/bench.py:quick --workdir=runs/bench

Writes bench.json and bench.md. Nothing else should run on the machine
meanwhile. PyTorch is compared where it is installed (the extra `bench`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import date
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from absl import flags
from ml_collections import FrozenConfigDict, config_flags

from aegan.errors import InputError
from aegan.system.screen import duration, say

from .command import command_line, guarded, parse_early, start
from .configured import default_workdir
from .configured import parse_flags as parse_config_flags

_DEFAULT = "configs/bench.py"
_CONFIG = config_flags.DEFINE_config_file(
    "config", None, f"Config file, with a variant after a colon; default: {_DEFAULT}"
)
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of bench.json; default: runs/<config>")


def parse_flags(argv: list[str]) -> list[str]:
    """``configured.parse_flags``, with the default config where none is given."""
    given = any(text.lstrip("-").partition("=")[0] == "config" for text in argv[1:])
    # By hand, for a default of the flag itself would take no --config.FIELD=VALUE.
    config = [] if given else ["--config=bench"]
    return parse_config_flags([*argv[:1], *config, *argv[1:]], example=_DEFAULT)


parse_early(__name__, parse_flags)

import jax

from aegan.bench.benchmark import machine, run_benchmark
from aegan.bench.config import BenchConfig
from aegan.bench.table import markdown, screen_lines
from aegan.run.schema import plain, typed
from aegan.run.stages import versions
from aegan.system.cache import keep_compiled
from aegan.system.files import write_json, write_text


def run(config: FrozenConfigDict, workdir: Path) -> None:
    """Measures, writes and prints."""
    values = plain(config)
    read = typed(BenchConfig, values)
    try:
        workdir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"--workdir={workdir}: cannot be written ({error.strerror}); give another one"
        ) from None
    started = time.perf_counter()
    keep_compiled()
    jax.config.update("jax_default_matmul_precision", read.matmul_precision)
    found = run_benchmark(read)
    torch = {"torch": version("torch")} if find_spec("torch") else {}
    results = {
        "format": 1,
        "command": command_line("bench"),
        "variant": read.variant,
        "date": date.today().isoformat(),
        "versions": versions() | torch,
        "device": machine() | {"matmul_precision": read.matmul_precision},
        "seconds": round(time.perf_counter() - started, 1),
        "config": values,
        **found["headline"],  # at the top level too, where scripts look for it
        **found,
    }
    write_json(workdir / "bench.json", results)
    write_text(workdir / "bench.md", markdown(results))
    say("", *screen_lines(results), "", f"bench: {workdir / 'bench.md'}")
    say(f"  took {duration(results['seconds'])}")


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns its exit status."""
    workdir = Path(_WORKDIR.value or default_workdir(flags.FLAGS["config"].config_filename))
    return guarded(
        lambda: run(FrozenConfigDict(_CONFIG.value), workdir), argv, "nothing was written"
    )


if __name__ == "__main__":
    start(main, parse_flags)
