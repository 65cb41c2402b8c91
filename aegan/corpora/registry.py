"""The corpora that ``--corpus`` takes."""

from __future__ import annotations

import difflib
import textwrap

from aegan.corpora.interface import CorpusReader
from aegan.corpora.listing import quoted
from aegan.corpora.published import CREMA_D, EMODB, IEMOCAP, MSP_IMPROV, NEMO, RAVDESS, SAVEE
from aegan.corpora.table import TableCorpus
from aegan.errors import InputError

CORPORA = {
    reader.name: reader
    for reader in (IEMOCAP, MSP_IMPROV, CREMA_D, RAVDESS, EMODB, NEMO, SAVEE, TableCorpus())
}

_WIDTH = 80
_NO_BREAK = "\xa0"


def get_corpus(name: str) -> CorpusReader:
    """The reader of a corpus; capitals and hyphens do not matter ("CREMA-D").

    Raises:
        InputError: there is no such corpus; names all of them and the nearest one.
    """
    known = name.strip().lower().replace("-", "_")
    if known in CORPORA:
        return CORPORA[known]
    near = [corpus for corpus in CORPORA if known and corpus.startswith(known)]
    near = near or difflib.get_close_matches(known[:40], CORPORA, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}? " if near else ""
    raise InputError(
        f"--corpus={quoted(name)}: no such corpus; {hint}there are {', '.join(sorted(CORPORA))}"
    )


def describe_corpora() -> str:
    """What ``--corpus=list`` prints, in 80 columns."""
    head = textwrap.fill(
        "A corpus' own classes have the published number of utterances behind them, then the one "
        "of the four classes that they count as; without an arrow they are left out.",
        width=_WIDTH,
    )
    return "\n\n".join([head, *map(_describe, CORPORA.values())])


def _describe(reader: CorpusReader) -> str:
    """Name and title, then one paragraph per property."""
    names = sorted({*reader.published, *reader.classes})
    classes = "; ".join(_class(reader, name) for name in names) or "those of the table of labels"
    parts = {
        "language": reader.language,
        "classes": classes,
        "layout": reader.layout,
        "licence": reader.licence,
        "note": reader.note,
    }
    lines = [f"{reader.name}: {reader.title}"]
    for name, text in parts.items():
        lines += textwrap.wrap(
            text,
            width=_WIDTH,
            initial_indent=f"  {name:<9}",
            subsequent_indent=" " * 11,
            break_on_hyphens=False,
        )
    return "\n".join(lines).replace(_NO_BREAK, " ")


def _class(reader: CorpusReader, name: str) -> str:
    """ "anger 1103 -> angry": the published count, and the class of the four, if any."""
    count = f" {reader.published[name]}" if name in reader.published else ""
    mapped = f" -> {reader.classes[name]}" if name in reader.classes else ""
    return f"{name}{count}{mapped}".replace(" ", _NO_BREAK)
