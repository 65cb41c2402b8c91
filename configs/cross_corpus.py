"""Table 4: generators of the source corpus judged on the target corpus.

python -m experiments.paper --config=configs/cross_corpus.py
"""

from aegan.study.registry import alone

get_config = alone("cross_corpus")
