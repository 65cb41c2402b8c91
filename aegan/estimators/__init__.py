"""The library's face, in scikit-learn's habits."""

from aegan.estimators.augment import Augment
from aegan.estimators.centre import SpeakerCentre
from aegan.estimators.cross_validation import cross_validate, evaluate
from aegan.estimators.generators import M1, M2, M3, M4, M5, GeneratorEstimator, load

__all__ = ["M1", "M2", "M3", "M4", "M5", "Augment", "GeneratorEstimator", "SpeakerCentre"]
__all__ += ["cross_validate", "evaluate", "load"]
