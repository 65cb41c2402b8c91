"""Table 4: generators of the source corpus measured on the target corpus (section 5.2.1)."""

from aegan.study.cross_corpus import report, tasks
from aegan.study.cross_corpus.claims import CLAIMS
from aegan.study.experiment import Experiment

CROSS_CORPUS = Experiment(
    tasks.NAME,
    tasks.tasks,
    tasks.results,
    report.sections,
    claims=CLAIMS,
    settings=tasks.Settings,
    summary=report.summary,
    in_short=report.in_short,
    needs_target=lambda settings: True,
)
