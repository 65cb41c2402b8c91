"""Readings of what the paper leaves open, side by side: the paper's claims under each.

    python -m experiments.paper --config=configs/readings.py --workdir=runs/readings \\
        --config.source.path=source.parquet --config.target.path=target.parquet

Each reading is a study of its own; trainings that are the same are done once. To be quicker name
some experiments alone: --config.experiments="('cross_validation',)" has claims 1 to 5.
"""

from ml_collections import ConfigDict

from aegan.run.programs import load

SPEAKER, SHORT = "source.statistics=speaker", "m3.train.updates=2400"


def get_config(variant: str = "default") -> ConfigDict:
    """Variants: default, quick, full."""
    config = load("paper", variant)
    config.readings = (
        SPEAKER,
        "source.statistics=corpus",
        SHORT,  # a third of M3's length
        f"{SPEAKER} {SHORT}",
        "m3.train.information_weight=0",  # lambda
        "m3.train.information_weight=3",
        "m3.train.aux_sees_label=False",
    )
    if variant == "quick":
        config.readings = (SPEAKER,)
    return config
