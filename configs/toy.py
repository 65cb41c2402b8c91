"""Fig. 1: a vanilla GAN and an InfoGAN from a normal to four Gaussians (section 3.1).

    python -m experiments.paper --config=configs/toy.py

One experiment of configs/paper.py alone, with its fields and variants.
"""

from ml_collections import ConfigDict

from configs import paper


def get_config(variant: str = "default") -> ConfigDict:
    """Variants: default, quick, full."""
    return paper.only("toy", variant)
