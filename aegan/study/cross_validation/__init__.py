"""Tables 2 and 3 and Fig. 3: the cross-validation runs of the models, side by side."""

from aegan.study.cross_validation import report, tasks
from aegan.study.cross_validation.claims import CLAIMS
from aegan.study.experiment import Experiment

CROSS_VALIDATION = Experiment(
    report.NAME,
    tasks.tasks,
    tasks.results,
    report.sections,
    claims=CLAIMS,
    summary=report.summary,
    in_short=report.in_short,
)
