from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats
from sklearn.cluster import KMeans
from sklearn.metrics import balanced_accuracy_score
from sklearn.svm import SVC

from aegan.data.corpus import describe
from aegan.data.folds import fit_standardiser, make_folds
from aegan.data.simulate import (
    CLASS_SIZES,
    TARGET_CLASS_SIZES,
    Model,
    Shift,
    simulated_corpus,
    simulated_target,
)
from aegan.errors import InputError


@pytest.fixture(scope="module")
def default():
    return simulated_corpus()


def check_layout(corpus, sizes, speakers, sessions, first):
    """Rows, labels and names of a corpus of 2000 rows."""
    said = describe(corpus)
    assert (said["rows"], said["features"], said["simulated"]) == (2000, 1582, True)
    assert (said["speakers"], said["sessions"]) == (speakers, sessions)
    shares = {name: 2000 * size / sum(sizes.values()) for name, size in sizes.items()}
    assert said["classes"] == pytest.approx(shares, abs=1)
    assert corpus.features.dtype == np.float32 and corpus.labels.dtype == np.int32
    assert np.isfinite(corpus.features).all()
    assert len(set(corpus.files)) == 2000 and corpus.files[0] == first
    named = zip(corpus.files, corpus.speakers, np.array(corpus.classes)[corpus.labels], strict=True)
    assert all(file.startswith(f"sim_{speaker}_{emotion}_") for file, speaker, emotion in named)
    np.testing.assert_array_equal(corpus.sessions, [speaker[:5] for speaker in corpus.speakers])
    assert np.ptp(np.unique(corpus.speakers, return_counts=True)[1]) <= 4
    return said


def test_layout_of_the_default(default):
    said = check_layout(default, CLASS_SIZES, 10, 5, "sim_Ses01F_angry_0001")
    assert said["name"] == "simulated"
    assert default.feature_names[0] == "sim_0001" and len(set(default.feature_names)) == 1582


@pytest.mark.parametrize("rows", [40, 41, 60, 61, 96, 333, 1001])
def test_any_number_of_rows_has_every_class_in_every_part(rows):
    corpus = simulated_corpus(rows=rows, dim=8, seed=3)
    assert corpus.features.shape == (rows, 8)
    assert len(make_folds(corpus, 5)) == 5  # no class is missing from a training part
    if rows >= 60:
        target = simulated_target(rows, source_rows=40, dim=8, seed=3)
        assert target.features.shape == (rows, 8)
        for session in np.unique(target.sessions):
            assert set(target.labels[target.sessions == session]) == {0, 1, 2, 3}


def test_a_seed_fixes_the_corpus_whatever_the_size_of_blocks(monkeypatch):
    first, other = (simulated_corpus(rows=600, dim=20, seed=seed) for seed in (1, 2))
    assert first.hash != other.hash and first.contract.hash == other.contract.hash
    monkeypatch.setattr("aegan.data.simulate._ROWS_AT_ONCE", 7)
    again = simulated_corpus(rows=600, dim=20, seed=1)
    assert first.hash == again.hash
    np.testing.assert_array_equal(first.features, again.features)


def test_exactly_one_constant_column_and_scales_of_many_orders(default):
    assert (np.ptp(default.features, axis=0) == 0).sum() == 1
    standardiser = fit_standardiser(default.features, np.arange(2000))
    assert (standardiser.scale == 1).sum() == 1
    assert np.log10(standardiser.scale.max() / standardiser.scale.min()) > 8
    assert np.log10(np.abs(standardiser.mean).max()) > 4


def test_tails_are_heavy_and_structure_is_of_low_rank(default):
    z = own_z(default, clip=np.inf)
    assert (np.abs(z).max(axis=0) > 10).sum() > 100
    varying = z[:, np.ptp(z, axis=0) > 0]
    assert np.median(stats.kurtosis(varying, axis=0)) > 0.5  # 0 for a Gaussian
    share = np.linalg.svd(np.clip(z, -10, 10), compute_uv=False) ** 2
    share /= share.sum()
    assert share[:24].sum() > 0.4
    assert share[0] > 3 * share[20]  # the spectrum decays


def own_z(corpus, features=None, clip=10.0):
    """Features, its own unless others are given, in the z-space of all of a corpus."""
    standardiser = fit_standardiser(corpus.features, np.arange(len(corpus.labels)), clip)
    return standardiser.to_z(corpus.features if features is None else features)


def test_speakers_shift_and_classes_shift_differently_per_speaker():
    """Each part of the model shows in the data: without it, its means spread less."""

    def spreads_of_means(**changes) -> tuple[float, float]:
        """Of the means of speakers, and of those of their classes beside both."""
        corpus = simulated_corpus(rows=8000, dim=40, model=Model(**changes))
        z, names = own_z(corpus), np.unique(corpus.speakers)
        cells = [(corpus.speakers == n) & (corpus.labels == c) for n in names for c in range(4)]
        means = np.stack([z[cell].mean(axis=0) for cell in cells]).reshape(10, 4, -1)
        speakers = means.mean(axis=1, keepdims=True)
        rest = means - speakers - means.mean(axis=0) + means.mean((0, 1))
        return float(speakers.var(axis=0).mean()), float(rest.var())

    full, flat = spreads_of_means(), spreads_of_means(speaker_shift=0, interaction=0)
    assert full[0] > 5 * flat[0]
    assert full[1] > 2 * spreads_of_means(interaction=0)[1]


def test_classes_hold_clusters():
    def shares(distance: float) -> list[float]:
        """Per class: the within-class variance that three clusters leave unexplained."""
        corpus = simulated_corpus(rows=1000, dim=30, model=Model(cluster_distance=distance))
        z, out = own_z(corpus), []
        for label in range(4):
            rows = z[corpus.labels == label].astype(np.float64)
            found = KMeans(3, n_init=5, random_state=0).fit(rows)
            out.append(found.inertia_ / ((rows - rows.mean(axis=0)) ** 2).sum())
        return out

    assert max(shares(30.0)) < 0.55
    assert min(shares(0.0)) > 0.6


def svm_uar(train, labels, test, test_labels) -> float:
    """UAR of a linear SVM on the rows of a test, all in z."""
    svm = SVC(C=1e-3, kernel="precomputed", class_weight="balanced").fit(train @ train.T, labels)
    return float(balanced_accuracy_score(test_labels, svm.predict(test @ train.T)))


def real_to_real(corpus) -> float:
    """Mean UAR over the sessions, in the z-space of the training part."""
    scores = []
    for fold in make_folds(corpus, 5):
        z = fit_standardiser(corpus.features, fold.train).to_z(corpus.features)
        parts = ((z[rows], corpus.labels[rows]) for rows in (fold.train, fold.valid))
        scores.append(svm_uar(*next(parts), *next(parts)))
    return float(np.mean(scores))


def test_class_overlap_is_that_of_emotional_speech(default):
    assert 0.52 <= real_to_real(default) <= 0.62


def test_separation_rules_the_overlap(default):
    flat = Model(separation=0, interaction=0, cluster_distance=0)
    nothing = simulated_corpus(rows=800, dim=300, model=flat)
    easy = simulated_corpus(rows=800, dim=300, model=Model(separation=1.5))
    shuffled = np.random.default_rng(0).permutation(default.labels)
    assert real_to_real(easy) > 0.8
    # Only the spread differs between classes, which a linear classifier can hardly use.
    assert real_to_real(nothing) < 0.36
    assert real_to_real(dataclasses.replace(default, labels=shuffled)) < 0.30


@pytest.mark.parametrize(
    ("fields", "rows", "columns", "known"),
    [
        ({"rows": 110, "dim": 12}, [0, 57, 109], [0, 5, 11], [-1.995396, 542.6035, -66.27817]),
        (
            {"rows": 1001, "dim": 33, "seed": 7, "model": Model(1.5, 0.7, 0, 0.8, 2, 9)},
            *([0, 600, 1000], [1, 20, 32], [3115.747, -4.160403, 19.16338]),
        ),
    ],
)
def test_values_of_the_source_are_those_of_earlier_versions(fields, rows, columns, known):
    """Figures of earlier runs stay comparable; hashes differ in last bits between machines."""
    corpus = simulated_corpus(**fields)
    np.testing.assert_allclose(corpus.features[rows, columns], known, rtol=1e-5)


@pytest.fixture(scope="module")
def target():
    return simulated_target(2000, source_rows=2000)


def test_layout_of_the_target(default, target):
    said = check_layout(target, TARGET_CLASS_SIZES, 12, 6, "sim_Tgt01F_angry_0001")
    assert said["name"] == "simulated target"
    assert said["feature_hash"] == describe(default)["feature_hash"]
    assert target.classes == default.classes
    for field in ("files", "speakers", "sessions"):
        assert not set(getattr(target, field)) & set(getattr(default, field))
    constant = np.ptp(target.features, axis=0) == 0
    np.testing.assert_array_equal(constant, np.ptp(default.features, axis=0) == 0)
    np.testing.assert_array_equal(target.features[0, constant], default.features[0, constant])


def test_the_target_has_the_papers_rows():
    said = describe(simulated_target(source_rows=40, dim=8))
    assert said["classes"] == {"angry": 792, "happy": 2644, "neutral": 3477, "sad": 885}


def test_a_seed_fixes_the_target_and_moves_it():
    fields = [{"seed": 1}, {"seed": 1}, {"seed": 2}, {"seed": 1, "source_rows": 200}]
    drawn = [simulated_target(300, **{"source_rows": 100, "dim": 20} | of).hash for of in fields]
    assert drawn[0] == drawn[1] and len(set(drawn)) == 3


def test_without_any_shift_the_target_is_the_sources_world():
    """The same columns: without a shift of its own the target's means and deviations are there."""
    source = simulated_corpus(20_000, 30, seed=5, model=Model(speaker_shift=0, interaction=0))

    def difference(shift) -> float:
        """Of the means per column, in deviations of the source."""
        target = simulated_target(20_000, source_rows=20_000, dim=30, seed=5, shift=shift)
        return float(np.abs(own_z(source, target.features).mean(axis=0)).mean())

    none = Shift(separation=1, common=0, interaction=0, offset=0, gain=0)
    alike = difference(none)
    assert alike < 0.25  # speakers and class proportions differ
    for shift in (none._replace(offset=1), none._replace(common=3), Shift()):
        assert difference(shift) > 2 * alike


def test_own_statistics_help_and_transfer_stays_between_chance_and_the_ceiling(default, target):
    rows = own_z(default), default.labels
    by_own = svm_uar(*rows, own_z(target), target.labels)
    by_source = svm_uar(*rows, own_z(default, target.features), target.labels)
    ceiling = real_to_real(target)
    assert 0.30 < by_source < by_own - 0.04
    assert 0.43 < by_own < ceiling - 0.02
    assert ceiling < 0.60


@pytest.mark.parametrize(
    ("draw", "field", "kwargs"),
    [
        (simulated_corpus, "data.simulated_rows=39", {"rows": 39}),
        (simulated_corpus, "data.simulated_features=7", {"dim": 7}),
        (simulated_target, "target.simulated_rows=59", {"rows": 59, "source_rows": 40}),
        (simulated_target, "source.simulated_rows=39", {"rows": 60, "source_rows": 39}),
        (simulated_target, "source.simulated_features=7", {"source_rows": 40, "dim": 7}),
    ],
)
def test_too_small(draw, field, kwargs):
    with pytest.raises(InputError, match=f"^--config.{field}: a simulated .* or more$"):
        draw(**kwargs)
