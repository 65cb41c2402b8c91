"""The experiments of the paper, by the names that ``config.experiments`` takes."""

from __future__ import annotations

import difflib
from collections.abc import Container, Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any

from aegan.errors import InputError
from aegan.study import (
    codes,
    cross_corpus,
    cross_validation,
    embedding,
    generators,
    low_resource,
    toy,
)
from aegan.study.study import Study
from aegan.study.tasks import Records, Task

EXPERIMENTS: dict[str, ModuleType] = {
    "cross_validation": cross_validation,  # Tables 2 and 3, Fig. 3
    "embedding": embedding,  # Fig. 4
    "codes": codes,  # Fig. 5, section 4.2
    "cross_corpus": cross_corpus,  # Table 4
    "low_resource": low_resource,  # Fig. 6
    "toy": toy,  # Fig. 1
}


def check(values: Mapping[str, Any]) -> None:
    """Refuses experiments that there are not, and values that an experiment could not use.

    Raises:
        InputError: names the field of the config and the mend.
    """
    _check_names(values["experiments"])
    for name, experiment in EXPERIMENTS.items():
        if hasattr(experiment, "check"):
            experiment.check(values[name])


def _check_names(names: Sequence[str]) -> None:
    for name in names:
        if name not in EXPERIMENTS:
            near = difflib.get_close_matches(name, EXPERIMENTS, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise InputError(
                f"config.experiments: no experiment {name!r}; {hint}"
                f"there are {', '.join(EXPERIMENTS)}"
            )
    if not names:
        raise InputError(f"config.experiments: is empty; name some of {', '.join(EXPERIMENTS)}")


def tasks_of(study: Study, names: Iterable[str]) -> list[Task]:
    """The tasks of the experiments and all that those need, each once, needs before the needy."""
    shared = {task.name: task for task in generators.tasks(study)}
    own = [task for name in names for task in EXPERIMENTS[name].tasks(study)]
    known = shared | {task.name: task for task in own}
    ordered: dict[str, Task] = {}

    def add(task: Task) -> None:
        if task.name not in ordered:
            for need in task.needs:
                add(known[need])
            ordered[task.name] = task

    for task in own:
        add(task)
    return list(ordered.values())


def results_of(study: Study, names: Iterable[str], records: Records) -> dict[str, Any]:
    """Per experiment what its finished tasks amount to."""
    return {name: EXPERIMENTS[name].results(study, records) for name in names}


def complete(study: Study, names: Iterable[str], done: Container[str]) -> list[str]:
    """The experiments to report: those named, and others whose tasks are all done already."""
    named = set(names)

    def is_done(name: str) -> bool:
        try:
            return all(task.name in done for task in tasks_of(study, [name]))
        except (InputError, LookupError):  # the config or the corpora do not allow it
            return False

    return [name for name in EXPERIMENTS if name in named or is_done(name)]
