"""Several hosts: two processes on this machine that train together as two hosts would."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest
from commands import QUICK, ROOT, Done
from small_runs import OFTEN, assert_refused, tiny

from aegan.errors import InputError
from aegan.training import hosts

LIMIT = 240  # seconds until a command counts as hanging
TRAIN = ("--stage=train",)


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()[1]


def start(scratch: Path, workdir: Path, *arguments: str, **environment: str) -> subprocess.Popen:
    scratch.mkdir(parents=True, exist_ok=True)
    own = {"JAX_PLATFORMS": "cpu", "NPROC": "1", "XLA_FLAGS": QUICK, hosts.MEET_SECONDS: "120"}
    given = tiny("m1", workdir, OFTEN, "--config.data.simulated_rows=60", *arguments)
    with open(scratch / "out", "w") as out, open(scratch / "err", "w") as err:
        return subprocess.Popen(
            [sys.executable, "-m", "experiments.run", *given],
            stdout=out,
            stderr=err,
            cwd=ROOT,
            env={**os.environ, "AEGAN_CACHE": str(scratch.parent / "cache"), **own, **environment},
        )


def finish(process: subprocess.Popen, scratch: Path) -> Done:
    try:
        status = process.wait(LIMIT)
    finally:
        process.kill()
    return Done(status, *((scratch / name).read_text() for name in ("out", "err")))


def meet(host: int, port: int) -> tuple[str, ...]:
    return f"--coordinator=127.0.0.1:{port}", "--hosts=2", f"--host={host}"


def start_two(root: Path, *arguments: str, own=((), ())) -> list[tuple[subprocess.Popen, Path]]:
    """Host 0 in root/run, host 1 in root/never; both with these arguments, and some of its own."""
    port = free_port()
    return [
        (
            start(root / f"host{host}", root / name, *arguments, *own[host], *meet(host, port)),
            root / f"host{host}",
        )
        for host, name in enumerate(("run", "never"))
    ]


def two(root: Path, *arguments: str, **own) -> list[Done]:
    return [finish(*begun) for begun in reversed(start_two(root, *arguments, **own))][::-1]


def losses(workdir: Path) -> pd.DataFrame:
    return pd.read_parquet(workdir / "losses.parquet")


def assert_alike(workdir: Path, other: Path) -> None:
    pd.testing.assert_frame_equal(losses(workdir), losses(other), rtol=1e-4)
    for path in sorted(other.glob("generators/*.npz")):
        with np.load(path) as theirs, np.load(workdir / "generators" / path.name) as ours:
            assert set(ours) == set(theirs)
            for name in set(theirs):
                if theirs[name].dtype.kind == "f":
                    np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-3, atol=1e-4)


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """Where the two-host run, the solo run and their compiled programs lie."""
    return tmp_path_factory.mktemp("hosts")


@pytest.fixture(scope="module")
def trained(root) -> list[Done]:
    """The train stage on two hosts; its workdir is root/run."""
    return two(root, *TRAIN)


def test_two_hosts_train_what_one_trains(trained, root):
    solo = finish(start(root / "solo", root / "alone", *TRAIN), root / "solo")
    for done in (*trained, solo):
        assert done.status == 0, done.err
    assert_alike(root / "run", root / "alone")
    assert '"hosts": 2' in (root / "run" / "train.json").read_text()


def test_only_the_first_host_writes_and_speaks(trained, root):
    first, other = trained
    assert other.out == "" and "Traceback" not in other.err
    assert not (root / "never").exists()
    assert "on 2 cpu devices (cpu), strategy sharded" in first.out
    assert "Gloo" not in first.out and "Traceback" not in first.err


def test_another_config_is_refused_on_all_hosts(trained, root):
    first, other = two(root, *TRAIN, "--config.train.gain=0.3")
    assert_refused(first, "--workdir=", "holds a run of another config")
    assert_refused(other, "host 0 gave up")
    assert other.out == "" and not (root / "never").exists()


@pytest.mark.slow
def test_a_strategy_of_one_host_is_refused_on_all(tmp_path):
    for done in two(tmp_path, "--config.train.strategy=vmap"):
        assert_refused(done, "config.train.strategy='vmap'", "sharded or auto")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_hosts_that_train_different_things_are_refused(tmp_path):
    for done in two(tmp_path, own=[(f"--config.seeds={host}",) for host in (0, 1)]):
        assert_refused(done, "host 1 has another config or corpus")


@pytest.mark.slow
def test_the_whole_command_on_two_hosts_the_second_leaving_after_training(trained, root):
    """Training is there: the other host ends though the first, stopped, still evaluates."""
    (host, scratch), (other, other_scratch) = start_two(root)
    while host.poll() is None and "evaluate" not in (scratch / "err").read_text():
        time.sleep(0.01)
    host.send_signal(signal.SIGSTOP)
    done = finish(other, other_scratch)
    assert done.status == 0 and done.out == "", done
    assert not (root / "run" / "results.json").exists()
    host.send_signal(signal.SIGCONT)
    first = finish(host, scratch)
    assert first.status == 0, first.err
    assert "train: finished before" in first.out and (root / "run" / "report.html").exists()


@pytest.mark.slow
def test_two_hosts_that_were_killed_go_on_from_the_checkpoint(tmp_path):
    """Both are stopped after a checkpoint: one killed, so that the other's exchange breaks."""
    long = (*TRAIN, "--config.train.epochs=400")
    begun = start_two(tmp_path, *long)
    limit = time.monotonic() + LIMIT
    folder = tmp_path / "run" / "checkpoints"
    while time.monotonic() < limit and not any(p.name.isdigit() for p in folder.glob("*")):
        time.sleep(0.02)
    begun[0][0].send_signal(signal.SIGKILL)
    killed = time.monotonic()
    ended = [finish(*one) for one in begun]
    assert ended[0].status == -signal.SIGKILL and ended[1].status != 0
    assert time.monotonic() - killed < 60
    first, other = two(tmp_path, *long)
    assert (first.status, other.status) == (0, 0), (first.err, other.err)
    assert "train: goes on after epoch" in first.out
    whole = two(tmp_path / "whole", *long)
    assert [done.status for done in whole] == [0, 0], whole
    pd.testing.assert_frame_equal(
        losses(tmp_path / "run"), losses(tmp_path / "whole" / "run"), check_exact=True
    )


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("127.0.0.1:1", None, None), "go together"),
        (("127.0.0.1:1", 2, None), "go together"),
        ((None, None, 0), "go together"),
        (("127.0.0.1:1", 2, 2), "numbered 0 to 1"),
        (("127.0.0.1:1", 2, -1), "numbered 0 to 1"),
        (("nowhere", 2, 1), "is not address:port"),
    ],
)
def test_flags_that_make_no_sense_are_one_line(given, words):
    with pytest.raises(InputError, match=words) as error:
        hosts.join(*given)
    assert "\n" not in str(error.value)


def test_a_coordinator_that_is_not_there_is_one_line_in_time(monkeypatch):
    monkeypatch.setenv(hosts.MEET_SECONDS, "1")
    begun = time.monotonic()
    with pytest.raises(InputError, match="nobody answered within 1 s .*; start --host=0"):
        hosts.join(f"127.0.0.1:{free_port()}", 2, 1)
    assert time.monotonic() - begun < 10


def test_a_first_host_that_stays_alone_ends_in_time_with_one_line(tmp_path):
    own, patience = tmp_path / "host0", {hosts.MEET_SECONDS: "2"}
    process = start(own, tmp_path / "run", *meet(0, free_port()), **patience)
    assert_refused(finish(process, own), "did not meet within 2 s")


@pytest.mark.parametrize("text", ["soon", "0", "-1"])
def test_a_time_to_meet_that_is_none_is_refused(text, monkeypatch):
    monkeypatch.setenv(hosts.MEET_SECONDS, text)
    with pytest.raises(InputError, match="is not a number of seconds"):
        hosts.join("127.0.0.1:1", 2, 1)


def test_one_host_settles_and_agrees_with_itself():
    assert jax.process_count() == 1 and hosts.is_first() and not hosts.are_together()
    assert hosts.settle(lambda: 7) == 7
    assert hosts.agree(True) is True and hosts.agree(False) is False
    hosts.check_equal("a", "config")
    hosts.leave()
    with pytest.raises(InputError, match="why"):
        hosts.settle(lambda: (_ for _ in ()).throw(InputError("why")))
