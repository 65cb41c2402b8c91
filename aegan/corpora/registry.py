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
    head = (
        "A corpus' own classes have the published number of utterances behind them, then the one "
        "of the four classes that they count as; without an arrow they are left out."
    )
    lines = textwrap.wrap(head, WIDTH)
    for reader in CORPORA.values():
        classes = {name: f"{name} {count}" for name, count in reader.published.items()}
        classes |= {own: f"{classes[own]} -> {one}" for own, one in reader.classes.items()}
        told = together((classes[own] for own in sorted(classes)), "; ")
        lines += ["", f"{reader.name}: {reader.title}", *field("language", reader.language, 8)]
        lines += field("classes", told or "those of the table of labels", 8)
        for name in ("layout", "licence", "note"):
            lines += field(name, getattr(reader, name), 8)
    return "\n".join(lines)


def describe_listing(
    reader: CorpusReader, listing: Listing, chosen: Sequence[Utterance]
) -> list[str]:
    """Lines of at most 80 columns: what a folder holds, and the utterances ``chosen`` of it."""
    lines, found = [reader.title], listing.utterances

    def tell(name: str, text: str) -> None:
        lines.extend(field(name, text) if text else [])

    speakers = len({utterance.speaker for utterance in found})
    sessions = len({utterance.session for utterance in found} - {None})
    who = f"{speakers} speaker{'s' * (speakers != 1)}"
    when = f"{sessions or 'no'} session{'s' * (sessions != 1)}"
    tell("found", f"{len(found)} recordings, {who}, {when}")
    own = Counter(utterance.emotion for utterance in found)
    tell("classes", together(counts(own.elements())))
    if chosen is not found:
        of: dict[str, list[str]] = {}
        for name in sorted(own.keys() & reader.classes.keys()):
            of.setdefault(reader.classes[name], []).append(name)
        taken = counts(utterance.emotion for utterance in chosen)
        tell(
            "taken", together(f"{one} ({' + '.join(of[one.rpartition(' ')[0]])})" for one in taken)
        )
        left = [name for name in own.elements() if name not in reader.classes]
        tell("left out", left and f"{len(left)} of other classes: {together(counts(left))}")
    tell("note", reader.note)
    tell("labels", listing.matched)
    tell("WARNING", listing.warning)
    differences = together(count_differences(listing, reader.published), "; ")
    tell("WARNING", differences and f"not the published counts: {differences}")
    reasons = Counter(over.why for over in listing.passed_over).most_common()
    for reason, count in reasons[:_FEW]:
        names = [over.what for over in listing.passed_over if over.why == reason][:_FEW]
        more = ", ..." * (count > _FEW)
        tell("passed over", f"{count} ({reason}): {', '.join(names)}{more}")
    rest = sum(count for _, count in reasons[_FEW:])
    tell("passed over", rest and f"{rest} for other reasons")
    return lines
