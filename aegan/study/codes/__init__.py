"""Fig. 5 and section 5.1.2: rows as codes of M1; section 4.2: what an SVM loses on codes."""

from aegan.study.codes import report, tasks
from aegan.study.codes.claims import CLAIMS
from aegan.study.experiment import Experiment

CODES = Experiment(
    tasks.NAME, tasks.tasks, tasks.results, report.sections, claims=CLAIMS, settings=tasks.Settings
)
