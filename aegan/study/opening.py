"""Reads a study: both corpora and all that follows from the config; keeps its folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aegan.data.audit import Leak, as_json, audit_generator, audit_target, refuse, row_digests
from aegan.data.contract import check_same
from aegan.data.corpus import Corpus, describe, read_corpus
from aegan.data.folds import speaker_standardised
from aegan.data.simulate import simulated_target
from aegan.errors import InputError
from aegan.run.config import that_counts
from aegan.run.plan import Prepared, prepare
from aegan.run.programs import load
from aegan.run.schema import plain
from aegan.run.workdir import Workdir, first_difference, hold
from aegan.study.config import StudyConfig
from aegan.study.parts import make_parts
from aegan.study.registry import PAPERS, needs_target, read_config
from aegan.study.study import Study, StudyDir
from aegan.system.files import digest, read_json, write_json

# Sections of a study's config that version 0.1 had.
_OF_VERSION_01 = {"variant", "seeds", "source", "target", "sample", "metrics", "m1", "m2", "m3"}
_OF_VERSION_01 |= {*PAPERS}


def read_study(config: Any, root: Path, cache_dir: Path | None, command: str) -> Study:
    """Reads both corpora and decides everything that follows from the config; writes nothing.

    Raises:
        InputError: a value of the config or a corpus that can't be used; two corpora whose
            features or classes differ, or that share rows.
    """
    read = read_config(config)
    prepared = prepare(read.source, "config.source")
    target, leaks = _target(read, prepared)
    low = read.settings["low_resource"]
    percents = low.percents if "low_resource" in read.experiments else ()
    parts = make_parts(prepared.corpus, prepared.folds, percents, low.replicates, low.scopes)
    described: dict[str, Any] = {"source": None, "target": None}
    corpora = {"source": (prepared.corpus, prepared.leaks), "target": (target, leaks)}
    for name, (corpus, found) in corpora.items():
        if corpus is not None:
            given = getattr(read, name)
            described[name] = describe(corpus) | {
                "statistics": given.statistics,
                "licence": given.licence or corpus.licence or "not stated",
                "leaks": as_json(found),
            }
    identity = {
        "format": 1,
        "config_hash": _hash(read, prepared.corpus, target),
        "config": dict(read.written),
        **described,
        "command": command,
    }
    return Study(read, identity, StudyDir(Path(root)), prepared, target, parts, cache_dir)


def _target(config: StudyConfig, prepared: Prepared) -> tuple[Corpus | None, tuple[Leak, ...]]:
    """The target, and its rows that are in the source too, if they are allowed."""
    source, given = prepared.corpus, config.source
    if config.target.path:
        target = read_corpus(config.target.path, source.classes, "config.source", True)
    elif source.simulated:
        target = simulated_target(
            rows=config.target.simulated_rows,
            dim=given.simulated_features,
            seed=given.simulated_seed,
        )
    else:
        for name in config.experiments:
            if needs_target(config, name):
                raise InputError(
                    f"config.target.path: is empty, but {name} tests on a target; give the table "
                    "of a second corpus with --config.target.path=..."
                )
        return None, ()
    name = f"target '{target.name}'"
    check_same(name, target.contract, f"source '{source.name}'", source.contract)
    if given.statistics == "speaker":  # the source's rows are no longer as they were read
        leaks = audit_generator(prepared.digests, row_digests(target.features), target.files, name)
    else:
        leaks = audit_target(source, target, name)
    if not given.allow_leaks:
        way_around = ", or pass --config.source.allow_leaks=True for a banner in the report"
        refuse(f"corpora '{source.name}' and '{target.name}'", leaks, way_around)
    if given.statistics == "speaker":
        target = speaker_standardised(target, "config.source")
    return target, leaks


def _hash(config: StudyConfig, source: Corpus, target: Corpus | None) -> str:
    """What makes this study this study; where its corpora lie and how it runs count for nothing."""
    hashed = _that_counts(config.written)
    for name in ("source", "target"):
        hashed[name] = {k: v for k, v in hashed[name].items() if k != "path"}
    hashed["corpora"] = [source.hash, None if target is None else target.hash]
    return digest(hashed)


def _that_counts(values: Mapping[str, Any]) -> dict[str, Any]:
    """The config without what makes no difference to any figure.

    What studies of version 0.1 had not, other models and experiments, goes without saying where it
    is as its variant has it.
    """
    apart = ("jobs", "experiments", "readings")
    found = {name: value for name, value in that_counts(values).items() if name not in apart}
    known = that_counts(plain(load("paper", found.get("variant", "default"))))
    for name in {"models", *known} - _OF_VERSION_01:
        if found.get(name) == known[name]:
            del found[name]
    return found


def check_folder(study: Study) -> None:
    """Refuses a folder that holds another study or run; writes nothing."""
    root = study.dir.root
    try:
        existing = read_json(study.dir.config)
    except FileNotFoundError:
        if Workdir(root).config.exists():
            raise _refused(root, "holds a run of experiments.run; give another --workdir") from None
        return
    except OSError as error:
        raise _refused(root, f"cannot be read ({error.strerror}); give another one") from None
    if existing.get("config_hash") != study.identity["config_hash"]:
        there, here = (
            {**identity, "config": _that_counts(identity.get("config") or {})}
            for identity in (existing, study.identity)
        )
        how = first_difference(there, here, ("source", "target", "config"))
        mend = "give another --workdir or delete this one"
        raise _refused(root, f"holds another study ({how}); {mend}")


def _refused(root: Path, why: str) -> InputError:
    return InputError(f"--workdir={root}: {why}")


@contextmanager
def claim_folder(study: Study) -> Iterator[None]:
    """Makes the folder this study's, and this command's alone while the block runs.

    Raises:
        InputError: it is another study's, cannot be written, or another command is at work in it.
    """
    with hold(study.dir.root):
        check_folder(study)
        if not study.dir.config.exists():
            write_json(study.dir.config, study.identity)
        yield
