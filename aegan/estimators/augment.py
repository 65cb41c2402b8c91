"""Synthetic rows beside the real ones, as a sampler of imbalanced-learn."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
from imblearn.over_sampling.base import BaseOverSampler
from numpy.random import RandomState
from scipy.sparse import csr_matrix, issparse
from sklearn.base import clone
from sklearn.utils import check_random_state

from aegan.estimators.generators import M5, GeneratorEstimator
from aegan.speakers.factors import FEW


class Augment(BaseOverSampler):
    """Adds synthetic rows of a generator that is fitted to the rows it is given.

    A class of fewer than ten rows has too few for a spread of its own: M5 then takes that of all
    classes about its mean, and a warning says so.

    Args:
        generator: any of aegan's; None: ``M5()``.
        sampling_strategy: how many rows each class then has, as in all of imbalanced-learn; a dict
            of counts, ``{"angry": 500}``.
        multiplier: every class of the strategy then has so many times as many rows again.
        random_state: seed of generator and draw.

    Attributes:
        generator_: the fitted generator.
        synthetic_: (rows,) bool, of the rows returned: real first, then synthetic.
        passport_: what the synthetic rows are and come from.

    >>> import aegan
    >>> corpus = aegan.simulated_corpus(rows=200, dim=40)
    >>> X, y, speakers = corpus.features, corpus.labels, corpus.speakers
    >>> augment = aegan.Augment(sampling_strategy="all", multiplier=3, random_state=0)
    >>> X_more, y_more = augment.fit_resample(X, y, groups=speakers)
    >>> len(X_more) == len(y_more) == len(X) + int(augment.synthetic_.sum())
    True
    """

    __metadata_request__fit_resample: ClassVar = {"groups": True}  # as splitters ask for them
    _parameter_constraints: ClassVar[dict] = {
        **BaseOverSampler._parameter_constraints,
        "generator": [GeneratorEstimator, None],
        "multiplier": "no_validation",
    }

    def __init__(
        self,
        *,
        generator: GeneratorEstimator | None = None,
        sampling_strategy: str | float | Mapping[Any, int] | Callable = "auto",
        multiplier: float = 1,
        random_state: int | RandomState | None = None,
    ) -> None:
        super().__init__(sampling_strategy=sampling_strategy)
        self.generator = generator
        self.multiplier = multiplier
        self.random_state = random_state

    def fit_resample(self, X: Any, y: Any, groups: Any = None) -> tuple[Any, Any]:
        """X (n, features) and y (n,) with synthetic rows appended; ``groups`` (n,): the speakers.

        ``ValueError``: rows, labels or a strategy that can't be used.
        """
        if not (isinstance(self.multiplier, (int, float)) and self.multiplier > 0):
            raise ValueError(f"multiplier={self.multiplier!r}: must be a number above 0")
        return super().fit_resample(X, y, groups=groups)

    def _fit_resample(self, X: Any, y: Any, groups: Any = None) -> tuple[Any, Any]:
        if issparse(X):  # a generator fills every cell
            more, labels = self._fit_resample(X.toarray(), y, groups)
            return csr_matrix(more).asformat(X.format), labels
        classes, counts = np.unique(y, return_counts=True)
        for label, rows in zip(classes.tolist(), counts.tolist(), strict=True):
            if rows < FEW:
                what = f"class {label!r} has {rows} rows, fewer than {FEW}"
                warnings.warn(f"{what}: its spread is that of all classes", stacklevel=3)
        seed = check_random_state(self.random_state).randint(2**31)
        generator = clone(self.generator) if self.generator is not None else M5()
        if generator.random_state is None:
            generator.set_params(random_state=seed)
        self.generator_ = generator.fit(X, y, groups=groups)
        there = dict(zip(classes.tolist(), counts.tolist(), strict=True))
        wanted = {
            label: math.ceil((there[label] + more) * self.multiplier) - there[label]
            for label, more in self.sampling_strategy_.items()
        }
        wanted = {label: max(more, 0) for label, more in wanted.items()}
        made, labels = self.generator_.sample(classes=wanted)
        self.synthetic_ = np.arange(len(X) + len(made)) >= len(X)
        self.passport_ = dict(self.generator_.generator_.passport)
        made = np.asarray(made).astype(X.dtype)
        return np.concatenate([X, made]), np.concatenate([y, labels.astype(y.dtype)])
