from __future__ import annotations

import time
from functools import partial
from multiprocessing import active_children
from pathlib import Path

import numpy as np
import pytest
from extractors import (
    NAMES,
    features_of,
    make_broken,
    make_dead,
    make_good,
    make_refused,
    make_trouble,
    write_wav,
)

from aegan.audio.clips import Row, Skipped
from aegan.audio.workers import Workers
from aegan.errors import InputError


def recordings(folder: Path, *names: str) -> list[str]:
    for seed, name in enumerate(names):
        write_wav(folder / f"{name}.wav", seed)
    return [str(folder / f"{name}.wav") for name in names]


def outcomes_of(paths, make, jobs=2, clip_limit=60.0) -> dict[str, Row | Skipped]:
    """Outcomes by stem; every clip has exactly one."""
    with Workers(make, jobs, clip_limit) as workers:
        pairs = list(workers.outcomes(paths))
    assert sorted(index for index, _ in pairs) == list(range(len(paths)))
    return {Path(paths[index]).stem: outcome for index, outcome in pairs}


def assert_good(outcome, path) -> None:
    assert isinstance(outcome, Row)
    np.testing.assert_array_equal(outcome.features, features_of(str(path)).features)
    assert outcome.duration_s == 0.05


def test_every_clip_comes_back_as_itself_from_several_processes(tmp_path):
    paths = recordings(tmp_path, *(f"clip{i}" for i in range(40)))
    log = str(tmp_path / "log")
    with Workers(partial(make_good, log), jobs=2) as workers:
        assert workers.kind.contract.names == NAMES
        for index, outcome in workers.outcomes(paths):
            assert_good(outcome, paths[index])
        assert list(workers.outcomes([])) == []
        again = dict(workers.outcomes(paths[:3]))  # the same processes serve once more
    assert sorted(again) == [0, 1, 2]
    lines = [line.split() for line in Path(log).read_text().splitlines()]
    assert sorted(path for _, path in lines) == sorted(paths + paths[:3])


def test_clips_are_extracted_side_by_side(tmp_path):
    paths = recordings(tmp_path, "meet1", "meet2")
    outcomes = outcomes_of(paths, make_trouble, jobs=2)  # one process would wait for ever
    for path in paths:
        assert_good(outcomes[Path(path).stem], path)


def test_clips_that_end_their_process_cost_themselves_alone(tmp_path):
    names = ["a", "kill1", "b", "crash", "c", "once", "d", "kill2", "e"]
    paths = recordings(tmp_path, *names)
    log = tmp_path / "log"
    outcomes = outcomes_of(paths, partial(make_trouble, str(log)))
    for name in ("kill1", "kill2", "crash"):
        assert outcomes[name] == Skipped("ended its process, twice", lasting=False)
    for name in ("a", "b", "c", "d", "e", "once"):  # the second try of "once" went well
        assert_good(outcomes[name], tmp_path / f"{name}.wav")
    tried = [Path(line.split()[1]).stem for line in log.read_text().splitlines()]
    assert sorted(tried) == sorted(names + ["kill1", "kill2", "crash", "once"])


def test_a_clip_that_hangs_is_given_up_and_the_others_are_done(tmp_path):
    paths = recordings(tmp_path, "hang1", "a", "b", "hang2", "c")
    began = time.monotonic()
    outcomes = outcomes_of(paths, make_trouble, clip_limit=1.0)
    assert time.monotonic() - began < 30
    for name in ("hang1", "hang2"):
        assert outcomes[name] == Skipped("not done after 1 s", lasting=False)
    for name in "abc":
        assert_good(outcomes[name], tmp_path / f"{name}.wav")


def test_what_libraries_print_does_not_reach_the_screen(tmp_path, capfd):
    paths = recordings(tmp_path, "print", "kill")
    outcomes = outcomes_of(paths, make_trouble, jobs=1)
    assert_good(outcomes["print"], paths[0])
    assert capfd.readouterr() == ("", "")


def test_a_process_that_ends_while_idle_is_replaced_and_no_clip_blamed(tmp_path):
    paths = recordings(tmp_path, "a", "b", "c")
    log, before = tmp_path / "log", set(active_children())
    with Workers(partial(make_good, str(log)), jobs=1) as workers:
        (process,) = set(active_children()) - before
        process.kill()
        process.join()
        outcomes = dict(workers.outcomes(paths))
    for index, path in enumerate(paths):
        assert_good(outcomes[index], path)
    assert len(log.read_text().splitlines()) == 3


@pytest.mark.parametrize(
    "make, message",
    [
        (make_refused, "--features=x: no such set; give another"),
        (make_broken, "ZeroDivisionError: of the library"),
        (make_dead, "end as they start (exit status 7)"),
    ],
)
def test_an_extractor_that_cannot_be_made_is_an_input_error(make, message):
    with pytest.raises(InputError) as caught, Workers(make, jobs=2):
        pass
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_process_is_left_behind(tmp_path):
    paths = recordings(tmp_path, "a", "hang", "kill", "b")
    before = set(active_children())
    with pytest.raises(KeyboardInterrupt), Workers(make_trouble, jobs=2) as workers:
        for _ in workers.outcomes(paths):
            raise KeyboardInterrupt
    # All are killed by now; their executor's thread, which waits for them too, may count later.
    limit = time.monotonic() + 5
    while set(active_children()) - before and time.monotonic() < limit:
        time.sleep(0.05)
    assert set(active_children()) <= before
