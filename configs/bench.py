"""The benchmark: training and metrics against the machine's limit and against PyTorch.

python -m experiments.bench
python -m experiments.bench --config=configs/bench.py:gpu

Every measurement is of simulated rows at the paper's sizes; times do not depend on the values.
Fields and defaults: ``aegan/bench/config.py``.
"""

from dataclasses import replace

from aegan.bench.config import BenchConfig, SvmConfig

VARIANTS = ("default", "quick", "gpu")


def get_config(variant: str = "default") -> BenchConfig:
    """Variants: default (half an hour on two cores), quick (M2 alone, minutes), gpu (six minutes).

    Not one of ml_collections, without which the benchmark runs.
    """
    if variant not in VARIANTS:
        raise ValueError(f"no variant {variant!r} of configs/bench.py; one of {VARIANTS}")
    config = BenchConfig(variant)
    if variant == "default":
        return config
    config = replace(config, models=("m2",), steps=False, memory=False)
    if variant == "quick":
        return replace(config, batches=8, rounds=3, metrics=SvmConfig(rows=600, tested=300))
    return replace(
        config,
        batch_sizes=(64, 16, 256),
        lanes=(25, 100, 1),
        batches=32,
        rounds=4,
        square=8192,
        accelerator=True,
        metrics=None,
        seconds=350,
    )
