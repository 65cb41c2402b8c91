"""Fig. 1: a vanilla GAN and an InfoGAN from a normal to four Gaussians (section 3.1).

    python -m experiments.paper --config=configs/toy.py

One experiment of configs/paper.py alone, with its fields and variants.
"""

from ml_collections import ConfigDict

from aegan.run.programs import load


def get_config(variant: str = "default") -> ConfigDict:
    """Variants: default, quick, full."""
    config = load("paper", variant)
    config.experiments = ("toy",)
    return config
