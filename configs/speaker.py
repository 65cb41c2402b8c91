"""Adaptation: a handful of unlabelled rows of the speaker that a classifier meets.

python -m experiments.paper --config=configs/speaker.py
"""

from aegan.study.registry import alone

get_config = alone("speaker")
