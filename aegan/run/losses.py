"""The losses of a run: ``losses.csv`` while it trains, ``losses.parquet`` at its end."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd

from aegan.data.parquet import read_frame, write_frame
from aegan.errors import InputError
from aegan.learning.schedule import idle
from aegan.run.plan import Plan
from aegan.run.workdir import Workdir
from aegan.system.files import write_text, writing
from aegan.tables.synthetic import ANEW
from aegan.training.checkpoints import Checkpoint

_PLACE = ["seed", "fold", "epoch", "split"]
_SPLITS = ("train", "valid")


def losses_of(plan: Plan, trained: Checkpoint, first: int = 0) -> pd.DataFrame:
    """A row per epoch (those after ``first``), lane and split, a column per loss.

    NaN where an epoch does not have a loss. Of a diverged lane up to the epoch that went wrong.
    """
    values = np.array(trained.history[first:])  # (epochs, splits, lanes, losses)
    for number, of_epoch in enumerate(values, first):
        of_epoch[0, :, np.asarray(idle(plan.learner, number))] = np.nan
    values[~np.isfinite(values)] = np.nan
    epochs, lanes = len(values), len(plan.lanes)
    lane = np.tile(np.repeat(np.arange(lanes), len(_SPLITS)), epochs)
    epoch = np.repeat(np.arange(first + 1, first + epochs + 1), lanes * len(_SPLITS))
    names = [loss.name for loss in plan.learner.model.losses()]
    table = pd.DataFrame(np.swapaxes(values, 1, 2).reshape(len(lane), len(names)), columns=names)
    seeds, folds = np.array(plan.lanes).T
    own = seeds[lane], folds[lane], epoch, np.tile(_SPLITS, epochs * lanes)
    for place, (name, column) in enumerate(zip(_PLACE, own, strict=True)):
        table.insert(place, name, column)
    failed = np.asarray(trained.state.diverged)[lane]
    return table[(failed == 0) | (epoch <= failed)].reset_index(drop=True)


class LossLog:
    """Losses on disk while a run trains: called with every checkpoint, the first one included.

    ``losses.csv`` is written anew by the first call, for a sitting before may have been further
    than its last checkpoint, and appended to by the others: it ends the same however often a
    training was interrupted. With ``config.train.tensorboard`` the folder ``tensorboard`` has the
    same, a run per lane.
    """

    def __init__(self, plan: Plan, workdir: Workdir) -> None:
        self._plan, self._path = plan, workdir.losses_so_far
        self._folder = workdir.tensorboard if plan.config.train.tensorboard else None
        self._done: int | None = None
        self._boards: list = []

    def __call__(self, trained: Checkpoint) -> None:
        begins = self._done is None
        table = losses_of(self._plan, trained, self._done or 0)
        text = table.to_csv(index=False, header=begins, lineterminator="\n")
        if begins:
            write_text(self._path, text)
        else:
            with writing(self._path), self._path.open("a", encoding="utf-8", newline="") as file:
                file.write(text)
        self._done = trained.epochs
        if self._folder is not None:
            with writing(self._folder):
                self._show(table, begins)

    def _show(self, table: pd.DataFrame, begins: bool) -> None:
        """The same rows for TensorBoard."""
        from tensorboardX import SummaryWriter  # an extra

        if begins:
            shutil.rmtree(self._folder, ignore_errors=True)
            for seed, fold in self._plan.lanes:
                board = SummaryWriter(str(self._folder / f"seed{seed}-fold{fold}"))
                self._boards.append(board)
        for lane, board in zip(self._plan.lanes, self._boards, strict=True):
            own = table[(table["seed"] == lane[0]) & (table["fold"] == lane[1])]
            for row in own.to_dict("records"):
                for name in table.columns.difference(_PLACE):
                    if np.isfinite(row[name]):
                        board.add_scalar(f"{name}/{row['split']}", row[name], row["epoch"])
            board.flush()

    def close(self) -> None:
        for board in self._boards:
            board.close()


def write_losses(plan: Plan, workdir: Workdir, trained: Checkpoint) -> None:
    """losses.parquet."""
    write_frame(workdir.losses, losses_of(plan, trained))


def read_losses(workdir: Workdir) -> pd.DataFrame:
    """losses.parquet; ``InputError`` if it is not there or not whole."""
    try:
        table = read_frame(workdir.losses, ANEW)
    except FileNotFoundError:
        raise InputError(f"{workdir.losses}: no such file; {ANEW}") from None
    if set(_PLACE) <= set(table.columns):
        return table
    raise InputError(f"{workdir.losses}: not a table of losses; {ANEW}")
