"""Label files with anything in them: a typed error or labels, in bounded time and memory."""

from __future__ import annotations

import random
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from corpus_trees import iemocap_labels, msp_labels

from aegan.corpora import published, table
from aegan.corpora.listing import decode
from aegan.errors import InputError

INPUTS = 20_000  # per parser
SECONDS = 10  # for one input; an honest one takes milliseconds

IEMOCAP, MSP = published.IEMOCAP.parse_labels, published.MSP_IMPROV.parse_labels
_TABLE = (
    "file,speaker,emotion,session\n"
    'a/1.wav,ann,anger,s1\n"b, c/2.wav",bob,calm,s2\n'
    "d/3.flac,Zoë,sad,s2\n"
)
PARSERS = {
    "iemocap": (
        IEMOCAP,
        iemocap_labels([("Ses01F_impro01_F000", "neu"), ("Ses01F_impro01_M001", "xxx")]),
        iemocap_labels([(f"Ses05M_script01_1b_M{i:03d}", "exc") for i in range(4)]),
    ),
    "msp_improv": (
        MSP,
        msp_labels([("MSP-IMPROV-S01A-F01-P-FM01", "N"), ("MSP-IMPROV-S01A-M01-P-MF01", "X")]),
        msp_labels([(f"MSP-IMPROV-S20S-F06-R-FF0{i}", "S") for i in range(4)]),
    ),
    "csv": (
        table.parse_labels,
        _TABLE,
        _TABLE.replace(", ", " ").replace(",", "\t"),
        "\ufeff" + _TABLE.replace(",", ";"),
    ),
}
TOKENS = [
    *b"\0 \n \r \r\n \t \x0b \x85 \xff \xff\xfe \xfe\xff".split(b" "),
    *" \u2028 \ufeff \U0001f600 \u0661".encode().split(b" "),
    *b'[ ] [] ; , " "" \' % - _ .. / \\ NaN UTD-IMPROV- MSP-IMPROV- .avi Ses01F_ _F000'.split(),
    *b"file speaker emotion".split(),
    *(b" ", b"x" * 200_000, *(piece * 5000 for piece in (b"[", b"_F", b'"', b",", b"9"))),
]


def edited(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """The data after one edit; ``other`` lends pieces."""
    at, start = rng.randrange(len(data) + 1), rng.randrange(len(other))
    end = at + rng.choice([1, 1, 2, 8, 64, 1000])
    head, piece, tail = data[:at], data[at:end], data[end:]
    edits = [
        lambda: head + tail,
        lambda: head + rng.choice(TOKENS) + piece + tail,
        lambda: head + rng.randbytes(len(piece)) + tail,
        lambda: head + piece * rng.choice([2, 3, 21]) + tail,
        lambda: head,
        lambda: head + other[start : start + rng.choice([1, 20, 200])] + tail,
        lambda: b"\n".join(sorted(data.split(b"\n"), key=lambda _: rng.random())),
        lambda: head + bytes(byte ^ 1 << rng.randrange(8) for byte in piece[:1]) + piece[1:] + tail,
    ]
    return rng.choice(edits)()


def mutated(seed: bytes, other: bytes, rng: random.Random) -> bytes:
    """The seed after one to eight random edits, now and then as UTF-16."""
    data = seed
    for _ in range(rng.randint(1, 8)):
        data = edited(data, other, rng)
    if rng.random() < 0.05 and data[:2] != b"\xff\xfe":
        return decode(data, "p").encode("utf-16")
    return data


@contextmanager
def time_limit(what: object) -> Iterator[None]:
    def late(*_):
        raise TimeoutError(f"still busy after {SECONDS} s with {what!r:.200}")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def outcome(parse, content: bytes) -> str:
    """ "labels" or "error"; any other exception goes through."""
    with time_limit(content):
        try:
            found = parse(decode(content, "place"), "place")
        except InputError as error:
            message = str(error)
            assert message.startswith("place: ") and message.isprintable() and len(message) < 1000
            return "error"
    assert isinstance(found, dict | tuple)
    return "labels"


@pytest.mark.slow
@pytest.mark.parametrize("name", PARSERS)
def test_mutated_label_files_give_labels_or_a_typed_error(name):
    parse, *seeds = PARSERS[name]
    seeds = [seed.encode() for seed in seeds]
    assert {outcome(parse, seed) for seed in seeds} == {"labels"}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rng = random.Random(0)
    outcomes = [
        outcome(parse, mutated(rng.choice(seeds), rng.choice(seeds), rng)) for _ in range(INPUTS)
    ]
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 2**20  # kB: 1 GB
    # Mutations must neither leave everything whole nor break everything.
    assert outcomes.count("labels") > INPUTS // 100 and outcomes.count("error") > INPUTS // 10


REPEATED = [*'[ [] _F Ses01F_impro0_F ; " "" ,'.split(), "[] ", "\n", "\r", " ", "\0", "a,b\n"]


@pytest.mark.parametrize("name", PARSERS)
@pytest.mark.parametrize("piece", REPEATED)
def test_a_piece_repeated_very_often_is_no_hang(name, piece):
    parse, seed, *_ = PARSERS[name]
    many = piece * (2**18 // len(piece))
    texts = [many, seed + many, seed + "UTD-IMPROV-" + many]
    texts.append(seed + "[1 - 2]\tSes01F_impro01" + many + "!\tneu")
    # Each within the time limit of ``outcome``.
    assert {outcome(parse, text.encode()) for text in texts} <= {"labels", "error"}


LARGE = {  # a parser, a line, how often
    "iemocap": ("published.IEMOCAP", "[]Ses01F_impro0_F%07d neu\n", 2**25 // 31),
    "msp_improv": ("published.MSP_IMPROV", "UTD-IMPROV-S01A-F01-P-F%07d; N\n", 2**25 // 34),
    "csv rows": ("table", "%d,\U0001f600,b\n", 2**25 // 15),
    "csv columns": ("table", "\U0001f600%.0s,", 2**25 // 5),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_the_largest_label_file_takes_less_than_a_gigabyte(name):
    parser, line, count = LARGE[name]
    header = "file,speaker,emotion\n" if name == "csv rows" else ""
    code = (
        "from aegan.corpora import published, table\n"
        "from aegan.errors import InputError\n"
        "from aegan.system.workers import peak_memory\n"
        f"text = {header!r} + ''.join({line!r} % i for i in range({count}))\n"
        "assert len(text.encode()) > 2**25 * 0.9\n"
        "try:\n"
        f"    {parser}.parse_labels(text, 'place')\n"
        "except InputError as error:\n"
        "    assert 'more than' in str(error), error\n"
        "print(peak_memory())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 2**30
