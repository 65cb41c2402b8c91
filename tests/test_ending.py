"""How commands and workers end: signals, screens that are gone, parents that are killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest
from commands import ROOT


def python(code: str, **options) -> subprocess.CompletedProcess:
    call = [sys.executable, "-c", code]
    return subprocess.run(call, cwd=ROOT, capture_output=True, text=True, **options)


def test_a_signal_that_a_library_swallows_ends_the_next_turn_of_the_loop():
    code = (
        "import os, signal, sys\n"
        "from aegan.system import ending, screen\n"
        "signal.signal(signal.{name}, signal.SIG_DFL)\n"  # whatever the tests were started with
        "ending.listen()\n"
        "class Swallows:\n"
        "    def __del__(self): os.kill(os.getpid(), signal.{name}); list(range(1000))\n"
        "turns = 0\n"
        "try:\n"
        "    with screen.bar(9, 'x', 'y') as bar:\n"
        "        for turn in range(9):\n"
        "            if turn == 2: Swallows()\n"
        "            turns += 1\n"
        "            bar.update()\n"
        "except ending.Stopped as stopped: print(turns, stopped.status)\n"
    )
    for name, status in (("SIGTERM", 143), ("SIGHUP", 143), ("SIGINT", 130)):
        done = python(code.format(name=name))
        assert done.stdout == f"3 {status}\n", done
        assert done.stderr.count("Exception ignored") == 0, done


def test_what_nobody_can_catch_is_said_unless_it_is_known_otherwise():
    code = (
        "from aegan.system import ending\n"
        "ending.listen()\n"
        "class Late:\n"
        "    def __init__(self, words): self.words = words\n"
        "    def __del__(self): raise RuntimeError(self.words)\n"
        "Late('Event loop is closed')\n"
        "Late('of our own')\n"
    )
    done = python(code)
    assert "RuntimeError: of our own" in done.stderr and "Event loop" not in done.stderr, done


def test_a_signal_that_the_command_was_started_without_stays_so():
    code = "import os, signal\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    code += "from aegan.system import ending\nending.listen()\n"
    code += "os.kill(os.getpid(), signal.SIGHUP)\nprint('goes on')"
    assert python(code).stdout == "goes on\n"


SCREEN = (
    "import sys\nfrom aegan.system import ending, screen\nending.keep_screen()\n"
    "for i in range(3000): screen.say('a \\u00b1 b' * 20)\n"
    "open(sys.argv[-1], 'w').write('done')"
)


@pytest.mark.parametrize("where", ["> /dev/full", "| head -1 > /dev/null", ">&-", "> /dev/null"])
def test_a_screen_that_cannot_be_written_ends_nothing(where, tmp_path):
    place = tmp_path / "place"
    shell = f'"{sys.executable}" -c "$CODE" "{place}" {where}'
    environment = {**os.environ, "CODE": SCREEN, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(["sh", "-c", shell], cwd=ROOT, env=environment, capture_output=True)
    assert (done.stderr, place.read_text()) == (b"", "done")


def test_a_worker_that_still_imports_ends_with_its_parent(tmp_path):
    """Its parent is killed while the worker reads the program that it is of."""
    program = tmp_path / "program.py"
    program.write_text(
        "import os, time\n"
        "from aegan.system.workers import Pool\n"
        "if __name__ == '__main__':\n"
        "    Pool(1, {})\n"
        "else:\n"
        "    open('started', 'w').write(str(os.getpid()))\n"
        "    time.sleep(600)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    call = [sys.executable, str(program)]
    with subprocess.Popen(call, cwd=tmp_path, env=environment, stderr=-3) as parent:
        worker = _when(lambda: (tmp_path / "started").read_text())
        parent.kill()
    assert _when(lambda: not _runs(int(worker)))


def _when(found, seconds: float = 60.0):
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        try:
            if value := found():
                return value
        except OSError:
            pass
        time.sleep(0.05)
    raise AssertionError("not within a minute")


def _runs(process: int) -> bool:
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
