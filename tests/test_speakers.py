"""Effects of class and speaker, new speakers, offsets: against hand-worked and known values."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from aegan.models.m5 import FACTORS, M5
from aegan.speakers.effects import estimate
from aegan.speakers.factors import FEW, factors_of
from aegan.speakers.offsets import Offsets


def corpus(speakers=12, classes=3, rows=8, dim=40, b=2.0, v=0.5, w=1.0, seed=0):
    """Rows with speakers of variance b, ways of variance v and a rest of variance w."""
    rng = np.random.default_rng(seed)
    s, c, _ = (a.ravel() for a in np.mgrid[:speakers, :classes, :rows])
    u = rng.normal(0, np.sqrt(b), (speakers, dim))
    ways = rng.normal(0, np.sqrt(v), (speakers, classes, dim))
    rest = rng.normal(0, np.sqrt(w), (len(s), dim))
    return (3.0 * c[:, None] + u[s] + ways[s, c] + rest).astype(np.float32), c, s


def test_a_balanced_two_way_table_by_hand():
    # Two speakers, two classes, two rows a cell. Cell means 1, 5 / 4, 12; rows are 1 off them.
    x = np.array([0, 2, 4, 6, 3, 5, 11, 13], np.float32)[:, None]
    labels, speakers = np.array([0, 0, 1, 1, 0, 0, 1, 1]), np.array([0] * 4 + [1] * 4)
    found = estimate(x, labels, speakers, 2)
    np.testing.assert_allclose(found.means[:, 0], [2.5, 8.5])
    np.testing.assert_allclose(found.within, 2.0)  # 8 squares of 1 on 4 degrees of freedom
    # Mean squares of the table of cell means: interaction 4, speakers 2 * (5 / 2) ** 2 * 2 = 25.
    # E: V + W / 2 = 4, C * B + V + W / 2 = 25.
    np.testing.assert_allclose(found.interaction, 3.0, rtol=1e-2)
    np.testing.assert_allclose(found.between, 10.5, rtol=1e-2)
    # A speaker deviates by 2.5; of it B / (B + (V + W / 2) / 2) is the speaker.
    np.testing.assert_allclose(found.speakers[:, 0], [-2.1, 2.1], rtol=1e-2)
    assert found.crossed == 1


def test_known_variances_come_back():
    found = estimate(*corpus(speakers=40, dim=200), 3)
    assert found.within.mean() == pytest.approx(1.0, rel=0.02)
    assert found.between.mean() == pytest.approx(2.0, rel=0.1)
    assert found.interaction.mean() == pytest.approx(0.5, rel=0.1)
    np.testing.assert_allclose(np.diff(found.means, axis=0).mean(axis=1), 3.0, atol=0.1)


def test_a_cell_counts_by_what_it_knows():
    rows, labels, speakers = corpus(speakers=6, classes=1, rows=30, dim=300, b=0.0, v=0.1, w=9.0)
    few = np.isin(speakers, [0, 1]) & (np.arange(len(rows)) % 30 > 0)  # of one row each
    found = estimate(rows[~few], labels[~few], speakers[~few], 1)
    cells = np.stack([rows[~few][speakers[~few] == s].mean(axis=0) for s in range(6)])
    n = np.bincount(speakers[~few])
    # Best weights for one class: one over the variance of a cell's mean.
    t = found.interaction.mean() + found.between.mean()
    weights = 1 / (t + found.within.mean() / n)
    np.testing.assert_allclose(found.means[0], weights @ cells / weights.sum(), atol=1e-4)
    assert abs(found.means).mean() < abs(cells.mean(axis=0)).mean()


def test_speakers_of_one_class_alone_have_one_effect():
    rows, labels, speakers = corpus(speakers=60, dim=100)
    alone = labels == speakers % 3
    found = estimate(rows[alone], labels[alone], speakers[alone], 3)
    assert found.crossed == 0 and not found.between.any()
    assert found.interaction.mean() == pytest.approx(2.5, rel=0.15)
    assert "one effect" in found.words


@pytest.mark.parametrize("speaker", ["one", "each its own"])
def test_a_design_that_tells_no_speakers_is_one_gaussian_per_class(speaker):
    rows, labels, speakers = corpus()
    speakers = np.zeros_like(speakers) if speaker == "one" else np.arange(len(rows))
    found = estimate(rows, labels, speakers, 3)
    assert not found.between.any() and not found.interaction.any()
    within = [rows[labels == c].var(axis=0, ddof=1) for c in range(3)]
    np.testing.assert_allclose(found.within, np.mean(within, axis=0), rtol=1e-5)
    assert "no speaker effects" in found.words


def test_what_lies_outside_the_span_of_a_few_speakers():
    few = estimate(*corpus(speakers=5, dim=400, v=0.1, rows=20), 3)
    flat = corpus(speakers=30, dim=400, b=0.0, v=0.1, rows=20)
    lines = np.random.default_rng(1).normal(size=(3, 400))
    where = np.random.default_rng(2).normal(size=(30, 3))
    many = estimate(flat[0] + (where @ lines)[flat[2]], *flat[1:], 3)  # all in three directions
    assert few.outside > 0.8 and many.outside < 0.1


def drawn(rows, labels, speakers, n=4000, **fields):
    model = M5(rows.shape[1], int(labels.max()) + 1, **fields).for_rows([labels], [speakers])
    effects = estimate(rows, labels, speakers, model.classes)
    params = model.init_params(jax.random.key(0)) | model.given(effects, rows, labels, speakers)
    wanted = np.eye(model.classes, dtype=np.float32)[np.arange(n) % model.classes]
    return model, params, np.asarray(model.generate(params, jax.random.key(1), wanted)), effects


@pytest.mark.parametrize("fields", [{}, {"beyond": 0.0}, {"beyond": 0.5}, {"residual": "mixed"}])
def test_new_speakers_have_the_moments_of_the_effects(fields):
    rows, labels, speakers = corpus(speakers=30, dim=60)
    _, _, made, effects = drawn(rows, labels, speakers, **fields)
    total = (effects.within + effects.between + effects.interaction).mean()
    for c in range(3):
        own = made[c::3]
        assert own.var(axis=0).mean() == pytest.approx(total, rel=0.05)
        np.testing.assert_allclose(own.mean(axis=0), effects.means[c], atol=0.2)
    assert not np.isin(made.round(4), rows.round(4)).all(axis=1).any()


def test_rows_of_nobody_have_no_speaker_in_them():
    rows, labels, speakers = corpus(speakers=30, dim=60)
    model, params, made, effects = drawn(rows, labels, speakers)
    labels_of = np.eye(3, dtype=np.float32)[np.arange(4000) % 3]
    without = model.without_speaker(params)
    nobody = np.asarray(model.generate(without, jax.random.key(1), labels_of))
    left = made[::3].var(axis=0).mean() - nobody[::3].var(axis=0).mean()
    assert left == pytest.approx(effects.between.mean(), rel=0.1)


def test_the_residual_factor_keeps_second_moments_and_no_row():
    rows, labels, speakers = corpus(dim=30)
    effects = estimate(rows, labels, speakers, 3)
    sizes = 3, 30, 12, 96, 288
    of = factors_of(effects, rows, labels, speakers, sizes, 0.0, False)
    residuals = rows - effects.cells[speakers, labels]
    own = residuals[labels == 1] * np.sqrt(8 / 7)
    np.testing.assert_allclose(of.residual[1].T @ of.residual[1], own.T @ own / 96, atol=1e-3)
    near = np.abs(of.residual[1][:, None] * np.sqrt(96) - own[None]).max(axis=2)
    assert near.min() > 0.1
    assert list(of.count) == [96] * 3 and not of.beyond.any()


def test_a_class_of_few_rows_takes_the_spread_of_all():
    rows, labels, speakers = corpus()
    few = (labels == 2) & (np.cumsum(labels == 2) > FEW - 1)
    _, _, made, effects = drawn(rows[~few], labels[~few], speakers[~few])
    assert made[2::3].var(axis=0).mean() > 0.5 * made[::3].var(axis=0).mean()
    assert np.isfinite(made).all()


def test_offsets_by_hand():
    one = np.ones(2, np.float32)
    offsets = Offsets(np.array([[0, 0], [2, 4]], np.float32), 2 * one, 4 * one, 1 * one)
    rows = np.array([[3, 0], [5, 4]], np.float32)
    # Middle (1, 2); C = var of the means (1, 4) + V; shrunk by B / (B + (W + C) / k).
    np.testing.assert_allclose(
        offsets.unlabelled(rows), [3 * 4 / (4 + (2 + 2) / 2), 0 * 4 / (4 + (2 + 5) / 2)]
    )
    # Of classes 0 and 1: deviations (3, 0) and (3, 0); doubt V / 2 + W / 2.
    np.testing.assert_allclose(
        offsets.labelled(rows, np.array([0, 1])), [3 * 4 / (4 + 0.5 + 1), 0], atol=1e-6
    )


def test_an_offset_is_surer_the_more_rows_there_are():
    rows, labels, speakers = corpus(speakers=30, dim=200, rows=20)
    seen = speakers < 29
    effects = estimate(rows[seen], labels[seen], speakers[seen], 3)
    offsets, own = Offsets.of(effects), rows[~seen]
    truth = own.mean(axis=0) - effects.means.mean(axis=0)
    rng = np.random.default_rng(0)
    errors = []
    for k in (1, 5, 50):
        draws = [offsets.unlabelled(own[rng.permutation(60)[:k]]) for _ in range(20)]
        errors.append(np.mean((np.array(draws) - truth) ** 2))
    assert errors[0] > errors[1] > errors[2] and errors[0] < np.mean(truth**2)


def test_the_factors_are_the_models_only_parameters():
    rows, labels, speakers = corpus()
    _, params, *_ = drawn(rows, labels, speakers)
    assert set(params) == {FACTORS}
