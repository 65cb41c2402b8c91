"""Fig. 6: a classifier on a part of the source with and without synthetic rows.

python -m experiments.paper --config=configs/low_resource.py
"""

from aegan.study.registry import alone

get_config = alone("low_resource")
