"""Fig. 5 and the check of section 4.2: codes of M1, and SVMs on codes against raw features.

    python -m experiments.paper --config=configs/codes.py

One experiment of configs/paper.py alone, with its fields and variants.
"""

from ml_collections import ConfigDict

from aegan.run.programs import load


def get_config(variant: str = "default") -> ConfigDict:
    """Variants: default, quick, full."""
    config = load("paper", variant)
    config.experiments = ("codes",)
    return config
