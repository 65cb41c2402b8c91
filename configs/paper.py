"""The paper's whole study on a pair of corpora: every table, every figure, every claim.

    python -m experiments.paper --config=configs/paper.py
    python -m experiments.paper --config=configs/paper.py --workdir=runs/mine \\
        --config.source.path=source.parquet --config.target.path=target.parquet

Generators are trained on the source (the paper's IEMOCAP); the target (MSP-IMPROV) is what Table 4
and Fig. 6 test on. Without paths both are simulated. An experiment's own section is the class
``Settings`` in its folder, ``aegan/study/codes`` and its like.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from aegan.run.config import base as defaults
from aegan.run.programs import load
from aegan.study.registry import PAPERS, sections

VARIANTS = ("default", "quick", "full")


def get_config(variant: str = "default") -> ConfigDict:
    """Variants: default; quick (minutes; its figures mean nothing); full (five generator seeds)."""
    if variant not in VARIANTS:
        raise ValueError(f"no variant {variant!r} of configs/paper.py; one of {VARIANTS}")
    of_model = "quick" if variant == "quick" else "default"
    base = defaults("m1", of_model, (of_model,))
    config = ConfigDict()
    config.variant = variant
    config.experiments = PAPERS
    # Of the generators; each trains every fold.
    config.seeds = (0, 1, 2, 3, 4) if variant == "full" else (0,)
    # Readings of what the paper leaves open, each a study of its own beside this one with some
    # fields changed: ("source.statistics=speaker m3.train.updates=2400",).
    config.readings = ()
    config.jobs = 0  # worker processes; 0: one per core, and one alone on a GPU or TPU

    # The source: fields as `config.data` of experiments.run, explained in aegan/run/config.py.
    config.source = base.data
    config.source.simulated_rows = 600 if variant == "quick" else 5530

    config.target = ConfigDict()
    config.target.path = ""  # a Parquet table; empty: a simulated one, beside the simulated source
    config.target.licence = ""  # for the report; empty: as the table says
    # How the target's rows become z-scores: "own" by their own mean and deviation, labels unseen
    # (transductive, and far better on real pairs), "source" by those of the source.
    config.target.statistics = "own"
    config.target.simulated_rows = 800 if variant == "quick" else 7798

    # Each has a section of its name: its network and training, as in its own config.
    config.models = ("m1", "m2", "m3")
    for name in (*config.models, "m4", "m5"):  # the latter two for experiments beyond the paper
        run = load(name, of_model)
        config[name] = ConfigDict({"model": run.model, "train": run.train})

    config.sample = base.sample
    config.metrics = base.metrics
    config.update(sections(variant))
    return config
