"""How long tasks take: measured seconds per unit of work, by kind of task."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from aegan.errors import InputError
from aegan.study.experiment import Task
from aegan.system.files import read_json, whole, write_json

KEPT = 20  # measurements per kind

# Seconds per unit of work on one core of 2 GHz or so, for kinds that were never measured here.
GUESSES = {
    "training": 4e-11,
    "evaluation with references": 0.01,
    "evaluation": 0.002,
    "classifiers": 0.7,
    "support": 3e-11,
    "table4 tstr": 1.7e-7,
    "table4 target": 1e-3,
    "table4 target to target": 1.2e-6,
    "embedding, openTSNE": 4e-3,
    "embedding, scikit-learn": 5e-3,
    "codes": 6e-7,
    "codes svm": 2e-7,
    "toy": 3e-3,
}
GUESS = 10.0  # seconds of a task of any other kind


class Projection:
    """Seconds of tasks, from records of the study and from studies before it on this machine.

    Measurements are kept as ``timings.json`` in the cache folder.
    """

    def __init__(self, cache_dir: Path | None, records: Mapping[str, Any]) -> None:
        self._path = None if cache_dir is None else Path(cache_dir) / "timings.json"
        self._measured: dict[str, list[float]] = self._load()
        for record in records.values():
            self.learn(record)

    def _load(self) -> dict[str, list[float]]:
        if self._path is None:
            return {}
        try:
            with whole(self._path):
                found = read_json(self._path)
                return {str(k): [float(value) for value in v] for k, v in found.items()}
        except (FileNotFoundError, InputError):
            return {}

    def learn(self, record: Mapping[str, Any]) -> None:
        """Takes a finished task's time into account."""
        rate = record["seconds"] / max(record["work"], 1e-12)
        self._measured[record["kind"]] = [*self._measured.get(record["kind"], ()), rate][-KEPT:]

    def keep(self) -> None:
        """Writes the measurements for studies to come, where the folder can be written."""
        if self._path is not None:
            with suppress(InputError):
                write_json(self._path, self._measured)

    def seconds(self, task: Task) -> float:
        """Expected seconds of a task."""
        rates = self._measured.get(task.kind)
        if rates:
            return statistics.median(rates) * task.work
        return GUESSES[task.kind] * task.work if task.kind in GUESSES else GUESS

    def ways(self, tasks: Sequence[Task]) -> dict[str, float]:
        """Seconds from the start of each task to the end of all that waits for it.

        ``tasks`` stand in an order in which needs come before the needy.
        """
        behind: dict[str, float] = {}
        for task in reversed(tasks):
            own = self.seconds(task) + behind.get(task.name, 0.0)
            for need in task.needs:
                behind[need] = max(behind.get(need, 0.0), own)
        return {task.name: self.seconds(task) + behind.get(task.name, 0.0) for task in tasks}

    def wall_seconds(self, tasks: Sequence[Task], processes: int) -> float:
        """Seconds of all tasks: shared by the processes, but no less than the longest way."""
        total = sum(self.seconds(task) for task in tasks)
        return max([total / processes, *self.ways(tasks).values()])

    def measured(self, tasks: Iterable[Task]) -> bool:
        """Whether every kind among the tasks was measured on this machine."""
        return all(task.kind in self._measured for task in tasks)
