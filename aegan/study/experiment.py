"""What an experiment of the study is, and the tasks that it is cut into.

A task's record is written last, so that a record stands for a finished task: after an interruption
only tasks without one are run again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aegan.report.kit.documents import Section
from aegan.report.kit.numbers import Results
from aegan.study.config import Runs
from aegan.study.rule import Claim
from aegan.study.study import Study

# What the tasks before gave, by name.
Records = Mapping[str, Any]


@dataclass(frozen=True)
class Task:
    """A piece of work on a study.

    ``run(study, *arguments)`` is a module-level function; it returns JSON values, which become the
    task's record, and may write files of its own before.
    """

    name: str  # unique, stem of the record's file: "evaluate-m1"
    words: str  # for the screen: "Table 2: M1 evaluated"
    run: Callable[..., Any]
    arguments: tuple[Any, ...] = ()  # plain values
    needs: tuple[str, ...] = ()  # names of tasks that come before
    kind: str = ""  # tasks of a kind cost the same per unit of work
    work: float = 1.0  # units: floating-point operations of training, cells of a grid, ...
    # ``run_group(study, [arguments, ...])`` runs several tasks of the same ``group`` at once and
    # returns their records in order: lanes that an accelerator trains together.
    run_group: Callable[..., list[Any]] | None = None
    group: str = ""


@dataclass(frozen=True, eq=False)
class Experiment:
    """Everything that one experiment is: a folder of its own, and a line in ``registry``.

    What shows it takes the whole of results.json, ``claims`` the results of all experiments.
    """

    name: str  # in config.experiments and results.json
    tasks: Callable[[Study], list[Task]]
    results: Callable[[Study, Records], dict[str, Any]]  # what its finished tasks amount to
    # Of the report; with figures where the folder of the study is given.
    sections: Callable[[Results, Path | None], Iterable[Section]]
    claims: tuple[Claim, ...] = ()
    in_short: Callable[[Results], list[str]] = lambda results: []  # sentences on top
    summary: Callable[[Results], list[str]] = lambda results: []  # lines for a terminal
    settings: type | None = None  # dataclass of its section of the config
    # What the variants of the config change in the section: {"quick": {"updates": 200}}.
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    # Its own cross-validation runs, beside the models', as ``read_study_config`` takes them.
    runs: Runs = lambda settings: {}
    needs_target: Callable[[Any], bool] = lambda settings: False
