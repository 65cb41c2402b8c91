"""Fig. 1 and section 3.1: a vanilla GAN and an InfoGAN from one normal to four."""

from aegan.study.experiment import Experiment
from aegan.study.toy import report, tasks
from aegan.study.toy.claims import CLAIMS
from aegan.study.toy.gans import Settings

TOY = Experiment(
    name=tasks.NAME,
    tasks=tasks.tasks,
    results=tasks.results,
    claims=CLAIMS,
    sections=report.sections,
    settings=Settings,
    variants={"quick": {"updates": 2000}},
)
