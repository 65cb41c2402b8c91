"""The training loop: all lanes to the last epoch, in calls of some seconds, from checkpoints.

A lane that goes wrong ends with its state before that epoch. Nothing keeps those states: that would
take as much memory as the states themselves. They are trained once more, from the last checkpoint.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import jax
import numpy as np

from aegan.learning.schedule import LaneState, idle
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
    log: Callable[[Checkpoint], None] | None = None,
    along: Sequence[int] = (),
    keep: Callable[[int, LaneState], None] = lambda epoch, state: None,
) -> Checkpoint:
    """Trains to the end, after ``epochs`` in all, from the last checkpoint if there is one.

    The keeper has the run's checkpoints, saved every so many seconds and at the end; ``names`` is
    what to call each lane on the screen; ``log`` is told of every checkpoint, the one gone on from
    included. On several hosts all return the same. A lane that went wrong has the state before that
    epoch, and the epoch's number (from 1) in ``diverged``.
    ``keep(epoch, state)`` gets the states after the epochs ``along`` the way, before a checkpoint
    that goes beyond them is saved; a lane marked there has none that counts.
    ``InputError``: the checkpoints are of another run, or none can be read.
    """
    now = keeper.restore(jax.eval_shape(init_lanes, job.learner, job.lanes))
    log = log or (lambda checkpoint: None)
    if now is not None:
        log(now)
        say(f"train: goes on after epoch {now.epochs} of {epochs}")
        if now.epochs == epochs:
            return now
    say(f"train: compiling ({strategy}) ...")
    with open_trainer(strategy, job) as trainer:
        done, history, seconds = _start(job, trainer, now)
        marks = [] if now is None else np.flatnonzero(now.state.diverged)
        stopped = {int(lane): _one(now.state, lane) for lane in marks}
        now = None  # its states take as much memory as the trainer's
        saved = time.monotonic()
        count, first_call = 1, True
        progress = None
        while done < epochs:
            started = time.perf_counter()
            count = min(count, *(end - done for end in (*along, epochs) if end > done))
            trained = trainer.run(done, count)
            trained = trained._replace(history=_absent(job, trained.history, done))
            spent = time.perf_counter() - started
            done, history = done + count, np.concatenate([history, trained.history])
            # From the first call on, which compiles: its time says nothing of what is left.
            new = 0 if progress is None else count
            if progress is None:
                progress = bar(epochs, "train", "epoch", initial=done)
            progress.set_postfix_str(_in_short(job, trained), refresh=False)
            progress.update(new)
            failed = enumerate(trained.diverged.tolist())
            fresh = {lane: epoch for lane, epoch in failed if epoch and lane not in stopped}
            for lane, epoch in fresh.items():
                line = f"{names[lane]} diverged in epoch {epoch}: goes back to the state before it"
                say_above(progress, line)
            if fresh:
                state = trainer.state()
                stopped |= _before_failing(job, trainer, keeper, fresh)
                trainer.load(state)
                del state
            if done in along:
                keep(done, trainer.state())
            seconds += time.perf_counter() - started
            # The first call compiles as well: it says nothing about the next.
            if not first_call:
                count = int(np.clip(count * SECONDS_PER_CALL / spent, 1, MAX_EPOCHS_PER_CALL))
            # By the first host's clock: on several, all train as many.
            count = hosts.agree(-(-count // trainer.pieces) * trainer.pieces)
            first_call = False
            if done < epochs and hosts.agree(time.monotonic() - saved > save_every):
                so_far = Checkpoint(done, _with(trainer.state(), stopped), history, seconds)
                keeper.save(so_far)
                log(so_far)
                del so_far
                saved = time.monotonic()
        progress.close()
        end = Checkpoint(done, _with(trainer.state(), stopped), history, seconds)
    keeper.save(end)
    log(end)
    return end


def _start(job: Job, trainer: Trainer, now: Checkpoint | None) -> tuple[int, np.ndarray, float]:
    """Sets off from a checkpoint or from the beginning: epochs, losses and seconds so far."""
    if now is None:
        trainer.begin()
        shape = (0, 2, job.number, len(job.learner.model.losses()))
        return 0, np.zeros(shape, np.float32), 0.0
    trainer.load(now.state)
    return now.epochs, now.history, now.seconds


def _absent(job: Job, history: np.ndarray, first: int) -> np.ndarray:
    """Losses with NaN for those that are not there: of steps that idle, of lanes that hold no rows
    out. jax itself sees no NaN but those of a training that goes wrong (JAX_DEBUG_NANS).
    """
    history = np.array(history)
    for number, losses in enumerate(history):
        losses[0, :, np.asarray(idle(job.learner, first + number))] = np.nan
    history[:, 1, np.asarray(job.lanes.n_valid) == 0] = np.nan
    return history


def _with(state: LaneState, stopped: Mapping[int, LaneState]) -> LaneState:
    """States in which lanes that should train no more, but do, have the state they stopped at."""
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
    """States of lanes before the epochs (from 1) that they fail in; leaves the trainer there."""
    failed, good = dict(failed), {}
    like = jax.eval_shape(init_lanes, job.learner, job.lanes)
    while failed:
        done, *_ = _start(job, trainer, keeper.restore(like))
        for epoch in sorted(set(failed.values())):
            earlier: dict[int, int] = {}
            while done < epoch - 1:
                count = min(MAX_EPOCHS_PER_CALL, epoch - 1 - done)
                diverged = trainer.run(done, count).diverged
                earlier = {lane: int(diverged[lane]) for lane in failed if diverged[lane]}
                done += count
            if earlier:  # a device that does not compute the same bits twice
                failed |= earlier
                break
            state = trainer.state()
            for lane in [lane for lane in failed if failed[lane] == epoch]:
                mark = np.array([failed.pop(lane)], np.int32)
                good[lane] = _one(state, lane)._replace(diverged=mark)
            del state
    return good


def _in_short(job: Job, trained: Trained) -> str:
    """Training losses of the last epochs, mean over the lanes that are well."""
    words = []
    for i, loss in enumerate(job.learner.model.losses()):
        values = trained.history[-2:, 0, trained.diverged == 0, i]
        values = values[np.isfinite(values)]
        words += [f"{loss.label} {values.mean():.3g}"] if values.size else []
    return " ".join(words)
