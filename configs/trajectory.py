"""Along the way: metrics 1 to 3 over the updates, and at which length the paper's orders hold.

    python -m experiments.paper --config=configs/trajectory.py --config.source.path=table.parquet

One training per model; ten points of it are judged, with 2000 rows each.
"""

from ml_collections import ConfigDict

from aegan.study.registry import alone


def get_config(variant: str = "default") -> ConfigDict:
    """Variants: default, quick, full."""
    config = alone("trajectory")(variant)
    config.metrics.along = 4 if variant == "quick" else 10
    return config
