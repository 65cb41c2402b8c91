"""A built wheel, away from the clone: the library and one command, configs by their names."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from commands import QUICK, ROOT
from small_runs import TINY

PARTS = ("aegan", "configs", "experiments", "setup.py", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Runs the installed command, or python, in an empty folder that knows nothing of the clone."""
    folder = tmp_path_factory.mktemp("wheel")
    (folder / "source").mkdir()
    for part in PARTS:
        source, target = ROOT / part, folder / "source" / part
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    site, empty = folder / "site", folder / "empty"
    empty.mkdir()
    pip = [sys.executable, "-m", "pip", "--quiet"]
    alone = ["--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "wheel", *alone, "-w", folder, folder / "source"], check=True)
    (wheel,) = folder.glob("aegan-*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", site, wheel], check=True)
    environment = {**os.environ, "PYTHONPATH": str(site), "XLA_FLAGS": QUICK}
    environment["AEGAN_CACHE"] = str(folder / "cache")

    def run(*arguments: str | Path) -> subprocess.CompletedProcess:
        command = [sys.executable, *map(str, arguments)]
        return subprocess.run(command, cwd=empty, env=environment, capture_output=True, text=True)

    run.site, run.empty = site, empty
    return run


def test_no_common_name_lands_among_the_packages(installed):
    names = {path.name for path in installed.site.iterdir() if path.suffix != ".dist-info"}
    assert names == {"aegan", "bin"}


def test_the_smallest_job_runs_without_the_clone(installed):
    done = installed(installed.site / "bin" / "aegan", "run", "--config=m2:quick", *TINY)
    assert done.returncode == 0, done.stderr
    report = installed.empty / "runs" / "m2-quick" / "report.html"
    assert report.stat().st_size > 10_000
    assert "aegan run --config=m2:quick" in report.read_text()


@pytest.mark.parametrize("program", ["sample", "convert", "extract", "paper", "bench"])
def test_every_program_says_what_it_does(installed, program):
    done = installed(installed.site / "bin" / "aegan", program, "--help")
    assert f"experiments.{program}" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--config=m9"], "no config 'm9'; there are bench, codes"),
        (["runn"], "no program 'runn'; aegan --help lists them"),
    ],
)
def test_a_name_that_is_none_is_refused_in_one_line(installed, arguments, words):
    done = installed(installed.site / "bin" / "aegan", *arguments)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and words in done.stderr


def test_the_library_is_there_and_waits_with_jax(installed):
    code = "import aegan, sys; assert 'jax' not in sys.modules; print(aegan.M2, aegan.__file__)"
    done = installed("-c", code)
    assert done.returncode == 0 and str(installed.site) in done.stdout, done.stderr
