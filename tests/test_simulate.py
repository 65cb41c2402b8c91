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
    for name, count in said["classes"].items():
        assert count == pytest.approx(2000 * sizes[name] / sum(sizes.values()), abs=1)
    assert corpus.features.dtype == np.float32 and corpus.labels.dtype == np.int32
    assert np.isfinite(corpus.features).all()
    assert len(set(corpus.files)) == 2000 and corpus.files[0] == first
    for file, speaker, session, label in zip(
        corpus.files, corpus.speakers, corpus.sessions, corpus.labels, strict=True
    ):
        assert file.startswith(f"sim_{speaker}_{corpus.classes[label]}_")
        assert speaker[:5] == session
    rows = np.unique(corpus.speakers, return_counts=True)[1]
    assert rows.max() - rows.min() <= 4
    return said


def test_layout_of_the_default(default):
    said = check_layout(default, CLASS_SIZES, 10, 5, "sim_Ses01F_angry_0001")
    assert said["name"] == "simulated"
    assert default.feature_names[0] == "sim_0001" and len(set(default.feature_names)) == 1582


@pytest.mark.parametrize("rows", [40, 41, 333, 1001])
def test_any_number_of_rows_has_every_class_in_every_training_part(rows):
    corpus = simulated_corpus(rows=rows, dim=8, seed=3)
    assert corpus.features.shape == (rows, 8)
    assert len(make_folds(corpus, 5)) == 5


def test_a_seed_fixes_the_corpus_and_another_gives_another():
    first, again, other = (simulated_corpus(rows=600, dim=20, seed=seed) for seed in (1, 1, 2))
    assert first.hash == again.hash != other.hash
    np.testing.assert_array_equal(first.features, again.features)
    assert first.contract.hash == other.contract.hash


def test_values_do_not_depend_on_the_size_of_blocks(monkeypatch):
    whole = simulated_corpus(rows=100, dim=20)
    monkeypatch.setattr("aegan.data.simulate._ROWS_AT_ONCE", 7)
    assert simulated_corpus(rows=100, dim=20).hash == whole.hash


def test_exactly_one_constant_column_and_scales_of_many_orders(default):
    assert (np.ptp(default.features, axis=0) == 0).sum() == 1
    standardiser = fit_standardiser(default.features, np.arange(2000))
    assert (standardiser.scale == 1).sum() == 1
    assert np.log10(standardiser.scale.max() / standardiser.scale.min()) > 8
    assert np.log10(np.abs(standardiser.mean).max()) > 4


def test_tails_are_heavy_and_structure_is_of_low_rank(default):
    z = fit_standardiser(default.features, np.arange(2000), clip=np.inf).to_z(default.features)
    assert (np.abs(z).max(axis=0) > 10).sum() > 100
    varying = z[:, np.ptp(z, axis=0) > 0]
    assert np.median(stats.kurtosis(varying, axis=0)) > 0.5  # 0 for a Gaussian
    share = np.linalg.svd(np.clip(z, -10, 10), compute_uv=False) ** 2
    share /= share.sum()
    assert share[:24].sum() > 0.4
    assert share[0] > 3 * share[20]  # the spectrum decays


def test_speakers_shift_and_classes_shift_differently_per_speaker():
    """Each part of the model shows in the data: without it, its means spread less."""

    def spread_of_means(corpus, *, by_class: bool) -> float:
        z = fit_standardiser(corpus.features, np.arange(len(corpus.labels))).to_z(corpus.features)
        means = np.empty((10, 4, z.shape[1]))
        for s, speaker in enumerate(np.unique(corpus.speakers)):
            for label in range(4):
                means[s, label] = z[(corpus.speakers == speaker) & (corpus.labels == label)].mean(0)
        speakers = means.mean(axis=1, keepdims=True)
        if not by_class:
            return float(speakers.var(axis=0).mean())
        return float((means - speakers - means.mean(axis=0) + means.mean((0, 1))).var())

    full = simulated_corpus(rows=8000, dim=40)
    flat = simulated_corpus(rows=8000, dim=40, model=Model(speaker_shift=0, interaction=0))
    alike = simulated_corpus(rows=8000, dim=40, model=Model(interaction=0))
    assert spread_of_means(full, by_class=False) > 5 * spread_of_means(flat, by_class=False)
    assert spread_of_means(full, by_class=True) > 2 * spread_of_means(alike, by_class=True)


def test_classes_hold_clusters():
    def shares(distance: float) -> list[float]:
        """Per class: the within-class variance that three clusters leave unexplained."""
        corpus = simulated_corpus(rows=1000, dim=30, model=Model(cluster_distance=distance))
        z = fit_standardiser(corpus.features, np.arange(1000)).to_z(corpus.features)
        out = []
        for label in range(4):
            rows = z[corpus.labels == label].astype(np.float64)
            found = KMeans(3, n_init=5, random_state=0).fit(rows)
            out.append(found.inertia_ / ((rows - rows.mean(axis=0)) ** 2).sum())
        return out

    assert max(shares(30.0)) < 0.55
    assert min(shares(0.0)) > 0.6


def svm_uar(train, labels, test, test_labels, c: float) -> float:
    """UAR of a linear SVM on the rows of a test, all in z."""
    svm = SVC(C=c, kernel="precomputed", class_weight="balanced")
    svm.fit(train @ train.T, labels)
    return float(balanced_accuracy_score(test_labels, svm.predict(test @ train.T)))


def real_to_real(corpus, c: float) -> float:
    """Mean UAR of a linear SVM over the sessions, in the z-space of the training part."""
    scores = []
    for fold in make_folds(corpus, 5):
        standardiser = fit_standardiser(corpus.features, fold.train)
        train, test = (standardiser.to_z(corpus.features[r]) for r in (fold.train, fold.valid))
        labels, test_labels = corpus.labels[fold.train], corpus.labels[fold.valid]
        scores.append(svm_uar(train, labels, test, test_labels, c))
    return float(np.mean(scores))


def test_class_overlap_is_that_of_emotional_speech(default):
    assert 0.52 <= real_to_real(default, 1e-3) <= 0.62


def test_separation_rules_the_overlap(default):
    nothing = simulated_corpus(
        rows=800, dim=300, model=Model(separation=0, interaction=0, cluster_distance=0)
    )
    easy = simulated_corpus(rows=800, dim=300, model=Model(separation=1.5))
    shuffled = np.random.default_rng(0).permutation(default.labels)
    assert real_to_real(easy, 1e-3) > 0.8
    # Only the spread differs between classes, which a linear classifier can hardly use.
    assert real_to_real(nothing, 1e-3) < 0.36
    assert real_to_real(dataclasses.replace(default, labels=shuffled), 1e-3) < 0.30


def test_values_of_the_source_are_those_of_earlier_versions():
    """Figures of earlier runs stay comparable; hashes differ in last bits between machines."""
    corpus = simulated_corpus(rows=110, dim=12, seed=0)
    known = [-1.995396, 542.6035, -66.27817]
    np.testing.assert_allclose(corpus.features[[0, 57, 109], [0, 5, 11]], known, rtol=1e-5)
    model = Model(separation=1.5, clusters=2, factors=9, interaction=0)
    corpus = simulated_corpus(rows=1001, dim=33, seed=7, model=model)
    known = [3115.747, -4.160403, 19.16338]
    np.testing.assert_allclose(corpus.features[[0, 600, 1000], [1, 20, 32]], known, rtol=1e-5)


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
    corpus = simulated_target(source_rows=40, dim=8)
    assert corpus.classes == ("angry", "happy", "neutral", "sad")
    assert np.bincount(corpus.labels).tolist() == [792, 2644, 3477, 885]


@pytest.mark.parametrize("rows", [60, 61, 96, 997])
def test_every_class_in_every_session_of_the_target(rows):
    corpus = simulated_target(rows, source_rows=40, dim=8, seed=3)
    assert corpus.features.shape == (rows, 8)
    for session in np.unique(corpus.sessions):
        assert set(corpus.labels[corpus.sessions == session]) == {0, 1, 2, 3}


def test_a_seed_fixes_the_target_and_moves_it():
    def drawn(seed=1, source_rows=100, **changes):
        return simulated_target(300, source_rows=source_rows, dim=20, seed=seed, **changes)

    assert drawn().hash == drawn().hash
    assert len({drawn().hash, drawn(seed=2).hash, drawn(source_rows=200).hash}) == 3


def test_without_any_shift_the_target_is_the_sources_world():
    """The same columns: without a shift of its own the target's means and deviations are there."""
    source = simulated_corpus(20_000, 30, seed=5, model=Model(speaker_shift=0, interaction=0))
    everything = np.arange(20_000)

    def difference(shift) -> float:
        """Of the means per column, in deviations of the source."""
        target = simulated_target(20_000, source_rows=20_000, dim=30, seed=5, shift=shift)
        means = fit_standardiser(source.features, everything).to_z(target.features).mean(axis=0)
        return float(np.abs(means).mean())

    none = Shift(separation=1, common=0, interaction=0, offset=0, gain=0)
    alike = difference(none)
    assert alike < 0.25  # speakers and class proportions differ
    for shift in (none._replace(offset=1), none._replace(common=3), Shift()):
        assert difference(shift) > 2 * alike


def test_own_statistics_help_and_transfer_stays_between_chance_and_the_ceiling(default, target):
    own, source = (fit_standardiser(c.features, np.arange(2000)) for c in (target, default))
    rows = source.to_z(default.features), default.labels
    by_own = svm_uar(*rows, own.to_z(target.features), target.labels, 1e-3)
    by_source = svm_uar(*rows, source.to_z(target.features), target.labels, 1e-3)
    ceiling = real_to_real(target, 1e-3)
    assert 0.30 < by_source < by_own - 0.04
    assert 0.43 < by_own < ceiling - 0.02
    assert ceiling < 0.60


@pytest.mark.parametrize(
    ("draw", "field", "kwargs"),
    [
        (simulated_corpus, "data.simulated_rows=39", {"rows": 39}),
        (simulated_corpus, "data.simulated_features=7", {"dim": 7}),
        (simulated_target, "target.simulated_rows=59", {"rows": 59, "source_rows": 40}),
        (simulated_target, "data.simulated_rows=39", {"rows": 60, "source_rows": 39}),
        (simulated_target, "data.simulated_features=7", {"source_rows": 40, "dim": 7}),
    ],
)
def test_too_small(draw, field, kwargs):
    with pytest.raises(InputError, match=f"^--config.{field}: a simulated .* or more$"):
        draw(**kwargs)
