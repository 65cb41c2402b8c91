"""Checkpoints: back bit for bit, refused where they do not belong, and training that goes on."""

from __future__ import annotations

import gc

import jax
import numpy as np
import pytest
from builders import small_run, trained
from helpers import META, TRAINED, copy, same_bits, strict_jax

from aegan.errors import InputError
from aegan.training import checkpoints, lanes
from aegan.training.checkpoints import Checkpoint, open_keeper


@pytest.fixture(autouse=True)
def _strict():
    with strict_jax():
        yield


def kept(folder, name="m3", keys=None, meta=META):
    """The keeper of a folder's checkpoints."""
    run = small_run(name)
    keys = run.lanes().key if keys is None else keys
    return open_keeper(folder, meta, keys, len(run.learner.model.losses()))


def save(folder, *points, **given):
    with kept(folder, **given) as keeper:
        for point in points:
            keeper.save(point)


def restore(folder, name="m3", **given):
    with kept(folder, name, **given) as keeper:
        return keeper.restore(small_run(name).like())


def after(epochs, seconds=1.5, name="m3"):
    state, history = trained(name, epochs)
    return Checkpoint(epochs, state, history, seconds)


def test_everything_comes_back_bit_for_bit(tmp_path):
    history = after(3).history.copy()
    history[1, 0, :, 0] = np.nan  # as of an epoch in which a step idles
    point = after(3)._replace(history=history)
    momenta = jax.tree.leaves(point.state.opt_states)
    assert momenta and all(np.any(leaf) for leaf in momenta)
    save(tmp_path, point)
    back = restore(tmp_path)
    assert (back.epochs, back.seconds) == (3, 1.5)
    assert same_bits(back.state, point.state)
    assert same_bits(back.history, point.history)
    assert np.isnan(back.history).any()


def test_the_newest_of_the_kept_checkpoints_is_taken(tmp_path):
    save(tmp_path, after(1), after(2), after(3))
    back = restore(tmp_path)
    assert back.epochs == 3 and same_bits(back.state, after(3).state)
    kept = {path.name for path in tmp_path.iterdir() if path.name.isdigit()}
    assert kept == {"2", "3"}


def test_a_save_is_a_snapshot_even_if_training_goes_on_and_donates(tmp_path):
    run, state = small_run("m3"), copy(trained("m3", 2)[0])
    with kept(tmp_path) as keeper:
        keeper.save(Checkpoint(2, state, trained("m3", 2)[1], 0.0))
        counts = np.int32(2), np.int32(1), 4
        lanes.run_epochs(run.learner, run.table(), run.lanes(), state, *counts)
    assert same_bits(restore(tmp_path).state, trained("m3", 2)[0])


@pytest.mark.parametrize("name", TRAINED)
def test_resumed_training_equals_uninterrupted(name, tmp_path):
    assert restore(tmp_path / "none") is None
    save(tmp_path, after(2, name=name), name=name)
    back = restore(tmp_path, name)
    state, history = small_run(name).train(back.state, back.epochs, 2)
    whole, whole_history = trained(name, 4)
    assert same_bits(state, whole)
    assert same_bits(np.concatenate([back.history, history]), whole_history)


@pytest.mark.parametrize(
    ("field", "stored", "words"),
    [
        ("features", ["a", "c"], "column 1 is 'c' for 'b'"),
        ("feature_set", "emobase2010", "feature set emobase2010 for IS10"),
        ("corpus_hash", "0" * 16, "another corpus_hash"),
        ("config_hash", "0" * 16, "another config_hash"),
    ],
)
def test_a_checkpoint_of_something_else_is_refused_with_the_mend(tmp_path, field, stored, words):
    save(tmp_path, after(1), meta={**META, field: stored})
    with pytest.raises(InputError) as error:
        restore(tmp_path)
    message = str(error.value)
    assert words in message and str(tmp_path) in message and "; " in message
    assert "\n" not in message


def test_other_seeds_are_refused_and_an_unknown_feature_set_goes_with_any(tmp_path):
    save(tmp_path, after(1), meta={**META, "feature_set": "unknown"})
    assert restore(tmp_path).epochs == 1
    others = jax.random.split(jax.random.key(99), len(small_run("m3").lane_list))
    with pytest.raises(InputError, match="other seeds"):
        restore(tmp_path, keys=others)


def test_a_checkpoint_of_an_older_version_is_refused(tmp_path, monkeypatch):
    with monkeypatch.context() as before:
        before.setattr(checkpoints, "FORMAT", 1)
        save(tmp_path, after(1))
    with pytest.raises(InputError, match="of an older version; give another --workdir"):
        restore(tmp_path)


def test_a_save_that_was_cut_off_is_not_taken(tmp_path):
    """What a SIGKILL in mid-save leaves: the newest folder is not complete."""
    save(tmp_path, after(1), after(2))
    half = tmp_path / "3.orbax-checkpoint-tmp-1"
    half.mkdir()
    (half / "state").mkdir()
    back = restore(tmp_path)
    assert back.epochs == 2 and same_bits(back.state, after(2).state)


def largest_file(folder):
    return max(folder.rglob("*"), key=lambda path: path.is_file() and path.stat().st_size)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of orbax
@pytest.mark.parametrize("part", ["state", "meta"])
def test_a_damaged_checkpoint_is_left_out_for_the_one_before(tmp_path, part, capsys):
    save(tmp_path, after(1), after(2))
    path = largest_file(tmp_path / "2" / part)
    path.write_bytes(path.read_bytes()[:5])
    back = restore(tmp_path)
    assert back.epochs == 1 and same_bits(back.state, after(1).state)
    assert "checkpoint of epoch 2 is damaged" in capsys.readouterr().out
    save(tmp_path, after(2))  # training goes on, and the place is free
    assert restore(tmp_path).epochs == 2
    gc.collect()  # orbax' half-read arrays complain as they go


def test_no_whole_checkpoint_is_an_error_and_none_is_deleted(tmp_path):
    save(tmp_path, after(1), after(2))
    for step in "12":
        path = largest_file(tmp_path / step / "meta")
        path.write_bytes(b"{")
    with pytest.raises(InputError, match="no checkpoint can be read; delete the folder"):
        restore(tmp_path)
    assert (tmp_path / "1").is_dir() and (tmp_path / "2").is_dir()
