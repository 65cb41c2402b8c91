"""Runs that take seconds: their arguments, their files, how they are refused."""

from __future__ import annotations

import hashlib
from pathlib import Path

EPOCHS = 3
TINY = (
    "--config.data.simulated_rows=120",
    "--config.data.simulated_features=30",
    "--config.model.encoder=(8,6)",
    "--config.model.code_discriminator=(8,6)",
    "--config.model.feature_discriminator=(8,6)",
    "--config.model.auxiliary=(5,)",
    "--config.model.code_generator=(6,)",
    "--config.train.batch_size=16",
    f"--config.train.epochs={EPOCHS}",
    "--config.sample.rows=120",
)


def tiny(model, workdir, *more):
    return (f"--config=configs/{model}.py:quick", *TINY, f"--workdir={workdir}", *more)


def hashes(folder: Path, *suffixes: str) -> dict[str, str]:
    """SHA-256 of the files in a folder, by their path in it."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and (not suffixes or path.suffix in suffixes)
    }


def assert_refused(done, *words):
    """One line of error that has these words."""
    assert done.status == 2, (done.status, done.out, done.err)
    assert done.err.startswith("error: ") and done.err.count("\n") == 1, done.err
    for word in words:
        assert word in done.err, (word, done.err)
