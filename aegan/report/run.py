"""The report of a run: from a finished workdir to its pages and figures."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from aegan.data.parquet import read_frame
from aegan.errors import InputError
from aegan.report import along, figures, pictures, tables
from aegan.report.kit.documents import Document, Section, paragraphs, section, words, write
from aegan.report.kit.numbers import Results, number, plain
from aegan.system.files import read_json, whole


def write_report(workdir: Path) -> Path:
    """Writes the report of the run in ``workdir`` and returns the path of ``report.html``.

    Reads ``results.json`` and ``losses.parquet``, nothing else; the same two files give the same
    bytes. Beside each figure's PNG files lies one CSV with the numbers shown.

    Raises:
        InputError: one of the two files is missing or cannot be read.
    """
    workdir = Path(workdir)
    figures, losses = workdir / "results.json", workdir / "losses.parquet"
    for path, stage in ((figures, "--stage=evaluate"), (losses, "--stage=train")):
        if not path.is_file():
            raise InputError(f"{path}: no such file; run with {stage} first")
    mend = "delete it, run with --stage=evaluate"
    results = read_json(figures, mend)
    table = read_frame(losses, "run with --stage=train, which writes it anew")
    with whole(figures, mend):
        page = document(results, table)
    return write(page, workdir)


def document(results: Results, table: pd.DataFrame) -> Document:
    """The report of ``results.json`` and of ``losses.parquet``."""
    known = {key: results.get(key) or {} for key in ("verdict", "paper")}
    word = str(known["verdict"].get("word") or "none")
    return Document(
        title=results["title"],
        subtitle=words("run", "subtitle", results=results),
        headline=" ".join([*tables.quick_banner(results), words("run", "verdict", word=word)]),
        short=paragraphs("run", "short", lanes=results["lanes"], **known),
        sections=[part for part in _sections(results, table) if part.blocks],
        banners=tables.banners(results),
        intro=results.get("about", ""),
        facts=tables.facts(results),
    )


def _sections(results: Results, table: pd.DataFrame) -> list[Section]:
    svm, verdict = results.get("svm") or {}, results.get("verdict") or {}
    fixed = "What is fixed about every SVM and every FID."
    training = {k: v for k, v in (results.get("training") or {}).items() if k != "losses"}
    seconds = {
        key.removesuffix("_s"): plain(value) if number(value) is not None else value
        for key, value in (results.get("timing") or {}).items()
    }
    known = results | {"seconds": seconds, "training": training}
    shown = ("command", "config_hash", "device", "versions", "seconds", "training")
    machine = {key.replace("_", " "): known[key] for key in shown if known.get(key)}
    return [
        section("Figures beside the paper and the references", tables.main_table(results)),
        section("What the rows are good for", tables.use_table(results)),
        section(
            "Real and synthetic rows side by side",
            *pictures.sides(results),
            titled=True,
        ),
        section("The same figures as a picture", figures.comparison(results)),
        section("Along the way of the training", *along.blocks(results)),
        section("How to read this", *paragraphs("run", "reading", rule=verdict.get("rule"))),
        section("Classes", tables.class_table(results), figures.variance(results), titled=True),
        section("Confusion: who is taken for whom", figures.confusion(results)),
        section(
            "Plausibility of the rows",
            None if results.get("plausibility") else words("run", "no_rules"),
            tables.plausibility_table(results),
        ),
        section(
            "Folds and data",
            words("run", "data", corpus=results["corpus"]),
            tables.fold_table(results),
        ),
        section(
            "Training",
            tables.lane_table(results),
            *([figures.losses(results, table)] if len(table) else []),
            titled=True,
        ),
        section(
            "SVM and FID protocol",
            *map(str, svm.get("notes") or ()),
            tables.settings_table(fixed, svm.get("protocol") or {}),
            tables.svm_table(results),
            folded=True,
        ),
        section(
            "How to repeat this run",
            tables.settings_table("Machine, versions and time of this run.", machine),
            tables.settings_table("The whole config.", results.get("config") or {}),
            folded=True,
        ),
    ]
