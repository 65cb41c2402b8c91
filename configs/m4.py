"""M4: M2 with mutual information of rows and prior components (proposed in section 6).

    python -m experiments.run --config=configs/m4.py

The paper gives M4 no figures: rates are M2's. ``config.train.information_weight`` is its lambda.
AUX reads rows alone, since the label is the answer, and a short average of the weights makes the
rows, which tames the noise between trainings (aegan/study/README.md).
"""

from ml_collections import ConfigDict

from aegan.run.config import base


def get_config(variant: str = "default") -> ConfigDict:
    """Variants: default, quick."""
    config = base("m4", variant, ("default", "quick"))
    config.train.aux_sees_label = False
    config.train.average = 0.1
    return config
