"""Fig. 6: a classifier that learns from P per cent of the source and from N synthetic rows."""

from aegan.study.experiment import Experiment
from aegan.study.low_resource import report, results, tasks
from aegan.study.low_resource.claims import CLAIMS

_QUICK = {"percents": (10.0, 50.0, 100.0), "sizes": (60, 200, 600), "updates": 200}
LOW_RESOURCE = Experiment(
    tasks.NAME,
    tasks.tasks,
    results.results,
    report.sections,
    claims=CLAIMS,
    settings=tasks.Settings,
    variants={"quick": _QUICK, "full": {"honest": ("m1", "m2", "m3")}},
    needs_target=lambda settings: "target" in settings.scopes,
    summary=report.summary,
    in_short=report.in_short,
)
