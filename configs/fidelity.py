"""Fidelity: rows of every generator beside rows of the same speakers that it never saw.

python -m experiments.paper --config=configs/fidelity.py
"""

from aegan.study.registry import alone

get_config = alone("fidelity")
