"""How a study's figures are said: names, sections with the origin of their figures, words.

Captions and definitions of an experiment are macros of the ``words.txt`` in its folder, those of
the whole report of the one beside this module.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from aegan.data.parquet import read_frame
from aegan.errors import InputError
from aegan.report.kit.documents import Block, Fold, Section, paragraphs, section
from aegan.report.kit.figures import Figure
from aegan.report.kit.numbers import Estimate, Results, said
from aegan.report.kit.tables import Table, tabulate, to_text
from aegan.system.screen import WIDTH

STATISTICS = {
    "own": "target standardised by its own unlabelled rows (transductive)",
    "source": "target standardised by the source's statistics",
}


def told(experiment: str, name: str, **values: Any) -> str:
    """A text of an experiment's ``words.txt``, in one line; "" for those of the whole report."""
    return " ".join(texts(experiment, name, **values))


def texts(experiment: str, name: str, **values: Any) -> list[str]:
    """The paragraphs of a text of an experiment's ``words.txt``, each in one line."""
    folder = f"study/{experiment}" if experiment else "study"
    return paragraphs(f"{folder}/words", name, **values)


def defined(experiment: str, **values: Any) -> dict[str, str]:
    """What the measures of an experiment are, for results.json."""
    return dict(text.split(": ", 1) for text in texts(experiment, "definitions", **values))


def of_experiment(results: Results, name: str) -> Results:
    """An experiment's results, empty where it was not run."""
    return (results.get("experiments") or {}).get(name) or {}


def models(results: Results) -> dict[str, str]:
    """The study's models with their titles; studies of version 0.1 had the paper's."""
    names = (results.get("config") or {}).get("models") or ("m1", "m2", "m3")
    return {name: name.upper() for name in names}


def classes(results: Results) -> list[str]:
    return list(results["source"]["classes"])


def chance(results: Results) -> float:
    return 1 / len(classes(results))


def corpus_name(corpus: Mapping[str, Any]) -> str:
    told = "simulated" in corpus["name"] or not corpus["simulated"]
    return corpus["name"] if told else f"{corpus['name']} (simulated)"


def corpora(results: Results) -> str:
    """Source and target: "nemo \u2192 ravdess"; a study without a target has the source alone."""
    return " \u2192 ".join(corpus_name(corpus) for corpus in parts(results).values())


def parts(results: Results) -> dict[str, Results]:
    """The corpora that the study has: source, and target unless no experiment needed one."""
    return {part: results[part] for part in ("source", "target") if results.get(part)}


def simulated(results: Results) -> list[str]:
    return [part for part, corpus in parts(results).items() if corpus["simulated"]]


def drawn_over(results: Results) -> str:
    """What the intervals of Table 4 and Fig. 6 are over, and for which generators they hold."""
    seeds = (results.get("config") or {}).get("seeds")
    return told("", "drawn_over", one_seed=isinstance(seeds, Sequence) and len(seeds) == 1)


def origin(results: Results, part: str) -> str:
    """Corpus and versions behind a table or figure; ``part``: source, both or none."""
    several = len(parts(results)) > 1
    where = {
        "source": f"Corpus {corpus_name(results['source'])}",
        "both": f"{'Corpora' if several else 'Corpus'} {corpora(results)}",
        "none": "Points in the plane, no corpus",
    }[part]
    versions = results.get("versions") or {}
    known = (f"{name} {versions[name]}" for name in ("jax", "scikit-learn") if name in versions)
    return "; ".join((where, *known))


def measured(results: Results, part: str, title: str, *blocks: Block | None) -> Section:
    """A section of figures, with where they are from (as ``origin``) and how to repeat them."""
    titled = sum(isinstance(block, Figure) for block in blocks) > 1
    command = str(results.get("command") or "")
    return section(title, *blocks, titled=titled, origin=origin(results, part), command=command)


def definitions(found: Results) -> Fold | None:
    """What the measures of an experiment are."""
    items = (found.get("definitions") or {}).items()
    columns = {
        "Measure": lambda item: item[0].replace("_", " "),
        "Definition": lambda item: item[1],
    }
    table = tabulate("What is measured.", items, columns, words=("Definition",))
    return Fold("How it is measured", (table,), origin=False) if table.rows else None


def notes(found: Results) -> Fold | None:
    texts = tuple(str(note) for note in found.get("notes") or ())
    return Fold("Notes", texts, origin=False) if texts else None


def table_at(folder: Path, *path: str) -> pd.DataFrame:
    """A table that the results of the study in ``folder`` speak of.

    Raises:
        InputError: it is not there.
    """
    file = folder.joinpath(*path)
    if not file.is_file():
        raise InputError(f"{file}: no such file; run the study again with the same command")
    return read_frame(file, "delete it and its record beside it, and run the same command again")


def grid(
    caption: str,
    first: str,
    rows: Mapping[str, Mapping[Any, Any]],
    columns: Mapping[str, tuple[Any, str]],
    marked: Collection[str] = (),
    show: Callable[[Any, str], str] = said,
) -> Table:
    """A row and a column per title: the row's figure of the column's key, in the column's unit.

    What is a text already stands as it is.
    """
    cells: dict[str, Callable[[Any], Any]] = {first: lambda item: item[0]}
    for title, (key, unit) in columns.items():
        cells[title] = lambda item, key=key, unit=unit: (
            found if isinstance(found := item[1].get(key), str) else show(found, unit)
        )
    return tabulate(caption, rows.items(), cells, marked=lambda item: item[0] in marked)


def in_terminal(
    head: str, rows: Mapping[str, Mapping[Any, Any]], columns: Mapping[str, tuple[Any, str]]
) -> list[str]:
    """A grid of means and half the widths of their intervals, at most 80 columns wide."""

    def short(summary: Mapping[str, Any] | None, unit: str) -> str:
        return "".join(Estimate.of(summary).short(unit))

    lines = to_text(grid("", "", rows, columns, show=short))
    return [*textwrap.wrap(head, WIDTH), *(line[:WIDTH] for line in lines)]


def some(results: Results, found: Mapping[str, Any]) -> dict[str, Any]:
    """The models' rows of a table, then those beside them that a terminal has room for."""
    names = {"real": "Real rows", "class_gaussian": "Gaussian", "class_mean": "Class mean"}
    names = models(results) | names
    return {title: found[key] for key, title in names.items() if key in found}


def pair_title(pair: str) -> str:
    """ "M2 less M1" of "m2-m1"."""
    names = {"valid": "validation", "train": "training", "real_set2": "real rows of set-2"}
    first, second = (names.get(name, name.upper()) for name in pair.split("-"))
    return f"{first} less {second}"
