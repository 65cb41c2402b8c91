"""Fig. 6: a classifier on a part of the source with and without synthetic rows.

    python -m experiments.paper --config=configs/low_resource.py

One experiment of configs/paper.py alone, with its fields and variants.
"""

from ml_collections import ConfigDict

from configs import paper


def get_config(variant: str = "default") -> ConfigDict:
    """Variants: default, quick, full."""
    return paper.only("low_resource", variant)
