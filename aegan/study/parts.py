"""Parts of the source corpus that generators and classifiers are trained on (section 5.2.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from aegan.data.corpus import Corpus
from aegan.data.folds import Fold
from aegan.errors import InputError
from aegan.metrics.fidelity import halves

LEAST_OF_A_CLASS = 2  # rows; with fewer a class has neither a deviation nor a neighbour

# Where the classifier of the low-resource study is tested.
TARGET = "target"  # on the target corpus: Fig. 6
SOURCE = "source"  # on held-out speakers of the source
SCOPES = (TARGET, SOURCE)
HALF = "half"  # of the fidelity experiment: half of every speaker x class cell of the source
FIRST_HALF = 1_000_000  # numbers from here on are those of halves; no other part gets there


@dataclass(frozen=True, eq=False)
class Part:
    """P per cent of the rows that a classifier may learn from."""

    # TARGET: drawn from the whole source; SOURCE: from the training part of a fold; HALF.
    scope: str
    percent: float
    replicate: int  # number of the draw; 0 where percent is 100 and the scope TARGET
    fold: int | None  # number of the fold that is held out, of the scope SOURCE
    rows: np.ndarray  # (n,) int32, sorted row numbers of the source

    @property
    def key(self) -> str:
        """For names of files: "target-p10-r3"."""
        return f"{self.scope}-p{self.percent:g}-r{self.replicate}"

    @property
    def of_a_run(self) -> bool:
        """Whether it is all that a cross-validation lane trained on."""
        return self.scope == SOURCE and self.percent == 100

    @property
    def words(self) -> str:
        """For the screen and the passport: "10 % of the source, draw 3"."""
        if self.scope == HALF:
            return f"half of the rows of every speaker and class, draw {self.replicate}"
        if self.percent == 100 and self.fold is None:
            return "the whole source"
        where = "the source" if self.fold is None else f"the training part of fold {self.fold}"
        return f"{self.percent:g} % of {where}, draw {self.replicate}"


def make_parts(
    corpus: Corpus,
    folds: Sequence[Fold],
    percents: Sequence[float],
    replicates: int,
    scopes: Sequence[str] = SCOPES,
) -> tuple[Part, ...]:
    """The whole source first, then every scope, per cent and draw.

    A draw is stratified by class, and those of one replicate are nested: its 10 % are among its
    25 %. In the scope SOURCE draw r is from the training part of fold r modulo the folds. Parts of
    100 % of the whole source are all the first part; 100 % of a fold are one part per fold.

    Raises:
        InputError: so few per cent that a class keeps fewer than LEAST_OF_A_CLASS rows.
    """
    everything = np.arange(len(corpus.labels), dtype=np.int32)
    parts = [Part(TARGET, 100, 0, None, everything)]
    for scope, replicate, percent in product(scopes, range(replicates), percents):
        fold = folds[replicate % len(folds)] if scope == SOURCE else None
        number, pool = (fold.index, fold.train) if fold else (None, everything)
        if percent < 100 or fold:
            rows = _draw(corpus, pool, percent, replicate)
            parts.append(Part(scope, percent, replicate, number, rows))
    return tuple(parts)


def make_halves(corpus: Corpus, draws: int) -> tuple[Part, ...]:
    """What generators see in the fidelity experiment; the other rows are kept back."""
    return tuple(
        Part(HALF, 50, draw, None, halves(corpus.labels, corpus.speakers, draw)[0].astype(np.int32))
        for draw in range(draws)
    )


def find_part(parts: Sequence[Part], scope: str, percent: float, replicate: int) -> Part:
    """The part of a scope, per cent and draw; for 100 % of the scope TARGET the whole source."""
    if scope == TARGET and percent == 100:
        return parts[0]
    wanted = (scope, percent, replicate)
    for part in parts:
        if (part.scope, part.percent, part.replicate) == wanted:
            return part
    raise LookupError(f"no part {wanted}")


def _draw(corpus: Corpus, pool: np.ndarray, percent: float, replicate: int) -> np.ndarray:
    """``percent`` of each class of the pool: the first of a shuffle that ``replicate`` decides."""
    rng = np.random.default_rng([replicate, len(pool)])
    chosen = []
    for label, name in enumerate(corpus.classes):
        rows = rng.permutation(pool[corpus.labels[pool] == label])
        count = round(percent / 100 * len(rows))
        if count < LEAST_OF_A_CLASS:
            least = 100 * LEAST_OF_A_CLASS / max(len(rows), 1)
            mend = f"take {least:.3g} % or more" if least <= 100 else "the class needs more rows"
            raise InputError(
                f"config.low_resource.percents: {percent:g} % of corpus '{corpus.name}' leaves "
                f"{count} of {len(rows)} rows of class '{name}'; {mend}"
            )
        chosen.append(rows[:count])
    return np.sort(np.concatenate(chosen)).astype(np.int32)
