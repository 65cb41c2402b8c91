"""Worker processes: all there, each with its environment, gone when told."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest
from commands import ROOT

from aegan.errors import InputError
from aegan.system.workers import Pool, threads_of, usable_cores


def _who(_: int) -> tuple[int, str]:
    time.sleep(0.3)
    return os.getpid(), os.environ["NPROC"]


def _busy(_: bytes) -> None:
    """An initializer with much to read."""
    time.sleep(0.1)


def test_all_processes_start_with_the_environment_however_much_they_are_given():
    before = os.environ.get("NPROC")
    with Pool(4, threads_of(3), _busy, (bytes(4_000_000),)) as pool:
        assert len(pool.processes) == 4
        found = [job.result() for job in [pool.submit(_who, i) for i in range(12)]]
    assert {threads for _, threads in found} == {"3"}
    assert {pid for pid, _ in found} <= {process.pid for process in pool.processes}
    assert len({pid for pid, _ in found}) > 1
    assert not any(process.is_alive() for process in pool.processes)
    assert os.environ.get("NPROC") == before


@pytest.mark.parametrize("text", ["all", "0", "-1", "1.5"])
def test_a_number_of_threads_that_is_none_is_refused(text, monkeypatch):
    monkeypatch.setenv("NPROC", text)
    with pytest.raises(InputError, match=f"NPROC={text}: is not a number of threads"):
        usable_cores()


def test_threads_are_those_asked_for_or_the_machines(monkeypatch):
    for given, most in (("7", 7), ("", os.cpu_count())):
        monkeypatch.setenv("NPROC", given)
        assert (7 if given else 1) <= usable_cores() <= most


def test_peak_memory_is_of_the_process_itself():
    held = b"1" * 2**29  # a process begins with the rusage of the one that starts it
    code = (
        "from aegan.system.workers import peak_memory\n"
        "before = peak_memory()\n"
        "block = b'1' * 2**27\n"
        "print(peak_memory() - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert 0.75 * 2**27 < int(done.stdout) < 1.25 * 2**27
    assert len(held) == 2**29
