"""Losses on disk while a run trains, whatever interrupts it."""

from __future__ import annotations

import struct
from contextlib import closing
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from builders import small_run

from aegan.run.losses import LossLog
from aegan.run.workdir import Workdir
from aegan.training.checkpoints import Checkpoint

LANES = ((1, 0), (1, 2), (0, 0), (0, 2))  # (seed, fold)
NAMES = [loss.name for loss in small_run("m2").learner.model.losses()]
HISTORY = np.random.default_rng(0).random((9, 2, len(LANES), len(NAMES)), np.float32)


def plan(board: bool = False):
    train = SimpleNamespace(tensorboard=board)
    given = {"lanes": LANES, "learner": small_run("m2").learner}
    return SimpleNamespace(**given, config=SimpleNamespace(train=train))


def after(epochs: int, failed=(0, 0, 0, 0)) -> Checkpoint:
    """A checkpoint of that training; ``failed`` says in which epoch each lane went wrong."""
    marks = [epoch if epoch <= epochs else 0 for epoch in failed]
    state = SimpleNamespace(diverged=np.array(marks, np.int32))
    return Checkpoint(epochs, state, HISTORY[:epochs], 0.0)


def written(tmp_path, *sittings, failed=(0, 0, 0, 0), board=False) -> bytes:
    """losses.csv after sittings that were told of checkpoints of so many epochs."""
    for epochs in sittings:
        with closing(LossLog(plan(board), Workdir(tmp_path))) as log:
            for count in epochs:
                log(after(count, failed))
    return (tmp_path / "losses.csv").read_bytes()


def test_every_lane_epoch_and_split_has_its_losses(tmp_path):
    written(tmp_path, (2, 9))
    table = pd.read_csv(tmp_path / "losses.csv")
    assert list(table.columns) == ["seed", "fold", "epoch", "split", *NAMES]
    assert len(table) == 9 * 4 * 2
    for place, lane in enumerate(LANES):
        for s, split in enumerate(("train", "valid")):
            own = table[(table["seed"] == lane[0]) & (table["fold"] == lane[1])]
            own = own[own["split"] == split]
            expected = HISTORY[:, s, place].copy()
            if split == "train":  # D2 learns in every second epoch
                expected[1::2, NAMES.index("feature_discriminator")] = np.nan
            np.testing.assert_array_equal(own[NAMES].to_numpy(np.float32), expected)
            assert own["epoch"].tolist() == list(range(1, 10))


@pytest.mark.parametrize("failed", [(0, 0, 0, 0), (0, 4, 0, 8)])
@pytest.mark.parametrize(
    "sittings",
    [
        ((2, 5, 9),),
        ((2, 5, 7), (5, 6, 9)),  # killed before the checkpoint of epoch 7 was whole
        ((3,), (3, 9), (9,)),  # at the end, and once more
    ],
)
def test_however_it_was_interrupted_no_row_is_doubled_or_lost(sittings, failed, tmp_path):
    whole = written(tmp_path / "whole", (9,), failed=failed)
    assert written(tmp_path / "cut", *sittings, failed=failed) == whole
    kept = pd.read_csv(tmp_path / "cut" / "losses.csv").groupby(["seed", "fold"])["epoch"].max()
    assert [kept[lane] for lane in LANES] == [epoch or 9 for epoch in failed]


def test_a_line_that_a_kill_cut_off_is_mended(tmp_path):
    whole = written(tmp_path, (3, 9))
    (tmp_path / "losses.csv").write_bytes(whole[:-7])
    assert written(tmp_path, (9,)) == whole


def test_tensorboard_shows_the_same_once(tmp_path):
    board = pytest.importorskip("tensorboardX", reason="pip install 'aegan[tensorboard]'")
    written(tmp_path, (2, 5, 7), (5, 9), board=True)
    table = pd.read_csv(tmp_path / "losses.csv", dtype=dict.fromkeys(NAMES, np.float32))
    folders = tmp_path / "tensorboard"
    assert {path.name for path in folders.iterdir()} == {f"seed{s}-fold{f}" for s, f in LANES}
    for seed, fold in LANES:
        found = {}
        (path,) = (folders / f"seed{seed}-fold{fold}").iterdir()
        for event in events(path, board):
            for value in event.summary.value:
                assert (value.tag, event.step) not in found  # once
                found[value.tag, event.step] = value.simple_value
        own = table[(table["seed"] == seed) & (table["fold"] == fold)].to_dict("records")
        assert found == {
            (f"{name}/{row['split']}", row["epoch"]): row[name]
            for row in own
            for name in NAMES
            if np.isfinite(row[name])
        }


def events(path, board):
    """The records of an event file: length and its checksum, data and its checksum."""
    data, place = path.read_bytes(), 0
    while place < len(data):
        (length,) = struct.unpack("<Q", data[place : place + 8])
        yield board.proto.event_pb2.Event.FromString(data[place + 12 : place + 12 + length])
        place += length + 16
