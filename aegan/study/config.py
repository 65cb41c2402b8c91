"""The config of a study as typed values; ``configs/paper.py`` explains it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from aegan.data.folds import ALL
from aegan.errors import InputError
from aegan.run.config import DataConfig, MetricsConfig, RunConfig, SampleConfig, read_config
from aegan.run.schema import Rule, distinct_seeds, plain, typed

_statistics = Rule(lambda value: value in ("own", "source"), "must be own or source")
_jobs = Rule(lambda value: value >= 0, "must be 0 (all cores) or more")
# Per run its model and what it changes of the model's training, from an experiment's settings.
Runs = Callable[[Any], Mapping[str, tuple[str, Mapping[str, Any]]]]
_models = Rule(lambda m: bool(m) and len(set(m)) == len(m), "must be different names of models")


@dataclass(frozen=True)
class TargetConfig:
    """``config.target``."""

    path: str
    licence: str
    statistics: Annotated[str, _statistics]
    simulated_rows: int


@dataclass(frozen=True)
class StudyConfig:
    """A whole config of ``experiments.paper``."""

    variant: str
    experiments: tuple[str, ...]
    seeds: Annotated[tuple[int, ...], distinct_seeds]
    models: Annotated[tuple[str, ...], _models]
    jobs: Annotated[int, _jobs]
    readings: tuple[str, ...]  # changes of the config, each a study beside this one
    source: DataConfig
    target: TargetConfig
    sample: SampleConfig
    metrics: MetricsConfig
    runs: Mapping[str, RunConfig]  # cross-validations: of each model, then those of experiments
    settings: Mapping[str, Any]  # per experiment its own section
    written: Mapping[str, Any] = field(compare=False)  # as study.json holds it

    @property
    def matmul_precision(self) -> str:
        """Of all models."""
        return self.runs[self.models[0]].train.matmul_precision


def read_study_config(
    config: Any, settings: Mapping[str, type], runs: Mapping[str, Runs]
) -> StudyConfig:
    """A study's config, as ml_collections or plain dicts hold it, checked and typed.

    Args:
        config: the fields of ``configs/paper.py``.
        settings: the kind of each experiment's section.
        runs: those of experiments that have any of their own, from their settings.

    Raises:
        InputError: a value that no study could use, by its field.
    """
    values, read = {"readings": (), **plain(config)}, {}
    own = {name: typed(kind, values[name], f"config.{name}") for name, kind in settings.items()}
    wanted: dict[str, tuple[str, Mapping[str, Any]]] = {m: (m, {}) for m in values["models"]}
    for name, of_experiment in runs.items():
        wanted |= of_experiment(own[name])
    for run, (model, changes) in wanted.items():
        places = {section: f"config.{model}.{section}" for section in ("model", "train")}
        places["data"] = "config.source"
        given = run_values(values, model)
        read[run] = read_config(given | {"train": given["train"] | changes}, places)
    if not values["models"]:
        raise InputError("config.models=[]: must be different names of models")
    first = read[values["models"][0]]
    given = {**values, "source": first.data, "metrics": first.metrics}
    written = {**values, "source": first.written["data"], "metrics": first.written["metrics"]}
    given |= {"runs": read, "settings": own, "written": written}
    found = typed(StudyConfig, given)
    for name, (model, _) in wanted.items():
        run = read[name]
        if run.train.matmul_precision != found.matmul_precision:
            raise InputError(
                f"config.{model}.train.matmul_precision={run.train.matmul_precision!r}: must be "
                f"that of {found.models[0]} ({found.matmul_precision!r}): one process trains all "
                "models"
            )
    if found.source.folds == ALL:
        raise InputError("config.source.folds=all: a study holds speakers out; give a number")
    honest = own["low_resource"].honest
    wrong = len(set(honest)) < len(honest) or not set(honest) <= set(found.models)
    if wrong and "low_resource" in found.experiments:
        raise InputError(
            f"config.low_resource.honest={list(honest)!r}: must name none or some of "
            f"{', '.join(found.models)}"
        )
    return found


def run_values(values: Mapping[str, Any], model: str) -> dict[str, Any]:
    """The config of ``experiments.run`` that a study's config holds for a model.

    Raises:
        InputError: it has no section for the model.
    """
    if model not in values:
        raise InputError(f"config.models: {model!r} has no section config.{model}; add it")
    shared = {name: values[name] for name in ("variant", "seeds", "sample", "metrics")}
    return plain({**shared, "only_folds": (), "data": values["source"], **values[model]})
