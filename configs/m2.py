"""M2: M1 with a discriminator on the features (sections 4.2 and 4.3).

python -m experiments.run --config=configs/m2.py
"""

from ml_collections import ConfigDict

from aegan.run.config import base


def get_config(variant: str = "default") -> ConfigDict:
    """Variants: default, paper (the same), quick."""
    return base("m2", variant, ("default", "paper", "quick"))
