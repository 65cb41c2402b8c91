"""Fidelity: rows of every generator beside rows of the same speakers that it never saw."""

from aegan.study.experiment import Experiment
from aegan.study.fidelity import report, tasks

FIDELITY = Experiment(
    tasks.NAME,
    tasks.tasks,
    tasks.results,
    report.sections,
    settings=tasks.Settings,
    variants={"quick": {"halves": 1}},
    summary=report.summary,
    in_short=report.in_short,
)
