"""A study's report: from its results to ``report.html``, ``report.md`` and ``figures/``."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from aegan.errors import InputError
from aegan.report.kit.documents import Document, Fold, Section, section, write
from aegan.report.kit.numbers import DASH, Results, number, plain, said
from aegan.report.kit.tables import Table, tabulate
from aegan.report.tables import leak_banner, quick_banner, settings_table
from aegan.study import words as W
from aegan.study.experiment import Experiment
from aegan.study.readings import section_of
from aegan.study.registry import EXPERIMENTS, PAPERS
from aegan.study.rule import MODELS, VERDICTS
from aegan.system.files import read_json, whole
from aegan.system.screen import WIDTH


def write_study_report(folder: Path) -> Path:
    """Writes the report of the study in ``folder`` and returns the path of ``report.html``.

    Reads ``results.json``, the points under ``tasks/`` and the losses of the runs that it names,
    nothing else; the same files give the same bytes. Of experiments that were not run nothing is
    shown. Beside each figure's PNG files lies one CSV with the numbers shown.

    Raises:
        InputError: a file that the results speak of is missing or cannot be read.
    """
    folder = Path(folder)
    if not (folder / "results.json").is_file():
        raise InputError(f"{folder / 'results.json'}: no such file; run the study first")
    results = read_json(folder / "results.json")
    with whole(folder / "results.json"):
        page = document(results, folder)
    return write(page, folder)


def document(results: Results, folder: Path | None = None) -> Document:
    """The report of ``results.json``; with the figures where the folder of the study is given."""
    sections = [_claims(results), section_of(results)]
    for experiment in _shown(results):
        sections.extend(experiment.sections(results, folder))
    reading = W.texts("", "reading", drawn_over=W.drawn_over(results))
    sections += [section("How to read this", *reading), _repeat(results)]
    return Document(
        title=_title(results),
        subtitle=W.told("", "subtitle", variant=results["variant"], parts=_named(results)),
        headline=headline(results),
        short=in_short(results),
        sections=[part for part in sections if part.blocks],
        banners=banners(results),
    )


def text_summary(results: Results) -> str:
    """The study in a terminal: the claims in a line each, then the main figures; UAR in %."""
    lines = [_title(results)[:WIDTH], W.corpora(results)[:WIDTH], ""]
    lines += textwrap.wrap(f"{headline(results)}.", WIDTH)
    for claim in results.get("claims") or ():
        line = (
            f"{claim['number']:>2}  {claim['where']:<11}  {claim['verdict']:<13}  {claim['short']}"
        )
        lines.append(line[:WIDTH])
    for experiment in _shown(results):
        if block := experiment.summary(results):
            lines += ["", *block]
    for banner in banners(results):
        lines += ["", *textwrap.wrap(banner, WIDTH)]
    return "\n".join(line.rstrip() for line in lines)


def _shown(results: Results) -> Iterator[Experiment]:
    return (e for name, e in EXPERIMENTS.items() if W.of_experiment(results, name))


def _title(results: Results) -> str:
    return results.get("title") or "The paper's study"


def _named(results: Results) -> dict[str, Results]:
    return {p: corpus | {"name": W.corpus_name(corpus)} for p, corpus in W.parts(results).items()}


def banners(results: Results) -> list[str]:
    """What a reader has to know before any figure."""
    made_up = W.simulated(results)
    found = quick_banner(results)
    found += [W.told("", "simulated", which=made_up)] if made_up else []
    described = [results["source"], results.get("target") or {}]
    leaks = [leak["words"] for corpus in described for leak in corpus.get("leaks") or ()]
    return found + leak_banner(leaks)


def headline(results: Results) -> str:
    """What was run, where that is a part of the study, and how many claims hold."""
    words = [claim["verdict"] for claim in results.get("claims") or ()]
    counts = {verdict: words.count(verdict) for verdict in VERDICTS}
    said = W.told("", "headline", counts=counts)
    return " ".join(filter(None, [*quick_banner(results), extent(results), said]))


def extent(results: Results) -> str:
    """What was run of the paper's study and beyond it; empty of the whole of it."""
    ran = [experiment.name for experiment in _shown(results)]
    papers, models = [name for name in PAPERS if name in ran], W.models(results)
    if len(papers) == len(PAPERS) and set(MODELS) <= set(models):
        return ""
    beyond = [name for name in ran if name not in PAPERS]
    seeds, timing = (results.get("config") or {}).get("seeds"), results.get("timing") or {}
    known = {"papers": papers, "all": len(PAPERS), "beyond": beyond, "models": models.values()}
    tasks = timing.get("tasks"), timing.get("tasks_of_paper")
    return W.told("", "extent", seeds=seeds or (), tasks=tasks, **known)


def in_short(results: Results) -> list[str]:
    """Headline sentences, each from the figures of an experiment; lanes in trouble come last."""
    claims: dict[str, list[str]] = {verdict: [] for verdict in VERDICTS}
    for claim in results.get("claims") or ():
        claims[claim["verdict"]].append(f"{claim['number']} ({claim['where']})")
    lines = [W.told("", "verdicts", claims={k: names for k, names in claims.items() if names})]
    for experiment in _shown(results):
        lines += experiment.in_short(results)
    return sorted(filter(None, lines), key=lambda line: line.startswith("Note:"))


def _claims(results: Results) -> Section:
    claims = results.get("claims") or []
    title = "The paper's claims"
    if not claims:
        return section(title)
    alone = "target" not in W.parts(results)
    where = W.told("", "where", corpora=W.corpora(results), alone=alone, classes=W.classes(results))
    folds = (
        Fold(
            f"Claim {claim['number']} ({claim['where']}): {claim['short']}",
            (parts_table(claim),),
            badge=claim["verdict"],
        )
        for claim in claims
    )
    rule = f"The rule. {results['rule']}" if results.get("rule") else None
    return W.measured(results, "both", title, where, claims_table(claims), rule, *folds)


def claims_table(claims: list[Results]) -> Table:
    """Every claim in a line."""

    def counts(claim: Results) -> str:
        words = [part["verdict"] for part in claim["parts"] if part["deciding"]]
        return " / ".join(str(words.count(verdict)) for verdict in VERDICTS)

    columns = {
        "Claim": lambda claim: f"{claim['number']}. {claim['where']}",
        "Verdict": lambda claim: claim["verdict"],
        "What the paper says": lambda claim: claim["claim"],
        "Parts: hold / not / open": counts,
    }
    words = ("Verdict", "What the paper says")
    return tabulate(W.told("", "claims"), claims, columns, words=words, badges=VERDICTS)


def parts_table(claim: Results) -> Table:
    """What a claim's verdict comes from."""

    def what(part: Results) -> str:
        text = part["what"][:1].upper() + part["what"][1:]
        return text if part["deciding"] else f"({text})"

    columns = {
        "Part": what,
        "Figure": _with_unit,
        "Holds if": lambda part: part["condition"],
        "Verdict": lambda part: part["verdict"],
    }
    beside = any(not part["deciding"] for part in claim["parts"])
    caption = W.told("", "parts", claim=claim, beside=beside)
    words = ("Holds if", "Verdict")
    return tabulate(caption, claim["parts"], columns, words=words, badges=VERDICTS)


def _with_unit(part: Results) -> str:
    if not part.get("measured", True):
        return "not measured"
    unit, text = part["unit"], said(part["value"], part["unit"])
    if unit not in ("%", "points") or text == DASH:
        return text
    mean, bracket, interval = text.partition(" [")
    return f"{mean} {unit}{bracket}{interval}"


def _repeat(results: Results) -> Section:
    command = results.get("command")
    config = settings_table("The whole config.", results.get("config") or {})
    return section(
        "How to repeat this",
        W.told("", "last_command") if command else None,
        corpora_table(results),
        machine_table(results),
        *time_tables(results),
        Fold("The whole config", (config,)),
        command=command or "",
    )


def corpora_table(results: Results) -> Table:
    """The corpora: counts, licence, hashes."""

    def text(corpus: Results, key: str) -> str:
        value = corpus.get(key)
        if key == "classes":
            return ", ".join(f"{name} {count}" for name, count in value.items())
        if key == "simulated":
            return "simulated, not speech" if value else "real speech features"
        return value

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
    columns: dict[str, Callable[[str], Any]] = {"": names.get}
    for part, corpus in W.parts(results).items():
        columns[part.capitalize()] = lambda key, corpus=corpus: text(corpus, key)
    caption = W.told("", "corpora", target="target" in W.parts(results))
    return tabulate(caption, names, columns, words=("Source", "Target"))


def machine_table(results: Results) -> Table:
    """What the study ran on and how long it took."""
    timing = results.get("timing") or {}
    seconds = {"wall_s": "of the last sitting (s)", "task_seconds": "of all tasks together (s)"}
    time = {
        name: plain(timing[key])
        for key, name in seconds.items()
        if number(timing.get(key)) is not None
    }
    time |= {key: timing[key] for key in ("tasks", "processes") if timing.get(key) is not None}
    values = {
        "config hash": results.get("config_hash"),
        "device": results.get("device"),
        "versions": results.get("versions"),
        "time": time,
    }
    kept = {key: value for key, value in values.items() if value}
    return settings_table("Machine, versions and time of this study.", kept)


def time_tables(results: Results) -> list[Table]:
    """Where the time went, by kind of task; none for a study of an older version."""
    kinds = (results.get("timing") or {}).get("kinds") or {}
    total = sum(of["seconds"] for of in kinds.values())
    if not total:
        return []
    columns: dict[str, Callable[[str], Any]] = {
        "Kind of task": str,
        "Tasks": lambda kind: kinds[kind]["tasks"],
        "Minutes": lambda kind: f"{kinds[kind]['seconds'] / 60:.1f}",
        "Share (%)": lambda kind: f"{100 * kinds[kind]['seconds'] / total:.0f}",
    }
    return [tabulate(W.told("", "time"), kinds, columns)]
