"""Every field of a run's config: its default, its meaning, what it may be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any

from aegan.data.emotions import CLASSES
from aegan.data.folds import ALL
from aegan.data.missing import MENDS
from aegan.errors import InputError
from aegan.metrics.classifiers import CLASSIFIERS, SVM
from aegan.metrics.device import CHOICES
from aegan.models.model import Model, get_model
from aegan.models.networks import INITIALISERS
from aegan.run import schema as s
from aegan.training.strategy import AUTO, STRATEGIES

if TYPE_CHECKING:
    from ml_collections import ConfigDict

Count = Annotated[int, s.at_least(1)]
_folds = s.Rule(lambda folds: folds == ALL or folds > 1, "must be 2 or more, or all")
_along = s.Rule(lambda points: points == 0 or points > 1, "must be 0, or 2 or more")
_classifiers = s.Rule(
    lambda names: bool(names) and len(set(names)) == len(names) and set(names) <= set(CLASSIFIERS),
    f"must be different names of {', '.join(CLASSIFIERS)}",
)
_board = s.Rule(
    lambda wanted: not wanted or find_spec("tensorboardX") is not None,
    "needs tensorboardX; pip install 'aegan[tensorboard]'",
)
Widths = Annotated[tuple[int, ...], s.widths]


# Fields that joined after version 0.1, each with the value that makes a run one of before.
ADDED = {"splits": 1, "classifiers": [SVM], "average": None, "missing": "refuse", "along": 0}
ADDED |= {"tensorboard": False}


@dataclass(frozen=True)
class DataConfig:
    """``config.data``: the corpus and how it is cut and standardised."""

    path: str = ""  # a Parquet table; empty: the simulated corpus
    # Rows of other emotions are left out; (): as in the table; None: the paper's four, and a table
    # that has others is refused.
    classes: tuple[str, ...] | None = None
    # Cells without a number: "fill" by the median of the speaker's own, or drop rows or columns.
    missing: Annotated[str, s.one_of("refuse", *MENDS)] = "refuse"
    # Where the table has no `fold` or `session` column; all: nothing is held out (written as 0).
    folds: Annotated[int, _folds] = 5
    splits: Count = 1  # cuttings into folds, at random from the second on; by speaker alone
    allow_leaks: bool = False  # True: folds that share speakers or rows run, with a banner
    licence: str = ""  # for the passport of synthetic rows; empty: as the table says
    # By a fold's training part; "speaker": each speaker by its own rows, "corpus": by all rows,
    # held out or not (both transductive).
    statistics: Annotated[str, s.one_of("fold", "speaker", "corpus")] = "fold"
    clip: Annotated[float, s.positive] = 10.0  # z-scores beyond are cut
    simulated_rows: int = 2000
    simulated_features: int = 1582
    simulated_seed: Annotated[int, s.at_least(0)] = 0


@dataclass(frozen=True)
class Architecture:
    """The fields of ``config.model`` that Table 1 has; a model takes those that it knows.

    The decoder mirrors the encoder; input and class dimensions come from the data.
    """

    name: str = ""
    encoder: Widths = (1000, 500, 100)
    code: Count = 2
    code_discriminator: Widths = (1000, 500, 100)  # D1
    feature_discriminator: Widths = (1000, 500, 100)  # D2
    auxiliary: Widths = (128,)  # AUX, on D2's last hidden layer (M3, M4)
    code_generator: Widths = (140,)  # CG (M3)
    latent: Count = 20  # dimension of z where the prior is normal (M3)
    radius: Annotated[float, s.positive] = 4.0  # of the mixture's means (M1, M2, M4)
    spread: Annotated[float, s.positive] = 1.0  # standard deviation of its components


@dataclass(frozen=True)
class StepConfig:
    """``config.train.steps``: the optimiser of one step."""

    rate: Annotated[float, s.positive]
    momentum: Annotated[float, s.share] = 0.0


# Rates and momenta of section 4.3, steps 1 to 5.
PAPER_STEPS = {
    "autoencoder": StepConfig(0.001, 0.9),
    "code_discriminator": StepConfig(0.1),
    "encoder": StepConfig(0.1),
    "feature_discriminator": StepConfig(0.0001),
    "generator": StepConfig(0.001),
}


@dataclass(frozen=True)
class TrainConfig:
    """``config.train``: how long, in what batches, by what rules."""

    updates: Count = 1400  # length of training, in batches: see configs/README.md, "How long"
    min_epochs: Count = 4  # ... but at least so many passes over the data
    epochs: Annotated[int | None, s.at_least(1)] = None  # given: so many epochs instead
    batch_size: Count = 16
    gain: Annotated[float, s.positive] = 0.2  # networks see gain * z-score
    reduction: Annotated[str, s.one_of("sum", "mean")] = "sum"  # of squared errors over features
    init: Annotated[str, s.one_of(*INITIALISERS)] = "glorot_uniform"
    optimiser: Annotated[str, s.one_of("sgd", "adam")] = "sgd"
    # Step 4 (D2) runs in every second epoch, the first included; steps 1, 2, 3 and 5 in every
    # one. So encoder, decoder and code generator train two epochs for each epoch of D2 (4.3).
    d2_every: Count = 2
    fresh_z: bool = False  # True: step 5 draws its own z instead of step 4's
    information_weight: Annotated[float, s.at_least(0)] = 1.0  # lambda of eq. (3)
    aux_sees_label: bool = True  # as printed; False: AUX reads the rows alone
    # Rows come from the mean of the weights over this last share of the updates, not from the last
    # ones, which differ from update to update; losses are those of the last.
    average: Annotated[float | None, s.part] = None
    # The lower ones are for a GPU or TPU.
    matmul_precision: Annotated[str, s.one_of("float32", "tensorfloat32", "bfloat16")] = "float32"
    checkpoint_seconds: Annotated[float, s.at_least(0)] = 60.0
    tensorboard: Annotated[bool, _board] = False  # losses so far for TensorBoard, at checkpoints
    # How lanes run; the results are the same up to rounding. aegan/training/strategy.py says how
    # auto chooses.
    strategy: Annotated[str, s.one_of(AUTO, *STRATEGIES)] = AUTO
    steps: dict[str, StepConfig] = field(default_factory=lambda: dict(PAPER_STEPS))


@dataclass(frozen=True)
class SampleConfig:
    """``config.sample``."""

    rows: Count = 6000  # synthetic rows per lane, classes drawn uniformly (5.1)


@dataclass(frozen=True)
class MetricsConfig:
    """``config.metrics``: the SVM of metrics 1 and 2, the nets of metric 3."""

    kernel: Annotated[str, s.one_of("linear", "rbf")] = "linear"
    c_grid: Annotated[tuple[float, ...], s.grid] = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
    inner_folds: Annotated[int, s.at_least(2)] = 3
    tie: Annotated[float, s.share] = 0.01  # the smallest C whose inner UAR is this near the best
    max_search_rows: Annotated[int, s.at_least(100)] = 10_000
    # TSTR on set-2 by each (svm, logistic, forest, mlp); real and synthetic rows together by the
    # first. Metrics 1 and 2 are always the SVM's.
    classifiers: Annotated[tuple[str, ...], _classifiers] = (SVM,)
    fid_nets: Count = 3  # nets, each with its own seed, that the FID is averaged over
    # Gram matrices, FID nets and the nets of Fig. 6 by jax, the same up to rounding: "auto" where
    # its device is a GPU or TPU, "on" with a CPU, too, "off" never.
    device: Annotated[str, s.one_of(*CHOICES)] = "auto"
    # Points of the training, evenly spaced in log updates, whose weights are kept and judged too;
    # 0: none. Two are the first epoch and the last.
    along: Annotated[int, _along] = 0


@dataclass(frozen=True)
class RunConfig:
    """A whole config of ``experiments.run``."""

    variant: str
    seeds: Annotated[tuple[int, ...], s.distinct_seeds]  # each on every fold: folds x seeds lanes
    only_folds: tuple[int, ...]  # numbers of the folds to train; empty: all
    data: DataConfig
    train: TrainConfig
    sample: SampleConfig
    metrics: MetricsConfig
    model: Model  # its dimensions are not known yet
    written: Mapping[str, Any] = field(compare=False)  # as config.json holds it


def base(model: str, variant: str, variants: tuple[str, ...]) -> ConfigDict:
    """The fields above with their defaults, those of a model with its own.

    ``variant`` is what stands after the config's colon. A config of ``configs/`` begins with this.
    """
    from ml_collections import ConfigDict  # here, for the benchmark does without

    if variant not in variants:
        raise ValueError(f"no variant {variant!r} of configs/{model}.py; one of {variants}")
    sections = {"data": DataConfig, "train": TrainConfig}
    sections |= {"sample": SampleConfig, "metrics": MetricsConfig}
    found = {name: s.defaults(kind) for name, kind in sections.items()}
    apart = {"features", "classes", *found["train"]}
    own = {name: value for name, value in s.defaults(get_model(model)).items() if name not in apart}
    found |= {"variant": variant, "seeds": (0,), "only_folds": ()}
    config = ConfigDict(found | {"model": s.defaults(Architecture) | own | {"name": model}})
    if variant == "quick":  # the same code path in about a minute; the figures mean nothing
        config.data.simulated_rows = config.sample.rows = 600
        config.train.updates = 300
        config.metrics.c_grid = (1e-4, 1e-3, 1e-2)
        config.metrics.fid_nets = 1
    return config


def that_counts(values: Any) -> Any:
    """A config without the fields of ``ADDED`` that change nothing, so that its hash stays.

    Nor with what computes its metrics: ``device`` is for the machine, not for the run.
    """
    if not isinstance(values, Mapping):
        return values
    kept = {k: v for k, v in values.items() if k != "device" and (k not in ADDED or v != ADDED[k])}
    return {name: that_counts(value) for name, value in kept.items()}


def _named(given: Sequence[Any] | None) -> list[str]:
    """Names of classes, which may be numbers, and others; in one text commas are between them."""
    if given is None:
        return list(CLASSES)
    names = given[0].split(",") if len(given) == 1 and isinstance(given[0], str) else given
    return [name for name in (str(name).strip() for name in names) if name]


def read_config(config: Any, places: Mapping[str, str] | None = None) -> RunConfig:
    """A config, as ml_collections or plain dicts hold the fields of ``base``, checked and typed.

    ``places``: how messages call a section, where it is not its own: {"data": "config.source"}.
    ``InputError``: a value that no run could use, by its field.
    """
    values, places = s.plain(config), places or {}
    if values["data"].get("folds") == "all":
        values["data"]["folds"] = ALL
    named = values["data"]["classes"] is not None
    values["data"]["classes"] = _named(values["data"]["classes"])
    if "classifiers" in values["metrics"]:
        values["metrics"]["classifiers"] = _named(values["metrics"]["classifiers"])
    section = places.get("model", "config.model")
    s.typed(Architecture, values["model"], section)
    kind = get_model(values["model"]["name"])
    shared = {f.name: values["train"][f.name] for f in fields(kind) if f.name in values["train"]}
    model = s.typed(kind, {**values["model"], **shared}, section)
    data = values["data"] if named else {**values["data"], "classes": None}
    given = {**values, "data": data, "model": model, "written": values}
    found = s.typed(RunConfig, given, places=places)
    for step in kind.steps:
        if step.name not in found.train.steps:
            section = places.get("train", "config.train")
            raise InputError(f"{section}.steps.{step.name}: is missing; {kind.name} has this step")
    return found
