"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from commands import QUICK

# Before jax reads them, here and in the commands that tests run. What one test compiles serves the
# others.
_COMPILED = tempfile.TemporaryDirectory(prefix="aegan-compiled-", ignore_cleanup_errors=True)
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", _COMPILED.name)
os.environ.setdefault("XLA_FLAGS", QUICK)

from aegan.data.corpus import Corpus  # noqa: E402
from aegan.data.simulate import simulated_corpus  # noqa: E402

# Files of few tests that take minutes: begun first, or the last one runs alone.
LONG = ("run", "estimators", "sample", "m5", "readme", "hosts", "paper", "wheel")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.stem.removeprefix("test_") not in LONG)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Directory of the real feature tables (nemo.parquet, ravdess.parquet)."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("AEGAN_SHARED_DATA", default))
    for name in ("nemo.parquet", "ravdess.parquet"):
        if not (folder / name).is_file():
            pytest.skip(
                f"REAL DATA NOT TESTED: {folder / name} is absent; "
                "set AEGAN_SHARED_DATA to the directory of the feature tables"
            )
    return folder


@pytest.fixture(scope="session")
def small_corpus() -> Corpus:
    """200 simulated rows of 40 features: ten speakers in five sessions, four classes."""
    return simulated_corpus(rows=200, dim=40, seed=0)


@pytest.fixture
def file(tmp_path):
    """Writes text or bytes to a file and returns its path."""

    def write(content: str | bytes, name: str = "features.csv"):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write
