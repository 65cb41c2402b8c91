"""From the records of finished tasks to results.json, which holds every figure of the report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from aegan.errors import InputError
from aegan.study.registry import EXPERIMENTS, claims, complete, number_of_tasks, tasks_of
from aegan.study.runner import records_of
from aegan.study.study import Study, StudyDir
from aegan.study.words import told
from aegan.system.files import read_json, write_json
from aegan.system.versions import versions

TITLE = "Modeling feature representations for affective speech with GANs: the whole study"


def collect(study: Study, processes: int, wall_seconds: float) -> dict[str, Any]:
    """Writes results.json from the records of all experiments that are complete.

    Args:
        study: with the tasks of ``config.experiments`` finished.
        processes: workers of this sitting.
        wall_seconds: of this sitting.
    """
    done = {path.stem for path in study.dir.record("any").parent.glob("*.json")}
    names = complete(study, study.config.experiments, done)
    records = records_of(study.dir, tasks_of(study, names))
    finished = {name: record["result"] for name, record in records.items()}
    experiments = {name: EXPERIMENTS[name].results(study, finished) for name in names}
    trained = [study.dir.run(model).train_record for model in study.models]
    kept = ("command", "config", "config_hash", "source", "target")
    results = {
        "format": 1,
        "title": TITLE,
        **{name: study.identity[name] for name in kept},
        "variant": study.config.variant,
        "versions": versions(),
        # Where the models trained, as the first run that did says.
        "device": next((read_json(path)["device"] for path in trained if path.exists()), {}),
        "timing": {
            "tasks": len(records),
            "tasks_of_paper": number_of_tasks(study),
            "task_seconds": round(sum(record["seconds"] for record in records.values()), 1),
            "kinds": _kinds(records.values()),
            "processes": processes,
            "wall_s": round(wall_seconds, 1),
        },
        "experiments": experiments,
        "claims": claims(experiments, len(study.source.classes)),
        "rule": told("", "rule"),  # by which claims hold
    }
    write_json(study.dir.results, results)
    return results


def _kinds(records: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Number of tasks of each kind and their seconds together, the longest first."""
    found: dict[str, dict[str, float]] = {}
    for record in records:
        of = found.setdefault(record["kind"], {"tasks": 0, "seconds": 0.0})
        of["tasks"] += 1
        of["seconds"] = round(of["seconds"] + record["seconds"], 1)
    return dict(sorted(found.items(), key=lambda item: -item[1]["seconds"]))


def read_study_results(directory: StudyDir) -> dict[str, Any]:
    """results.json of a study; ``InputError`` if it is not there."""
    try:
        return read_json(directory.results)
    except FileNotFoundError:
        raise InputError(
            f"{directory.results}: not there yet; run the study without --stage first"
        ) from None
