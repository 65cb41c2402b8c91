"""The corpora that ``--corpus`` takes, and what the screen says of them."""

from __future__ import annotations

import difflib
import textwrap
from collections import Counter
from collections.abc import Sequence

from aegan.corpora.interface import CorpusReader, Listing, Utterance, count_differences
from aegan.corpora.listing import quoted
from aegan.corpora.published import CREMA_D, EMODB, IEMOCAP, MSP_IMPROV, NEMO, RAVDESS, SAVEE
from aegan.corpora.table import TableCorpus
from aegan.errors import InputError
from aegan.system.screen import WIDTH, counts, field, together

CORPORA = {
    reader.name: reader
    for reader in (IEMOCAP, MSP_IMPROV, CREMA_D, RAVDESS, EMODB, NEMO, SAVEE, TableCorpus())
}

_FEW = 3  # reasons to pass recordings over, and recordings of each, that are named


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
        width=WIDTH,
    )
    return "\n\n".join([head, *map(_describe, CORPORA.values())])


def _describe(reader: CorpusReader) -> str:
    """Name and title, then one paragraph per property."""
    classes = {name: f"{name} {count}" for name, count in reader.published.items()}
    classes |= {own: f"{classes[own]} -> {one}" for own, one in reader.classes.items()}
    told = together((classes[own] for own in sorted(classes)), "; ")
    lines = [f"{reader.name}: {reader.title}"]
    for name in ("language", "classes", "layout", "licence", "note"):
        text = getattr(reader, name)
        if name == "classes":
            text = told or "those of the table of labels"
        lines += textwrap.wrap(
            text,
            width=WIDTH,
            initial_indent=f"  {name:<9}",
            subsequent_indent=" " * 11,
            break_on_hyphens=False,
        )
    return "\n".join(lines).replace("\xa0", " ")


def describe_listing(
    reader: CorpusReader, listing: Listing, chosen: Sequence[Utterance]
) -> list[str]:
    """Lines of at most 80 columns: what a folder holds, and the utterances ``chosen`` of it."""
    found = listing.utterances
    speakers = len({utterance.speaker for utterance in found})
    sessions = len({utterance.session for utterance in found} - {None})
    parts = [
        (
            "found",
            f"{len(found)} recordings, {speakers} speaker{'s' * (speakers != 1)}, "
            f"{sessions or 'no'} session{'s' * (sessions != 1)}",
        ),
        ("classes", together(counts(utterance.emotion for utterance in found))),
    ]
    if chosen is not found:
        own = sorted({utterance.emotion for utterance in found})
        taken = Counter(utterance.emotion for utterance in chosen)
        of = {one: [name for name in own if reader.classes.get(name) == one] for one in taken}
        classes = (f"{one} {taken[one]} ({' + '.join(of[one])})" for one in sorted(taken))
        parts.append(("taken", together(classes)))
        left = [utterance.emotion for utterance in found if utterance.emotion not in reader.classes]
        if left:
            others = together(counts(left))
            parts.append(("left out", f"{len(left)} of other classes: {others}"))
    parts += [
        ("note", reader.note),
        ("labels", listing.matched),
        ("WARNING", listing.warning),
    ]
    differences = count_differences(listing, reader.published)
    if differences:
        parts.append(("WARNING", f"not the published counts: {together(differences, '; ')}"))
    reasons = Counter(over.why for over in listing.passed_over).most_common()
    for reason, count in reasons[:_FEW]:
        names = [over.what for over in listing.passed_over if over.why == reason][:_FEW]
        more = ", ..." * (count > _FEW)
        parts.append(("passed over", f"{count} ({reason}): {', '.join(names)}{more}"))
    rest = sum(count for _, count in reasons[_FEW:])
    if rest:
        parts.append(("passed over", f"{rest} for other reasons"))
    return [reader.title, *(line for name, text in parts if text for line in field(name, text))]
