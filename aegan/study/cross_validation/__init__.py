"""Tables 2 and 3 and Fig. 3: the cross-validation runs of the models, side by side."""

from aegan.study.cross_validation import report, tasks
from aegan.study.cross_validation.claims import CLAIMS
from aegan.study.experiment import Experiment

CROSS_VALIDATION = Experiment(
    name=report.NAME,
    tasks=tasks.tasks,
    results=tasks.results,
    claims=CLAIMS,
    sections=report.sections,
    in_short=report.in_short,
    summary=report.summary,
)
