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
    simulated_corpus,
    simulated_target,
)
from aegan.errors import InputError


@pytest.fixture(scope="module")
def default():
    return simulated_corpus()


def test_layout_of_the_default(default):
    said = describe(default)
    assert said["rows"] == 2000 and said["features"] == 1582
    assert said["speakers"] == 10 and said["sessions"] == 5
    assert said["name"] == "simulated" and said["simulated"] is True
    total = sum(CLASS_SIZES.values())
    for name, count in said["classes"].items():
        assert count == pytest.approx(2000 * CLASS_SIZES[name] / total, abs=1)
    assert default.features.dtype == np.float32 and default.labels.dtype == np.int32
    assert np.isfinite(default.features).all()
    assert len(set(default.files)) == 2000
    assert default.files[0] == "sim_Ses01F_angry_0001"
    assert default.feature_names[0] == "sim_0001" and len(set(default.feature_names)) == 1582
    for file, speaker, session, label in zip(
        default.files, default.speakers, default.sessions, default.labels, strict=True
    ):
        assert file.startswith(f"sim_{speaker}_{default.classes[label]}_")
        assert speaker[:5] == session
    sizes = np.unique(default.speakers, return_counts=True)[1]
    assert sizes.max() - sizes.min() <= 4


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


@pytest.mark.parametrize(("field", "kwargs"), [("rows", {"rows": 39}), ("features", {"dim": 7})])
def test_too_small(field, kwargs):
    with pytest.raises(InputError, match=f"--config.data.simulated_{field}=") as caught:
        simulated_corpus(**kwargs)
    assert "\n" not in str(caught.value)


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
    said = describe(target)
    assert said["name"] == "simulated target" and said["simulated"] is True
    assert said["rows"] == 2000 and said["features"] == 1582
    assert said["speakers"] == 12 and said["sessions"] == 6
    assert said["feature_hash"] == describe(default)["feature_hash"]
    assert target.classes == default.classes
    for name, count in said["classes"].items():
        assert count == pytest.approx(2000 * TARGET_CLASS_SIZES[name] / 7798, abs=1)
    for ours, theirs in (
        (target.files, default.files),
        (target.speakers, default.speakers),
        (target.sessions, default.sessions),
    ):
        assert not set(ours) & set(theirs)
    assert len(set(target.files)) == 2000 and target.files[0] == "sim_Tgt01F_angry_0001"
    sizes = np.unique(target.speakers, return_counts=True)[1]
    assert sizes.max() - sizes.min() <= 4
    assert np.isfinite(target.features).all()
    constant = np.ptp(target.features, axis=0) == 0
    np.testing.assert_array_equal(constant, np.ptp(default.features, axis=0) == 0)
    np.testing.assert_array_equal(target.features[0, constant], default.features[0, constant])


def test_the_target_has_the_papers_rows():
    corpus = simulated_target(source_rows=40, dim=8)
    assert dict(zip(corpus.classes, np.bincount(corpus.labels).tolist(), strict=True)) == {
        "angry": 792,
        "happy": 2644,
        "neutral": 3477,
        "sad": 885,
    }


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

    def difference(**changes) -> float:
        """Of the means per column, in deviations of the source."""
        target = simulated_target(20_000, source_rows=20_000, dim=30, seed=5, **changes)
        means = fit_standardiser(source.features, everything).to_z(target.features).mean(axis=0)
        return float(np.abs(means).mean())

    none = {"kept_separation": 1, "corpus_shift": 0, "corpus_interaction": 0}
    alike = difference(**none, channel_offset=0, channel_gain=0)
    assert alike < 0.25  # speakers and class proportions differ
    assert difference(**none, channel_offset=1, channel_gain=0) > 2 * alike
    assert difference(**none | {"corpus_shift": 3}, channel_offset=0, channel_gain=0) > 2 * alike
    assert difference() > 2 * alike


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
    ("field", "kwargs"),
    [
        ("target.simulated_rows", {"rows": 59, "source_rows": 40}),
        ("data.simulated_rows", {"rows": 60, "source_rows": 39}),
        ("data.simulated_features", {"rows": 60, "source_rows": 40, "dim": 7}),
    ],
)
def test_too_small_a_target(field, kwargs):
    with pytest.raises(InputError, match=f"--config.{field}=") as caught:
        simulated_target(**kwargs)
    assert "\n" not in str(caught.value)
