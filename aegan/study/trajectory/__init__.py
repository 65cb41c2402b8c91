"""Along the way: at which length of training the orders of Tables 2 and 3 hold."""

from aegan.study.experiment import Experiment
from aegan.study.trajectory import report, tasks

TRAJECTORY = Experiment(
    tasks.NAME,
    tasks.tasks,
    tasks.results,
    report.sections,
    in_short=report.in_short,
    summary=report.summary,
)
