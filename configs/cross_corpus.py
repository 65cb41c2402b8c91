"""Table 4: generators of the source corpus judged on the target corpus.

    python -m experiments.paper --config=configs/cross_corpus.py

One experiment of configs/paper.py alone, with its fields and variants.
"""

from ml_collections import ConfigDict

from aegan.run.programs import load


def get_config(variant: str = "default") -> ConfigDict:
    """Variants: default, quick, full."""
    config = load("paper", variant)
    config.experiments = ("cross_corpus",)
    return config
