"""Fig. 6: a classifier on a part of the source with and without synthetic rows.

    python -m experiments.paper --config=configs/low_resource.py

One experiment of configs/paper.py alone, with its fields and variants.
"""

from ml_collections import ConfigDict

from aegan.run.programs import load


def get_config(variant: str = "default") -> ConfigDict:
    """Variants: default, quick, full."""
    config = load("paper", variant)
    config.experiments = ("low_resource",)
    return config
