"""Reads a study: both corpora and all that follows from the config; keeps its folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # not on every system
    fcntl = None

from aegan.data.audit import Leak, as_json, audit_generator, refuse, row_digests
from aegan.data.contract import check_same
from aegan.data.corpus import Corpus, describe, read_corpus
from aegan.data.folds import speaker_standardised
from aegan.data.simulate import simulated_target
from aegan.errors import InputError
from aegan.run.plan import Prepared, prepare
from aegan.run.workdir import Workdir, first_difference
from aegan.study.config import StudyConfig
from aegan.study.parts import make_parts
from aegan.study.registry import needs_target, read_config
from aegan.study.study import Study, StudyDir
from aegan.system.files import digest, read_json, write_json

_PAPERS_MODELS = ["m1", "m2", "m3"]


def read_study(config: Any, root: Path, cache_dir: Path | None, command: str) -> Study:
    """Reads both corpora and decides everything that follows from the config; writes nothing.

    Raises:
        InputError: a value of the config or a corpus that can't be used; two corpora whose
            features or classes differ, or that share rows.
    """
    read = read_config(config)
    prepared = prepare(read.source, "config.source")
    target, leaks = _target(read, prepared.corpus), ()
    if target is not None:
        leaks = _checked_pair(read, prepared, target)
        if read.source.statistics == "speaker":
            target = speaker_standardised(target, "config.source")
    low = read.settings["low_resource"]
    parts = make_parts(
        prepared.corpus,
        prepared.folds,
        low.percents if "low_resource" in read.experiments else (),
        low.replicates,
        low.scopes,
    )
    identity = _identity(read, prepared, target, leaks, command)
    return Study(read, identity, StudyDir(Path(root)), prepared, target, parts, cache_dir)


def _checked_pair(config: StudyConfig, prepared: Prepared, target: Corpus) -> tuple[Leak, ...]:
    """Refuses a pair of other features, or of common rows unless leaks are allowed."""
    name, source = f"target '{target.name}'", prepared.corpus
    check_same(name, target.contract, f"source '{source.name}'", source.contract)
    leaks = audit_generator(prepared.digests, row_digests(target.features), target.files, name)
    if not config.source.allow_leaks:
        refuse(
            f"corpora '{source.name}' and '{target.name}'",
            leaks,
            ", or pass --config.source.allow_leaks=True for a banner in the report",
        )
    return leaks


def _target(config: StudyConfig, source: Corpus) -> Corpus | None:
    given = config.source
    if config.target.path:
        return read_corpus(config.target.path, source.classes, "config.source")
    if not source.simulated:
        for name in config.experiments:
            if needs_target(config, name):
                raise InputError(
                    f"config.target.path: is empty, but {name} tests on a target; give the table "
                    "of a second corpus with --config.target.path=..."
                )
        return None
    return simulated_target(
        rows=config.target.simulated_rows,
        source_rows=given.simulated_rows,
        dim=given.simulated_features,
        seed=given.simulated_seed,
    )


def _identity(
    config: StudyConfig,
    prepared: Prepared,
    target: Corpus | None,
    leaks: tuple[Leak, ...],
    command: str,
) -> dict[str, Any]:
    """What makes this study this study; where its corpora lie and how it runs count for nothing."""
    hashed = _that_counts(config.written)
    for name in ("source", "target"):
        hashed[name] = {k: v for k, v in config.written[name].items() if k != "path"}
    hashed["corpora"] = [prepared.corpus.hash, None if target is None else target.hash]
    described: dict[str, Any] = dict.fromkeys(("source", "target"))
    corpora = {"source": (prepared.corpus, prepared.leaks), "target": (target, leaks)}
    for name, (corpus, found) in corpora.items():
        if corpus is not None:
            given = getattr(config, name)
            described[name] = describe(corpus) | {
                "statistics": given.statistics,
                "licence": given.licence or corpus.licence or "not stated",
                "leaks": as_json(found),
            }
    return {
        "format": 1,
        "config_hash": digest(hashed),
        "config": dict(config.written),
        **described,
        "command": command,
    }


def _that_counts(values: Mapping[str, Any]) -> dict[str, Any]:
    """The config without what makes no difference to any figure.

    The paper's models go without saying, as in studies of version 0.1, which had no others.
    """
    found = {name: value for name, value in values.items() if name not in ("jobs", "experiments")}
    if found.get("models") == _PAPERS_MODELS:
        del found["models"]
    return found


def check_folder(study: Study) -> None:
    """Refuses a folder that holds another study or run; writes nothing."""
    root = study.dir.root
    try:
        existing = read_json(study.dir.config)
    except FileNotFoundError:
        if Workdir(root).config.exists():
            raise InputError(
                f"--workdir={root}: holds a run of experiments.run; give another --workdir"
            ) from None
        return
    except OSError as error:
        raise InputError(
            f"--workdir={root}: cannot be read ({error.strerror}); give another one"
        ) from None
    if existing.get("config_hash") != study.identity["config_hash"]:
        there, here = (
            {**identity, "config": _that_counts(identity.get("config") or {})}
            for identity in (existing, study.identity)
        )
        how = first_difference(there, here, ("source", "target", "config"))
        raise InputError(
            f"--workdir={root}: holds another study ({how}); give another --workdir or delete "
            "this one"
        )


@contextmanager
def claim_folder(study: Study) -> Iterator[None]:
    """Makes the folder this study's, and this command's alone while the block runs.

    Raises:
        InputError: it is another study's, cannot be written, or another command is at work in it.
    """
    check_folder(study)
    root = study.dir.root
    try:
        root.mkdir(parents=True, exist_ok=True)
        if not study.dir.config.exists():
            write_json(study.dir.config, study.identity)
        lock = open(root / ".lock", "w")  # as long as the block runs
    except OSError as error:
        raise InputError(
            f"--workdir={root}: cannot be written ({error.strerror}); give another one"
        ) from None
    with lock:
        if fcntl is not None:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InputError(
                    f"--workdir={root}: another command is at work there; wait for its end"
                ) from None
            except OSError:
                pass  # a file system without locks
        yield
