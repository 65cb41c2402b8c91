"""M1: adversarial auto-encoder with a mixture prior (sections 4.2 and 4.3).

python -m experiments.run --config=configs/m1.py
"""

from ml_collections import ConfigDict

from aegan.run.config import base


def get_config(variant: str = "default") -> ConfigDict:
    """Variants: default, paper (the same), quick."""
    return base("m1", variant, ("default", "paper", "quick"))
