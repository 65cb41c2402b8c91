"""All programs by one command: ``aegan run --config=m2`` is ``python -m experiments.run ...``."""

from __future__ import annotations

import sys
from importlib import import_module

from .command import fail, parse_flags, start

USAGE = """aegan PROGRAM [--flag=value ...]

  run      train, sample and evaluate a model on every fold, and write the report
  sample   draw synthetic rows from a finished run
  compare  several finished runs side by side
  extract  features of recordings, as a table
  convert  feature files of other tools into a table
  paper    the paper's whole study on a pair of corpora
  peers    generators of others beside M5
  bench    training and metrics against the machine's limit and PyTorch

aegan PROGRAM --help says more."""
PROGRAMS = ("run", "sample", "compare", "extract", "convert", "paper", "peers", "bench")


def main() -> None:
    """Runs the program that the first argument names."""
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in ("--help", "-h", "help"):
        print(USAGE)
        return
    if name not in PROGRAMS:
        fail(f"no program {name!r}; aegan --help lists them")
    sys.argv = [f"aegan {name}", *sys.argv[2:]]
    sys.modules["__main__"].PROGRAM = f"{__package__}.{name}"
    program = import_module(f".{name}", __package__)
    start(program.main, getattr(program, "parse_flags", parse_flags))


if __name__ == "__main__":
    main()
