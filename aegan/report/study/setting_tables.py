"""The tables of what a study is of: definitions, corpora, machine, config."""

from __future__ import annotations

from aegan.report.kit.numbers import DASH, Results, number, plain
from aegan.report.kit.tables import Table
from aegan.report.study.words import (
    parts,
)
from aegan.report.tables import settings_table


def definitions_table(found: Results) -> Table | None:
    """What the measures of an experiment are."""
    words = found.get("definitions") or {}
    lines = tuple((name.replace("_", " "), str(text)) for name, text in words.items())
    caption = "What is measured."
    return Table(caption, ("Measure", "Definition"), lines, words=(1,)) if lines else None


def corpora_table(results: Results) -> Table:
    """The corpora: counts, licence, hashes."""

    def text(corpus: Results, key: str) -> str:
        value = corpus.get(key)
        if key == "classes":
            return ", ".join(f"{name} {count}" for name, count in value.items())
        if key == "simulated":
            return "simulated, not speech" if value else "real speech features"
        return DASH if value in (None, "") else str(value)

    names = {
        "name": "Name",
        "simulated": "Kind",
        "rows": "Rows",
        "features": "Features",
        "classes": "Rows of each class",
        "speakers": "Speakers",
        "sessions": "Sessions",
        "licence": "Licence",
        "feature_set": "Feature set",
        "feature_hash": "Hash of the features' names",
        "hash": "Hash of the content",
    }
    corpora = parts(results)
    lines = tuple(
        (title, *(text(corpus, key) for corpus in corpora.values())) for key, title in names.items()
    )
    caption = "The corpora. The paper's are IEMOCAP (source) and MSP-IMPROV (target)."
    if "target" not in corpora:
        caption = "The corpus, without a target. The paper's source is IEMOCAP."
    header = ("", *(part.capitalize() for part in corpora))
    return Table(caption, header, lines, words=tuple(range(1, len(header))))


def machine_table(results: Results) -> Table:
    """What the study ran on and how long it took."""
    timing = results.get("timing") or {}
    values = {
        "config hash": results.get("config_hash"),
        "device": results.get("device") or {},
        "versions": results.get("versions") or {},
        "time": {
            name: plain(timing[key])
            for key, name in (
                ("wall_s", "of the last sitting (s)"),
                ("task_seconds", "of all tasks together (s)"),
            )
            if number(timing.get(key)) is not None
        }
        | {key: timing[key] for key in ("tasks", "processes") if timing.get(key) is not None},
    }
    kept = {key: value for key, value in values.items() if value}
    return settings_table("Machine, versions and time of this study.", kept)


def config_table(results: Results) -> Table:
    return settings_table("The whole config.", results.get("config") or {})
