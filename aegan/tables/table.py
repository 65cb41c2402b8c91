"""The one form that every reader of feature files gives."""

from __future__ import annotations

import math
import ntpath
import posixpath
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from aegan.data.contract import FeatureContract
from aegan.errors import InputError
from aegan.tables.text import cut


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """Rows of features with the keys and labels that stood beside them; row i is one segment."""

    source: str  # the file's path, for messages
    files: np.ndarray  # (rows,) str: instance name, or path of the recording
    times: np.ndarray | None  # (rows, 2) float64: start and end in seconds; end NaN: to the end
    labels: Mapping[str, np.ndarray]  # "speaker", "emotion", ...: (rows,) str, "" where empty
    features: np.ndarray  # (rows, dim) float32
    contract: FeatureContract
    metadata: Mapping[str, str] = field(default_factory=dict)  # of the file: corpus, licence, ...
    notes: tuple[str, ...] = ()  # what the reader left out or changed, in words

    def but(self, *notes: str, **changes: Any) -> FeatureTable:
        """The table with other fields, and with more notes."""
        return replace(self, **changes, notes=(*self.notes, *notes))

    def select(self, keep: np.ndarray, *notes: str) -> FeatureTable:
        """The rows of a mask (rows,) or of indices."""
        return self.but(
            *notes,
            files=self.files[keep],
            times=None if self.times is None else self.times[keep],
            labels={name: values[keep] for name, values in self.labels.items()},
            features=self.features[keep],
        )


def without_common_folder(table: FeatureTable) -> FeatureTable:
    """The table without the folder that all its files lie in, if they are absolute paths."""
    files = table.files.tolist()
    path = next((path for path in (posixpath, ntpath) if all(map(path.isabs, files))), None)
    if path is None:
        return table
    try:
        folder = path.commonpath([path.dirname(file) for file in files])
    except ValueError:  # several drives
        return table
    short = [path.relpath(file, folder).replace("\\", "/") for file in files]
    if len(set(short)) < len(set(files)) or not all(map(path.basename, files)):
        return table
    note = f"names of files are those below {cut(folder)}"
    return table.but(note, files=np.array(short, dtype=str))


def with_unique_files(table: FeatureTable) -> FeatureTable:
    """Names segments ``file[start-end]`` (seconds) where a file has several of them."""
    counts = Counter(table.files.tolist())
    several = {file for file, count in counts.items() if count > 1}
    if table.times is None or not several:
        return table

    def name(file: str, times: list[float], digits: int) -> str:
        start, end = ("" if math.isnan(time) else f"{time:.{digits}f}" for time in times)
        return f"{file}[{start}-{end}]" if file in several else file

    for digits in (3, 6, 9):
        rows = zip(table.files.tolist(), table.times.tolist(), strict=True)
        files = [name(file, times, digits) for file, times in rows]
        if len(set(files)) == len(files):
            note = f"{len(several)} with several segments each: rows are named file[start-end]"
            return table.but(note, files=np.array(files, dtype=str))
    double = next(file for file, count in Counter(files).items() if count > 1)
    raise InputError(f"{table.source}: segment '{double}' is there twice; keep one of them")
