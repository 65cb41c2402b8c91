"""The paper's whole study on a pair of corpora: every table, every figure, every claim.

    python -m experiments.paper --config=configs/paper.py
    python -m experiments.paper --config=configs/paper.py --workdir=runs/mine \\
        --config.source.path=source.parquet --config.target.path=target.parquet

Generators are trained on the source (the paper's IEMOCAP); the target (MSP-IMPROV) is what Table 4
and Fig. 6 test on. Without paths both are simulated.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from aegan.run.config import base as defaults
from aegan.run.programs import load

EXPERIMENTS = (
    "cross_validation",  # Tables 2 and 3, Fig. 3
    "embedding",  # Fig. 4
    "codes",  # Fig. 5, and the check of section 4.2
    "cross_corpus",  # Table 4
    "low_resource",  # Fig. 6
    "toy",  # Fig. 1
)
VARIANTS = ("default", "quick", "full")


def get_config(variant: str = "default") -> ConfigDict:
    """Variants: default; quick (minutes; its figures mean nothing); full (five generator seeds)."""
    if variant not in VARIANTS:
        raise ValueError(f"no variant {variant!r} of configs/paper.py; one of {VARIANTS}")
    models = ("m1", "m2", "m3")
    of_model = "quick" if variant == "quick" else "default"
    base = defaults("m1", of_model, (of_model,))
    config = ConfigDict()
    config.variant = variant
    config.experiments = EXPERIMENTS
    config.seeds = (0,)  # of the generators; each trains every fold
    config.jobs = 0  # worker processes; 0: one per core, and one alone on a GPU or TPU

    # The source: fields as `config.data` of experiments.run, explained in aegan/run/config.py.
    config.source = base.data
    config.source.simulated_rows = 5530

    config.target = ConfigDict()
    config.target.path = ""  # a Parquet table; empty: a simulated one, beside the simulated source
    config.target.licence = ""  # for the report; empty: as the table says
    # How the target's rows become z-scores: "own" by their own mean and deviation, labels unseen
    # (transductive, and far better on real pairs), "source" by those of the source.
    config.target.statistics = "own"
    config.target.simulated_rows = 7798

    for name in models:
        run = load(name, of_model)
        config[name] = ConfigDict({"model": run.model, "train": run.train})

    config.sample = base.sample
    config.metrics = base.metrics

    config.toy = ConfigDict()  # Fig. 1
    config.toy.seeds = 5
    config.toy.radius = 4.0  # of the target's four means
    config.toy.spread = 1.0  # deviation of its components
    config.toy.hidden = (32, 32)
    config.toy.batch_size = 128
    config.toy.updates = 16_000  # of each network, the same for both GANs
    config.toy.rate = 0.02  # of SGD
    config.toy.information_weight = 1.0  # lambda of eq. (3)
    config.toy.points = 2000  # drawn from each, for measures and panels

    config.embedding = ConfigDict()  # Fig. 4
    config.embedding.fold = 0
    config.embedding.rows = 1500  # of set-1 and of each model, at most
    config.embedding.components = 50  # principal components before t-SNE
    config.embedding.perplexity = 30.0
    config.embedding.neighbours = 10  # that decide how mixed two models are

    config.codes = ConfigDict()  # Fig. 5 and section 4.2
    config.codes.c_grid = (1e-3, 1e-2, 1e-1, 1.0, 10.0)  # of the SVM on codes

    config.cross_corpus = ConfigDict()  # Table 4
    config.cross_corpus.draws = 5  # of a class-balanced target

    config.low_resource = ConfigDict()  # Fig. 6
    config.low_resource.percents = (10.0, 25.0, 50.0, 80.0, 100.0)  # P, of the source
    config.low_resource.sizes = (600, 2000, 6000)  # N, synthetic rows beside none
    config.low_resource.replicates = 5  # draws of the P %, each with a seed of the net
    config.low_resource.scopes = ("target", "source")  # tested on: target, held-out speakers
    config.low_resource.honest = ("m1",)  # models trained on the same P % as the classifier
    config.low_resource.hidden = (64, 64, 64, 64)
    config.low_resource.batch_size = 64
    config.low_resource.updates = 1000  # of every classifier, however many rows it has
    config.low_resource.rate = 1e-3
    if variant == "quick":
        quick(config)
    if variant == "full":
        config.seeds = (0, 1, 2, 3, 4)
        config.low_resource.honest = models
    return config


def quick(config: ConfigDict) -> None:
    """The same code path in minutes: few rows, few updates; the figures mean nothing."""
    config.source.simulated_rows = 600
    config.target.simulated_rows = 800
    config.toy.updates = 2000
    config.embedding.rows = 300
    config.low_resource.percents = (10.0, 50.0, 100.0)
    config.low_resource.sizes = (60, 200, 600)
    config.low_resource.updates = 200
