"""Tables 2 and 3 and Fig. 3: the three models in cross-validation.

    python -m experiments.paper --config=configs/cross_validation.py

One experiment of configs/paper.py alone, with its fields and variants.
"""

from ml_collections import ConfigDict

from aegan.run.programs import load


def get_config(variant: str = "default") -> ConfigDict:
    """Variants: default, quick, full."""
    config = load("paper", variant)
    config.experiments = ("cross_validation",)
    return config
