"""Synthetic rows: reproducible, in raw units, and labelled for what they are."""

from __future__ import annotations

from dataclasses import replace

import jax
import numpy as np
import pyarrow.parquet as pq
import pytest
from builders import generator_of, small_run, trained
from helpers import copy, random_params, same_bits, strict_jax
from oracle import synthetic_rows

from aegan.data.contract import FeatureContract
from aegan.errors import InputError
from aegan.sampling.rows import BLOCK, sample, sample_blocks, sampling_key, training_space_blocks
from aegan.tables.synthetic import read_synthetic, write_synthetic
from aegan.training import lanes

FOLD = 1
GAIN = 0.2


@pytest.fixture(autouse=True)
def _strict():
    with strict_jax():
        yield


def drawn(rows, seed=0, fold=FOLD, label=None, draw_seed=0):
    """Rows of a trained lane in training space, drawn with the key of lane (seed, fold)."""
    run = small_run("m3")
    params = lanes.lane_of(trained("m3", 3)[0], FOLD).params
    key = sampling_key(lanes.lane_key(seed, fold), draw_seed)
    blocks = training_space_blocks(run.learner.model, params, key, rows, label)
    features, labels = zip(*blocks, strict=True)  # of whole blocks
    return np.concatenate(features)[:rows], np.concatenate(labels)[:rows]


def test_the_first_rows_do_not_depend_on_how_many_are_asked_for():
    many = drawn(2 * BLOCK + 5)
    for rows in (1, 7, BLOCK, BLOCK + 1):
        few = drawn(rows)
        assert few[0].shape == (rows, 12) and few[1].shape == (rows,)
        assert same_bits(few, (many[0][:rows], many[1][:rows]))
    blocks = many[0][:BLOCK], many[0][BLOCK : 2 * BLOCK]
    assert not np.array_equal(*blocks)


def test_same_lane_same_bits_other_lane_other_rows():
    assert same_bits(drawn(50), drawn(50))
    for other in (drawn(50, seed=1), drawn(50, fold=0), drawn(50, draw_seed=1)):
        assert not np.array_equal(drawn(50)[0], other[0])
    assert not np.array_equal(drawn(50, draw_seed=1)[0], drawn(50, draw_seed=2)[0])


def test_rows_of_one_class_are_its_rows_of_a_draw_of_all():
    """The label alone is fixed: where the free draw has it too, the row is the same."""
    free, labels = drawn(300)
    for label in range(4):
        rows, own = drawn(300, label=label)
        assert (own == label).all() and own.dtype == np.int32
        np.testing.assert_allclose(rows[labels == label], free[labels == label], rtol=1e-6)
        assert not np.allclose(rows[labels != label], free[labels != label])


def test_classes_are_drawn_uniformly():
    labels = drawn(6000)[1]
    assert labels.dtype == np.int32
    counts = np.bincount(labels, minlength=4)
    assert np.abs(counts - 1500).max() < 5 * np.sqrt(6000 * 3 / 16)


def test_rows_are_decoded_draws_of_their_own_label():
    """Against the plain decoder, with a prior whose points tell their class."""
    params = random_params(small_run("m2").learner)
    model = replace(small_run("m2").learner.model, spread=1e-7)
    ((rows, labels),) = training_space_blocks(model, params, jax.random.key(5), 40)
    z = model.prior.means(4)[labels]
    expected = synthetic_rows(params, z, np.eye(4, dtype=np.float32)[labels])
    np.testing.assert_allclose(rows, expected, rtol=1e-4, atol=1e-4)
    assert set(labels) == {0, 1, 2, 3}


def test_raw_units_round_trip():
    run = small_run("m3")
    fold, stats = run.folds[FOLD], run.stats[FOLD]
    real = run.corpus.features[fold.train]
    generator = generator_of(run, FOLD, gain=GAIN)
    space = stats.to_z(real) * np.float32(GAIN)
    back = generator.to_raw_units(space, run.corpus.labels[fold.train])
    assert back.dtype == np.float32
    inside = np.abs(stats.to_z(real)) < stats.clip
    error = np.abs(back - real) / (np.abs(real) + stats.scale)
    assert error[inside].max() < 1e-5


def test_a_column_that_is_constant_in_training_is_exact():
    run = small_run("m3")
    fold = run.folds[FOLD]
    features = run.corpus.features.copy()
    features[fold.train, 3] = np.float32(0.1)  # not a sum of few powers of two
    features[fold.valid, 3] = 7.0
    corpus = replace(run.corpus, features=features)
    generator = generator_of(run._replace(corpus=corpus), FOLD, gain=GAIN)
    raw, labels = sample(generator, sampling_key(lanes.lane_key(0, FOLD)), 200)
    assert (raw[:, 3] == np.float32(0.1)).all()
    moving = features[fold.train].min(axis=0) < features[fold.train].max(axis=0)
    assert (raw[:, moving].std(axis=0) > 0).all()
    assert same_bits(labels, drawn(200)[1])


def test_blocks_in_raw_units_are_bounded_and_add_up_to_the_whole():
    run, rows = small_run("m3"), 2 * BLOCK + 5
    generator, key = generator_of(run, FOLD), sampling_key(lanes.lane_key(0, FOLD))
    before = copy(generator.params)
    blocks = list(sample_blocks(generator, key, rows))
    assert [len(labels) for _, labels in blocks] == [BLOCK, BLOCK, 5]
    whole = sample(generator, key, rows)
    assert same_bits(whole[0], np.concatenate([features for features, _ in blocks]))
    assert same_bits(jax.tree.map(np.asarray, before), generator.params)


# --- the table on disk -----------------------------------------------------------------------

PASSPORT = {"model": "m3", "run_hash": "abc", "seed": 3, "fold": 1, "corpus_simulated": True}


def written(path, **changes):
    features = np.array([[1.5, -2.25], [np.pi, 1e-20], [1e30, 0.0]], np.float32)
    labels = np.array([2, 0, 2], np.int32)
    fields = {"blocks": [(features[:1], labels[:1]), (features[1:], labels[1:])]}
    fields |= {"classes": ("a", "b", "c"), "contract": FeatureContract(("f1", "f2"))}
    fields |= {"passport": PASSPORT} | changes
    write_synthetic(path, **fields)
    return features, labels


def test_a_synthetic_table_comes_back_bit_for_bit(tmp_path):
    path = tmp_path / "deep" / "seed3-fold1.parquet"
    features, labels = written(path)
    table = read_synthetic(path)
    assert same_bits((table.features, table.labels), (features, labels))
    assert table.classes == ("a", "b", "c")  # b too, which has no row
    assert table.contract == FeatureContract(("f1", "f2"))
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_any_reader_sees_that_the_table_is_synthetic_whatever_the_passport_says(tmp_path):
    written(tmp_path / "t.parquet", passport={**PASSPORT, "synthetic": "false"})
    table = pq.read_table(tmp_path / "t.parquet")
    assert table.column_names == ["file", "speaker", "emotion", "f1", "f2"]
    names = table.column("file").to_pylist()
    assert len(set(names)) == 3 and all(name.startswith("synthetic-m3-abc") for name in names)
    assert table.column("emotion").to_pylist() == ["c", "a", "c"]
    metadata = {k.decode(): v.decode() for k, v in table.schema.metadata.items()}
    expected = {"model": "m3", "seed": "3", "fold": "1", "run_hash": "abc", "synthetic": "true"}
    assert (expected | {"corpus_simulated": "true"}).items() <= metadata.items()


def test_other_files_are_refused_with_the_mend(tmp_path):
    with pytest.raises(InputError, match="no such file.*train stage"):
        read_synthetic(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("not a table")
    with pytest.raises(InputError, match=r"text.parquet: not whole .*train stage|delete it"):
        read_synthetic(tmp_path / "text.parquet")
    written(tmp_path / "t.parquet")
    bare = pq.read_table(tmp_path / "t.parquet").replace_schema_metadata(None)
    pq.write_table(bare, tmp_path / "bare.parquet")
    with pytest.raises(InputError, match="not a synthetic table"):
        read_synthetic(tmp_path / "bare.parquet")
