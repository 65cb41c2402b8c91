"""Generators on parts of the source: nothing of the withheld rows, and lanes together as alone."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import jax
import numpy as np
import pytest
from study_helpers import tiny_study

from aegan.errors import InputError
from aegan.sampling.generator import load_generator, save_generator
from aegan.study.generators import (
    generator_task,
    part_task,
    rows_of,
    seed_of,
    tasks,
    train_part,
    train_parts,
)
from aegan.study.low_resource.tasks import whole_of
from aegan.study.parts import SOURCE, TARGET, find_part
from aegan.study.study import StudyDir

PERCENT = 20.0


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A study with M1 trained on one part, alone."""
    study = tiny_study(tmp_path_factory.mktemp("alone"))
    part = find_part(study.parts, TARGET, PERCENT, 0)
    record = train_part(study, "m1", 0, study.parts.index(part))
    return study, part, record


def generator(study, part):
    return load_generator(study.dir.generator("m1", 0, part))


def test_a_part_leaves_its_generator_and_nothing_else(trained):
    study, part, record = trained
    assert record["status"] in ("ok", "collapsed") and record["seed"] == 0
    assert not list((study.dir.root / "training").iterdir())
    assert len(generator(study, part).trained_on) == len(part.rows)


def test_withheld_rows_do_not_reach_the_generator_of_the_honest_mode(trained, tmp_path):
    """Whatever lies beyond the P per cent, weights and statistics keep their bits."""
    study, part, _ = trained
    source = study.source
    beyond = np.setdiff1d(np.arange(len(source.labels)), part.rows)
    features = source.features.copy()
    features[beyond] = 1e3 * np.random.default_rng(0).normal(size=(len(beyond), 24))
    prepared = replace(study.prepared, corpus=replace(source, features=features))
    changed = replace(study, dir=StudyDir(tmp_path), prepared=prepared)
    train_part(changed, "m1", 0, study.parts.index(part))
    one, other = generator(study, part), generator(changed, part)
    np.testing.assert_array_equal(one.standardiser.mean, other.standardiser.mean)
    np.testing.assert_array_equal(one.standardiser.scale, other.standardiser.scale)
    jax.tree.map(np.testing.assert_array_equal, one.params, other.params)


def test_lanes_trained_together_are_those_trained_alone(trained, tmp_path):
    study, part, record = trained
    other = find_part(study.parts, TARGET, PERCENT, 1)
    elsewhere = replace(study, dir=StudyDir(tmp_path))
    # In the other order: a lane's place among the others makes no difference.
    lanes = [("m1", 0, study.parts.index(p)) for p in (other, part)]
    records = train_parts(elsewhere, lanes)
    assert [r["fold"] for r in records] == [study.part_fold(p).index for p in (other, part)]
    assert records[1]["fold"] == record["fold"]
    one, same = generator(study, part), generator(elsewhere, part)
    close = partial(np.testing.assert_allclose, rtol=1e-3, atol=1e-5)
    jax.tree.map(close, one.params, same.params)
    first, second = (generator(elsewhere, p).params for p in (part, other))
    assert not np.allclose(jax.tree.leaves(first)[0], jax.tree.leaves(second)[0])


def test_another_draw_of_a_generator_gives_other_rows(trained):
    study, part, _ = trained
    (rows, labels), (other, _) = (rows_of(study, "m1", 0, part, 7, draw) for draw in (0, 1))
    assert rows.shape == (7, 24) and labels.shape == (7,)
    assert not np.array_equal(rows, other)


def test_a_generator_that_came_to_harm_says_which_task_makes_it_anew(trained):
    study, part, _ = trained
    path, sound = study.dir.generator("m1", 0, part), generator(study, part)
    content = path.read_bytes()
    others = [
        replace(sound, trained_on=sound.trained_on[::-1]),
        replace(sound, passport={**sound.passport, "seed": 1}),
    ]
    name = rf"tasks/{part_task('m1', 0, part)}.json and run the same command again"
    try:
        for wrong in (None, *others):
            if wrong is None:
                path.write_bytes(content[: len(content) // 2])
            else:
                save_generator(path, wrong)
            with pytest.raises(InputError, match=name):
                rows_of(study, "m1", 0, part, 7)
    finally:
        path.write_bytes(content)


def test_tasks_cover_what_the_modes_ask_for(tmp_path):
    study = tiny_study(tmp_path, low_resource__honest=("m2",), seeds=(3, 5))
    names = {task.name for task in tasks(study)}
    whole = study.parts[0]
    for model in ("m1", "m2", "m3"):
        assert {part_task(model, seed, whole) for seed in (3, 5)} <= names
    for part in study.parts[1:]:
        seed = seed_of(study, part.replicate)
        assert generator_task("m2", seed, part) in names
        assert (part_task("m1", seed, part) in names) is False
        assert generator_task("m1", seed, whole_of(study, part)) in names
    fold = find_part(study.parts, SOURCE, 100.0, 1)
    assert generator_task("m2", 5, fold) == "train-m2"
    assert whole_of(study, fold).rows.tolist() == fold.rows.tolist()
