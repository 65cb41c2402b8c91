"""Generators as scikit-learn estimators, on arrays and DataFrames.

The same code as the commands: what ``fit`` trains is a lane of ``experiments.run`` whose fold
holds nothing out.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from numbers import Integral
from pathlib import Path
from typing import Any, Self

import jax
import numpy as np
import pandas as pd
from numpy.random import RandomState
from sklearn.base import BaseEstimator
from sklearn.utils import (
    Tags,
    check_consistent_length,
    check_random_state,
    check_scalar,
    column_or_1d,
)
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from aegan.data.audit import row_digests
from aegan.data.contract import FeatureContract
from aegan.data.corpus import Corpus
from aegan.data.folds import Fold
from aegan.errors import InputError
from aegan.run import stages
from aegan.run.config import RunConfig, read_config
from aegan.run.outputs import trained_lanes
from aegan.run.plan import Plan, Prepared, plan_of
from aegan.run.programs import load as load_config
from aegan.run.workdir import Workdir, choose_lane, open_generator
from aegan.sampling.generator import Generator, load_generator, save_generator
from aegan.sampling.rows import sample_blocks, sampling_key
from aegan.system.screen import quiet
from aegan.training.lanes import lane_key
from aegan.training.strategy import AUTO, PROCESSES, VMAP, choose


class GeneratorEstimator(BaseEstimator):
    """A class-conditional generator of feature vectors: ``fit(X, y)``, then ``sample(n)``.

    A subclass names the config that it begins with, ``"m5:faithful"``; for a model of your own:
    ``class M9(aegan.GeneratorEstimator): config = "mine/m9.py"``.

    Args:
        updates: length of training in batches; None takes the config's.
        batch_size: rows of a batch; None takes the config's.
        overrides: any field of the config by its name, ``{"train.gain": 0.3}``;
            ``aegan/run/config.py`` lists and explains them.
        random_state: seed of everything random. An int is what ``--config.seeds`` takes.
        verbose: whether training shows its progress.

    Attributes:
        classes_: (classes,) labels, sorted.
        n_features_in_: number of features.
        feature_names_in_: their names, where ``fit`` was given a DataFrame.
        generator_: the trained generator (``aegan.sampling.generator.Generator``).
        status_: "ok", or what became of the training: "diverged", "collapsed".

    >>> import aegan
    >>> class Wide(aegan.GeneratorEstimator):
    ...     config = "m2"
    >>> corpus = aegan.simulated_corpus(rows=60, dim=8)
    >>> gan = Wide(updates=20, overrides={"model.code": 3}, random_state=0)
    >>> gan.fit(corpus.features, corpus.labels).sample(10)[0].shape
    (10, 8)
    """

    config: str = ""

    def __init__(
        self,
        *,
        updates: int | None = None,
        batch_size: int | None = None,
        overrides: Mapping[str, Any] | None = None,
        random_state: int | RandomState | None = None,
        verbose: bool = False,
    ) -> None:
        self.updates = updates
        self.batch_size = batch_size
        self.overrides = overrides
        self.random_state = random_state
        self.verbose = verbose

    def run_config(self, seeds: Sequence[int]) -> RunConfig:
        """The parameters as a typed config; ``InputError`` names a field that no run could use."""
        name, _, variant = self.config.partition(":")
        config = load_config(name, variant or "default")
        given = {"train.updates": self.updates, "train.batch_size": self.batch_size}
        changes = {name: value for name, value in given.items() if value is not None}
        changes |= dict(self.overrides or {}) | {"seeds": tuple(map(int, seeds))}
        with config.ignore_type():
            for name, value in changes.items():
                *sections, last = name.split(".")
                section = config
                for part in sections:
                    section = section.get(part)
                if section is None or last not in section:
                    raise InputError(f"overrides: the config {self.config} has no field {name!r}")
                section[last] = value
        return read_config(config)

    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Trains on rows X (n, features) with labels y (n,), of speakers ``groups`` (n,).

        ``ValueError``: rows or labels that can't be used. ``InputError``: a parameter that can't.
        """
        X, y = validate_data(self, X, y, dtype=np.float32)
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)  # labels: places in classes_
        names = getattr(self, "feature_names_in_", [f"x{i}" for i in range(X.shape[1])])
        speakers = np.full(len(X), "unknown")  # of nobody in particular
        if groups is not None:
            check_consistent_length(X, groups)
            speakers = np.asarray(groups).astype(str)
        corpus = Corpus(
            name="rows",
            features=X,
            labels=labels.astype(np.int32),
            classes=tuple(map(str, self.classes_)),
            speakers=speakers,
            sessions=None,
            files=np.arange(len(X)).astype(str),
            contract=FeatureContract.of(map(str, names)),
            simulated=False,
        )
        rows = np.arange(len(X), dtype=np.int32)
        fold = Fold(0, rows, rows[:0], (), "all rows")  # nothing held out
        seed = self.random_state
        if not isinstance(seed, (int, np.integer)):
            seed = check_random_state(seed).randint(2**31)
        source = Prepared(corpus, row_digests(X), (fold,), ())
        plan = plan_of(self.run_config([seed]), source)
        with training(self, plan) as strategy:
            (lane,) = trained_lanes(plan, stages.train_plan(plan, strategy))
        return self._take(lane.generator)

    def _take(self, generator: Generator) -> Self:
        self.generator_ = generator
        self.status_ = generator.passport["status"]
        return self

    def sample(
        self,
        n: int = 6000,
        *,
        classes: Mapping[Any, int] | None = None,
        speaker: Any = None,
        random_state: int = 0,
    ) -> tuple[Any, np.ndarray]:
        """``n`` rows of classes drawn uniformly (section 5.1), or as ``{"angry": 500}`` says.

        ``speaker``: rows (k, features) of one speaker, k >= 1, whose labels nobody needs to know;
        the rows drawn are then in that speaker's manner. The first rows of a ``random_state`` do
        not depend on their number. Returns X (rows, features) in the units of the training rows, a
        DataFrame if those were one, and y (rows,).

        Raises:
            InputError: a class that is not known; a speaker, by a generator that was not told the
                ``groups`` of its rows.
            TypeError, ValueError: a number of rows that is not whole, or below 0.
        """
        check_is_fitted(self, "generator_")
        generator = self.generator_
        if speaker is not None:
            generator = generator.for_speaker(self._rows(speaker))
        known = self.classes_.tolist()
        for label in [label for label in classes or {} if label not in known]:
            there = ", ".join(map(str, known))
            raise InputError(f"classes: no class {label!r}; there are {there}")
        wanted = {None: n}
        if classes is not None:
            wanted = {known.index(label): rows for label, rows in classes.items()}
        for rows in wanted.values():
            check_scalar(rows, "number of rows", Integral, min_val=0)
        passport = self.generator_.passport
        key = sampling_key(lane_key(passport["seed"], passport["fold"]), random_state)
        with jax.default_matmul_precision("float32"):  # as the command draws
            blocks = [(np.zeros((0, self.n_features_in_), np.float32), np.zeros(0, np.int32))]
            for label, rows in wanted.items():
                blocks += sample_blocks(generator, key, rows, label)
        X, y = map(np.concatenate, zip(*blocks, strict=True))
        return self._framed(X), self.classes_[y]

    def revoice(self, X: Any, y: Any, groups: Any, speaker: Any) -> Any:
        """Real rows X (n, features) moved to a speaker known by unlabelled rows (k, features).

        Each row loses the offset of its own speaker, of ``groups`` (n,), told from the rows and
        labels y (n,) of that speaker in X, and gets the other's. Returns (n, features) as X came.

        Raises:
            InputError: a label that is not known, or a generator that knows of no speakers.
        """
        check_is_fitted(self, "generator_")
        X, y = self._rows(X), column_or_1d(y)
        check_consistent_length(X, y, groups)
        for label in np.setdiff1d(y, self.classes_)[:1].tolist():
            raise InputError(
                f"y: no class {label!r}; there are {', '.join(map(str, self.classes_))}"
            )
        own = np.searchsorted(self.classes_, y), np.asarray(groups)
        return self._framed(self.generator_.revoice(X, *own, self._rows(speaker)))

    def _rows(self, X: Any) -> np.ndarray:
        return validate_data(self, X, dtype=np.float32, reset=False)

    def _framed(self, X: np.ndarray) -> Any:
        if hasattr(self, "feature_names_in_"):
            return pd.DataFrame(X, columns=self.feature_names_in_)
        return X

    def save(self, path: str | Path) -> None:
        """Writes what rows are drawn from as one .npz (no pickle); ``aegan.load`` reads it."""
        check_is_fitted(self, "generator_")
        save_generator(Path(path), self.generator_)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "generator_")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


class M1(GeneratorEstimator):
    """M1, the adversarial auto-encoder with a Gaussian per class as its prior.

    >>> import aegan
    >>> corpus = aegan.simulated_corpus(rows=200, dim=40)
    >>> X, y = corpus.features, corpus.labels
    >>> gan = aegan.M1(updates=20, random_state=0).fit(X, y)
    >>> X_new, y_new = gan.sample(500)
    >>> X_new.shape, y_new.shape
    ((500, 40), (500,))
    """

    config = "m1"


class M2(GeneratorEstimator):
    """M2, M1 with a discriminator on the features.

    >>> import aegan
    >>> corpus = aegan.simulated_corpus(rows=200, dim=40)
    >>> frame = corpus.to_frame()
    >>> gan = aegan.M2(updates=20, random_state=0).fit(frame[list(corpus.feature_names)],
    ...                                                frame["emotion"])
    >>> X_new, y_new = gan.sample(classes={"angry": 3, "sad": 2})
    >>> [str(name) for name in y_new]
    ['angry', 'angry', 'angry', 'sad', 'sad']
    """

    config = "m2"


class M3(GeneratorEstimator):
    """M3, the InfoGAN with a code generator.

    >>> import aegan
    >>> aegan.M3(updates=2400, overrides={"train.gain": 0.4}).get_params()["updates"]
    2400
    """

    config = "m3"


class M4(GeneratorEstimator):
    """M4, M2 with mutual information of the rows and the prior's component (section 6).

    >>> import aegan
    >>> gan = aegan.M4(overrides={"train.information_weight": 3.0})
    >>> gan.run_config([0]).model.information_weight
    3.0
    """

    config = "m4"


class M5(GeneratorEstimator):
    """M5, which makes new speakers, in closed form: nothing is trained.

    Tell it the speakers: without ``groups`` each class is one Gaussian. ``overrides`` has
    ``model.beyond``, 0 for rows like the training speakers' (``configs/m5.py:faithful``).

    >>> import aegan
    >>> corpus = aegan.simulated_corpus(rows=200, dim=40)
    >>> gan = aegan.M5().fit(corpus.features, corpus.labels, groups=corpus.speakers)
    >>> gan.sample(500)[0].shape
    (500, 40)
    >>> five = corpus.features[:5]  # of a speaker, of whatever classes
    >>> X_new, y_new = gan.sample(500, speaker=five)
    """

    config = "m5"

    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Takes the effects from rows X (n, features), labels y (n,) and speakers ``groups`` (n,).

        ``ValueError``: rows or labels that can't be used. ``InputError``: a parameter that can't.
        """
        super().fit(X, y, groups)
        if not self.generator_.offsets.known:
            why = "groups name no two speakers of a class" if groups is not None else "no groups"
            warnings.warn(f"M5: {why}; each class is one Gaussian, no new speakers", stacklevel=2)
        return self


def load(path: str | Path, fold: int | None = None, seed: int | None = None) -> GeneratorEstimator:
    """A trained generator, from a file that ``save`` wrote or from a run's folder.

    Of a run, the lane of that fold and training seed, or the first one that is sound. Its rows
    come as a DataFrame, its labels are the names of the classes.

    >>> import aegan, tempfile
    >>> corpus = aegan.simulated_corpus(rows=200, dim=40)
    >>> gan = aegan.M1(updates=20, random_state=0).fit(corpus.features, corpus.labels)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     gan.save(f"{folder}/gan.npz")
    ...     same = aegan.load(f"{folder}/gan.npz")
    >>> bool((same.sample(5)[0].to_numpy() == gan.sample(5)[0]).all())
    True

    Raises:
        InputError: nothing that can be read there, or no such lane.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        workdir = Workdir(path)
        generator = open_generator(workdir, choose_lane(workdir, fold, seed))
    else:
        generator = load_generator(path, "save it again")
    kinds = {Path(kind.config).stem: kind for kind in GeneratorEstimator.__subclasses__()}
    gan = kinds.get(generator.model.name, GeneratorEstimator)()
    gan.classes_ = np.array(generator.classes)
    gan.n_features_in_ = len(generator.contract.names)
    gan.feature_names_in_ = np.array(generator.contract.names, dtype=object)
    return gan._take(generator)


@contextmanager
def training(estimator: GeneratorEstimator, plan: Plan) -> Iterator[str]:
    """The strategy, for a training in the estimator's words and the config's precision.

    As the command chooses, but processes, which start the caller's script anew, if asked.
    """
    train = plan.config.train
    with quiet(not estimator.verbose), jax.default_matmul_precision(train.matmul_precision):
        batch = plan.learner.batch_size
        chosen = choose(train.strategy, len(plan.lanes), plan.flops, batch)
        yield VMAP if train.strategy == AUTO and chosen == PROCESSES else chosen
