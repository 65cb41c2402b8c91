"""What a newcomer does first ends well, and so it does with features of other sets."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from commands import command
from small_runs import TINY

import aegan
from aegan.report.tables import QUICK

# As eGeMAPS has them: functionals of few contours, of names that are openSMILE's.
CONTOURS = ("F0semitoneFrom27.5Hz_sma3nz", "loudness_sma3", "mfcc1_sma3", "jitterLocal_sma3nz")
EGEMAPS = ("amean", "stddevNorm", "percentile20.0", "percentile50.0", "percentile80.0")
EGEMAPS += ("pctlrange0-2", *(f"meanRisingSlope{i}" for i in range(16)))
NAMES = {
    "eGeMAPS": [f"{contour}_{name}" for contour in CONTOURS for name in EGEMAPS],
    "embedding": [str(i) for i in range(768)],
}


def run_sample_load(scratch, config: str, *more: str, rows: int) -> pd.DataFrame:
    """The three steps after the install; the table that was drawn."""
    workdir, out = scratch / "run", scratch / "synthetic.parquet"
    done = command(scratch, f"--config={config}", f"--workdir={workdir}", *more)
    assert done.status == 0, done.err
    assert f"report: {workdir / 'report.html'}" in done.out
    if config.endswith(":quick"):
        page = (workdir / "report.md").read_text()
        assert all(QUICK in " ".join(text.split()) for text in (done.out, page))
    given = [f"--run={workdir}", f"--n={rows}", f"--out={out}"]
    done = command(scratch, *given, name="sample")
    assert done.status == 0, done.err
    frame = pd.read_parquet(out)
    X, y = aegan.load(workdir, fold=0).sample(rows)
    np.testing.assert_allclose(frame[list(X.columns)], X, rtol=1e-5)
    np.testing.assert_array_equal(frame["emotion"], y)
    return frame


def resampled(frame: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    """Twice the rows of a drawn table."""
    more = aegan.Augment(sampling_strategy="all", multiplier=2, random_state=0)
    y = frame["emotion"]
    with pytest.warns(UserWarning, match="no groups"):  # drawn rows are of nobody
        X, labels = more.fit_resample(frame.select_dtypes("number"), y)
    np.testing.assert_array_equal(labels[: len(y)], y)
    return X, labels


@pytest.mark.parametrize(("kind", "model"), [("eGeMAPS", "m5"), ("embedding", "m2")])
def test_features_of_any_kind_and_number(kind, model, tmp_path):
    names = NAMES[kind]
    corpus = aegan.simulated_corpus(rows=120, dim=len(names))
    frame = corpus.to_frame().rename(columns=dict(zip(corpus.feature_names, names, strict=True)))
    frame.to_parquet(tmp_path / "table.parquet", index=False)
    given = [f"--config.data.path={tmp_path / 'table.parquet'}", "--config.metrics.c_grid=(0.001,)"]
    drawn = run_sample_load(tmp_path, f"configs/{model}.py:quick", *TINY[2:], *given, rows=60)
    assert [name for name in drawn.columns if name in set(names)] == names
    X, y = resampled(drawn)
    assert X.shape == (len(y), len(names)) and len(y) >= 120 and np.isfinite(X).all(axis=None)


@pytest.mark.slow
def test_first_contact_as_typed(tmp_path):
    """Quick variant, report, sample, load, fit_resample, at the paper's sizes."""
    drawn = run_sample_load(tmp_path, "configs/m2.py:quick", rows=600)
    assert drawn.shape[0] == 600 and set(drawn["emotion"]) == {"angry", "happy", "neutral", "sad"}
    X, y = resampled(drawn)
    assert X.shape[1] == 1582 and len(y) >= 1200
