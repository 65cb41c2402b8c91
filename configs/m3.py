"""M3: InfoGAN with a code generator (sections 4.2 and 4.3).

    python -m experiments.run --config=configs/m3.py

Learns slowly at the paper's rates, which are a tenth of M1's and M2's and without momentum: hence
the larger gain and the longer training.
"""

from ml_collections import ConfigDict

from aegan.run.config import base


def get_config(variant: str = "default") -> ConfigDict:
    """Variants: default, paper (the same), quick."""
    config = base("m3", variant, ("default", "paper", "quick"))
    config.train.gain = 0.5
    config.train.steps.autoencoder.momentum = 0.0
    config.train.steps.code_discriminator.rate = 0.01
    config.train.steps.encoder.rate = 0.01
    if variant != "quick":
        config.train.updates = 7200
    return config
