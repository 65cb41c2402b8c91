"""The experiments of the paper and beside it, by the names that ``config.experiments`` takes."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Container, Iterable, Mapping
from graphlib import TopologicalSorter
from typing import Any

from ml_collections import ConfigDict

from aegan.errors import InputError
from aegan.run.programs import load
from aegan.run.schema import defaults
from aegan.study import generators
from aegan.study.codes import CODES
from aegan.study.config import StudyConfig, read_study_config
from aegan.study.cross_corpus import CROSS_CORPUS
from aegan.study.cross_validation import CROSS_VALIDATION
from aegan.study.embedding import EMBEDDING
from aegan.study.experiment import Experiment, Task
from aegan.study.fidelity import FIDELITY
from aegan.study.information import INFORMATION
from aegan.study.low_resource import LOW_RESOURCE
from aegan.study.speaker import SPEAKER
from aegan.study.study import Study
from aegan.study.toy import TOY
from aegan.study.trajectory import TRAJECTORY

# In the order of the report.
EXPERIMENTS: dict[str, Experiment] = {
    experiment.name: experiment
    for experiment in (
        CROSS_VALIDATION,  # Tables 2 and 3, Fig. 3
        TRAJECTORY,  # Tables 2 and 3 over the length of training
        INFORMATION,  # section 6
        EMBEDDING,  # Fig. 4
        CODES,  # Fig. 5, section 4.2
        CROSS_CORPUS,  # Table 4
        LOW_RESOURCE,  # Fig. 6
        TOY,  # Fig. 1
        FIDELITY,  # not the paper's
        SPEAKER,  # not the paper's
    )
}
# Those of the paper, which claims something of each.
PAPERS = tuple(name for name, experiment in EXPERIMENTS.items() if experiment.claims)


def sections(variant: str) -> dict[str, ConfigDict]:
    """The sections of ``configs/paper.py`` that belong to experiments, with their defaults."""
    return {
        name: ConfigDict(defaults(experiment.settings) | experiment.variants.get(variant, {}))
        for name, experiment in EXPERIMENTS.items()
        if experiment.settings
    }


def alone(name: str) -> Callable[[str], ConfigDict]:
    """``get_config`` of one experiment of ``configs/paper.py``, with its fields and variants.

    In the same folder a study goes on from what is there.
    """

    def get_config(variant: str = "default") -> ConfigDict:
        """Variants: default, quick, full."""
        config = load("paper", variant)
        config.experiments = (name,)
        return config

    return get_config


def read_config(config: Any) -> StudyConfig:
    """A study's config, checked and typed.

    Raises:
        InputError: names the field of the config and the mend.
    """
    names, every = config["experiments"], ", ".join(EXPERIMENTS)
    for name in names:
        if name not in EXPERIMENTS:
            near = difflib.get_close_matches(name, EXPERIMENTS, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise InputError(f"config.experiments: no experiment {name!r}; {hint}there are {every}")
    if not names:
        raise InputError(f"config.experiments: is empty; name some of {every}")
    own = {n: e for n, e in EXPERIMENTS.items() if e.settings}
    kinds = {name: experiment.settings for name, experiment in own.items()}
    return read_study_config(config, kinds, {n: experiment.runs for n, experiment in own.items()})


def needs_target(config: StudyConfig, name: str) -> bool:
    """Whether an experiment tests on the target."""
    return EXPERIMENTS[name].needs_target(config.settings.get(name))


def tasks_of(study: Study, names: Iterable[str]) -> list[Task]:
    """The tasks of the experiments and all that those need, each once, needs before the needy."""
    own = [task for name in names for task in EXPERIMENTS[name].tasks(study)]
    known = {task.name: task for task in (*generators.tasks(study), *own)}
    wanted, waiting = {}, [task.name for task in own]
    while waiting:
        name = waiting.pop()
        wanted[name] = known[name].needs
        waiting += known[name].needs
    return [known[name] for name in TopologicalSorter(wanted).static_order()]


def claims(experiments: Mapping[str, Any], classes: int = 4) -> list[dict[str, Any]]:
    """The paper's claims on the results of experiments, those of which anything was measured.

    Args:
        experiments: name -> results.
        classes: of the corpora; chance is one over it.

    Returns:
        Per claim "number", "where" (in the paper), "short" and "claim" (sentences), "parts",
        "verdict", "differs" (how this study differs). Per part "what", "value" (an estimate, UAR
        and shares as fractions), "unit", "condition", "verdict", "deciding" and "measured".
    """
    tested = (
        claim.tested(name, experiments, classes)
        for name, experiment in EXPERIMENTS.items()
        for claim in experiment.claims
    )
    return sorted(filter(None, tested), key=lambda claim: claim["number"])


def number_of_tasks(study: Study) -> int | None:
    """Of the paper's whole study with these models and seeds; None where some cannot be run."""
    if study.target is None and any(needs_target(study.config, name) for name in PAPERS):
        return None
    try:
        return len(tasks_of(study, PAPERS))
    except (InputError, LookupError):  # the config does not allow it
        return None


def complete(study: Study, names: Iterable[str], done: Container[str]) -> list[str]:
    """The experiments to report: those named, and others whose tasks are all done already."""
    named = set(names)

    def is_done(name: str) -> bool:
        if study.target is None and needs_target(study.config, name):
            return False
        try:
            return all(task.name in done for task in tasks_of(study, [name]))
        except (InputError, LookupError):  # the config does not allow it
            return False

    return [name for name in EXPERIMENTS if name in named or is_done(name)]
