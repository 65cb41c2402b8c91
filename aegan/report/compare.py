"""Several runs on the same corpus and folds side by side, differences paired."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from aegan.errors import InputError
from aegan.metrics.intervals import HeldOut, over_speakers, summarise
from aegan.report import figures as F
from aegan.report import tables as T
from aegan.report.kit import figures as kit
from aegan.report.kit.documents import Document, paragraphs, section, words
from aegan.report.kit.figures import GREY, INK, Figure, panel
from aegan.report.kit.numbers import Estimate, Results, number
from aegan.report.kit.tables import Table, tabulate, to_text
from aegan.system.files import read_json, whole
from aegan.system.screen import WIDTH

_USE = "tstr_set2"
_SHOWN = (_USE, "trts_set2", "fid_over_floor", "variance_ratio", "copies", "interpolated")
_PANELS = (_USE, "fid_over_floor", "variance_ratio")
_REAL = T.REFERENCES["real"]


@dataclass(frozen=True)
class Line:
    """A run, or real rows, by the lanes that all runs have."""

    row: T.Row
    verdict: str
    less: dict[str, Estimate]  # itself less the first run, by metric; empty of the first


@dataclass(frozen=True)
class Comparison:
    """Runs that can be compared."""

    runs: dict[str, Results]  # by their names, the first is what the others are compared with
    lines: tuple[Line, ...]  # runs, then real rows
    lanes: int  # that all have
    by_speaker: bool  # whether the intervals of differences of TSTR on set-2 are over speakers

    @property
    def first(self) -> Results:
        return next(iter(self.runs.values()))

    @property
    def told(self) -> dict[str, Any]:
        """What captions tell of it."""
        names = list(self.runs)
        return {"names": names, "lanes": self.lanes, "by_speaker": self.by_speaker}

    @property
    def metrics(self) -> list[str]:
        """Those that were measured."""
        return T.measured(self.first, _SHOWN)


def compare(paths: Sequence[Path]) -> Comparison:
    """Reads the results of runs, two or more, by their workdirs.

    All figures are of the lanes (fold, split and seed) that every run has, differences of one
    lane less the same lane. ``InputError``: a run that is not finished, is there twice, or is of
    another corpus, other features or other folds than the first; no lane in common.
    """
    if len(paths) < 2:
        raise InputError("experiments.compare: needs two runs; name their workdirs, runs/a runs/b")
    resolved = [path.resolve() for path in paths]
    for place, path in enumerate(paths):
        if resolved[place] in resolved[:place]:
            raise InputError(f"{path}: is named twice; name it once")
    names = next(
        found
        for depth in count(1)
        if len(set(found := ["/".join(path.parts[-depth:]) for path in resolved])) == len(paths)
    )
    runs = {name: _read(path) for name, path in zip(names, paths, strict=True)}
    first = runs[names[0]]
    for name, path in zip(names, paths, strict=True):
        with whole(path / "results.json"):
            _check(names[0], first, name, runs[name])
    common = set.intersection(*(set(_lanes(results)) for results in runs.values()))
    if not common:
        raise InputError(
            f"{', '.join(names)}: have no lane (fold, split and seed) in common; train them with "
            "the same config.seeds and config.only_folds"
        )
    lanes = [lane for lane in _lanes(first) if lane in common]
    by_speaker = T.holds_out(first) and all("tested" in (r.get("use") or {}) for r in runs.values())
    lines = []
    for name, path in zip((*names, _REAL), (*paths, paths[0]), strict=True):
        with whole(path / "results.json"):
            who = "real" if name == _REAL else "model"
            lines.append(_line(name, runs.get(name, first), who, first, lanes, by_speaker))
    return Comparison(runs, tuple(lines), len(lanes), by_speaker)


def _read(path: Path) -> Results:
    if not path.is_dir():
        raise InputError(f"{path}: no such folder; give the workdir of a finished run")
    try:
        found = read_json(path / "results.json", "run with --stage=evaluate")
    except FileNotFoundError:
        mend = "run experiments.run with this --workdir to its end"
        raise InputError(f"{path}: not a finished run (no results.json); {mend}") from None
    if "experiments" in found:
        raise InputError(f"{path}: holds a study; name runs of it, those in {path / 'runs'}")
    return found


def _check(name: str, first: Results, other: str, results: Results) -> None:
    """Refuses results of another corpus, other features or other folds."""
    here, there = results["corpus"], first["corpus"]
    for key, what in {"feature_hash": "other features", "hash": "another corpus"}.items():
        if here[key] != there[key]:
            how = f"{here['name']}, not {there['name']}"
            raise InputError(
                f"{other}: is of {what} than {name} ({how}); compare runs on one table"
            )
    folds = [{fold["fold"]: fold["held_out"] for fold in of["folds"]} for of in (first, results)]
    for fold in folds[0].keys() & folds[1].keys():
        if folds[0][fold] != folds[1][fold]:
            raise InputError(
                f"{other}: fold {fold} holds out other speakers than that of {name}; compare runs "
                "of the same config.data.folds and config.data.splits"
            )


def _lanes(results: Results) -> dict[tuple[int, int, int], int]:
    """(fold, split, seed) of each lane, and its place."""
    split_of = {fold["fold"]: fold.get("split", 0) for fold in results["folds"]}
    lanes = ((lane["fold"], split_of[lane["fold"]], lane["seed"]) for lane in results["lanes"])
    return {lane: place for place, lane in enumerate(lanes)}


def _line(
    name: str, results: Results, who: str, first: Results, lanes: Sequence, by_speaker: bool
) -> Line:
    known = [dict(zip(("fold", "split", "seed"), lane, strict=True)) for lane in lanes]

    def chosen(of: Results, values: Sequence) -> list:
        places = _lanes(of)
        return [values[places[lane]] for lane in lanes]

    def values(of: Results, key: str, metric: str) -> list[float | None]:
        summaries = of["metrics"] if key == "model" else of["references"]["real"]
        lacking = {"per_lane": [None] * len(of["lanes"])}
        return [number(v) for v in chosen(of, summaries.get(metric, lacking)["per_lane"])]

    def right(of: Results, key: str) -> list[np.ndarray | None]:
        counts = chosen(of, of["use"]["tested"]["right"][key])
        return [None if c is None else np.array(c, float) for c in counts]

    cells, less = {}, {}
    for metric in T.MAIN_COLUMNS:
        own = values(results, who, metric)
        cells[metric] = summarise(own, known)
        less[metric] = summarise(_less(own, values(first, "model", metric)), known)
    if by_speaker:
        tested = {
            of["fold"]: HeldOut(tuple(of["speakers"]), np.array(of["rows"]))
            for of in first["use"]["tested"]["folds"]
        }
        own, base = right(results, who), right(first, "model")
        if len({lane["split"] for lane in known}) > 1:  # as in the report of a run
            cells[_USE]["ci95"] = over_speakers(own, known, tested)["ci95"]
        less[_USE] = over_speakers(_less(own, base), known, tested)
    row = T.Row(who, name, {metric: Estimate.of(cell) for metric, cell in cells.items()})
    judged = (results.get("verdict") or {}).get("word") if who == "model" else None
    if results is first and who == "model":
        less = {}
    return Line(row, judged or "", {metric: Estimate.of(cell) for metric, cell in less.items()})


def _less(own: Sequence, base: Sequence) -> list:
    """One lane less the same lane, None where either has no value."""
    pairs = zip(own, base, strict=True)
    return [None if a is None or b is None else a - b for a, b in pairs]


def document(found: Comparison) -> Document:
    """The report of a comparison."""
    names, corpus = list(found.runs), found.first["corpus"]
    told = found.told
    line = words("compare", "headline", metric=found.metrics[0], **told)
    return Document(
        title=" and ".join([", ".join(names[:-1]), names[-1]]),
        subtitle=words("compare", "subtitle", corpus=corpus, **told),
        headline=" ".join([*_said(T.quick_banner, found), line]),
        short=_sentences(found),
        sections=[
            section("Side by side", table(found), differences(found)),
            section("The same as a picture", figure(found)),
            section("How to read this", *paragraphs("compare", "reading", **told)),
            section("What the runs differ in", configs(found) or words("compare", "alike")),
        ],
        banners=banners(found),
    )


def banners(found: Comparison) -> list[str]:
    """What to know before any figure."""
    protocols = [
        (results["corpus"].get("statistics"), (results.get("svm") or {}).get("protocol"))
        for results in found.runs.values()
    ]
    unlike = any(protocol != protocols[0] for protocol in protocols)
    return _said(T.banners, found) + [words("compare", "unlike")] * unlike


def _said(banners_of: Any, found: Comparison) -> list[str]:
    """Banners of the runs, each once."""
    return list(dict.fromkeys(b for results in found.runs.values() for b in banners_of(results)))


def _sentences(found: Comparison) -> list[str]:
    """Each run's main figure."""
    metric, name = found.metrics[0], next(iter(found.runs))
    return [
        words(
            "compare",
            "sentence",
            metric=metric,
            title=T.TITLES[metric],
            base=name,
            line=line,
            own=line.row.said(metric),
            less=_said_less(line, metric),
        )
        for line in found.lines
    ]


def _said_less(line: Line, metric: str) -> str:
    unit = "points" if T.unit(metric) == "%" else "signed"
    return line.less[metric].said(unit) if line.less else ""


def table(found: Comparison) -> Table:
    """A line for each run: what its own report says, of the lanes that all have."""
    columns = {"Run": lambda line: line.row.label, "Verdict": lambda line: line.verdict}
    for metric in found.metrics:
        columns[T.TITLES[metric]] = lambda line, metric=metric: line.row.said(metric)
    return tabulate(
        words("compare", "table", **found.told), found.lines, columns, words=("Verdict",)
    )


def differences(found: Comparison) -> Table:
    """Each run less the first."""
    columns = {"Run": lambda line: line.row.label}
    for metric in found.metrics:
        columns[T.TITLES[metric].replace("(%)", "(points)")] = lambda line, metric=metric: (
            _said_less(line, metric)
        )
    return tabulate(words("compare", "differences", **found.told), found.lines[1:], columns)


def configs(found: Comparison) -> Table | None:
    """The fields in which the configs differ."""
    flat = {name: dict(T.flat(results.get("config") or {})) for name, results in found.runs.items()}
    fields = dict.fromkeys(field for config in flat.values() for field in config)
    other = [f for f in fields if len({str(config.get(f)) for config in flat.values()}) > 1]
    columns = {"Field": lambda field: f"config.{field}"}
    for name, config in flat.items():
        columns[name] = lambda field, config=config: config.get(field)
    return tabulate(words("compare", "configs"), other, columns, words=flat) if other else None


def figure(found: Comparison) -> Figure:
    """Dots and intervals of every run, and of the differences."""
    rows = [line.row for line in found.lines]
    panels = []
    for metric in T.measured(found.first, _PANELS):
        alt = words("run", "compared", title=F.COMPARED[metric])
        height = 1.3 + 0.24 * len(rows)
        panels.append(panel(f"runs-{metric}", alt, height, F.dots, found.first, rows, metric))
        alt = words("compare", "apart", title=F.COMPARED[metric], base=rows[0].label)
        panels.append(panel(f"less-{metric}", alt, height, _apart, found, metric))
    data = pd.DataFrame(
        {
            "run": line.row.label,
            "metric": metric,
            "mean": own.mean,
            "ci95_low": own.low,
            "ci95_high": own.high,
            "less_first": less.mean,
            "less_ci95_low": less.low,
            "less_ci95_high": less.high,
        }
        for line in found.lines
        for metric in found.metrics
        for own, less in [(line.row.cells[metric], line.less.get(metric, Estimate()))]
    )
    caption = paragraphs("compare", "figure", base=rows[0].label)
    return Figure("runs", *caption, tuple(panels), data, wide=True)


def _apart(axes: Axes, found: Comparison, metric: str) -> None:
    """What each run has more than the first."""
    scale, lines = (100 if T.unit(metric) == "%" else 1), found.lines[1:]
    for place, line in enumerate(lines):
        less, colour = line.less[metric], INK if line.row.kind == "model" else GREY
        if less.mean is None:
            continue
        if less.half_width is not None:
            axes.plot([scale * less.low, scale * less.high], [place, place], color=colour, lw=2.4)
        axes.plot(scale * less.mean, place, "o", color=colour, ms=7)
    axes.axvline(0, color=GREY, lw=1, ls=":", zorder=1)
    axes.set_yticks(range(len(lines)), [kit.short(line.row.label, 22) for line in lines])
    axes.tick_params(axis="y", length=0)
    axes.set(ylim=(len(lines) - 0.4, -0.6), title=f"{F.COMPARED[metric]}, difference")
    axes.locator_params(axis="x", nbins=4)
    base = kit.short(found.lines[0].row.label, 22)
    axes.set_xlabel(f"less {base}" + " (points)" * (scale == 100))
    axes.spines["left"].set_visible(False)
    kit.grid(axes, "x")


def text(found: Comparison) -> str:
    """The comparison in a terminal of 80 columns."""
    metric = found.metrics[0]
    unit = "points" if T.unit(metric) == "%" else "signed"
    columns = {
        "": lambda line: kit.short(T.SHORT_LABELS.get(line.row.label, line.row.label), 16),
        T.SHORT[metric]: lambda line: line.row.short(metric, False)[0],
        "less first": lambda line: line.less[metric].said(unit) if line.less else None,
    }
    for other in T.measured(found.first, ("trts_set2", "fid_over_floor", "variance_ratio")):
        if other != metric:
            columns[T.SHORT[other]] = lambda line, other=other: line.row.short(other, False)[0]
    columns["verdict"] = lambda line: line.verdict
    lines = to_text(tabulate("", found.lines, columns))
    lines.insert(1, "-" * max(map(len, lines)))
    known = {"metric": T.SHORT[metric], "chance": T.chance(found.first)}
    notes = [words("compare", "terminal", **known, **found.told)]
    notes += banners(found)
    return "\n".join(lines + [part for note in notes for part in textwrap.wrap(note, WIDTH)])
