"""The benchmark: training and metrics against the machine's limit and against PyTorch.

python -m experiments.bench
python -m experiments.bench --config=configs/bench.py:quick

Every measurement is of simulated rows at the paper's sizes; times do not depend on the values.
"""

from ml_collections import ConfigDict

VARIANTS = ("default", "quick")


def get_config(variant: str = "default") -> ConfigDict:
    """Variants: default (a quarter of an hour on two cores), quick (M2 alone, minutes)."""
    if variant not in VARIANTS:
        raise ValueError(f"no variant {variant!r} of configs/bench.py; one of {VARIANTS}")
    config = ConfigDict()
    config.variant = variant
    config.models = ("m1", "m2", "m3")
    config.features = 1582
    config.hidden = ()  # layers of encoder, decoder, D1 and D2; empty: the paper's
    config.folds = 5
    config.seeds = 1  # above 1: folds x seeds lanes, vmapped, in a row of their own (GPU: 10)
    config.batch_size = 64
    config.batches = 16  # of an epoch of M2; M1 and M3 take half
    config.rounds = 6  # every candidate once in each; M1 and M3 take three at most, the curves two
    config.matmul_precision = "float32"
    config.torch = True  # False, or no PyTorch: not run

    config.compiling = True  # compile times in new processes, and planned memory

    config.metrics = ConfigDict()
    config.metrics.rows = 4424  # IEMOCAP's 5530 less a fifth
    config.metrics.tested = 1106
    config.metrics.linear = (1e-3, 1e-2)  # C of the linear kernel
    config.metrics.rbf = (1.0, 10.0)

    config.scaling = ConfigDict()  # of M2; an empty list leaves a curve out
    config.scaling.batches = (4, 8, 16)  # of an epoch: rows
    config.scaling.lanes = (1, 2, 5, 10)
    config.scaling.batch_sizes = (16, 64, 256)
    config.scaling.features = (400, 1582, 3164)
    if variant == "quick":
        config.update(models=("m2",), batches=8, rounds=3, compiling=False)
        config.metrics.update(rows=600, tested=300)
        config.scaling.update(dict.fromkeys(config.scaling, ()))
    return config
