"""What a study is cut into: tasks that run in any process, each leaving one record.

A task's record is written last, so that a record stands for a finished task: after an interruption
only tasks without one are run again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

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
