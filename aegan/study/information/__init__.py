"""Section 6: M4, over the weight of its mutual information and by what AUX sees."""

from aegan.study.experiment import Experiment
from aegan.study.information import report, tasks

INFORMATION = Experiment(
    tasks.NAME,
    tasks.tasks,
    tasks.results,
    report.sections,
    in_short=report.in_short,
    summary=report.summary,
    settings=tasks.Settings,
    variants={"quick": {"weights": (0.0, 1.0)}},
    runs=tasks.runs,
)
