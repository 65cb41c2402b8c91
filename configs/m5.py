"""M5: new speakers, in closed form (aegan/models/m5.py).

python -m experiments.run --config=configs/m5.py
"""

from ml_collections import ConfigDict

from aegan.run.config import base


def get_config(variant: str = "default") -> ConfigDict:
    """Variants: default, for use; faithful, within the training speakers' span; mixed; adversarial;
    quick."""
    model = "m5_adversarial" if variant == "adversarial" else "m5"
    config = base(model, variant, ("default", "faithful", "mixed", "adversarial", "quick"))
    if variant == "faithful":
        config.model.beyond = 0.0
    if variant == "mixed":
        config.model.residual = "mixed"
    return config
