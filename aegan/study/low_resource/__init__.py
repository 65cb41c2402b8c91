"""Fig. 6: a classifier that learns from P per cent of the source and from N synthetic rows."""

from aegan.study.experiment import Experiment
from aegan.study.low_resource import report, results, tasks
from aegan.study.low_resource.claims import CLAIMS

LOW_RESOURCE = Experiment(
    name=tasks.NAME,
    tasks=tasks.tasks,
    results=results.results,
    claims=CLAIMS,
    sections=report.sections,
    in_short=report.in_short,
    summary=report.summary,
    settings=tasks.Settings,
    variants={
        "quick": {"percents": (10.0, 50.0, 100.0), "sizes": (60, 200, 600), "updates": 200},
        "full": {"honest": ("m1", "m2", "m3")},
    },
    needs_target=lambda settings: "target" in settings.scopes,
)
