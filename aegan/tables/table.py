"""The one form that every reader of feature files gives, and how it is made of their columns."""

from __future__ import annotations

import math
import ntpath
import posixpath
import re
import shlex
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from aegan.data.cells import is_nameless, known, note_of_row_numbers, regression, row_numbers
from aegan.data.contract import FeatureContract
from aegan.data.corpus import MARK
from aegan.data.names import cut
from aegan.errors import InputError
from aegan.tables.roles import FRAMES, LABELS, PASSPORT, TIMES, Columns
from aegan.tables.text import is_number, listed, read_one_line, with_point

NO_NAME = ("", "?", "noname", "unknown")  # what openSMILE writes without an instance name

NUMBERS = "numbers, not names of classes"  # why a note leaves a column of emotions out
_UNMARKED = ("", "0", "0.0", "False", "false")  # of rows that are real
_DURATION = re.compile(
    r"(?=.)(?:(\d{1,5}) days?,? ?\+?)?(?:(\d{1,5}):([0-5]\d):([0-5]\d(?:\.\d+)?))?", re.ASCII
)
_LONGEST_PASSPORT = 1 << 16  # characters


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


def assemble(columns: Columns) -> FeatureTable:
    """The table that the columns make.

    Raises:
        InputError: no rows, rows without a name, one key with different values, times or a
            passport that cannot be read, columns other than the file's own hash says.
    """
    place, texts, notes = columns.place, columns.texts, list(columns.notes)
    rows = len(columns.features)
    if not rows:
        raise InputError(f"{place}: no rows below the header; a table has one per recording")
    contract, metadata = contract_of(columns)
    marks = zip(*(texts[name] for name in (MARK, PASSPORT) if name in texts), strict=True)
    marked = sum(any(known(cell) not in _UNMARKED for cell in cells) for cells in marks)
    if marked == rows:
        metadata |= {"synthetic": "true"}
    elif marked:
        notes.append(f"{marked} rows are synthetic, as the table says")
    features = columns.features
    if numbers := row_numbers(contract.names, features):
        notes.append(note_of_row_numbers(contract.names[i] for i in numbers))
        features = np.delete(features, numbers, axis=1)
        contract = FeatureContract.of(np.delete(contract.names, numbers).tolist())
    if not contract.names:
        raise InputError(f"{place}: no feature columns but the number of the row; add features")
    for name in filter(is_nameless, contract.names):
        raise InputError(
            f"{place}: column '{name}' has no name of its own; name it, or take it out with "
            f"--leave_out={shlex.quote(name)}"
        )
    files = np.array(_files(columns), dtype=str)
    times = times_of(place, texts, rows, columns.row_name)
    labels = {name: texts[name] for name in LABELS if name in texts and name != "emotion"}
    labels |= _emotion(columns, notes)
    labels = {name: np.array(list(map(known, cells)), dtype=str) for name, cells in labels.items()}
    keep = _first_of_each_key(columns, files, times)
    table = FeatureTable(place, files, times, labels, features, contract, metadata, tuple(notes))
    doubled = rows - len(keep)
    if not doubled:
        return table
    return table.select(
        np.array(keep),
        f"{doubled} doubled row{'s' * (doubled > 1)} left out (same key, same values)",
    )


def contract_of(columns: Columns) -> tuple[FeatureContract, dict[str, str]]:
    """The contract of a file, and what else its metadata or its passport say.

    Raises:
        InputError: the file's own hash speaks against its columns.
    """
    names, metadata = columns.names, dict(columns.metadata) | _passport(columns)
    contract = FeatureContract.of(names, metadata.get("feature_set", ""))
    if columns.roles.cut and metadata.get("feature_hash") != contract.hash:
        contract = FeatureContract.of(names)  # the file's hash may be that of more features
    else:
        contract = FeatureContract.from_metadata(columns.place, names, metadata)
    return contract, {k: v for k, v in metadata.items() if k not in contract.to_metadata()}


def times_of(
    place: str, texts: Mapping[str, Sequence[str]], rows: int, row_name: Callable[[int], str]
) -> np.ndarray | None:
    """Start and end (rows, 2) in seconds, NaN for no end; None where there are no such columns.

    ``texts`` has the cells of columns, "start" and "end" among them.

    Raises:
        InputError: a cell that is neither seconds nor a duration as pandas writes it.
    """
    if not any(name in texts for name in TIMES):
        return None
    times = np.full((rows, 2), np.nan)
    for i, name in enumerate(TIMES):
        for row, text in enumerate(with_point(cell.strip()) for cell in texts.get(name, ())):
            try:
                times[row, i] = _seconds(text)
            except ValueError:
                raise InputError(
                    f"{place}: {row_name(row)}, column '{name}': '{cut(text)}' is not a time; "
                    "write seconds (2.5) or '0 days 00:00:02.5'"
                ) from None
    times[np.isnan(times[:, 0]), 0] = 0.0
    return times


def _seconds(text: str) -> float:
    """Of ``2.5``, ``00:00:02.5``, ``0 days 00:00:02.5``; NaN where it is empty."""
    if text.lower() == "nat" or not known(text):
        return math.nan
    if match := _DURATION.fullmatch(text):
        days, hours, minutes, rest = map(float, match.groups(default="0"))
        return 86400 * days + 3600 * hours + 60 * minutes + rest
    if not 0 <= float(text) < 1e9:
        raise ValueError
    return float(text)


def _files(columns: Columns) -> list[str]:
    files = columns.texts.get("file")
    if files is None:
        raise InputError(
            f"{columns.place}: no column with the names of the recordings; call one 'file' "
            "(or name, filename, path), or say which it is with --columns=file=..."
        )
    nameless = [i for i, file in enumerate(files) if file.lower() in NO_NAME or not known(file)]
    if nameless:
        one = f"{columns.row_name(nameless[0])} has not"
        raise InputError(
            f"{columns.place}: {one if len(nameless) < len(files) else 'no row has'} the name of "
            f"its recording ('{files[nameless[0]]}'); extract again with SMILExtract -instname "
            "(-N), or give a folder with one file per recording"
        )
    return files


def _emotion(columns: Columns, notes: list[str]) -> dict[str, list[str]]:
    """The emotions, from the first column of them that says any."""
    chosen, cells = None, {}
    for role, name, declared, may_be_codes in columns.roles.targets:
        found = [known(cell) if cell.lower() != "unknown" else "" for cell in columns.texts[role]]
        present = set(found) - {""}
        numbers = all(map(is_number, present))
        whole = numbers and all(float(cell).is_integer() for cell in present)
        if whole:  # 1.0 of pandas is 1
            found = [cell and str(int(float(cell))) for cell in found]
            present = set(found) - {""}
        elif numbers and may_be_codes:
            some = next(cell for cell in found if cell and not float(cell).is_integer())
            raise InputError(f"{columns.place}: column '{name}' {regression(some)}")
        words = declared or not numbers
        codes = may_be_codes and len(present) > 1 and whole
        if chosen is not None:
            notes.append(f"column '{name}' left out; '{chosen}' is used in its place")
        elif not present:
            notes.append(f"column '{name}' left out: it is empty")
        elif words or codes:
            chosen, cells = name, {"emotion": found}
            if not words:
                notes.append(f"column '{name}': its numbers are taken as names of classes")
        else:
            notes.append(
                f"column '{name}' left out: {NUMBERS}; bin those of a regression first, or take "
                f"whole ones as names with --columns=emotion={name}"
            )
    return cells


def _passport(columns: Columns) -> dict[str, str]:
    """What the column ``passport`` of a synthetic CSV file says."""
    texts = columns.texts.get(PASSPORT)
    if not texts:
        return {}
    said = {text: row for row, text in reversed([*enumerate(texts)])}  # its first row
    if not all(map(known, said)):  # real rows are among them
        return {}
    for text, row in said.items():
        if text != texts[0]:
            raise InputError(
                f"{columns.place}: {columns.row_name(row)} has another passport than "
                f"{columns.row_name(0)}; keep rows of other origin in a file of their own"
            )
    try:
        pairs = shlex.split(texts[0]) if len(texts[0]) <= _LONGEST_PASSPORT else [""]
        if not all(pair.find("=") > 0 for pair in pairs):
            raise ValueError
    except ValueError:
        raise InputError(
            f"{columns.place}: {columns.row_name(0)}, column 'passport': not of the form "
            "'synthetic=true model=...'; write the table again"
        ) from None
    return {key: read_one_line(value) for key, _, value in (pair.partition("=") for pair in pairs)}


def _first_of_each_key(columns: Columns, files: np.ndarray, times: np.ndarray | None) -> list[int]:
    spans = [None] * len(files) if times is None else map(str, times.tolist())  # NaN equals NaN
    first: dict[tuple, int] = {}
    clashes: dict[tuple, int] = {}
    values = columns.features
    for row, key in enumerate(zip(files.tolist(), spans, strict=True)):
        before = first.setdefault(key, row)
        if (
            before != row
            and key not in clashes
            and not np.array_equal(values[before], values[row], equal_nan=True)
        ):
            clashes[key] = row
    if not clashes:
        return list(first.values())
    key, row = next(iter(clashes.items()))
    before, names = first[key], (columns.row_name(first[key]), columns.row_name(row))
    if any(columns.texts[c][before] != columns.texts[c][row] for c in FRAMES if c in columns.texts):
        raise InputError(
            f"{columns.place}: '{key[0]}' has rows of several times ({', '.join(names)}): "
            "frames or windows; extract one row per recording (functionals, frameMode = full)"
        )
    raise InputError(
        f"{columns.place}: {len(clashes)} key{'s' * (len(clashes) > 1)} with different values in "
        f"several rows: {listed(file for file, _ in clashes)} ({' and '.join(names)}); keep one "
        "row per recording"
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
    several = {file for file, count in Counter(table.files.tolist()).items() if count > 1}
    if table.times is None or not several:
        return table
    for digits in (3, 6, 9):
        spans = [
            f"[{start:.{digits}f}-{end:.{digits}f}]".replace("nan", "")
            for start, end in table.times.tolist()
        ]
        rows = zip(table.files.tolist(), spans, strict=True)
        files = [file + span if file in several else file for file, span in rows]
        if len(set(files)) == len(files):
            note = f"{len(several)} with several segments each: rows are named file[start-end]"
            return table.but(note, files=np.array(files, dtype=str))
    double = next(file for file, count in Counter(files).items() if count > 1)
    raise InputError(f"{table.source}: segment '{double}' is there twice; keep one of them")
