"""A run before it runs: the config checked against the data, everything static decided.

``make_plan`` writes nothing; whatever is wrong with the input shows here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from aegan.data.audit import Leak, as_json, audit, refuse, row_digests
from aegan.data.corpus import Corpus, describe, read_corpus
from aegan.data.folds import (
    Fold,
    Standardiser,
    fit_standardiser,
    make_folds,
    speaker_standardised,
)
from aegan.data.simulate import simulated_corpus
from aegan.errors import InputError
from aegan.learning.schedule import Schedule
from aegan.learning.steps import Learner, StepRule
from aegan.metrics.evaluate import EvaluationProtocol
from aegan.metrics.fid import FidProtocol
from aegan.metrics.svm import SvmProtocol
from aegan.models.declarations import Model, get_model
from aegan.models.networks import INITIALISERS, Networks, Sizes, build_networks
from aegan.models.priors import MixturePrior, NormalPrior, Prior
from aegan.system.files import digest
from aegan.training.cost import flops_per_update
from aegan.training.strategy import AUTO, STRATEGIES


@dataclass(frozen=True, eq=False)
class Plan:
    """Everything a run is."""

    config: dict[str, Any]  # plain values
    identity: dict[str, Any]  # what config.json holds; its hash names the run
    corpus: Corpus
    digests: np.ndarray  # (rows,) uint64 of the rows as read
    folds: tuple[Fold, ...]
    leaks: tuple[Leak, ...]  # empty unless config.data.allow_leaks
    standardisers: tuple[Standardiser, ...]  # of each fold's training part
    lanes: tuple[tuple[int, int], ...]  # (seed, fold), seeds outermost
    learner: Learner
    schedule: Schedule
    epochs: int
    protocol: EvaluationProtocol

    @property
    def largest_train(self) -> int:
        """Rows of the largest training part of any fold."""
        return max(len(fold.train) for fold in self.folds)

    @property
    def largest_valid(self) -> int:
        """Rows of the largest held-out part of any fold."""
        return max(len(fold.valid) for fold in self.folds)

    @property
    def flops(self) -> float:
        """Floating-point operations of the whole training."""
        updates = self.epochs * self.schedule.batches
        one = flops_per_update(
            self.learner.model,
            self.learner.nets.sizes,
            self.schedule.batch_size,
            self.schedule.d2_every,
            self.schedule.fresh_z,
        )
        return one * updates * len(self.lanes)


def plain(config: Any) -> Any:
    """A config as plain dicts, lists and scalars."""
    if hasattr(config, "to_dict"):
        config = config.to_dict()
    if isinstance(config, Mapping):
        return {str(name): plain(value) for name, value in config.items()}
    if isinstance(config, (list, tuple)):
        return [plain(value) for value in config]
    return config


def make_plan(config: Any) -> Plan:
    """Reads the corpus and decides everything that follows from the config.

    Raises:
      InputError: a value of the config or of the data that can't be used.
    """
    values = plain(config)
    values["data"]["classes"] = listed(values["data"]["classes"])
    check_values(values)
    return plan_of(values, prepare(values["data"]))


@dataclass(frozen=True, eq=False)
class Prepared:
    """A corpus ready for training: read, cut into folds, audited, standardised if asked for."""

    corpus: Corpus
    digests: np.ndarray  # (rows,) uint64 of the rows as read
    folds: tuple[Fold, ...]
    leaks: tuple[Leak, ...]


def listed(classes: Sequence[str]) -> list[str]:
    """Names of classes; on the command line, calm,tense is one text."""
    names = [name.strip() for text in classes for name in text.split(",")]
    return [name for name in names if name]


def prepare(data: Mapping[str, Any]) -> Prepared:
    """Reads the corpus that ``config.data`` describes, cuts it into folds and audits them.

    Raises:
      InputError: a table or folds that can't be used, or a leak that is not allowed.
    """
    corpus = _corpus(data)
    folds = make_folds(corpus, data["folds"])
    digests = row_digests(corpus.features)
    leaks = audit(corpus, folds, digests)
    if not data["allow_leaks"]:
        way_around = ", or pass --config.data.allow_leaks=True for a banner in the report"
        refuse(f"corpus '{corpus.name}'", leaks, way_around)
    if data["statistics"] == "speaker":
        corpus = speaker_standardised(corpus)
    return Prepared(corpus, digests, folds, leaks)


def plan_of(
    values: Mapping[str, Any],
    prepared: Prepared,
    standardisers: tuple[Standardiser, ...] | None = None,
) -> Plan:
    """The plan of a run on a prepared corpus; ``values`` is the config as plain values.

    ``standardisers`` are those of the folds' training parts where they are known already.
    """
    values = dict(values)
    corpus, folds = prepared.corpus, prepared.folds
    data, train, shape = values["data"], values["train"], values["model"]
    model = get_model(shape["name"])
    standardisers = standardisers or tuple(
        fit_standardiser(corpus.features, fold.train, data["clip"]) for fold in folds
    )

    sizes = Sizes(
        features=corpus.features.shape[1],
        classes=len(corpus.classes),
        encoder=tuple(shape["encoder"]),
        code=shape["code"],
        latent=shape["latent"] if model.prior == "normal" else shape["code"],
        code_discriminator=tuple(shape["code_discriminator"]),
        feature_discriminator=tuple(shape["feature_discriminator"]),
        auxiliary=tuple(shape["auxiliary"]),
        code_generator=tuple(shape["code_generator"]),
        initialiser=train["init"],
    )
    prior = _prior(model, sizes, shape["radius"], shape["spread"])
    batches = math.ceil(max(len(fold.train) for fold in folds) / train["batch_size"])
    described = describe(corpus) | {
        "statistics": data["statistics"],
        "licence": data["licence"] or corpus.licence or "not stated",
        "leaks": as_json(prepared.leaks),
    }
    trained = _folds_to_train(values, folds)
    lanes = tuple((seed, fold) for seed in values["seeds"] for fold in trained)
    return Plan(
        config=values,
        identity=_identity(values, described, lanes),
        corpus=corpus,
        digests=prepared.digests,
        folds=folds,
        leaks=prepared.leaks,
        standardisers=standardisers,
        lanes=lanes,
        learner=_learner(model, build_networks(model.networks, sizes), train),
        schedule=Schedule(
            prior=prior,
            batch_size=train["batch_size"],
            batches=batches,
            d2_every=train["d2_every"],
            fresh_z=train["fresh_z"],
            gain=train["gain"],
            clip=data["clip"],
        ),
        epochs=training_length(train, batches),
        protocol=_protocol(values),
    )


def training_length(train: Mapping[str, Any], batches: int) -> int:
    """Epochs of training: a number of updates, so that it fits small and large tables alike.

    ``train.epochs`` where given; else as many epochs as hold ``train.updates`` batches, and
    ``train.min_epochs`` at least.
    """
    if train["epochs"] is not None:
        return train["epochs"]
    return max(train["min_epochs"], math.ceil(train["updates"] / batches))


def _corpus(data: Mapping[str, Any]) -> Corpus:
    if data["path"]:
        return read_corpus(data["path"], tuple(data["classes"]))
    return simulated_corpus(
        rows=data["simulated_rows"],
        dim=data["simulated_features"],
        seed=data["simulated_seed"],
    )


def _folds_to_train(values: Mapping[str, Any], folds: tuple[Fold, ...]) -> tuple[int, ...]:
    known = [fold.index for fold in folds]
    only = values["only_folds"]
    if len(set(only)) < len(only):
        raise InputError(f"config.only_folds={only!r}: a fold stands there twice; name it once")
    for index in only:
        if index not in known:
            raise InputError(
                f"config.only_folds: no fold {index}; the folds are {known[0]} to {known[-1]}"
            )
    return tuple(only or known)


def _prior(model: Model, sizes: Sizes, radius: float, spread: float) -> Prior:
    if model.prior == "normal":
        return NormalPrior(sizes.latent)
    prior = MixturePrior(sizes.latent, radius, spread)
    prior.means(sizes.classes)  # refuses more components than fit
    return prior


def _learner(model: Model, nets: Networks, train: Mapping[str, Any]) -> Learner:
    rules = train["steps"]
    return Learner(
        model=model,
        nets=nets,
        rules=tuple(
            (step, StepRule(rules[step]["rate"], rules[step]["momentum"], train["optimiser"]))
            for step in model.steps
        ),
        reduction=train["reduction"],
        information_weight=train["information_weight"],
        aux_sees_label=train["aux_sees_label"],
    )


def _protocol(values: Mapping[str, Any]) -> EvaluationProtocol:
    metrics = values["metrics"]
    return EvaluationProtocol(
        svm=SvmProtocol(
            kernel=metrics["kernel"],
            c_grid=tuple(metrics["c_grid"]),
            inner_folds=metrics["inner_folds"],
            max_search_rows=metrics["max_search_rows"],
            tie=metrics["tie"],
        ),
        fid=FidProtocol(net_seeds=tuple(range(metrics["fid_nets"]))),
        clip=values["data"]["clip"],
        reference_rows=values["sample"]["rows"],
    )


def _identity(
    values: Mapping[str, Any], described: Mapping[str, Any], lanes: tuple[tuple[int, int], ...]
) -> dict[str, Any]:
    """What makes this run this run.

    The corpus counts by its content, not by where it lies, and training not by how its lanes run:
    a run may go on in another way, or on another machine.
    """
    data = {name: value for name, value in values["data"].items() if name != "path"}
    train = {name: value for name, value in values["train"].items() if name != "strategy"}
    config = {**values, "data": data, "train": train}
    hashed = {"config": config, "corpus": described["hash"], "lanes": lanes}
    return {
        "format": 1,
        "config_hash": digest(hashed),
        "config": values,
        "corpus": dict(described),
        "lanes": [list(lane) for lane in lanes],
    }


def check_values(values: Mapping[str, Any]) -> None:
    """Refuses values that no run could use, naming the field."""

    def need(ok: bool, field: str, value: Any, mend: str) -> None:
        if not ok:
            raise InputError(f"config.{field}={value!r}: {mend}")

    def at_least(field: str, low: float, what: str) -> None:
        section, name = field.split(".")
        value = values[section][name]
        need(math.isfinite(value) and value >= low, field, value, f"must be {what}")

    def positive(field: str) -> None:
        section, name = field.split(".")
        value = values[section][name]
        need(math.isfinite(value) and value > 0, field, value, "must be above 0")

    def one_of(field: str, options: tuple[str, ...]) -> None:
        section, name = field.split(".")
        value = values[section][name]
        need(value in options, field, value, f"must be one of {', '.join(options)}")

    epochs = values["train"]["epochs"]
    need(epochs is None or epochs >= 1, "train.epochs", epochs, "must be 1 or more")
    for field in (
        "train.updates",
        "train.min_epochs",
        "train.batch_size",
        "train.d2_every",
        "sample.rows",
        "model.code",
        "model.latent",
        "metrics.fid_nets",
    ):
        at_least(field, 1, "1 or more")
    at_least("data.simulated_seed", 0, "0 or more")
    for field in ("data.folds", "metrics.inner_folds"):
        at_least(field, 2, "2 or more")
    at_least("metrics.max_search_rows", 100, "100 or more")
    at_least("train.information_weight", 0, "0 or more")
    at_least("train.checkpoint_seconds", 0, "0 or more")
    for field in ("train.gain", "data.clip", "model.radius", "model.spread"):
        positive(field)
    tie = values["metrics"]["tie"]
    need(0 <= tie < 1, "metrics.tie", tie, "must lie in [0, 1)")
    one_of("data.statistics", ("fold", "speaker"))
    one_of("train.reduction", ("sum", "mean"))
    one_of("train.optimiser", ("sgd", "adam"))
    one_of("train.init", tuple(INITIALISERS))
    one_of("train.matmul_precision", ("float32", "tensorfloat32", "bfloat16"))
    one_of("train.strategy", (AUTO, *STRATEGIES))
    one_of("metrics.kernel", ("linear", "rbf"))
    for step, rule in values["train"]["steps"].items():
        rate, momentum = rule["rate"], rule["momentum"]
        need(0 < rate < math.inf, f"train.steps.{step}.rate", rate, "must be above 0")
        need(0 <= momentum < 1, f"train.steps.{step}.momentum", momentum, "must lie in [0, 1)")
    for name, layers in values["model"].items():
        if isinstance(layers, list):
            ok = all(isinstance(width, int) and width > 0 for width in layers)
            need(ok and bool(layers), f"model.{name}", layers, "must be layer widths above 0")
    grid = values["metrics"]["c_grid"]
    ok = bool(grid) and all(isinstance(c, (int, float)) and 0 < c < math.inf for c in grid)
    ok = ok and grid == sorted(set(grid))
    need(ok, "metrics.c_grid", grid, "must be positive and rising")
    seeds = values["seeds"]
    ok = bool(seeds) and all(isinstance(seed, int) and 0 <= seed < 2**32 for seed in seeds)
    ok = ok and len(set(seeds)) == len(seeds)
    need(ok, "seeds", seeds, "must be different whole numbers from 0 to 2**32 - 1")
