"""Generators of others, and the table that compares them."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from commands import command
from scipy.stats import spearmanr
from small_runs import assert_refused

from aegan.data.simulate import simulated_corpus
from aegan.errors import InputError
from aegan.metrics.peers import PEERS

BUILT_IN = [name for name in PEERS if name != "forest_diffusion"]


@pytest.fixture(scope="module")
def set1():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], [200, 300, 400]).astype(np.int32)
    rows = rng.standard_normal((900, 6)) + 1.5 * np.eye(3, 6)[labels]
    rows[:, 5] = np.exp(rows[:, 4] + 0.3 * rng.standard_normal(900))  # tied, of a margin of its own
    return rows.astype(np.float32), labels, np.array(["a", "b"] * 450)


@pytest.mark.parametrize("name", BUILT_IN)
def test_rows_are_of_their_class_and_a_seed_fixes_them(name, set1):
    rows, labels = PEERS[name](*set1, 300, 1)
    assert rows.dtype == np.float32 and labels.dtype == np.int32 and np.isfinite(rows).all()
    assert abs(len(rows) - 300) <= 6 and len(labels) == len(rows)  # ADASYN rounds
    means = np.stack([rows[labels == c][:, :3].mean(axis=0) for c in range(3)])
    assert (means.argmax(axis=1) == [0, 1, 2]).all()
    again, _ = PEERS[name](*set1, 300, 1)
    np.testing.assert_array_equal(rows, again)
    assert not np.array_equal(rows[:50], PEERS[name](*set1, 300, 2)[0][:50])


def test_the_copula_keeps_margins_and_ranks_and_copies_no_row(set1):
    real, of, _ = set1
    rows, labels = PEERS["copula"](*set1, 6000, 0)
    for label in range(3):
        seen, made = real[of == label], rows[labels == label]
        assert (made.min(axis=0) >= seen.min(axis=0)).all()
        assert (made.max(axis=0) <= seen.max(axis=0)).all()
        np.testing.assert_allclose(np.median(made, 0), np.median(seen, 0), atol=0.25)
        found, known = (spearmanr(x[:, 4], x[:, 5]).statistic for x in (made, seen))
        assert known > 0.9 and found == pytest.approx(known, abs=0.2)
    assert not set(map(bytes, rows)) & set(map(bytes, real))


def test_a_class_of_one_row_gives_that_row_to_the_copula(set1):
    real, labels, speakers = (part[199:] for part in set1)
    rows, drawn = PEERS["copula"](real, labels, speakers, 90, 0)
    np.testing.assert_array_equal(rows[drawn == 0], np.tile(real[0], (sum(drawn == 0), 1)))


def test_samplers_that_cannot_say_so(set1):
    real, labels, speakers = (part[199:] for part in set1)
    with pytest.raises(InputError, match="^ADASYN: .*; leave it out of --peers$"):
        PEERS["adasyn"](real, labels, speakers, 90, 0)


def test_forest_diffusion_says_how_it_is_installed(set1, monkeypatch):
    monkeypatch.setitem(sys.modules, "ForestDiffusion", None)
    with pytest.raises(InputError, match=r"^forest_diffusion: .*aegan\[peers\]"):
        PEERS["forest_diffusion"](*set1, 90, 0)


def test_forest_diffusion_makes_rows(set1):
    pytest.importorskip("ForestDiffusion")
    rows, labels = PEERS["forest_diffusion"](*set1, 300, 1)
    assert rows.shape == (300, 6) and set(labels.tolist()) == {0, 1, 2}
    means = np.stack([rows[labels == c][:, :3].mean(axis=0) for c in range(3)])
    assert (means.argmax(axis=1) == [0, 1, 2]).all()


def test_the_command_compares_them(tmp_path):
    path, out = tmp_path / "table.parquet", tmp_path / "peers.md"
    simulated_corpus(rows=120, dim=20).to_frame().to_parquet(path, index=False)
    given = [f"--path={path}", f"--out={out}", "--n=100", "--folds=2"]
    done = command(tmp_path, *given, "--peers=copula,m5", name="peers")
    assert done.status == 0, done.err
    lines = done.out.splitlines()
    assert max(map(len, lines[:-1])) <= 80  # the last one names the report
    assert [line.split()[0] for line in lines[-5:-2]] == ["real", "copula", "m5"]
    text = out.read_text()
    assert "| TSTR | less real |" in text and "\nm5 | " in text and "--peers=copula,m5" in text
    assert_refused(command(tmp_path, *given, "--peers=gan", name="peers"), "'gan'", "svm_smote")
