"""What the README shows works as it stands there."""

from __future__ import annotations

import re
import runpy

import pyarrow.parquet as pq
import pytest
from commands import ROOT, command
from sklearn import config_context
from small_runs import TINY

import aegan


def blocks(heading: str, page: str = "README.md", language: str = "python") -> list[str]:
    """The pieces of code under a heading of a page."""
    text = (ROOT / page).read_text(encoding="utf-8")
    section = re.split(rf"^#+ {heading}$", text, flags=re.M)[1]
    section = re.split(r"^#+ ", re.sub(r"^# ", "#: ", section, flags=re.M), flags=re.M)[0]
    return re.findall(rf"```{language}\n(.*?)```", section, flags=re.S)


@pytest.fixture
def shown(tmp_path, monkeypatch):
    """Runs code beside a small table of every name that is shown; returns its names."""
    frame = aegan.simulated_corpus(rows=200, dim=30).to_frame()
    for name in ("nemo", "ravdess"):
        frame.to_parquet(tmp_path / f"{name}.parquet", index=False)
    monkeypatch.chdir(tmp_path)

    def run(code: str) -> dict:
        (tmp_path / "shown.py").write_text(code)
        return runpy.run_path("shown.py")

    return run


def test_the_library_as_it_is_shown(shown, tmp_path, capsys):
    (code,) = blocks("From Python")
    assert "aegan.M3(), corpus, seeds=(0, 1)" in code
    short = "M3(updates=20, overrides={'sample.rows': 300}), corpus, seeds=(0,)"
    names = shown(code.replace("M3(), corpus, seeds=(0, 1)", short))
    assert len(names["X_new"]) == 6000 and len(names["X_own"]) == len(names["y_own"]) == 500
    assert names["X_moved"].shape == (200, 30)
    assert "M3" in capsys.readouterr().out and "tstr_set2" in names["found"].frame()
    assert (tmp_path / "gan.npz").is_file()


def test_the_comparison_of_pipelines_as_it_is_shown(shown, capsys):
    (code,) = blocks("In a pipeline")
    with config_context():  # which the code sets
        names = shown(code)
    printed = capsys.readouterr().out
    assert all(f"{way} " in printed for way in names["ways"]) and len(names["ways"]) == 4
    assert len(names["scores"]) == 5 and "nan" not in printed


def test_what_the_pages_link_to_is_there():
    pages = ROOT / "README.md", ROOT / "configs" / "README.md", *ROOT.glob("aegan/*/README.md")
    for page in pages:
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
        for target in re.findall(r"\]\((?!http)([^)]+)\)", text):
            file, _, anchor = target.partition("#")
            there = page.parent / file if file else page
            assert there.is_file(), f"{page} links to {target}"
            if anchor:
                heads = re.findall(r"^#+ (.*)$", there.read_text(encoding="utf-8"), re.M)
                slugs = [re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads]
                assert anchor in slugs, f"{page} links to {target}"


@pytest.mark.parametrize("strategy", ["vmap", "processes"])
def test_a_model_of_ones_own(strategy, tmp_path):
    for code in blocks("Your own model", "aegan/models/README.md"):
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
