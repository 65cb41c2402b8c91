"""The tables of the claims and their parts."""

from __future__ import annotations

from collections.abc import Sequence

from aegan.report.kit.numbers import DASH, Results
from aegan.report.kit.tables import Table
from aegan.report.study.words import (
    said,
)

BADGES = {"holds": "holds", "does not hold": "fails", "undecided": "open"}


def claims_table(claims: Sequence[Results]) -> Table:
    """Every claim in a line."""
    caption = (
        "The paper's claims beside what this study finds. A claim counts for what the paper says, "
        "not for a merit of a model. Its parts, each with its figure, stand below."
    )
    lines = []
    for claim in claims:
        words = [part["verdict"] for part in claim["parts"] if part["deciding"]]
        parts = " / ".join(str(words.count(word)) for word in BADGES)
        lines.append(
            (f"{claim['number']}. {claim['where']}", claim["verdict"], claim["claim"], parts)
        )
    header = ("Claim", "Verdict", "What the paper says", "Parts: hold / not / open")
    return Table(caption, header, tuple(lines), words=(1, 2), badges=tuple(BADGES))


def parts_table(claim: Results) -> Table:
    """What a claim's verdict comes from."""
    beside = any(not part["deciding"] for part in claim["parts"])
    caption = f"{claim['claim']} How this study differs: {claim['differs']}"
    if beside:
        caption += " Parts in brackets stand beside the claim and do not count."
    lines = []
    for part in claim["parts"]:
        words = (
            part["what"][:1].upper() + part["what"][1:],
            _with_unit(part),
            part["condition"],
            part["verdict"],
        )
        lines.append(words if part["deciding"] else (f"({words[0]})", *words[1:]))
    header = ("Part", "Figure", "Holds if", "Verdict")
    return Table(caption, header, tuple(lines), words=(2, 3), badges=tuple(BADGES))


def _with_unit(part: Results) -> str:
    unit = part["unit"]
    if not part.get("measured", True):
        return "not measured"
    text = said(part["value"], unit)
    mean, bracket, interval = text.partition(" [")
    if unit not in ("%", "points") or text == DASH:
        return text
    return f"{mean} {unit}{bracket}{interval}"
