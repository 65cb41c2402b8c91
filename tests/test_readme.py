"""What the README shows works as it stands there."""

from __future__ import annotations

import re
import runpy

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import ROOT, command
from small_runs import TINY

import aegan

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(heading: str, language: str = "python") -> list[str]:
    """The pieces of code under a heading."""
    section = re.split(rf"^#+ {heading}$", TEXT, flags=re.M)[1]
    section = re.split(r"^#+ ", re.sub(r"^# ", "#: ", section, flags=re.M), flags=re.M)[0]
    return re.findall(rf"```{language}\n(.*?)```", section, flags=re.S)


def test_the_library_as_it_is_shown(tmp_path, monkeypatch, capsys):
    corpus = aegan.simulated_corpus(rows=200, dim=30)
    table = pa.Table.from_pandas(corpus.to_frame(), preserve_index=False)
    pq.write_table(table, tmp_path / "nemo.parquet")
    (code,) = blocks("From Python")
    assert "updates=1400" in code and "aegan.M3()" in code
    code = code.replace("updates=1400", "updates=20").replace("M3()", "M3(updates=20)")
    (tmp_path / "shown.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    names = runpy.run_path("shown.py")
    assert len(names["X_new"]) == 500 and set(names["y_new"]) == {"angry"}
    assert "M3" in capsys.readouterr().out and "tstr_set2" in names["found"].frame()
    assert (tmp_path / "gan.npz").is_file()


@pytest.mark.parametrize("strategy", ["vmap", "processes"])
def test_a_model_of_ones_own(strategy, tmp_path):
    for code in blocks("Your own model"):
        name = re.match(r"#: (\w+\.py)\n", code)[1]
        (tmp_path / name).write_text(code)
    workdir = tmp_path / "run"
    ways = {"environment": {"AEGAN_CACHE": str(tmp_path / "cache")}}
    done = command(
        tmp_path,
        f"--config={tmp_path}/noisy_config.py:quick",
        *TINY,
        "--config.metrics.c_grid=(0.01,)",
        f"--config.train.strategy={strategy}",
        f"--workdir={workdir}",
        **ways,
    )
    assert done.status == 0, done.err
    assert "Noisy: M2 with learned noise" in (workdir / "report.md").read_text()
    drawn = ["--n=30", f"--out={tmp_path}/rows.parquet", f"--run={workdir}", "--fold=0"]
    done = command(tmp_path, *drawn, f"--model={tmp_path}/noisy.py", name="sample", **ways)
    assert done.status == 0, done.err
    assert pq.read_table(tmp_path / "rows.parquet").num_rows == 30
    done = command(tmp_path, *drawn, "--overwrite", name="sample", **ways)
    assert done.status == 2 and "name it with --model" in done.err
