"""Tables 2 and 3 and Fig. 3: the three models in cross-validation.

python -m experiments.paper --config=configs/cross_validation.py
"""

from aegan.study.registry import alone

get_config = alone("cross_validation")
