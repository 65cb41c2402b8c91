"""Miniature corpora with the real naming and label syntax, and looks at what is read of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from aegan.corpora.interface import Listing
from aegan.corpora.registry import get_corpus
from aegan.errors import InputError

# Header, blank lines and single evaluators' lines are those of the real files.
IEMOCAP_HEADER = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
IEMOCAP_EVALUATORS = (
    "C-E2:\tNeutral;\t()\nC-E3:\tNeutral; Other;\t(curious)\nC-F1:\tNeutral;\t(curious)\n"
    "A-E3:\tval 3; act 2; dom  2;\t()\n"
    "A-E4:\tval 2; act 3; dom  3;\t(mildly aggravated but staying polite, attitude)\n\n"
)
MSP_EVALUATORS = (
    "WORKER00000003; Neutral; Neutral,Concerned; A:4.000000; V:3.000000; D:3.000000; N:4.000000;\n"
    "WORKER00000217; Happy; Happy,Other (amused); A:2.000000; V:4.000000; D:NaN; N:5.000000;\n"
)


def touch(root: Path, *names: str) -> Path:
    """Empty files below a folder, which it returns."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def iemocap_labels(labels: Iterable[tuple[str, str]]) -> str:
    """A file of EmoEvaluation with these names and codes."""
    lines = (
        f"[{6.2901 + i:.4f} - {8.2357 + i:.4f}]\t{name}\t{code}\t[2.5000, 2.5000, 2.5000]\n"
        for i, (name, code) in enumerate(labels)
    )
    return IEMOCAP_HEADER + "".join(line + IEMOCAP_EVALUATORS for line in lines)


def iemocap(root: Path, labels: Iterable[tuple[str, str]]) -> Path:
    """IEMOCAP with these names and codes; the dialog is the name without its last token."""
    dialogs: dict[str, list[tuple[str, str]]] = {}
    for name, code in labels:
        dialogs.setdefault(name.rsplit("_", 1)[0], []).append((name, code))
    for dialog, own in dialogs.items():
        session = root / f"Session{int(dialog[3:5])}"
        evaluation = session / "dialog" / "EmoEvaluation"
        evaluation.mkdir(parents=True, exist_ok=True)
        (evaluation / f"{dialog}.txt").write_text(iemocap_labels(own))
        touch(session / "sentences" / "wav" / dialog, *(f"{name}.wav" for name, _ in own))
    return root


def msp_labels(labels: Iterable[tuple[str, str]]) -> str:
    """A label file of MSP-IMPROV; names begin with MSP as those of recordings do."""
    lines = (
        f"{name.replace('MSP', 'UTD')}.avi; {code}; A:2.857143; V:3.000000; D:NaN ; N:3.571429;\n"
        for name, code in labels
    )
    return "\n".join(line + MSP_EVALUATORS for line in lines)


def msp_improv(
    root: Path, labels: Iterable[tuple[str, str]], spelling: str = "Evaluation.txt"
) -> Path:
    """MSP-IMPROV with these names and codes."""
    labels = list(labels)
    root.mkdir(parents=True, exist_ok=True)
    (root / spelling).write_text(msp_labels(labels))
    for name, _ in labels:
        _, _, sentence, speaker, kind, _ = name.split("-")
        touch(root, f"session{int(speaker[1:])}/{sentence}/{kind}/{name}.wav")
    return root


def read(name: str, root: Path) -> Listing:
    return get_corpus(name).read(root)


def found(listing: Listing) -> dict[str, tuple[str, str | None, str]]:
    """Speaker, session and emotion by file."""
    return {utterance.file: utterance[1:4] for utterance in listing.utterances}


def reasons(listing: Listing) -> dict[str, str]:
    return dict(listing.passed_over)


def error_of(call, *arguments) -> str:
    with pytest.raises(InputError) as caught:
        call(*arguments)
    message = str(caught.value)
    assert "\n" not in message and "; " in message
    return message
