"""The training loop: all lanes to the last epoch, in calls of some seconds, from checkpoints.

A lane that goes wrong ends with its state before that epoch. Nothing keeps those states: that would
take as much memory as the states themselves. They are trained once more, from the last checkpoint.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import jax
import numpy as np

from aegan.learning.schedule import LaneState
from aegan.system.screen import bar, say, say_above
from aegan.training import hosts
from aegan.training.checkpoints import Checkpoint, Keeper
from aegan.training.job import MAX_EPOCHS_PER_CALL, Job, Trained, Trainer, only
from aegan.training.lanes import init_lanes
from aegan.training.trainers import open_trainer

SECONDS_PER_CALL = 5.0  # how often the screen hears from the device


def train_lanes(
    job: Job,
    strategy: str,
    keeper: Keeper,
    epochs: int,
    save_every: float,
    names: Sequence[str],
) -> Checkpoint:
    """Trains to the end, from the last checkpoint if there is one.

    On several hosts the first reads and writes the checkpoints, and all return the same.

    Args:
        job: what to train.
        strategy: how its lanes run.
        keeper: of the run's checkpoints.
        epochs: in all.
        save_every: seconds between checkpoints; the end is saved in any case.
        names: what to call each lane on the screen.

    Returns:
        The end. A lane that went wrong has the state before that epoch, and the epoch's number
        (from 1) in ``diverged``.

    Raises:
        InputError: the checkpoints are of another run, or none can be read.
    """
    labels = [loss.label for loss in job.learner.model.losses()]
    now = keeper.restore(jax.eval_shape(init_lanes, job.learner, job.lanes))
    if now is not None:
        say(f"train: goes on after epoch {now.epochs} of {epochs}")
        if now.epochs == epochs:
            return now
    say(f"train: compiling ({strategy}) ...")
    with open_trainer(strategy, job) as trainer:
        done, history, seconds, stopped = _start(job, trainer, now)
        now = None  # its states take as much memory as the trainer's
        saved = time.monotonic()
        count, first_call = 1, True
        progress = bar(epochs, "train", "epoch", initial=done)
        while done < epochs:
            started = time.perf_counter()
            count = min(count, epochs - done)
            trained = trainer.run(done, count)
            spent = time.perf_counter() - started
            done, history = done + count, np.concatenate([history, trained.history])
            progress.set_postfix_str(_in_short(labels, trained), refresh=False)
            progress.update(count)
            failed = {int(i): int(trained.diverged[i]) for i in np.flatnonzero(trained.diverged)}
            fresh = {lane: epoch for lane, epoch in failed.items() if lane not in stopped}
            for lane, epoch in fresh.items():
                line = f"{names[lane]} diverged in epoch {epoch}: goes back to the state before it"
                say_above(progress, line)
            if fresh:
                state = trainer.state()
                stopped |= _before_failing(job, trainer, keeper, fresh)
                trainer.load(state)
                del state
            seconds += time.perf_counter() - started
            # The first call compiles as well: it says nothing about the next.
            if not first_call:
                count = int(np.clip(count * SECONDS_PER_CALL / spent, 1, MAX_EPOCHS_PER_CALL))
            # By the first host's clock: on several, all train as many.
            count = hosts.agree(-(-count // trainer.pieces) * trainer.pieces)
            first_call = False
            if done < epochs and keeper.due(saved, save_every):
                keeper.save(Checkpoint(done, _with(trainer.state(), stopped), history, seconds))
                saved = time.monotonic()
        progress.close()
        end = Checkpoint(done, _with(trainer.state(), stopped), history, seconds)
    keeper.save(end)
    return end


def _start(
    job: Job, trainer: Trainer, now: Checkpoint | None
) -> tuple[int, np.ndarray, float, dict[int, LaneState]]:
    """Sets off from a checkpoint or from the beginning.

    Returns the epochs, losses and seconds so far, and the lanes that train no more.
    """
    if now is None:
        trainer.begin()
        shape = (0, 2, job.number, len(job.learner.model.losses()))
        return 0, np.zeros(shape, np.float32), 0.0, {}
    trainer.load(now.state)
    stopped = {int(lane): _one(now.state, lane) for lane in np.flatnonzero(now.state.diverged)}
    return now.epochs, now.history, now.seconds, stopped


def _with(state: LaneState, stopped: Mapping[int, LaneState]) -> LaneState:
    """States in which the lanes that train no more have the state that they stopped at.

    (A trainer trains them on, for it has no way to leave a lane out.)
    """
    if not stopped:
        return state
    state = jax.tree.map(np.array, state)
    for lane, good in stopped.items():
        for leaf, one in zip(*map(jax.tree.leaves, (state, good)), strict=True):
            leaf[lane] = one[0]
    return state


def _one(state: LaneState, lane: int) -> LaneState:
    """A copy of one lane, its axis kept: a view would hold all the others as well."""
    return jax.tree.map(np.array, only(state, lane))


def _before_failing(
    job: Job, trainer: Trainer, keeper: Keeper, failed: Mapping[int, int]
) -> dict[int, LaneState]:
    """States of lanes before the epochs (numbered from 1) that they went wrong in.

    The trainer is left with states of the past.
    """
    failed, good = dict(failed), {}
    like = jax.eval_shape(init_lanes, job.learner, job.lanes)
    while failed:
        done, *_ = _start(job, trainer, keeper.restore(like))
        for epoch in sorted(set(failed.values())):
            diverged = np.zeros(job.number, np.int32)
            while done < epoch - 1:
                count = min(MAX_EPOCHS_PER_CALL, epoch - 1 - done)
                diverged = trainer.run(done, count).diverged
                done += count
            # On a device that does not compute the same bits twice it may go wrong earlier.
            earlier = {lane: int(diverged[lane]) for lane in failed if diverged[lane]}
            if earlier:
                failed |= earlier
                break
            state = trainer.state()
            for lane in [lane for lane in failed if failed[lane] == epoch]:
                mark = np.array([failed.pop(lane)], np.int32)
                good[lane] = _one(state, lane)._replace(diverged=mark)
            del state
    return good


def _in_short(labels: Sequence[str], trained: Trained) -> str:
    """Training losses of the last epochs, mean over the lanes that are well."""
    table = trained.history[-2:, 0][:, trained.diverged == 0].reshape(-1, len(labels))
    means = [column[np.isfinite(column)] for column in table.T]
    pairs = zip(labels, means, strict=True)
    return " ".join(f"{label} {v.mean():.3g}" for label, v in pairs if v.size)
