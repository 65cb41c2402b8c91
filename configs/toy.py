"""Fig. 1: a vanilla GAN and an InfoGAN from a normal to four Gaussians (section 3.1).

python -m experiments.paper --config=configs/toy.py
"""

from aegan.study.registry import alone

get_config = alone("toy")
