"""Feature files and labels with anything in them: a typed error or a table, soon and in bounds."""

from __future__ import annotations

import json
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from aegan.data.contract import FeatureContract
from aegan.errors import InputError
from aegan.tables.labels import Labels, complete, join, read_labels
from aegan.tables.read import read_table
from aegan.tables.table import FeatureTable, with_unique_files
from aegan.tables.text import DROP
from aegan.tables.write import SUFFIXES, table_writer

INPUTS = 12_000  # per reader
SECONDS = 10  # for one input; an honest one takes a millisecond
WRITTEN = 40  # of so many tables one is written, as convert does

_NAMES = [f"mfcc_sma[{i}]_iqr1-{i}" for i in range(7)]
_NUMBERS = ["0", "111", "-1", "5.898961e-01", "-2.262464e-05", "1e-45", "3.4028235e+38"]
_ROW = ",".join(_NUMBERS)
_MIXED = [";".join(_NUMBERS[i % 7 :] + _NUMBERS[: i % 7]) for i in range(12)]
_SMILE = ";".join(["name", "frameTime", *_NAMES]) + "\n"
_SMILE += "".join(f"'clip{i}.wav';0.000000;{row}\n" for i, row in enumerate(_MIXED))
_SMILE += f"'it's;a';0.000000;{_MIXED[0]}\n"
_ARFF = "% licence: CC BY\n% note: \"a\\nb\"\n@relation 'openSMILE features'\n\n"
_ARFF += "@attribute name string\n"
_ARFF += "".join(f"@attribute {name} numeric\n" for name in _NAMES)
_ARFF += "@attribute emotion unknown\n@attribute class {sad,'very angry'}\n\n@data\n% rows\n"
_ARFF += "".join(
    f"'clip{i}.wav',{_ROW},?,{word}\n" for i, word in enumerate(["'very angry'", "sad"] * 6)
)
_ARFF += f"'it\\'s;a',{_ROW},?,sad\n"
_AUDFORMAT = f"file,start,end,{','.join(_NAMES)}\n"
_AUDFORMAT += "".join(
    f"db/a{i}.wav,0 days 00:00:00,0 days 00:00:0{i % 6}.5,{_ROW}\n" for i in range(12)
)
_AUDFORMAT += f"db/a0.wav,5.5,,{_ROW}\n"
_PLAIN = f'"file",speaker,{",".join(_NAMES)},emotion,passport\n' + "".join(
    f'"a, ""{i}"".wav",s{i % 3},{_ROW},sad,"synthetic=true model=\'M 2\'"\n' for i in range(12)
)
_LABELS = "file,speaker,emotion,session,start,end,text\n" + "".join(
    f'clip{i}.wav,s{i % 3},{"sad" if i % 2 else "angry"},{i % 2},{i % 3},,"a, ""b""\nc"\n'
    for i in range(12)
)
_FEATURES = FeatureTable(
    source="features.csv",
    files=np.array([f"db/clip{i}.wav" for i in range(12)]),
    times=None,
    labels={},
    features=np.arange(24, dtype=np.float32).reshape(12, 2),
    contract=FeatureContract.of(["a", "b"]),
)

_BARE_SMILE = _SMILE.replace("frameTime;", "").replace(";0.000000", "")
_TABS = "\ufeff" + _PLAIN.replace(", ", " ").replace(",", "\t")
SEEDS = {
    "smile": ("f.csv", [_SMILE, _SMILE.replace("\n", "\r\n"), _BARE_SMILE]),
    "arff": ("f.arff", [_ARFF, _ARFF.upper(), _ARFF.replace("'", '"')]),
    "csv": ("f.csv", [_AUDFORMAT, _PLAIN, _TABS, _AUDFORMAT.replace(",", ";")]),
    "labels": ("l.csv", [_LABELS, _LABELS.replace(",", ";"), "\ufeff" + _LABELS]),
}
_PIECES = """
    name file path speaker emotion class label start end frameTime passport Unnamed:\\ 0 noname
    unknown ? nan inf -inf 1e39 1e-60 0x1 1_0 1,5 +1 . - -0 9999999999999999999999 1e999999999
    @attribute @data @relation numeric string {a,b} {1\\ a} %a:\\ b feature_hash synthetic=true
    0\\ days NaT 99999\\ days 1:2:3 -1 ' " '' "" \\' \\" \\ ; ,,, | = == <html> PAR1
"""
_LONG = ["x" * 2000, *(c * 5000 for c in ["1,", *"9'\"\\,;\n%{ "]), "\\'" * 3000]
_LONG += ["\r\n", "\n\n", "e\u0301", *"\u2028\ufeff\u0661\U0001f600"]
_BYTES = (0, 9, 10, 11, 13, 26, 27, 32, 127, 0x80, 0x85, 0xA0, 0xC3, 0xFF)
TOKENS = [piece.replace("~", " ").encode() for piece in _PIECES.replace("\\ ", "~").split()]
TOKENS += [*(bytes([i]) for i in _BYTES), *map(str.encode, _LONG)]


def mutated(seed: bytes, other: bytes, rng: random.Random) -> bytes:
    """The seed after one to four edits of bytes or lines; ``other`` lends pieces."""
    data = seed
    for _ in range(rng.choice([1, 1, 1, 1, 2, 4])):
        at = rng.randrange(len(data) + 1)
        end = min(len(data), at + rng.choice([1, 1, 2, 8, 64, 1000]))
        start = rng.randrange(len(other))
        before, piece, after = data[:at], data[at:end], data[end:]
        lines = data.split(b"\n")
        line = rng.randrange(len(lines))
        separator = rng.choice([b",", b";", b"\t"])
        cells = lines[line].split(separator)
        cells[rng.randrange(len(cells))] = rng.choice(TOKENS)
        cells = separator.join(cells)
        flipped = bytes(byte ^ 1 << rng.randrange(8) for byte in piece[:1]) + piece[1:]
        lent = other[start : start + rng.choice([1, 20, 200])]
        edits = [
            *((before, after), (before,), (before, flipped, after), (before, lent, after)),
            (before, rng.choice(TOKENS), piece, after),
            (before, rng.choice(TOKENS), after),
            (before, rng.randbytes(len(piece)), after),
            (before, piece * rng.choice([2, 3, 21]), after),
        ]
        changed = ([rng.choice(lines), lines[line]], [cells])
        edits += [(b"\n".join([*lines[:line], *new, *lines[line + 1 :]]),) for new in changed]
        data = b"".join(rng.choice(edits))
    return data.decode("latin-1").encode("utf-16") if rng.random() < 0.02 else data


def check_table(table: FeatureTable) -> None:
    """What every reader promises of a table."""
    rows, dim = table.features.shape
    assert rows > 0 and dim == len(table.contract.names) == len(set(table.contract.names)) > 0
    assert table.features.dtype == np.float32 and np.isfinite(table.features).all()
    assert table.files.shape == (rows,) and all(table.files.tolist())
    assert all(values.shape == (rows,) for values in table.labels.values())
    if table.times is None:
        assert len(set(table.files.tolist())) == rows
    else:
        assert table.times.shape == (rows, 2) and (table.times[:, 0] >= 0).all()


def read_features(path: Path, number: int) -> None:
    table = read_table(path)
    check_table(table)
    if number % WRITTEN == 0:
        unique = with_unique_files(table)
        out = path.with_name("out" + SUFFIXES[number // WRITTEN % 3])
        labels = {name: values for name, values in unique.labels.items() if name != "duration_s"}
        with table_writer(out, ["file", *labels], table.contract, table.metadata) as writer:
            writer.write({"file": unique.files, **labels}, unique.features)
        check_table(read_table(out))


def join_labels(path: Path, number: int) -> None:
    labels = read_labels(path)
    assert isinstance(labels, Labels)
    assert all(values.shape == labels.files.shape for values in labels.columns.values())
    check_table(complete(join(_FEATURES, labels, DROP), "labels", DROP))


def outcome(read, path: Path, content: bytes, number: int) -> str:
    """ "table" or "error"; any other exception goes through."""
    path.write_bytes(content)
    try:
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        read(path, number)
        return "table"
    except InputError as error:
        message = str(error)
        assert message.isprintable() and 10 < len(message) < 4000, message
        return "error"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def fuzz(name: str, inputs: int, seed: int = 0) -> None:
    """Reads mutated files and prints what came of them, as JSON; runs in a process of its own."""

    def late(*_):
        raise TimeoutError(f"still busy after {SECONDS} s")

    signal.signal(signal.SIGALRM, late)
    file, texts = SEEDS[name]
    seeds = [text.encode() for text in texts]
    others = [text.encode() for _, texts in SEEDS.values() for text in texts]
    read = join_labels if name == "labels" else read_features
    rng = random.Random(f"{name} {seed}")
    counts, slowest = Counter(), 0.0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, file)
        assert {outcome(read, path, seed, 1) for seed in seeds} == {"table"}
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for number in range(inputs):
            content = mutated(rng.choice(seeds), rng.choice(others), rng)
            begun = time.monotonic()
            try:
                counts[outcome(read, path, content, number)] += 1
            except BaseException:
                print(f"input {number}: {content[:3000]!r}", file=sys.stderr)
                raise
            slowest = max(slowest, time.monotonic() - begun)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(json.dumps({**counts, "slowest": slowest, "grown_mb": grown / 1024}))


@pytest.mark.slow
@pytest.mark.parametrize("name", SEEDS)
def test_mutated_files_give_a_table_or_a_typed_error(name):
    code = f"import test_tables_fuzz as fuzz; fuzz.fuzz({name!r}, {INPUTS})"
    arguments = [sys.executable, "-c", code]
    done = subprocess.run(arguments, cwd=Path(__file__).parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-8000:]
    found = json.loads(done.stdout)
    assert found["table"] + found["error"] == INPUTS
    # Mutations must neither leave everything whole nor break everything.
    assert found["table"] > INPUTS // 20 and found["error"] > INPUTS // 5
    assert found["grown_mb"] < 1024
    print(name, found)
