"""What stands on a study's report, section by section, the same for both formats."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aegan.report.kit.figures import Figure
from aegan.report.kit.numbers import Results, number, percent, plain
from aegan.report.kit.tables import Table
from aegan.report.study import (
    claim_tables,
    cross_corpus_tables,
    generator_tables,
    low_resource_tables,
    setting_tables,
)
from aegan.report.study.words import (
    METHODS,
    MODELS,
    STATISTICS,
    chance,
    classes,
    corpora,
    corpus_name,
    counted,
    drawn_over,
    experiment,
    parts,
    said,
    simulated,
)
from aegan.report.tables import leak_banner

Block = str | Table | Figure


@dataclass(frozen=True)
class Folded:
    """Blocks under a line that opens on a click."""

    title: str
    badge: str  # a verdict, or empty
    blocks: tuple[Block, ...]
    measured: bool = True  # holds figures of the study


@dataclass(frozen=True)
class Section:
    """A heading with its blocks in order."""

    title: str
    blocks: tuple[Block | Folded, ...]
    part: str = "both"  # corpora of its figures: source, both, none; "" where nothing is measured
    command: bool = True  # ends with the command

    @property
    def figures(self) -> int:
        return sum(isinstance(block, Figure) for block in self.blocks)

    @property
    def key(self) -> str:
        """The anchor, as GitHub makes it of the title."""
        return re.sub(r"[^\w\- ]", "", self.title.lower()).replace(" ", "-")


def title(results: Results) -> str:
    return results.get("title") or "The paper's study"


def subtitle(results: Results) -> str:
    said_of = (
        f"{part} {corpus_name(corpus)} ({corpus['rows']} rows, {len(corpus['classes'])} "
        f"classes, {corpus['speakers']} speakers)"
        for part, corpus in parts(results).items()
    )
    return f"variant {results['variant']}, {', '.join(said_of)}"


def banners(results: Results) -> list[str]:
    """What a reader has to know before any figure."""
    found = []
    made_up = simulated(results)
    if made_up:
        which = " and the ".join(made_up)
        verb = "corpora are" if len(made_up) > 1 else "corpus is"
        found.append(
            f"SIMULATED: the {which} {verb} simulated. These figures say nothing about real speech."
        )
    described = [results["source"], results.get("target") or {}]
    leaks = [leak["words"] for corpus in described for leak in corpus.get("leaks") or ()]
    return found + leak_banner(leaks)


def headline(results: Results) -> str:
    """How many claims hold."""
    claims = results.get("claims") or []
    if not claims:
        return "No claim of the paper was tested"
    counts = counted(claims)
    shown = [
        f"{counts[word]} {_VERB[word] if counts[word] == 1 else _VERBS[word]}" for word in _VERBS
    ]
    return f"Of {len(claims)} claims of the paper tested, {', '.join(shown[:-1])} and {shown[-1]}"


_VERBS = {"holds": "hold", "does not hold": "do not hold", "undecided": "are undecided"}
_VERB = {"holds": "holds", "does not hold": "does not hold", "undecided": "is undecided"}


def in_short(results: Results) -> list[str]:
    """Headline sentences, each from the figures of an experiment."""
    lines = [_verdicts(results), _in_domain(results), _across(results), _few_rows(results)]
    return [line for line in lines if line] + _troubles(results)


def _verdicts(results: Results) -> str:
    claims = results.get("claims") or []
    found = []
    for word, verb in _VERBS.items():
        names = [f"{claim['number']} ({claim['where']})" for claim in claims]
        names = [n for n, claim in zip(names, claims, strict=True) if claim["verdict"] == word]
        if names:
            found.append(f"{verb}: {', '.join(names)}")
    text = "; ".join(found)
    return text[:1].upper() + text[1:] + ("." if text else "")


def _means(table: Mapping[str, Any], metric: str) -> dict[str, float]:
    """Per key of the table the mean of a metric, where there is one."""
    found = {key: number((row.get(metric) or {}).get("mean")) for key, row in table.items()}
    return {key: value for key, value in found.items() if value is not None}


def _list(values: Mapping[str, float], show: Any) -> str:
    return ", ".join(f"{MODELS[key]} {show(value)}" for key, value in values.items())


def _in_domain(results: Results) -> str:
    found = experiment(results, "cross_validation")
    if not found:
        return ""
    runs = {key: run["metrics"] for key, run in found["models"].items()}
    tstr, text = _means(runs, "tstr_set2"), ""
    if tstr:
        text = (
            f"On unseen speakers of {corpus_name(results['source'])} an SVM trained on synthetic "
            f"rows alone recognises {_list(tstr, percent)} % of the emotions (UAR)"
        )
        ceiling = next(iter(_means(runs, "real_to_real").values()), None)
        if ceiling is not None:
            text += f"; on real rows it reaches {percent(ceiling)} %, by chance"
            text += f" {percent(chance(results))} %"
        text += "."
    fid = _means(runs, "fid_over_floor")
    if fid:
        text += f" FID above the floor of real rows: {_list(fid, plain)}"
        gaussian = _means(found.get("references") or {}, "fid_over_floor").get("class_gaussian")
        text += "." if gaussian is None else f"; a Gaussian per class {plain(gaussian)}."
    return text.strip()


def _across(results: Results) -> str:
    found = experiment(results, "cross_corpus")
    if not found:
        return ""
    table = found["tables"][found["statistics"]]
    tstr = {key: value for key, value in _means(table, "tstr").items() if key in MODELS}
    if not tstr:
        return ""
    text = (
        f"On {corpus_name(results['target'])}, a corpus that no generator saw, the same kind of "
        f"SVM reaches {_list(tstr, percent)} %"
    )
    real = _means(table, "tstr").get("real")
    if real is not None:
        text += f"; trained on the source's real rows {percent(real)} %"
    ceiling = number((found.get("target_to_target") or {}).get("mean"))
    if ceiling is not None:
        text += f", on the target's own {percent(ceiling)} %"
    return text + "."


def _few_rows(results: Results) -> str:
    found = ((experiment(results, "low_resource") or {}).get("scopes") or {}).get("target")
    if not found:
        return ""
    least, largest = min(found["percents"]), max(found["sizes"])
    gains = {
        (item["mode"], item["method"]): item["gain"]
        for item in found["cells"]
        if item["percent"] == least and item["n"] == largest and item.get("gain")
    }
    paper, honest = gains.get(("paper", "m1")), gains.get(("honest", "m1"))
    if not paper:
        return ""
    text = (
        f"Beside {least:g} % of the source's real rows, {largest} rows of M1 change the UAR on "
        f"the target by {said(paper, 'points')} points if the generator has seen the whole source, "
        "as in the paper"
    )
    if honest:
        text += f", and by {said(honest, 'points')} if it has seen the same {least:g} %"
    rest = {
        key: number(value["mean"])
        for (mode, key), value in gains.items()
        if mode == "honest" and key not in MODELS and number(value["mean"]) is not None
    }
    if rest:
        best = max(rest, key=lambda key: rest[key])
        text += (
            f"; the best that needs no generator, {METHODS.get(best, best)}, by "
            f"{said(gains['honest', best], 'points')}"
        )
    return text + "."


def _troubles(results: Results) -> list[str]:
    """Lanes that diverged or collapsed."""
    lines = []
    for key, run in (experiment(results, "cross_validation") or {"models": {}})["models"].items():
        for status in ("diverged", "collapsed"):
            lanes = [lane for lane in run["lanes"] if lane["status"] == status]
            if lanes:
                names = "; ".join(f"seed {lane['seed']}, fold {lane['fold']}" for lane in lanes)
                count = f"{len(lanes)} of {len(run['lanes'])} lanes"
                lines.append(f"Note: {count} of {MODELS[key]} {status}: {names}.")
    return lines


_HOW_TO_READ = (
    "Set-1 is the training part of a fold, which the model has seen; set-2 is the held-out part, "
    "whose speakers it has not seen. Metric 1 (TRTS): an SVM trained on real rows classifies "
    "synthetic ones. Metric 2 (TSTR): an SVM trained on synthetic rows classifies real ones. Both "
    "are unweighted average recalls (UAR; the paper says UWA).",
    "More TRTS than real rows score is not better: rows that all resemble the mean of their class "
    "are the easiest to classify (see Class mean). That the paper claims an order on such a figure "
    "and the order holds says nothing about which model is better.",
    "FID depends on the corpus, on the number of rows and on the network it is measured with; only "
    "the FID above its floor (less that of real against real rows, at equal numbers of rows) says "
    "something across corpora, and the paper's FID cannot be compared with ours directly.",
    "UAR and shares stand in %, differences between them in points. Every bracket is a 95 % "
    "interval, and a figure without one has none: in the cross-validation over folds, with seeds "
    "averaged inside a fold; in Fig. 1 over seeds; in Table 4 and Fig. 6 over {drawn_over}. Folds "
    "share training rows, so that differences between models carry the wider interval of the "
    "corrected t. No interval tells how another corpus would come out. A dash means no value.",
    "Class mean, Class Gaussian, SMOTE and Jitter are generators that need no training. They stand "
    "beside the models in Tables 2 to 4 and among the rows off the support of Fig. 4; in Fig. 6 "
    "Oversampling takes the place of Class mean. In Figs. 3 and 5 there is none of them. SMOTE and "
    "Jitter are built from real rows and show what copying looks like.",
)


def how_to_read(results: Results) -> tuple[str, ...]:
    """What a reader has to know of the measures and intervals."""
    return tuple(text.format(drawn_over=drawn_over(results)) for text in _HOW_TO_READ)


def sections(results: Results, figures: Mapping[str, Figure]) -> list[Section]:
    """Every section that the results hold something for; ``figures`` by name."""

    def some(*blocks: Block | Folded | None) -> tuple[Block | Folded, ...]:
        empty = (block for block in blocks if block is not None)
        return tuple(b for b in empty if not isinstance(b, Table) or b.rows)

    found = experiment(results, "cross_validation")
    kept = [_claims(results)]
    if found:
        kept.append(
            Section(
                "Tables 2 and 3: cross-validation",
                some(
                    generator_tables.models_table(results),
                    generator_tables.differences_table(results),
                    generator_tables.sets_table(results),
                    _runs(found),
                ),
                "source",
            )
        )
        losses = (figures.get(f"losses-{model}") for model in found["models"])
        kept.append(
            Section(
                "Fig. 3: losses over the training",
                some(*losses, generator_tables.losses_table(results)),
                "source",
            )
        )
    if found := experiment(results, "embedding"):
        blocks = some(
            figures.get("fig4a"),
            figures.get("fig4b"),
            generator_tables.support_table(results),
            generator_tables.mixing_table(results),
            _definitions(found),
        )
        kept.append(Section("Fig. 4: where the synthetic rows lie", blocks, "source"))
    if found := experiment(results, "codes"):
        blocks = some(
            figures.get("fig5"), generator_tables.codes_table(results), _definitions(found)
        )
        kept.append(Section("Fig. 5: codes by the encoder of M1", blocks, "source"))
        if found.get("svm"):
            kept.append(
                Section(
                    "Section 4.2: what the codes keep",
                    (generator_tables.codes_svm_table(results),),
                    "source",
                )
            )
    if found := experiment(results, "cross_corpus"):
        kept.append(Section("Table 4: across corpora", some(*_target_blocks(results, found))))
    if found := experiment(results, "low_resource"):
        for scope in found["scopes"]:
            blocks = some(figures.get(f"fig6-{scope}"), *_low_resource_blocks(found, scope))
            end = {"target": "tested on the target", "source": "tested on the source"}[scope]
            kept.append(
                Section(
                    f"Fig. 6: few real rows, {end}",
                    blocks,
                    "both" if scope == "target" else "source",
                )
            )
    if found := experiment(results, "toy"):
        blocks = some(figures.get("fig1"), generator_tables.toy_table(results), _definitions(found))
        kept.append(Section("Fig. 1: vanilla GAN and InfoGAN", blocks, "none"))
    kept.append(Section("How to read this", how_to_read(results), "", command=False))
    kept.append(
        Section(
            "How to repeat this",
            some(
                _LAST_COMMAND if results.get("command") else None,
                setting_tables.corpora_table(results),
                setting_tables.machine_table(results),
                Folded("The whole config", "", (setting_tables.config_table(results),)),
            ),
            "",
        )
    )
    return [section for section in kept if section.blocks]


_LAST_COMMAND = (
    "The command shown is the last one given. Earlier sittings may have run other experiments of "
    "the study; how long the last one took tells nothing of them."
)


def _claims(results: Results) -> Section:
    claims = results.get("claims") or []
    if not claims:
        return Section("The paper's claims", ())
    alone = "" if "target" in parts(results) else " alone"
    where = (
        "The paper trains on IEMOCAP and tests on MSP-IMPROV; this study has "
        f"{corpora(results)}{alone}, classes {', '.join(classes(results))}. So a claim that does "
        "not hold here is not wrong there, and the reverse."
    )
    folded = tuple(
        Folded(
            f"Claim {claim['number']} ({claim['where']}): {claim['short']}",
            claim["verdict"],
            (claim_tables.parts_table(claim),),
        )
        for claim in claims
    )
    rule = (f"The rule. {results['rule']}",) if results.get("rule") else ()
    return Section("The paper's claims", (where, claim_tables.claims_table(claims), *rule, *folded))


def _runs(found: Results) -> str | None:
    paths = [str(run["run"]) for run in found["models"].values() if run.get("run")]
    if not paths:
        return None
    return (
        "What each run found by class, fold and seed, and the settings of its SVM, is in "
        f"{', '.join(f'{path}/results.json' for path in paths)}."
    )


def _target_blocks(results: Results, found: Results) -> list[Block | Folded | None]:
    chosen = found["statistics"]
    blocks: list[Block | Folded | None] = [
        f"{STATISTICS.get(chosen, chosen).capitalize()}; {found['draws']} draws of "
        f"{found['rows_per_class']} rows of each class balance the target where an SVM learns "
        "from it.",
        cross_corpus_tables.target_table(results, chosen),
        cross_corpus_tables.target_differences_table(results, chosen)
        if _pairs(found, chosen)
        else None,
    ]
    for other in found["tables"]:
        if other != chosen:
            inner = [cross_corpus_tables.target_table(results, other)]
            if _pairs(found, other):
                inner.append(cross_corpus_tables.target_differences_table(results, other))
            name = STATISTICS.get(other, other)
            blocks.append(Folded(f"The same with the {name}", "", tuple(inner)))
    return [*blocks, _notes(found), _definitions(found)]


def _notes(found: Results) -> Folded | None:
    notes = tuple(str(note) for note in found.get("notes") or ())
    return Folded("Notes", "", notes, measured=False) if notes else None


def _definitions(found: Results) -> Folded | None:
    table = setting_tables.definitions_table(found)
    return None if table is None else Folded("How it is measured", "", (table,), measured=False)


def _pairs(found: Results, statistics: str) -> bool:
    return bool((found.get("differences") or {}).get(statistics))


def _low_resource_blocks(found: Results, scope: str) -> list[Block | Folded | None]:
    one = found["scopes"][scope]
    what = {"target": "on the target corpus", "source": "on held-out speakers of the source"}[scope]
    blocks: list[Block | Folded | None] = []
    if scope == "target" and one.get("statistics"):
        statistics = one["statistics"]
        blocks.append(f"{STATISTICS.get(statistics, statistics).capitalize()}.")
    blocks += [low_resource_tables.gain_table(one, what), low_resource_tables.comparison_table(one)]
    text = _low_less_high((found.get("gain_low_less_high") or {}).get(scope) or {}, one)
    if text:
        blocks.append(text)
    uar, accuracy = (
        low_resource_tables.accuracy_table(one, what, name) for name in ("uar", "accuracy")
    )
    every = (
        low_resource_tables.gain_table(one, what, every=True),
        low_resource_tables.comparison_table(one, every=True),
    )
    blocks += [
        Folded("UAR of every curve", "", (uar,)),
        Folded("Weighted accuracy of every curve", "", (accuracy,)),
        Folded("Every gain and difference", "", every),
    ]
    if scope == list(found["scopes"])[-1]:
        blocks += [_notes(found), _definitions(found)]
    return blocks


def _low_less_high(found: Results, one: Results) -> str:
    names = {"paper": "as the paper", "honest": "honest"}
    gains = [f"{said(found[key], 'points')} ({names[key]})" for key in names if found.get(key)]
    if not gains:
        return ""
    least, most = min(one["percents"]), max(one["percents"])
    return (
        f"Gain of {max(one['sizes'])} rows of M1 at P = {least:g} % less that at {most:g} %, in "
        f"points: {', '.join(gains)}."
    )
