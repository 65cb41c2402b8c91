"""The report as one Markdown page and one self-contained HTML page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aegan.report.detail_tables import (
    class_table,
    fold_table,
    lane_table,
    plausibility_table,
    settings_table,
    svm_table,
)
from aegan.report.document import environment, figure_markdown
from aegan.report.panels import Figure
from aegan.report.paper import IN_WORDS
from aegan.report.tables import (
    Results,
    Table,
    banners,
    chance,
    main_table,
    model_name,
    number,
    percent,
    plain,
    to_markdown,
)
from aegan.report.template import HTML


@dataclass(frozen=True)
class Section:
    """A heading with its text, tables and figures; ``folded`` ones open on a click in HTML."""

    title: str
    text: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()
    folded: bool = False


MEANING = {
    "faithful": "by every measure of the rule near what real rows score",
    "prototype-like": "clean, narrow classes instead of the variety of real ones",
    "off the data": "rows lie where real rows do not, or teach less than real rows do",
    "copying": "rows repeat training rows",
    "collapsed": "a class is missing or has shrunk to a point",
    "diverged": "training failed in every lane",
}


NO_RULES = "No rule can be told from the names of these features: they are not openSMILE's."


def _mean(results: Results, metric: str) -> float | None:
    return number((results["metrics"].get(metric) or {}).get("mean"))


def subtitle(results: Results) -> str:
    corpus = results["corpus"]
    folds, seeds = len(results["folds"]), len({lane["seed"] for lane in results["lanes"]})
    return (
        f"variant {results['variant']}, corpus {corpus['name']} ({corpus['rows']} rows, "
        f"{len(corpus['classes'])} classes, {corpus['speakers']} speakers), "
        f"{folds} fold{'s' * (folds != 1)}, {seeds} seed{'s' * (seeds != 1)}"
    )


def in_short(results: Results) -> list[str]:
    """The headline: the verdict's reasons, what the figures amount to, the lanes in trouble."""
    verdict = results.get("verdict") or {}
    lines = []
    reasons = [str(reason).rstrip(".") for reason in verdict.get("reasons") or ()]
    if reasons:
        lines.append("; ".join(reasons) + ".")
    tstr, ceiling = _mean(results, "tstr_set2"), _mean(results, "real_to_real")
    if tstr is not None and ceiling is not None:
        text = (
            f"An SVM trained on the synthetic rows alone recognises {percent(tstr)} % of the "
            f"emotions of unseen speakers (UAR); trained on real rows it reaches "
            f"{percent(ceiling)} %, and chance is {percent(chance(results))} %."
        )
        printed = number((results.get("paper") or {}).get("tstr_set2"))
        if printed is not None:
            text += f" The paper prints {percent(printed, 2)} % on IEMOCAP, another corpus."
        lines.append(text)
    variance, fid = _mean(results, "variance_ratio"), _mean(results, "fid_over_floor")
    parts = []
    if variance is not None:
        times = plain(variance).replace("<", "less than ")
        parts.append(f"within a class they vary {times} times as much as real rows")
    if fid is not None:
        far = number(
            ((results.get("references") or {}).get("class_mean") or {})
            .get("fid_over_floor", {})
            .get("mean")
        )
        beside = "" if far is None else f" (that of class means: {plain(far)})"
        parts.append(f"their FID is {plain(fid)} above the floor of real against real rows{beside}")
    if parts:
        lines.append(f"Of the synthetic rows: {'; '.join(parts)}.")
    for status, what in (
        ("diverged", "diverged, kept the last good state and enter no mean"),
        ("collapsed", "collapsed"),
    ):
        lanes = [lane for lane in results["lanes"] if lane["status"] == status]
        if lanes:
            names = "; ".join(f"seed {lane['seed']}, fold {lane['fold']}" for lane in lanes)
            count = f"{len(lanes)} of {len(results['lanes'])} lanes"
            lines.append(f"Note: {count} {what}: {names}.")
    return lines


def how_to_read(results: Results) -> tuple[str, ...]:
    return (
        "Set-1 is the training part of a fold, which the model has seen; set-2 is the held-out "
        "part, whose speakers the model has not seen. TRTS (metric 1): an SVM trained on the real "
        "rows of that set classifies synthetic ones. TSTR (metric 2): an SVM trained on synthetic "
        "rows classifies the real ones of that set. Both are unweighted average recalls (UAR; the "
        "paper says UWA).",
        "More TRTS than real rows score is not better: rows that all resemble the mean of their "
        "class are the easiest to classify (see Class mean). TSTR is limited by Real \u2192 real. "
        "FID depends on the corpus, on the number of rows and on the network it is measured with, "
        "so only the FID above its floor (less the FID of real against real rows, at equal numbers "
        "of rows) says something across corpora, and the paper's FID cannot be compared with ours "
        "directly. A variance ratio of 1 is that of real rows.",
        "Nearest-row distance: 1 means as far from set-1 as its rows are from each other, 0 means "
        "copies, and a prototype in the middle of a class has about 0.7. Copies: the share of rows "
        "that lie much nearer to one or two training rows than to any others. SMOTE and Jitter are "
        "built from training rows and show what copying looks like.",
        "Intervals are 95 % t intervals over folds, with seeds averaged inside a fold; they may "
        "pass 100 %. Folds share training rows, so the intervals are guides, not tests; with fewer "
        "than two folds there are none. A dash means no value.",
    )


def _data_text(results: Results) -> str:
    corpus = results["corpus"]
    counts = ", ".join(f"{name} {count}" for name, count in corpus["classes"].items())
    sessions = corpus.get("sessions")
    parted = f"{sessions} sessions" if sessions else "no sessions"
    statistics = {
        "fold": "the training part of each fold",
        "speaker": (
            "each speaker's own unlabelled rows, then the training part of each fold (this needs "
            "several utterances of every test speaker and lifts all figures)"
        ),
    }.get(corpus.get("statistics"), "settings not recorded")
    licence = f" Licence: {corpus['licence']}." if corpus.get("licence") else ""
    source = "simulated, not speech" if corpus["simulated"] else "real speech features"
    return (
        f"Corpus {corpus['name']} ({source}): {corpus['rows']} rows of {corpus['features']} "
        f"features; {counts}; {corpus['speakers']} speakers, {parted}. Features are standardised "
        f"by {statistics}. Feature set {corpus.get('feature_set') or 'unknown'}, feature hash "
        f"{corpus.get('feature_hash', 'unknown')}; content hash {corpus.get('hash', 'unknown')}."
        f"{licence}"
    )


def sections(results: Results, figures: tuple[Figure, ...]) -> list[Section]:
    """The body of the report, the same for both formats."""
    by_name = {figure.name: figure for figure in figures}

    def pick(name: str) -> tuple[Figure, ...]:
        return (by_name[name],) if name in by_name else ()

    def some(table: Table | None) -> tuple[Table, ...]:
        return () if table is None else (table,)

    rule = (results.get("verdict") or {}).get("rule")
    reading = how_to_read(results)
    if rule:
        reading = (*reading, f"Rule of the verdict: {rule}")
    svm, timing = results.get("svm") or {}, results.get("timing") or {}
    machine = {
        "command": results.get("command"),
        "config hash": results.get("config_hash"),
        "device": results.get("device") or {},
        "versions": results.get("versions") or {},
        "seconds": {
            key.removesuffix("_s"): plain(value) if number(value) is not None else value
            for key, value in timing.items()
        },
        "training": results.get("training") or {},
    }
    machine = {key: value for key, value in machine.items() if value}
    found = [
        Section("Figures beside the paper and the references", (), (main_table(results),)),
        Section("How to read this", reading),
        Section("The same figures as a picture", (), (), pick("comparison")),
        Section("Classes", (), some(class_table(results)), pick("variance")),
        Section("Confusion: who is taken for whom", (), (), pick("confusion")),
        Section(
            "Plausibility of the rows",
            () if results.get("plausibility") else (NO_RULES,),
            some(plausibility_table(results)),
        ),
        Section("Folds and data", (_data_text(results),), (fold_table(results),)),
        Section("Training", (), (lane_table(results),), pick("losses")),
        Section(
            "SVM and FID protocol",
            tuple(str(note) for note in svm.get("notes") or ()),
            (
                settings_table(
                    "What is fixed about every SVM and every FID.", svm.get("protocol") or {}
                ),
                *some(svm_table(results)),
            ),
            folded=True,
        ),
        Section(
            "How to repeat this run",
            (),
            (
                settings_table("Machine, versions and time of this run.", machine),
                settings_table("The whole config.", results.get("config") or {}),
            ),
            folded=True,
        ),
    ]
    kept = []
    for section in found:
        tables = tuple(table for table in section.tables if table.rows)
        if section.text or tables or section.figures:
            kept.append(
                Section(section.title, section.text, tables, section.figures, section.folded)
            )
    return kept


def _verdict(results: Results) -> str:
    """The verdict's word with its meaning."""
    word = str((results.get("verdict") or {}).get("word") or "none")
    return f"{word} ({MEANING[word]})" if word in MEANING else word


def markdown_page(results: Results, figures: tuple[Figure, ...]) -> str:
    """``report.md``; pictures are links into ``figures/``."""
    blocks = [f"# {results['title']}", subtitle(results)]
    blocks.extend(f"> **{banner}**" for banner in banners(results))
    blocks.append(" ".join((f"**Verdict: {_verdict(results)}.**", *in_short(results))))
    words = IN_WORDS.get(str(results["model"]).lower())
    if words:
        blocks.append(words)
    for section in sections(results, figures):
        blocks.append(f"## {section.title}")
        blocks.extend(section.text)
        blocks.extend(to_markdown(table) for table in section.tables)
        for figure in section.figures:
            blocks.extend(figure_markdown(figure))
    return "\n\n".join(blocks) + "\n"


def html_page(results: Results, figures: tuple[Figure, ...]) -> str:
    """``report.html``: one file, pictures inside, nothing fetched from anywhere."""
    context: dict[str, Any] = {
        "title": results["title"],
        "model": model_name(results),
        "subtitle": subtitle(results),
        "banners": banners(results),
        "word": _verdict(results),
        "short": in_short(results),
        "words": IN_WORDS.get(str(results["model"]).lower()),
        "sections": sections(results, figures),
    }
    return environment().from_string(HTML).render(context) + "\n"
