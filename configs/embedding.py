"""Fig. 4: t-SNE of synthetic and real rows, and the share of rows off the real support.

    python -m experiments.paper --config=configs/embedding.py

One experiment of configs/paper.py alone, with its fields and variants.
"""

from ml_collections import ConfigDict

from configs import paper


def get_config(variant: str = "default") -> ConfigDict:
    """Variants: default, quick, full."""
    return paper.only("embedding", variant)
