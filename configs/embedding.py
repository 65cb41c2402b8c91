"""Fig. 4: t-SNE of synthetic and real rows, and the share of rows off the real support.

python -m experiments.paper --config=configs/embedding.py
"""

from aegan.study.registry import alone

get_config = alone("embedding")
