"""Fig. 4: measures by hand, t-SNE of both libraries, and the tasks on a tiny trained study."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import silhouette_score
from sklearn.neighbors import NearestNeighbors
from study_generators import save_lanes
from study_helpers import run_here, tiny_study

from aegan.errors import InputError
from aegan.metrics.evaluate import evaluate
from aegan.metrics.references import GENERATORS, class_gaussian
from aegan.study.embedding import tasks as embedding
from aegan.study.embedding.tasks import (
    embed,
    mixing,
    principal_components,
    silhouette,
    usable_perplexity,
)
from aegan.study.study import StudyDir

MODELS = ("m1", "m2", "m3")
PLACED = ("real_set2", *MODELS, *GENERATORS)


def line(*places: float) -> np.ndarray:
    """Points on the first axis."""
    return np.array([[place, 0.0] for place in places])


@pytest.mark.parametrize(
    ("first", "second", "neighbours", "wanted"),
    [
        # Nearest of 0, 10 | 1, 12: 1, 12 | 0, 10: all of the other set; 2 in 3 are expected to be.
        ((0, 10), (1, 12), 1, 1.5),
        # Nearest of 0, 1, 10 | 3, 11, 12.5: 1, 0, 11 | 1, 10, 11: 3 in 6, of 3 in 5 expected.
        ((0, 1, 10), (3, 11, 12.5), 1, 0.5 / 0.6),
        ((0, 1, 2), (50, 51, 52), 2, 0),
        # All others are neighbours: just what is expected, wherever the points lie.
        ((0, 1, 2), (50, 51, 52), 5, 1),
        ((0, 1, 2), (50, 51, 52), 99, 1),
        # More equal points than neighbours: a point is never counted as its own neighbour.
        ((0, 0, 0, 0), (9, 9, 9, 9), 2, 0),
        ((0,), (1,), 1, None),
    ],
)
def test_mixing_by_hand(first, second, neighbours, wanted):
    assert mixing(line(*first), line(*second), neighbours) == pytest.approx(wanted)


def test_mixing_of_points_from_one_distribution_is_near_one_and_falls_with_their_distance():
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal((2, 1500, 2))
    found = [mixing(first, second + [shift, 0], 10) for shift in (0, 1, 3, 9)]
    assert found[0] == pytest.approx(1, abs=0.03)
    assert found == sorted(found, reverse=True)
    assert found[-1] < 0.01
    # Either set as the first, and any scale, are the same.
    assert mixing(second, first, 10) == pytest.approx(found[0], rel=1e-12)
    assert mixing(100 * first, 100 * second, 10) == pytest.approx(found[0], rel=1e-12)


def test_mixing_against_scikit_learn():
    rng = np.random.default_rng(1)
    first, second = rng.standard_normal((2, 80, 2)) + [[[0, 0]], [[0.7, 0]]]
    points = np.concatenate([first, second])
    nearest = NearestNeighbors(n_neighbors=7).fit(points).kneighbors(return_distance=False)
    is_second = np.arange(160) >= 80
    share = np.mean(is_second[nearest] != is_second[:, None])
    assert mixing(first, second, 7) == pytest.approx(share / (80 / 159))


def test_mixing_needs_sets_of_one_size_that_may_be_equal():
    with pytest.raises(ValueError, match="2 and 3"):
        mixing(line(0, 1), line(0, 1, 2), 1)
    assert 0 <= mixing(line(0, 0, 0, 0), line(0, 0, 0, 0), 2) <= 7 / 4


def test_silhouette_by_hand():
    # Own and other mean distances: (2, 5.5), (2, 3.5) | (1, 4), (1, 5).
    wanted = np.mean([3.5 / 5.5, 1.5 / 3.5, 3 / 4, 4 / 5])
    assert silhouette(line(0, 2, 5, 6), np.array([0, 0, 3, 3])) == pytest.approx(wanted)
    assert silhouette(line(0, 1, 2), np.array([1, 1, 1])) is None
    assert silhouette(line(0, 1, 2), np.array([0, 1, 2])) is None


@pytest.fixture(params=[embedding.OPENTSNE, embedding.SCIKIT_LEARN])
def method(request):
    if request.param == embedding.OPENTSNE:
        pytest.importorskip("openTSNE", reason="openTSNE is not installed (extra tsne)")
    return request.param


def clusters() -> tuple[np.ndarray, np.ndarray]:
    """Codes of four clusters in six dimensions, and which is which."""
    rng = np.random.default_rng(0)
    labels = np.arange(120) % 4
    return 8 * rng.standard_normal((4, 6))[labels] + rng.standard_normal((120, 6)), labels


def test_clusters_stay_clusters(method):
    codes, labels = clusters()
    points = embed(codes, 15.0, 0, method)
    assert points.shape == (120, 2) and points.dtype == np.float64
    assert silhouette(points, labels) > 0.7
    neighbours = NearestNeighbors(n_neighbors=5).fit(points).kneighbors(return_distance=False)
    assert (labels[neighbours] == labels[:, None]).mean() > 0.98


def test_the_same_bits_in_another_process_with_other_threads(method):
    codes, _ = clusters()
    script = (
        "import hashlib, numpy as np\n"
        "from aegan.study.embedding.tasks import embed\n"
        f"codes = np.frombuffer(bytes.fromhex('{codes.tobytes().hex()}')).reshape(120, 6)\n"
        f"print(hashlib.sha256(embed(codes, 15.0, 0, '{method}').tobytes()).hexdigest())"
    )
    environment = dict(os.environ, OMP_NUM_THREADS="2")
    there = subprocess.check_output([sys.executable, "-c", script], env=environment, text=True)
    here = embed(codes, 15.0, 0, method)
    assert there.strip() == hashlib.sha256(here.tobytes()).hexdigest()


def test_principal_components_are_those_of_the_singular_values():
    rows = np.random.default_rng(0).standard_normal((30, 8)).astype(np.float32)
    codes = principal_components(rows, 3)
    centred = rows - rows.mean(axis=0)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(np.abs(codes), np.abs(left * values)[:, :3], rtol=1e-3, atol=1e-4)
    assert principal_components(rows, 50).shape == (30, 8)
    assert principal_components(rows[:5], 50).shape == (5, 5)


@pytest.mark.parametrize(("rows", "perplexity"), [(6000, 30), (91, 30), (61, 20), (3, 1)])
def test_perplexity_of_few_rows(rows, perplexity):
    assert usable_perplexity(30.0, rows) == perplexity


def test_without_opentsne_it_is_scikit_learns(monkeypatch):
    monkeypatch.setattr(embedding.util, "find_spec", lambda name: None)
    assert embedding.library() == "scikit-learn"


# --- the tasks, on lanes whose nature is known ------------------------------------------------


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """M1 at rows of set-1, M2 around them, M3 far away from them.

    M2's lane of seed 1 diverged in fold 0, and M3's has an infinite cell in fold 1.
    """
    study = tiny_study(tmp_path_factory.mktemp("study"), seeds=[0, 1])
    noise = {"m1": 0.01, "m2": 1.4, "m3": 0.01}
    save_lanes(study, noise, 80, {("m2", 1, 0)}, {("m3", 1, 1)})
    return study


@pytest.fixture(scope="module")
def records(study):
    return {task.name: task.run(study, *task.arguments) for task in embedding.tasks(study)}


def test_tasks_wait_for_the_models(study):
    tasks = embedding.tasks(study)
    assert [task.name for task in tasks] == [*(f"support-fold{k}" for k in range(5)), "embedding"]
    for task in tasks:
        assert task.needs == ("train-m1", "train-m2", "train-m3")
        assert task.work > 0


def share_off(rows: np.ndarray, real: np.ndarray) -> float:
    """Off-support share of z rows by scikit-learn."""
    index = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(real)
    limit = np.sort(index.kneighbors()[0][:, 0])[int(np.ceil(0.95 * len(real))) - 1]
    return float((index.kneighbors(rows)[0][:, 0] > limit * (1 + 1e-6)).mean())


def test_shares_of_a_fold(study, records):
    found = records["support-fold2"]["off_support"]
    fold, standardiser = study.folds[2], study.standardiser(2)
    real = standardiser.to_z(study.source.features[fold.train])
    held_out = standardiser.to_z(study.source.features[fold.valid])
    assert found["real_set2"] == [pytest.approx(share_off(held_out, real))]
    for model in MODELS:
        for seed in (0, 1):
            rows = standardiser.to_z(study.synthetic(model, seed, 2)[0])
            assert found[model][seed] == pytest.approx(share_off(rows, real))
    assert found["m1"] == [0, 0] and found["m3"] == [1, 1]
    assert all(0 < share < 1 for share in found["m2"])
    inside = ("class_mean", "smote", "jitter", "oversampling")
    assert {found[name][0] for name in inside} == {0}
    assert list(found) == list(PLACED)


def test_lanes_that_diverged_or_are_not_finite_have_no_share(records):
    assert records["support-fold0"]["off_support"]["m2"][1] is None
    assert records["support-fold0"]["off_support"]["m2"][0] > 0
    assert records["support-fold1"]["off_support"]["m3"] == [1, None]


def test_trivial_generators_are_those_of_the_evaluation(study, records, monkeypatch):
    """The rows that Tables 2 and 3 measure, not others of the same kind."""
    made = []

    def watched(*rows, **drawn):
        found = class_gaussian(*rows, **drawn)
        made.append(found[0])
        return found

    monkeypatch.setitem(GENERATORS, "class_gaussian", watched)
    embedding.measure_support(study, 3)
    protocol, fold = study.plans["m1"].protocol, study.folds[3]
    evaluate(study.source, [fold], [], lambda lane: None, protocol, None, jobs=1)
    ours, theirs = made
    assert len(ours) == protocol.reference_rows
    np.testing.assert_array_equal(ours, theirs)


def test_the_table_and_the_record_of_the_tsne(study, records):
    record = records["embedding"]
    table = pd.read_parquet(study.dir.table("embedding"))
    assert list(table.columns) == ["x", "y", "source", "class"]
    thirty = {"real": 30, "m1": 30, "m2": 30, "m3": 30}
    assert table["source"].value_counts(sort=False).to_dict() == thirty
    assert record["rows"] == thirty
    assert set(table["class"]) <= set(study.source.classes)
    assert record["fold"] == 0 and record["perplexity"] == 5 and record["components"] == 5
    assert record["method"].split()[0] == embedding.library()
    points = {name: rows[["x", "y"]].to_numpy() for name, rows in table.groupby("source")}
    for pair, value in record["mixing"].items():
        first, second = pair.split("-")
        assert value == mixing(points[first], points[second], 3)
    assert record["mixing"]["m1-m2"] > 0.5
    assert record["mixing"]["m1-m3"] < 0.1 and record["mixing"]["m2-m3"] < 0.1
    for name, rows in table.groupby("source"):
        wanted = silhouette_score(rows[["x", "y"]].to_numpy(), rows["class"])
        assert record["silhouette"][name] == pytest.approx(wanted)


def again(study) -> tuple[dict, pd.DataFrame]:
    """Record and table of the t-SNE task, run once more into a folder of its own."""
    root = study.dir.root / "again"
    if not root.exists():
        root.mkdir()
        (root / "runs").symlink_to(study.dir.root / "runs")
    other = replace(study, dir=StudyDir(root))
    return embedding.embed_sources(other), pd.read_parquet(other.dir.table("embedding"))


def test_the_points_are_rows_with_their_own_classes(study, records, monkeypatch):
    """The same order of rows goes into the t-SNE and into the table."""
    seen = {}

    def watched(codes, *_):
        seen["codes"] = codes
        return codes[:, :2]

    monkeypatch.setattr(embedding, "embed", watched)
    monkeypatch.setattr(embedding, "principal_components", lambda rows, components: rows)
    _, table = again(study)
    for place, name in enumerate(("real", *MODELS)):
        if name == "real":
            rows = study.folds[0].train
            features, labels = study.source.features[rows], study.source.labels[rows]
        else:
            features, labels = study.synthetic(name, 0, 0)
        known = {row.tobytes(): k for k, row in enumerate(study.standardiser(0).to_z(features))}
        numbers = [known[row.tobytes()] for row in seen["codes"][30 * place : 30 * place + 30]]
        assert len(set(numbers)) == 30
        wanted = np.array(study.source.classes)[labels[numbers]]
        np.testing.assert_array_equal(table["class"][table["source"] == name], wanted)


def test_the_same_study_gives_the_same_bits(study, records):
    record, table = again(study)
    assert record == records["embedding"]
    first = pd.read_parquet(study.dir.table("embedding"))
    pd.testing.assert_frame_equal(table, first, check_exact=True)
    assert embedding.measure_support(study, 1) == records["support-fold1"]


def test_a_model_that_diverged_is_left_out_of_the_tsne(study, records, monkeypatch):
    synthetic = type(study).synthetic

    def broken(self, model, seed, fold):
        return None if model == "m2" else synthetic(self, model, seed, fold)

    monkeypatch.setattr(type(study), "synthetic", broken)
    record, table = again(study)
    assert record["rows"] == {"real": 30, "m1": 30, "m2": 0, "m3": 30}
    assert record["mixing"]["m1-m2"] is record["mixing"]["m2-m3"] is None
    assert record["mixing"]["m1-m3"] < 0.1
    assert record["silhouette"]["m2"] is None and record["silhouette"]["m1"] is not None
    assert set(table["source"]) == {"real", "m1", "m3"}


@pytest.mark.slow
def test_on_models_that_were_trained(tmp_path):
    study = tiny_study(tmp_path)
    records = run_here(study, embedding.tasks(study))
    found = embedding.results(study, records)
    json.dumps(found, allow_nan=False)
    assert found["rows"] == {"real": 30, "m1": 30, "m2": 30, "m3": 30}
    for model in MODELS:
        shares = found["off_support"][model]["values"]
        assert len(shares) == 5 and all(0 <= share <= 1 for share in shares)


def test_results_of_the_study(study, records):
    found = embedding.results(study, records)
    json.dumps(found, allow_nan=False)
    assert set(found["off_support"]) == set(PLACED)
    assert found["off_support"]["class_mean"]["mean"] == 0
    assert set(found["mixing"]) == {"m1-m2", "m1-m3", "m2-m3"}
    assert set(found["silhouette"]) == {"real", *MODELS}
    measures = {"off_support", "off_support_differences", "mixing", "silhouette"}
    assert set(found["definitions"]) == measures


def test_results_by_hand(study):
    """Seeds are averaged inside a fold; a lane without a value is left out of it."""
    shares = {name: [0.0] for name in PLACED}
    made = {"embedding": {"fold": 0}}
    for fold in range(5):  # of two seeds
        own = {"real_set2": [0.1], "m1": [0.2 + 0.1 * fold, 0.4], "m2": [None, 0.1]}
        made[f"support-fold{fold}"] = {"off_support": shares | own | {"m3": [None, None]}}
    found = embedding.results(study, made)
    per_fold = [0.3, 0.35, 0.4, 0.45, 0.5]
    assert found["off_support"]["m1"]["mean"] == pytest.approx(0.4)
    for name, values in {"m1": per_fold, "m2": [0.1] * 5, "real_set2": [0.1] * 5}.items():
        assert found["off_support"][name]["values"] == pytest.approx(values), name
    assert found["off_support"]["m3"] == {"mean": None, "ci95": None, "values": [None] * 5}
    differences = found["off_support_differences"]
    every = {f"{a}-{b}" for a in MODELS for b in (*MODELS, "real_set2") if a != b}
    assert set(differences) == every
    wanted = study.over_folds([value - 0.1 for value in per_fold])
    for key in ("mean", "ci95", "values"):
        assert differences["m1-m2"][key] == pytest.approx(wanted[key])
    assert differences["m2-m1"]["mean"] == pytest.approx(-0.3)
    assert differences["m1-real_set2"]["mean"] == pytest.approx(0.3)
    assert differences["m1-m3"]["mean"] is None


def test_a_fold_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="config.embedding.fold=5: there is no such fold"):
        embedding.tasks(tiny_study(tmp_path, embedding__fold=5))
