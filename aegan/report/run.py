"""The stage ``report``: from a finished workdir to ``report.md``, ``report.html``, ``figures/``."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pandas as pd

from aegan.errors import InputError
from aegan.report import details, figures
from aegan.report.generators import banners, chance, main_table
from aegan.report.kit import templates
from aegan.report.kit.documents import Document, Section, section, write
from aegan.report.kit.numbers import Estimate, Results, number, plain
from aegan.report.losses import losses

_words, _paragraphs = (partial(f, "run") for f in (templates.words, templates.paragraphs))


def write_report(workdir: Path) -> Path:
    """Writes the report of the run in ``workdir`` and returns the path of ``report.html``.

    Reads ``results.json`` and ``losses.parquet``, nothing else; the same two files give the same
    bytes. Beside each figure's PNG files lies one CSV with the numbers shown.

    Raises:
        InputError: one of the two files is missing or cannot be read.
    """
    workdir = Path(workdir)
    sources = {"results.json": "--stage=evaluate", "losses.parquet": "--stage=train"}
    for name, stage in sources.items():
        if not (workdir / name).is_file():
            raise InputError(f"{workdir / name}: no such file; run with {stage} first")
    try:
        results = json.loads((workdir / "results.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(
            f"{workdir / 'results.json'}: not JSON ({error}); delete it, run with --stage=evaluate"
        ) from error
    return write(document(results, pd.read_parquet(workdir / "losses.parquet")), "run", workdir)


def document(results: Results, table: pd.DataFrame) -> Document:
    """The report of ``results.json`` and of ``losses.parquet``."""
    verdict, lanes = results.get("verdict") or {}, results["lanes"]
    seeds = len({lane["seed"] for lane in lanes})
    return Document(
        title=results["title"],
        subtitle=_words("subtitle", results=results, folds=len(results["folds"]), seeds=seeds),
        headline=_words("verdict", word=str(verdict.get("word") or "none")),
        short=in_short(results),
        sections=[part for part in _sections(results, table) if part.blocks],
        banners=banners(results),
        intro=results.get("about") or _words("about", model=str(results["model"]).lower()),
    )


def in_short(results: Results) -> list[str]:
    """The headline: the verdict's reasons, what the figures amount to, the lanes in trouble."""

    def mean(metrics: Results | None, name: str) -> float | None:
        return Estimate.of((metrics or {}).get(name)).mean

    troubles = {
        status: [
            f"seed {lane['seed']}, fold {lane['fold']}"
            for lane in results["lanes"]
            if lane["status"] == status
        ]
        for status in ("diverged", "collapsed")
    }
    reasons = (results.get("verdict") or {}).get("reasons") or ()
    return _paragraphs(
        "short",
        reasons=[str(reason).rstrip(".") for reason in reasons],
        tstr=mean(results["metrics"], "tstr_set2"),
        ceiling=mean(results["metrics"], "real_to_real"),
        chance=chance(results),
        printed=number((results.get("paper") or {}).get("tstr_set2")),
        variance=mean(results["metrics"], "variance_ratio"),
        fid=mean(results["metrics"], "fid_over_floor"),
        class_means=mean((results.get("references") or {}).get("class_mean"), "fid_over_floor"),
        lanes=len(results["lanes"]),
        troubles=troubles,
    )


def _sections(results: Results, table: pd.DataFrame) -> list[Section]:
    svm = results.get("svm") or {}
    protocol = details.settings_table(
        "What is fixed about every SVM and every FID.", svm.get("protocol") or {}
    )
    seconds = {
        key.removesuffix("_s"): plain(value) if number(value) is not None else value
        for key, value in (results.get("timing") or {}).items()
    }
    machine = {name: results.get(name) for name in ("command", "config hash", "device", "versions")}
    machine |= {"config hash": results.get("config_hash"), "seconds": seconds}
    machine["training"] = results.get("training")
    machine = {key: value for key, value in machine.items() if value}
    rule = (results.get("verdict") or {}).get("rule")
    return [
        section("Figures beside the paper and the references", main_table(results)),
        section("How to read this", *_paragraphs("reading", rule=rule)),
        section("The same figures as a picture", figures.comparison(results)),
        section("Classes", details.class_table(results), figures.variance(results), titled=True),
        section("Confusion: who is taken for whom", figures.confusion(results)),
        section(
            "Plausibility of the rows",
            None if results.get("plausibility") else _words("no_rules"),
            details.plausibility_table(results),
        ),
        section(
            "Folds and data",
            _words("data", corpus=results["corpus"]),
            details.fold_table(results),
        ),
        section("Training", details.lane_table(results), losses(results, table), titled=True),
        section(
            "SVM and FID protocol",
            *map(str, svm.get("notes") or ()),
            protocol,
            details.svm_table(results),
            folded=True,
        ),
        section(
            "How to repeat this run",
            details.settings_table("Machine, versions and time of this run.", machine),
            details.settings_table("The whole config.", results.get("config") or {}),
            folded=True,
        ),
    ]
