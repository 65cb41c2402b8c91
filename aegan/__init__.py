"""Class-conditional generators of emotional-speech feature vectors, in JAX.

Implements Sahu, Gupta and Espy-Wilson, "Modeling Feature Representations for Affective Speech
using Generative Adversarial Networks". Data flows one way through the subpackages:

``data`` (corpus, folds) -> ``models`` -> ``training`` -> ``sampling`` -> ``metrics`` -> ``report``.
"""

__version__ = "0.1.0"
