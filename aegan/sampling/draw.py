"""A table drawn from a generator, and what the screen says of its rows."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from aegan.data.contract import check_same
from aegan.data.corpus import LABEL_COLUMNS, MARK, read_corpus
from aegan.data.emotions import classes_of
from aegan.data.parquet import open_parquet
from aegan.data.plausibility import breaches, project, rules_of
from aegan.data.unlabelled import Unlabelled
from aegan.errors import InputError
from aegan.sampling.generator import Generator
from aegan.sampling.rows import sample_blocks, sampling_key
from aegan.system.screen import bar, duration, field
from aegan.tables.synthetic import COLUMNS, write_synthetic
from aegan.training.lanes import lane_key

_OF_CLASS = 2**32 - 2  # streams of the classes, counted down; no block reaches them
_OF_SPEAKER = 2**31  # stream of speakers
_CHECKED_BLOCKS = 2  # looked at for plausibility


class Draw(NamedTuple):
    """What is asked for."""

    rows: int
    counts: Mapping[int, int] | None  # rows by class; None: all classes, uniformly
    columns: Sequence[str] = COLUMNS  # before the features
    seed: int = 0  # 0 repeats the run's own rows
    plausible: bool = False  # rows are moved onto the generator's rules
    speakers: Unlabelled | None = None  # rows of each of them, in the manner of its unlabelled ones


def read_counts(given: Sequence[str], rows: int, classes: Sequence[str]) -> dict[int, int]:
    """Rows by class as "angry,sad" or "angry=500,sad=200" say it; ``rows`` in all without counts.

    Raises:
        InputError: a class that is not one of ``classes`` or is named twice, or a count that is no
            whole number.
    """
    found: dict[int, int | None] = {}
    called = classes_of(given, classes)
    for text in given:
        name, equals, count = (text, "", "") if called[text] in classes else text.rpartition("=")
        name = classes_of([name], classes)[name] if name else text
        if name not in classes or (equals and not (count.strip().isdecimal() and int(count))):
            raise InputError(
                f"--emotion={text}: the run has {', '.join(classes)}; write one, or one=500"
            )
        if (label := list(classes).index(name)) in found:
            raise InputError(f"--emotion: '{name}' is there twice; name it once")
        found[label] = int(count) if equals else None
    even = [label for label, count in found.items() if count is None]
    share, more = divmod(rows, max(len(even), 1))
    found |= {label: share + (i < more) for i, label in enumerate(even)}
    return {label: count for label, count in found.items() if count}


def fill_up(path: Path, generator: Generator) -> tuple[dict[int, int], list[str], list[str]]:
    """Rows by class that bring every class of a corpus' table to its largest; its own columns.

    And what to say of the table: emotions that the generator does not know are left as they are.

    Raises:
        InputError: a table that is none of the generator's features, or is balanced already.
    """
    corpus = read_corpus(path, generator.classes)
    check_same(str(path), corpus.contract, "this generator", generator.contract)
    there = np.bincount(corpus.labels, minlength=len(generator.classes))
    codes = [generator.classes.index(name) for name in corpus.classes]
    counts = {
        code: int(there.max() - n) for code, n in zip(codes, there, strict=True) if n < there.max()
    }
    if not counts:
        raise InputError(f"{path}: has {there.max()} rows of every class already; nothing to draw")
    with closing(open_parquet(path)) as table:
        columns = [name for name in table.schema.names if name in (*LABEL_COLUMNS, MARK)]
    return counts, columns, [note.partition("; --")[0] for note in corpus.notes]


def draw_table(generator: Generator, out: Path, draw: Draw) -> list[str]:
    """Writes synthetic rows in raw units; returns what to say of them."""
    started, names, passport = time.perf_counter(), generator.contract.names, generator.passport
    tally, first = np.zeros(len(generator.classes), int), []

    def blocks() -> Iterator[tuple]:
        key = sampling_key(lane_key(passport["seed"], passport["fold"]), draw.seed)
        voices = _voices(generator, draw.speakers)
        parts = [
            (whose, voice, *part)
            for place, (whose, voice) in enumerate(voices.items())
            for part in _parts(key if len(voices) == 1 else _own(key, place), draw)
        ]
        with bar(sum(rows for *_, rows, _ in parts), "sample", "row") as progress:
            for whose, *part in parts:
                for features, labels in sample_blocks(*part):
                    if draw.plausible:
                        features = project(names, features, generator.rules)
                    if len(first) < _CHECKED_BLOCKS:
                        first.append(features)
                    tally[:] += np.bincount(labels, minlength=len(tally))
                    yield features, labels, whose
                    progress.update(len(labels))

    written = write_synthetic(
        out, blocks(), generator.classes, generator.contract, passport, columns=draw.columns
    )
    by_class = [f"{name} {n}" for name, n in zip(generator.classes, tally, strict=True) if n]
    return [
        *field("classes", ", ".join(by_class)),
        *_plausibility(np.concatenate(first), generator),
        f"{out}: {written} rows in {duration(time.perf_counter() - started)}",
    ]


def _voices(generator: Generator, speakers: Unlabelled | None) -> dict[str, Generator]:
    """The generator of each speaker's rows, by name; of nobody's, "", without speakers."""
    if speakers is None:
        return {"": generator}
    return {
        str(name): generator.for_speaker(speakers.features[speakers.speakers == name])
        for name in np.unique(speakers.speakers)
    }


def _own(key: jax.Array, speaker: int) -> jax.Array:
    return jax.random.fold_in(jax.random.fold_in(key, _OF_SPEAKER), speaker)


def _parts(key: jax.Array, draw: Draw) -> list[tuple[jax.Array, int, int | None]]:
    """Key, number and class of the rows that are drawn one after the other."""
    if draw.counts is None:
        return [(key, draw.rows, None)]
    one = len(draw.counts) == 1
    return [
        (key if one else jax.random.fold_in(key, _OF_CLASS - label), count, label)
        for label, count in draw.counts.items()
    ]


def _plausibility(features: np.ndarray, generator: Generator) -> list[str]:
    """Lines on the rules that these rows break, if any."""
    found = breaches(rules_of(generator.contract.names), features)[:-1]
    kept = [breach for breach in found if breach.rule in generator.rules]
    broken = [breach for breach in kept if breach.places > 0]
    lines = []
    if broken:
        worst = max(broken, key=lambda breach: breach.places)
        lines = field(
            "plausible",
            f"{len(broken)} of {len(kept)} rules that the training rows keep are broken, most "
            f"often '{worst.rule}' ({100 * worst.places:.0f} % of its checks); --plausible moves "
            "rows onto them",
        )
    elif kept:
        lines = field("plausible", f"all {len(kept)} rules that the training rows keep are kept")
    if len(kept) < len(found):
        lines += field("", f"{len(found) - len(kept)} rules that training rows break count not")
    return lines
