"""Fig. 4: t-SNE of synthetic and real rows, and the share of rows off the real support.

    python -m experiments.paper --config=configs/embedding.py

One experiment of configs/paper.py alone, with its fields and variants.
"""

from aegan.study.registry import alone

get_config = alone("embedding")
