"""Adaptation: a handful of unlabelled rows of the speaker that a classifier meets."""

from aegan.study.experiment import Experiment
from aegan.study.speaker import report, tasks

SPEAKER = Experiment(
    tasks.NAME,
    tasks.tasks,
    tasks.results,
    report.sections,
    settings=tasks.Settings,
    variants={"quick": {"known": (1, 5), "percents": (100,), "rows": 600}},
    summary=report.summary,
    in_short=report.in_short,
)
