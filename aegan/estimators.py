"""The library's face: generators as scikit-learn estimators, and their cross-validation.

The same code as the commands, on arrays, DataFrames or a ``Corpus``: what ``fit`` trains is a lane
of ``experiments.run`` whose fold holds nothing out.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import jax
import numpy as np
import pandas as pd
from numpy.random import RandomState
from sklearn.base import BaseEstimator
from sklearn.utils import Tags, check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from aegan.data.audit import row_digests
from aegan.data.contract import FeatureContract
from aegan.data.corpus import Corpus
from aegan.data.folds import Fold
from aegan.errors import InputError
from aegan.report.tables import text_table
from aegan.run import stages
from aegan.run.config import RunConfig, read_config
from aegan.run.outputs import trained_lanes
from aegan.run.plan import Plan, Prepared, plan_of, prepared
from aegan.run.programs import load as load_config
from aegan.run.workdir import Workdir, choose_lane, open_generator
from aegan.sampling.generator import Generator, load_generator, save_generator
from aegan.sampling.rows import sample_blocks, sampling_key
from aegan.system.cache import references_dir
from aegan.system.files import read_json
from aegan.system.screen import quiet
from aegan.training.lanes import lane_key
from aegan.training.strategy import AUTO, PROCESSES, VMAP, choose


class GeneratorEstimator(BaseEstimator):
    """A class-conditional generator of feature vectors: ``fit(X, y)``, then ``sample(n)``.

    A subclass names the config that it begins with; for a model of your own:
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
        config = load_config(self.config)
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

    def fit(self, X: Any, y: Any) -> Self:
        """Trains on rows X (n, features) with labels y (n,).

        ``ValueError``: rows or labels that can't be used. ``InputError``: a parameter that can't.
        """
        X, y = validate_data(self, X, y, dtype=np.float32)
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)  # labels: places in classes_
        names = getattr(self, "feature_names_in_", [f"x{i}" for i in range(X.shape[1])])
        corpus = Corpus(  # of nobody in particular
            name="rows",
            features=X,
            labels=labels.astype(np.int32),
            classes=tuple(map(str, self.classes_)),
            speakers=np.full(len(X), "unknown"),
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
        with _training(self, plan) as strategy:
            (lane,) = trained_lanes(plan, stages.train_plan(plan, strategy))
        return self._take(lane.generator)

    def _take(self, generator: Generator) -> Self:
        self.generator_ = generator
        self.status_ = generator.passport["status"]
        return self

    def sample(
        self, n: int = 6000, *, classes: Mapping[Any, int] | None = None, random_state: int = 0
    ) -> tuple[Any, np.ndarray]:
        """``n`` rows of classes drawn uniformly (section 5.1), or as ``{"angry": 500}`` says.

        The first rows of a ``random_state`` do not depend on their number. Returns X (rows,
        features) in the units of the training rows, a DataFrame if those were one, and y (rows,).
        """
        check_is_fitted(self, "generator_")
        known = self.classes_.tolist()
        for label in [label for label in classes or {} if label not in known]:
            there = ", ".join(map(str, known))
            raise InputError(f"classes: no class {label!r}; there are {there}")
        wanted = {None: n}
        if classes is not None:
            wanted = {known.index(label): int(rows) for label, rows in classes.items()}
        passport = self.generator_.passport
        key = sampling_key(lane_key(passport["seed"], passport["fold"]), random_state)
        with jax.default_matmul_precision("float32"):  # as the command draws
            blocks = [(np.zeros((0, self.n_features_in_), np.float32), np.zeros(0, np.int32))]
            for label, rows in wanted.items():
                blocks += sample_blocks(self.generator_, key, rows, label)
        X, y = map(np.concatenate, zip(*blocks, strict=True))
        if hasattr(self, "feature_names_in_"):
            X = pd.DataFrame(X, columns=self.feature_names_in_)
        return X, self.classes_[y]

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
        generator = load_generator(path)
    kinds = {Path(kind.config).stem: kind for kind in GeneratorEstimator.__subclasses__()}
    gan = kinds.get(generator.model.name, GeneratorEstimator)()
    gan.classes_ = np.array(generator.classes)
    gan.n_features_in_ = len(generator.contract.names)
    gan.feature_names_in_ = np.array(generator.contract.names, dtype=object)
    return gan._take(generator)


@dataclass(frozen=True, eq=False)
class Runs:
    """What ``cross_validate`` trained: a lane for every seed and fold, in a folder of a run."""

    plan: Plan
    folder: Path
    _keep: Any = field(default=None, repr=False)  # of a folder that goes with this value

    @cached_property
    def lanes(self) -> pd.DataFrame:
        """What came of each lane, a row each: seed, fold, status, ..."""
        return pd.DataFrame(Workdir(self.folder).record()["lanes"])

    def generator(self, fold: int | None = None, seed: int | None = None) -> GeneratorEstimator:
        """The generator of a lane; without fold and seed the first that is sound."""
        return load(self.folder, fold, seed)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What ``evaluate`` found; printed, it is the table that the command prints."""

    results: dict[str, Any]  # as results.json holds it

    def frame(self) -> pd.DataFrame:
        """The metrics as a table: a row per generator (the model first), mean over folds."""
        rows = {"model": self.results["metrics"], **self.results["references"]}
        means = {
            name: {metric: summary and summary["mean"] for metric, summary in values.items()}
            for name, values in rows.items()
        }
        return pd.DataFrame(means).T.astype(float)

    def lanes(self) -> pd.DataFrame:
        """The model's metrics lane by lane, by seed and fold."""
        where = pd.MultiIndex.from_frame(pd.DataFrame(self.results["lanes"])[["seed", "fold"]])
        values = {m: s["per_lane"] for m, s in self.results["metrics"].items() if s}
        return pd.DataFrame(values, index=where, dtype=float)

    def __str__(self) -> str:
        return text_table(self.results)


def cross_validate(
    estimator: GeneratorEstimator,
    corpus: Corpus,
    seeds: Sequence[int] = (0,),
    folder: str | Path | None = None,
) -> Runs:
    """Trains on every fold of a corpus with every seed, all lanes in one compiled call.

    The estimator gives the parameters and is not changed. ``folder`` is a run's, as
    ``experiments.run`` leaves it, where an interrupted call goes on; None: a temporary one, which
    goes with the result.

    >>> import aegan
    >>> corpus = aegan.simulated_corpus(rows=200, dim=40)
    >>> runs = aegan.cross_validate(aegan.M1(updates=20), corpus, seeds=(0, 1))
    >>> len(runs.lanes)
    10

    Raises:
        InputError: a parameter, corpus or folder that can't be used.
    """
    config = estimator.run_config(seeds)
    plan = plan_of(config, prepared(corpus, config.data))
    keep = None if folder else tempfile.TemporaryDirectory(prefix="aegan-")
    workdir = Workdir(Path(folder or keep.name))
    workdir.check(plan.identity, plan.corpus.contract)
    with (
        workdir.claimed(plan.identity, plan.corpus.contract),
        _training(estimator, plan) as strategy,
    ):
        stages.train(plan, workdir, strategy=strategy)
    return Runs(plan, workdir.root, keep)


def evaluate(runs: Runs, corpus: Corpus | None = None) -> Evaluation:
    """All metrics of a cross-validation, beside real rows and trivial generators.

    >>> import aegan
    >>> corpus = aegan.simulated_corpus(rows=200, dim=40)
    >>> runs = aegan.cross_validate(aegan.M1(updates=20), corpus)
    >>> found = aegan.evaluate(runs, corpus)
    >>> "tstr_set2" in found.frame()
    True

    Raises:
        InputError: ``corpus`` is not the one that was trained on.
    """
    if corpus is not None and corpus.contract != runs.plan.corpus.contract:
        raise InputError("evaluate: runs of a corpus with other features; give that one")
    workdir = Workdir(runs.folder)
    with quiet(True):
        stages.evaluate_run(runs.plan, workdir, references_dir(), "aegan.evaluate(runs)")
    return Evaluation(read_json(workdir.results))


@contextmanager
def _training(estimator: GeneratorEstimator, plan: Plan) -> Iterator[str]:
    """The strategy, for a training in the estimator's words and the config's precision.

    As the command chooses, but processes, which start the caller's script anew, if asked.
    """
    train = plan.config.train
    with quiet(not estimator.verbose), jax.default_matmul_precision(train.matmul_precision):
        chosen = choose(train.strategy, len(plan.lanes), plan.flops)
        yield VMAP if train.strategy == AUTO and chosen == PROCESSES else chosen
