"""Fig. 5 and the check of section 4.2: codes of M1, and SVMs on codes against raw features.

python -m experiments.paper --config=configs/codes.py
"""

from aegan.study.registry import alone

get_config = alone("codes")
