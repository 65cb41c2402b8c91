"""Fig. 4 and section 5.1.1: where synthetic rows lie beside real ones."""

from aegan.study.embedding import report, tasks
from aegan.study.embedding.claims import CLAIMS
from aegan.study.experiment import Experiment

EMBEDDING = Experiment(
    tasks.NAME,
    tasks.tasks,
    tasks.results,
    report.sections,
    claims=CLAIMS,
    settings=tasks.Settings,
    variants={"quick": {"rows": 300}},
)
