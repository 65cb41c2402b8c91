"""Class-conditional generators of emotional-speech feature vectors, in JAX.

Implements Sahu, Gupta and Espy-Wilson, "Modeling Feature Representations for Affective Speech
using Generative Adversarial Networks".

    import aegan
    corpus = aegan.read_corpus("nemo.parquet")
    gan = aegan.M2(updates=1400, random_state=0).fit(X, y)
    X_new, y_new = gan.sample(6000)
    runs = aegan.cross_validate(aegan.M3(), corpus, seeds=(0, 1))
    print(aegan.evaluate(runs, corpus))
    gan = aegan.load("runs/m2", fold=0)
    gan.save("gan.npz")
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from aegan.errors import InputError
from aegan.system import ending

if ending.PARENT in os.environ:  # a worker, which may still have much to import
    ending.end_with_parent()

__version__ = "0.1.0"
__all__ = [
    "Augment",
    "GeneratorEstimator",
    "InputError",
    "M1",
    "M2",
    "M3",
    "M4",
    "M5",
    "SpeakerCentre",
    "cross_validate",
    "evaluate",
    "load",
    "read_corpus",
    "simulated_corpus",
]

if TYPE_CHECKING:
    from aegan.data.corpus import read_corpus
    from aegan.data.simulate import simulated_corpus
    from aegan.estimators import (
        M1,
        M2,
        M3,
        M4,
        M5,
        Augment,
        GeneratorEstimator,
        SpeakerCentre,
        cross_validate,
        evaluate,
        load,
    )


def __getattr__(name: str) -> Any:
    """The rest of ``__all__`` on first use: importing a part of aegan must not import jax."""
    if name not in __all__:
        raise AttributeError(f"module 'aegan' has no attribute {name!r}")
    from aegan import estimators
    from aegan.data import corpus, simulate

    for room in (estimators, corpus, simulate):
        if hasattr(room, name):
            return getattr(room, name)
    raise AttributeError(name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
