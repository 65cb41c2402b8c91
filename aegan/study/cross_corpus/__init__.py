"""Table 4: generators of the source corpus measured on the target corpus (section 5.2.1)."""

from aegan.study.cross_corpus import report, tasks
from aegan.study.cross_corpus.claims import CLAIMS
from aegan.study.experiment import Experiment

CROSS_CORPUS = Experiment(
    name=tasks.NAME,
    tasks=tasks.tasks,
    results=tasks.results,
    claims=CLAIMS,
    sections=report.sections,
    in_short=report.in_short,
    summary=report.summary,
    settings=tasks.Settings,
    needs_target=lambda settings: True,
)
