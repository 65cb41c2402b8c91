"""Compares generators of others with M5 on a table: same folds, same metrics.

    python -m experiments.peers --path=nemo.parquet
    python -m experiments.peers --path=nemo.parquet --peers=smote,copula \\
        --out=peers.md

Each makes rows from the training part of every fold; an SVM is trained on
them and tested on the speakers held out (TSTR), and the reverse (TRTS).
Seconds and memory are of making the rows of a fold, in a process of its own
for each generator. forest_diffusion needs the extra `peers`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from absl import flags

from aegan.errors import InputError
from aegan.system.screen import say

from .command import check_there, command_line, guarded, need, parse_early, start

_PATH = flags.DEFINE_string("path", None, "Table of a corpus (.parquet)")
_PEERS = flags.DEFINE_list("peers", None, "Generators to compare; default: all")
_N = flags.DEFINE_integer("n", 2000, "Rows that each makes, per fold", lower_bound=100)
_FOLDS = flags.DEFINE_integer("folds", 5, "Folds, where the table has none", lower_bound=2)
_OUT = flags.DEFINE_string("out", "peers.md", "Report to write, in Markdown")


def _check() -> None:
    need(_PATH)
    check_there(_PATH, "a table of a corpus")
    if Path(_OUT.value).is_dir():
        raise InputError(f"--out={_OUT.value}: is a folder; give the path of a report")


parse_early(__name__, check=_check)

import numpy as np

from aegan.data.corpus import Corpus, read_corpus
from aegan.data.folds import Fold, fit_standardiser, make_folds
from aegan.estimators.generators import M5
from aegan.metrics.diversity import nearness, variance_ratio
from aegan.metrics.fold_tools import FoldSpace, fold_space
from aegan.metrics.intervals import estimate
from aegan.metrics.peers import PEERS
from aegan.metrics.references import Rows
from aegan.metrics.svm import FittedSvm, SvmProtocol, confusion_counts, predict, tune_and_fit, uar
from aegan.report.kit.numbers import Estimate
from aegan.report.kit.tables import Table, tabulate, to_text
from aegan.system.files import write_text
from aegan.system.workers import Pool, peak_memory, threads_of, usable_cores

_PROTOCOL = SvmProtocol(tie=0.01)
_M5 = "m5"
_NOTE = (
    "TSTR: UAR (%) on held-out speakers of an SVM trained on the rows; less real: of it less that "
    "of the real rows, by folds, with the half of its 95 % interval; TRTS: the reverse of TSTR, "
    "more than of real rows is not better; var: variance within classes, real = 1; copies: rows "
    "(%) that hug one or two training rows; s and MB: time, and memory beyond the table's, of a "
    "fold."
)


def _place(corpus: Corpus, fold: Fold) -> tuple:
    return corpus, fold, fit_standardiser(corpus.features, fold.train)


def _rows(name: str, corpus: Corpus, fold: Fold, n: int) -> tuple[Rows, float, float]:
    """Rows in the z-space of a fold, the seconds they took and the bytes; in a worker."""
    place = _place(corpus, fold)
    space, before, started = fold_space(*place), peak_memory(), time.perf_counter()
    if name == _M5:
        chosen = corpus.features[fold.train], space.labels1
        features, labels = M5().fit(*chosen, groups=space.speakers1).sample(n)
        made = place[2].to_z(features), np.asarray(labels)
    else:
        made = PEERS[name](*space.set1, n, fold.index)
    return made, time.perf_counter() - started, peak_memory() - before


def _figures(rows: Rows, space: FoldSpace, on_set2: FittedSvm, classes: int) -> dict[str, float]:
    own = tune_and_fit(*rows, _PROTOCOL)
    tests = {"tstr": (own, space.set2_z, space.labels2), "trts": (on_set2, *rows)}
    found = {
        name: uar(confusion_counts(truth, predict(svm, tested), classes))
        for name, (svm, tested, truth) in tests.items()
    }
    found["var"] = variance_ratio(*rows, space.set1_z, space.labels1).overall
    real = rows[0] is space.set1_z
    return found | {"copies": nearness(None if real else rows[0], space.set1_z).copies}


def compare(
    corpus: Corpus, folds: Sequence[Fold], names: Sequence[str], n: int
) -> Iterator[list[dict]]:
    """After each generator: its figures of every fold, and those of the ones before, in lists."""
    spaces = [fold_space(*_place(corpus, fold)) for fold in folds]
    on_set2 = [tune_and_fit(space.set2_z, space.labels2, _PROTOCOL) for space in spaces]
    measured = partial(_figures, classes=len(corpus.classes))
    real = [
        measured((space.set1_z, space.labels1), space, svm)
        for space, svm in zip(spaces, on_set2, strict=True)
    ]
    found = {"real rows": real}
    for name in names:
        found[name] = []
        with Pool(1, threads_of(usable_cores())) as pool:
            for fold, space, svm in zip(folds, spaces, on_set2, strict=True):
                made, seconds, memory = pool.submit(_rows, name, corpus, fold, n).result()
                taken = {"seconds": seconds, "memory": memory}
                found[name].append(measured(made, space, svm) | taken)
            pool.close(kill=True)  # there is nothing that it could still do
        say(f"  {name}: {np.mean([of['seconds'] for of in found[name]]):.1f} s a fold")
        yield [
            {"name": name} | {key: [of[key] for of in lines] for key in lines[0]}
            for name, lines in found.items()
        ]


def table(found: Sequence[dict]) -> Table:
    """A row per generator: means over the folds."""
    real = np.array(found[0]["tstr"])

    def less(of: dict) -> str:
        if of is found[0]:
            return ""
        gap = Estimate.of(estimate(100 * (np.array(of["tstr"]) - real)))
        return f"{gap.mean:+.1f} ±{gap.half_width:.1f}"

    def mean(key: str, form: str, times: float = 1) -> object:
        return lambda of: format(times * np.mean(of[key]), form) if key in of else ""

    columns = {
        "rows of": lambda of: of["name"],
        "TSTR": mean("tstr", ".1f", 100),
        "less real": less,
        "TRTS": mean("trts", ".1f", 100),
        "var": mean("var", ".2f"),
        "copies": mean("copies", ".1f", 100),
        "s": mean("seconds", ".1f"),
        "MB": lambda of: f"{max(of['memory']) / 1e6:.0f}" if "memory" in of else "",
    }
    return tabulate(_NOTE, found, columns)


def run() -> None:
    """Measures, prints and writes."""
    _check()
    names = [*PEERS, _M5]
    for name in _PEERS.value or ():
        if name not in names:
            raise InputError(f"--peers: no generator '{name}'; there are {', '.join(names)}")
    corpus = read_corpus(Path(_PATH.value))
    folds = make_folds(corpus, _FOLDS.value)
    about = f"{corpus.name}, {len(folds)} folds, {_N.value} rows each. `{command_line('peers')}`"
    for found in compare(corpus, folds, _PEERS.value or names, _N.value):
        shown = table(found)
        lines = (shown.header, ["---"] * len(shown.header), *shown.rows)
        text = ["# Peers", "", about, "", *map(" | ".join, lines), "", _NOTE, ""]
        write_text(Path(_OUT.value), "\n".join(text))  # the last generator may take an hour
    say("", *to_text(shown), "", f"peers: {_OUT.value}")


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns its exit status."""
    return guarded(run, argv, "the report has the generators before")


if __name__ == "__main__":
    start(main)
