"""Memory: a wide table is read in little more than its own size, and rows are written in none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import ROOT

from aegan.data.contract import FeatureContract
from aegan.tables.write import table_writer

pytestmark = pytest.mark.slow
ROWS, DIM = 40_000, 1582
CONTRACT = FeatureContract(tuple(f"f{i}" for i in range(DIM)))

READ = """
import sys
from aegan.data.audit import audit, row_digests
from aegan.data.corpus import read_corpus
from aegan.data.folds import make_folds
from aegan.system.workers import peak_memory
before = peak_memory()
corpus = read_corpus(sys.argv[1])
audit(corpus, make_folds(corpus, 5), row_digests(corpus.features))
print((peak_memory() - before) / corpus.features.nbytes)
"""
WRITE = """
import sys, numpy as np
from pathlib import Path
from aegan.system.workers import peak_memory
from aegan.tables.synthetic import write_synthetic
from test_memory import CONTRACT, DIM
rng = np.random.default_rng(0)
blocks = (
    (rng.standard_normal((2000, DIM), dtype=np.float32), rng.integers(0, 2, 2000))
    for _ in range(int(sys.argv[2]) // 2000)
)
passport = {"model": "m2", "run_hash": "0" * 16, "seed": 0, "fold": 0}
write_synthetic(Path(sys.argv[1]), blocks, ("angry", "sad"), CONTRACT, passport)
print(peak_memory() / 2**20)
"""


def run(code, *arguments) -> float:
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{Path(__file__).parent}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


def test_a_table_is_read_and_audited_in_at_most_two_and_a_half_times_its_size(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "wide.parquet"
    with table_writer(path, ("file", "speaker", "emotion"), CONTRACT, {}) as writer:
        for start in range(0, ROWS, 4000):
            rows = range(start, start + 4000)
            labels = {
                "file": [f"u{i}" for i in rows],
                "speaker": [f"s{i % 10}" for i in rows],
                "emotion": [("angry", "sad")[i // 10 % 2] for i in rows],
            }
            writer.write(labels, rng.standard_normal((4000, DIM), dtype=np.float32))
    assert 0.9 < run(READ, path) <= 2.5  # growth over the peak of the imports


def test_memory_does_not_grow_with_the_number_of_rows_written(tmp_path):
    few, many = (run(WRITE, tmp_path / "rows.parquet", rows) for rows in (40_000, 160_000))
    assert many - few < 100  # MB; the rows more have 759
