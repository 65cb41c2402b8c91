"""A step of a pipeline that takes each speaker's offset off."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import check_consistent_length
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from aegan.data.folds import fit_standardiser
from aegan.speakers.effects import estimate
from aegan.speakers.offsets import Offsets


class SpeakerCentre(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Takes each speaker's offset off, shrunk by what few rows leave open: no rows are added.

    The adaptation of M5 for one's own classifier. ``fit_transform`` tells the training speakers'
    offsets by their labels; ``transform`` takes rows of speakers that it never saw, without
    labels, one row or many, and so is transductive: the more rows of a speaker, the better.

    Args:
        column: the column of a DataFrame X that names the speaker, for pipelines that hand no
            ``groups`` on; it is dropped. None: ``groups`` name them.

    Attributes:
        offsets_: what a speaker's offset is told by (``aegan.speakers.offsets.Offsets``).
        n_features_in_, feature_names_in_: of X, with the column.

    Without ``groups`` and ``column`` every row is a speaker of its own.

    >>> import aegan
    >>> corpus = aegan.simulated_corpus(rows=200, dim=40)
    >>> X, y, speakers = corpus.features, corpus.labels, corpus.speakers
    >>> centre = aegan.SpeakerCentre().fit(X, y, groups=speakers)
    >>> centre.transform(X[:5], groups=speakers[:5]).shape
    (5, 40)
    """

    __metadata_request__fit: ClassVar = {"groups": True}
    __metadata_request__transform: ClassVar = {"groups": True}

    def __init__(self, *, column: str | None = None) -> None:
        self.column = column

    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Learns classes and speakers of rows X (n, features), labels y (n,), ``groups`` (n,)."""
        rows, groups = self._split(X, groups, reset=True)
        check_classification_targets(y)
        check_consistent_length(rows, y)
        labels = np.unique(np.asarray(y), return_inverse=True)[1]
        speakers = np.unique(groups, return_inverse=True)[1]
        self._z = fit_standardiser(rows, np.arange(len(rows)))
        z = self._z.to_z(rows)
        self.offsets_ = Offsets.of(estimate(z, labels, speakers, int(labels.max()) + 1))
        return self

    def transform(self, X: Any, groups: Any = None) -> Any:
        """Rows X (n, features) less the offset of their speakers ``groups`` (n,)."""
        check_is_fitted(self)
        rows, groups = self._split(X, groups)
        return self._centred(rows, groups, lambda z, own: self.offsets_.unlabelled(z[own]))

    def fit_transform(self, X: Any, y: Any, groups: Any = None) -> Any:
        """``fit``, and its rows less the offsets that their labels tell."""
        self.fit(X, y, groups)
        rows, groups = self._split(X, groups)
        labels = np.unique(np.asarray(y), return_inverse=True)[1]
        offset = self.offsets_.labelled
        return self._centred(rows, groups, lambda z, own: offset(z[own], labels[own]))

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the columns of what ``transform`` gives."""
        names = super().get_feature_names_out(input_features)
        return names[names != self.column]

    def _centred(self, rows: np.ndarray, groups: np.ndarray, offset: Any) -> np.ndarray:
        z, out = self._z.to_z(rows), np.array(rows)
        for speaker in np.unique(groups):
            own = groups == speaker
            out[own] -= offset(z, own) * self._z.scale
        return out

    def _split(self, X: Any, groups: Any, reset: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Rows (n, features) and speakers (n,)."""
        if self.column is not None:
            if not isinstance(X, pd.DataFrame) or self.column not in X:
                raise ValueError(f"column={self.column!r}: X must be a DataFrame that has it")
            groups, X = X[self.column].to_numpy(), X.drop(columns=self.column)
        rows = validate_data(self, X, dtype=[np.float64, np.float32], reset=reset)
        if groups is None:
            return rows, np.arange(len(rows))
        check_consistent_length(rows, groups)
        return rows, np.asarray(groups)

    def get_metadata_routing(self) -> Any:
        """``groups`` are asked for, as splitters do, unless a column names the speakers."""
        routing = super().get_metadata_routing()
        for method in ("fit", "transform") if self.column is not None else ():
            getattr(routing, method).add_request(param="groups", alias=False)
        return routing

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags
