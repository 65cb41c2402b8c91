"""Section 6: M4, over the weight of its mutual information, beside M1, M2, M3 and real rows.

python -m experiments.paper --config=configs/information.py
"""

from aegan.study.registry import alone

get_config = alone("information")
