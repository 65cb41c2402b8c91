"""Fig. 1 and section 3.1: a vanilla GAN and an InfoGAN from one normal to four."""

from aegan.study.experiment import Experiment
from aegan.study.toy import gans, report, tasks
from aegan.study.toy.claims import CLAIMS

TOY = Experiment(
    tasks.NAME,
    tasks.tasks,
    tasks.results,
    report.sections,
    claims=CLAIMS,
    settings=gans.Settings,
    variants={"quick": {"updates": 2000}},
)
