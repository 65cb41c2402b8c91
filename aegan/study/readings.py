"""Readings of what the paper leaves open: the study with other values, and its claims beside.

A reading is a text of changes to the config, "source.statistics=speaker m3.train.updates=2400".
Each is a study of its own in ``readings/`` of the study's folder.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aegan.errors import InputError
from aegan.report.kit.documents import Section
from aegan.report.kit.numbers import Results
from aegan.report.kit.tables import Table
from aegan.run.schema import plain
from aegan.study import words as W
from aegan.study.rule import FAILS, HOLDS, SHORT

AS_CONFIGURED = "as configured"


def changed(values: Mapping[str, Any], reading: str) -> dict[str, Any]:
    """A study's config under a reading, which has none of its own.

    ``InputError``: no such field, or a change that is not "field=value".
    """
    found = plain(values) | {"readings": []}
    for change in reading.split():
        path, is_set, text = change.partition("=")
        *sections, field = path.split(".")
        place: Any = found
        for section in sections:
            place = place.get(section) if isinstance(place, dict) else None
        if not is_set or not isinstance(place, dict) or field not in place:
            mend = "changes are like source.statistics=speaker, with spaces between"
            raise InputError(f"config.readings: {change!r} is no field and value; {mend}")
        try:
            place[field] = plain(ast.literal_eval(text))
        except (SyntaxError, ValueError):
            place[field] = text
    return found


def folder(root: Path, reading: str) -> Path:
    """Where the study of a reading lies: "readings/source.statistics-speaker"."""
    return root / "readings" / re.sub(r"[^\w.]+", "-", reading)


def verdicts(found: Mapping[str, Results]) -> list[dict[str, Any]]:
    """For results.json: per reading its claims with their verdicts, and how many parts hold."""
    kept = ("number", "where", "short", "verdict")
    told = []
    for reading, results in found.items():
        claims = [
            {name: claim[name] for name in kept}
            | {"holding": [p["verdict"] == HOLDS for p in claim["parts"] if p["deciding"]]}
            for claim in results["claims"]
        ]
        told.append({"reading": reading, "claims": claims})
    return told


def blocks(results: Results) -> tuple[str, Table] | tuple[()]:
    """What a reader may take from the readings, and the matrix of claims by readings."""
    found = results.get("readings")
    if not found:
        return ()
    rows: dict[str, dict[Any, Any]] = {}
    for place, one in enumerate(found):
        for claim in one["claims"]:
            title = f"{claim['number']}. {claim['where']}: {claim['short']}"
            parts = f"{sum(claim['holding'])} of {len(claim['holding'])}"
            rows.setdefault(title, {})[place] = f"{SHORT[claim['verdict']]} ({parts})"
        held = [holds for claim in one["claims"] for holds in claim["holding"]]
        rows.setdefault("Parts that hold", {})[place] = f"{sum(held)} of {len(held)}"
    rows["Parts that hold"] = rows.pop("Parts that hold")  # last
    # With spaces, between which a narrow column can break.
    titles = [one["reading"].replace("=", " = ") for one in found]
    columns = {title: (place, "") for place, title in enumerate(titles)}
    table = W.grid(W.told("", "readings"), "Claim", rows, columns, ("Parts that hold",))
    return sentence(found), table


def sentence(found: list[Results]) -> str:
    """Which reading the paper's claims come out under, and what no reading mends."""
    counts = {
        one["reading"]: sum(sum(claim["holding"]) for claim in one["claims"]) for one in found
    }
    best = max(counts, key=counts.get)
    by_claim: dict[int, set[str]] = {}
    for one in found:
        for claim in one["claims"]:
            by_claim.setdefault(claim["number"], set()).add(claim["verdict"])
    alike = {
        verdict: [number for number, words in by_claim.items() if words == {verdict}]
        for verdict in (HOLDS, FAILS)
    }
    never = [n for n, words in by_claim.items() if HOLDS not in words and n not in alike[FAILS]]
    return W.told(
        "",
        "reading_of_the_paper",
        best=best,
        count=counts[best],
        first=counts[found[0]["reading"]],
        total=sum(len(claim["holding"]) for claim in found[0]["claims"]),
        holds=alike[HOLDS],
        fails=alike[FAILS],
        never=never,
        depends=[n for n, words in by_claim.items() if len(words) > 1 and HOLDS in words],
    )


def section_of(results: Results) -> Section:
    """Readings side by side."""
    return W.measured(results, "both", "Readings side by side", *blocks(results))
