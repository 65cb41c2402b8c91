"""The config of M9, a model of the tests alone, with fields and a step of its own."""

import own_model  # noqa: F401  whoever names the model must have read it
from ml_collections import ConfigDict

from configs import m2


def get_config(variant: str = "default") -> ConfigDict:
    config = m2.get_config(variant)
    config.model.name = "m9"
    config.model.noise, config.model.noise_size = (16,), 0.01
    config.train.steps.noise = ConfigDict({"rate": 0.01, "momentum": 0.5})
    return config
