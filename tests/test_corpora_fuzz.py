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

_TABLE = (
    "file,speaker,emotion,session\n"
    'a/1.wav,ann,anger,s1\n"b, c/2.wav",bob,calm,s2\n'
    "d/3.flac,Zoë,sad,s2\n"
)
PARSERS = {
    "iemocap": (
        published.IEMOCAP.parse_labels,
        [
            iemocap_labels([("Ses01F_impro01_F000", "neu"), ("Ses01F_impro01_M001", "xxx")]),
            iemocap_labels([(f"Ses05M_script01_1b_M{i:03d}", "exc") for i in range(4)]),
        ],
    ),
    "msp_improv": (
        published.MSP_IMPROV.parse_labels,
        [
            msp_labels([("MSP-IMPROV-S01A-F01-P-FM01", "N"), ("MSP-IMPROV-S01A-M01-P-MF01", "X")]),
            msp_labels([(f"MSP-IMPROV-S20S-F06-R-FF0{i}", "S") for i in range(4)]),
        ],
    ),
    "csv": (
        table.parse_labels,
        [_TABLE, _TABLE.replace(", ", " ").replace(",", "\t"), "\ufeff" + _TABLE.replace(",", ";")],
    ),
}
TOKENS = [
    *(
        b"\0",
        b"\n",
        b"\r",
        b"\r\n",
        b"\t",
        b" ",
        b"\x0b",
        b"\x85",
        b"\xff",
        b"\xff\xfe",
        b"\xfe\xff",
    ),
    *("\u2028".encode(), "\ufeff".encode(), "\U0001f600".encode(), "\u0661".encode()),
    *b'[ ] [] ; , " "" \' % - _ .. / \\ NaN UTD-IMPROV- MSP-IMPROV- .avi Ses01F_ _F000'.split(),
    *(b"file", b"speaker", b"emotion"),
    *(b"[" * 5000, b"_F" * 5000, b'"' * 5000, b"," * 5000, b"x" * 200_000, b"9" * 5000),
]


def mutated(seed: bytes, other: bytes, rng: random.Random) -> bytes:
    """The seed after one to eight random edits; ``other`` lends pieces."""
    data = bytearray(seed)
    for _ in range(rng.randint(1, 8)):
        at = rng.randrange(len(data) + 1)
        end = min(len(data), at + rng.choice([1, 1, 2, 8, 64, 1000]))
        edit = rng.randrange(8)
        if edit == 0:
            data[at:end] = b""
        elif edit == 1:
            data[at:at] = rng.choice(TOKENS)
        elif edit == 2:
            data[at:end] = bytes(rng.randrange(256) for _ in range(end - at))
        elif edit == 3:
            data[at:at] = data[at:end] * rng.choice([1, 2, 20])
        elif edit == 4:
            del data[at:]
        elif edit == 5:
            start = rng.randrange(len(other))
            data[at:end] = other[start : start + rng.choice([1, 20, 200])]
        elif edit == 6:
            lines = data.split(b"\n")
            rng.shuffle(lines)
            data = bytearray(b"\n".join(lines))
        elif at < len(data):
            data[at] ^= 1 << rng.randrange(8)
    if rng.random() < 0.05:
        return decode(bytes(data), "p").encode("utf-16") if data[:2] != b"\xff\xfe" else bytes(data)
    return bytes(data)


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
    parse, seeds = PARSERS[name]
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


@pytest.mark.parametrize("name", PARSERS)
@pytest.mark.parametrize(
    "piece",
    [
        "[",
        "[]",
        "[] ",
        "_F",
        "Ses01F_impro0_F",
        ";",
        '"',
        '""',
        ",",
        "\n",
        "\r",
        " ",
        "\0",
        "a,b\n",
    ],
)
def test_a_piece_repeated_very_often_is_no_hang(name, piece):
    parse, seeds = PARSERS[name]
    many = piece * (2**18 // len(piece))
    texts = [many, seeds[0] + many, seeds[0] + "UTD-IMPROV-" + many]
    texts.append(seeds[0] + "[1 - 2]\tSes01F_impro01" + many + "!\tneu")
    # Each within the time limit of ``outcome``.
    assert {outcome(parse, text.encode()) for text in texts} <= {"labels", "error"}


LARGE = {
    "iemocap": (
        "published.IEMOCAP.parse_labels",
        "'[]Ses01F_impro0_F%07d neu\\n' % i for i in range(2**25 // 31)",
    ),
    "msp_improv": (
        "published.MSP_IMPROV.parse_labels",
        "'UTD-IMPROV-S01A-F01-P-F%07d; N\\n' % i for i in range(2**25 // 34)",
    ),
    "csv rows": (
        "table.parse_labels",
        "['file,speaker,emotion\\n'] + ['%d,\U0001f600,b\\n' % i for i in range(2**25 // 15)]",
    ),
    "csv columns": ("table.parse_labels", "['\U0001f600,'] * (2**25 // 5)"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("parser", "lines"), LARGE.values(), ids=LARGE)
def test_the_largest_label_file_takes_less_than_a_gigabyte(parser, lines):
    code = (
        "from aegan.corpora import published, table\n"
        "from aegan.errors import InputError\n"
        "from aegan.system.workers import peak_memory\n"
        f"text = ''.join({lines})\n"
        "assert len(text.encode()) > 2**25 * 0.9\n"
        "try:\n"
        f"    {parser}(text, 'place')\n"
        "except InputError as error:\n"
        "    assert 'more than' in str(error), error\n"
        "print(peak_memory())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 2**30
