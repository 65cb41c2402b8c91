"""Fig. 4: t-SNE of synthetic and real rows, and the share of rows off the real support.

    python -m experiments.paper --config=configs/embedding.py

One experiment of configs/paper.py alone, with its fields and variants.
"""

from ml_collections import ConfigDict

from aegan.run.programs import load


def get_config(variant: str = "default") -> ConfigDict:
    """Variants: default, quick, full."""
    config = load("paper", variant)
    config.experiments = ("embedding",)
    return config
