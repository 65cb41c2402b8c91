"""Runs that take seconds: their arguments, their table, their files, how they are refused."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

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
OFTEN = "--config.train.checkpoint_seconds=0"  # a checkpoint after every call
OWN = "m9"  # a model of the tests alone: own_model.py


def tiny(model, workdir, *more):
    folder = "tests/own_" if model == OWN else "configs/"
    config = "m5.py:adversarial" if model == "m5_adversarial" else f"{model}.py:quick"
    return (f"--config={folder}{config}", *TINY, f"--workdir={workdir}", *more)


def write_table(path: Path, change=lambda frame: frame) -> Path:
    """A table of 80 rows and 8 whole-numbered features of four speakers, after a change."""
    rng = np.random.default_rng(0)
    values = rng.integers(-99, 100, (80, 8)).astype(float)
    frame = pd.DataFrame(values, columns=[f"f{i}" for i in range(8)])
    frame.insert(0, "file", [f"utt{i:03d}" for i in range(80)])
    frame.insert(1, "speaker", [f"spk{i % 4}" for i in range(80)])
    emotions = ("angry", "happy", "neutral", "sad")
    frame.insert(2, "emotion", [emotions[i // 4 % 4] for i in range(80)])
    pq.write_table(pa.Table.from_pandas(change(frame), preserve_index=False), path)
    return path


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
