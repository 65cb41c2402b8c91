"""Fig. 5 and section 4.2: measures by hand, and the tasks on encoders whose codes are known."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import product

import jax
import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.svm import SVC
from study_generators import save_lanes
from study_helpers import run_here, tiny_study

from aegan.errors import InputError
from aegan.metrics import fold_tools
from aegan.metrics.evaluate import evaluate
from aegan.metrics.svm import SvmProtocol, confusion_counts, predict, tune_and_fit, uar
from aegan.models.m1 import M1
from aegan.models.priors import MixturePrior
from aegan.sampling.generator import flat_arrays
from aegan.study.codes import tasks as codes
from aegan.study.codes.tasks import MEASURES, PLOTTED, Codes, measure, points_of
from aegan.study.generators import encoded
from aegan.study.study import StudyDir

MODELS = ("m1", "m2", "m3")
SOURCES = ("train", "valid", *MODELS)


def codes_at(*points: tuple[float, ...], labels: list[int]) -> Codes:
    places = np.array(points, np.float32) if points else np.zeros((0, 2), np.float32)
    return Codes(places, np.array(labels, np.int32))


TWO = np.array([[2.0, 0.0], [-2.0, 0.0]])


def test_measures_by_hand():
    found = measure(codes_at((1, 0), (3, 0), (-1, 0), (1, 0), labels=[0, 0, 1, 1]), TWO, 2.0)
    assert found == {
        "own_component": 0.75,  # the last one is nearer to the mean of class 0
        "spread": 0.5,  # variances 2 and 0 in either class: root of 1, over 2
        "distance": 0.5,  # centroids at 2 and 0, means 4 apart
    }


def test_every_class_weighs_the_same():
    many = [(3, 4)] * 7 + [(-2, 3), (-2, -3)]
    found = measure(codes_at(*many, labels=[0] * 7 + [1] * 2), TWO, 1.0)
    assert found["spread"] == pytest.approx(np.sqrt((0 + 0 + 0 + 18) / 4))
    assert found["distance"] == pytest.approx(np.hypot(5, 4) / 4)
    assert found["own_component"] == 1


def test_distance_is_over_all_pairs_of_classes():
    means = MixturePrior(2, 4.0, 1.0).means(4)
    labels = [0, 1, 2, 3]
    assert measure(Codes(3 * means, np.array(labels)), means, 1.0)["distance"] == pytest.approx(3)
    moved = means.copy()
    moved[0] = means[2]  # pairs at 4 sqrt 2 (four of them) and 8 (two); two and one change
    wanted = (4 * np.sqrt(32) + 8) / (4 * np.sqrt(32) + 16)
    found = measure(Codes(moved, np.array(labels)), means, 1.0)
    assert found["distance"] == pytest.approx(wanted)
    assert found["own_component"] == 0.75


@pytest.mark.parametrize(("latent", "radius", "spread"), [(2, 4.0, 1.0), (5, 6.0, 0.5)])
def test_codes_like_the_prior(latent, radius, spread):
    prior = MixturePrior(latent, radius, spread)
    labels = np.random.default_rng(0).integers(0, 4, 20000)
    points = np.asarray(prior.sample(jax.random.key(0), np.eye(4, dtype=np.float32)[labels]))
    found = measure(Codes(points, labels), prior.means(4), spread)
    assert found["spread"] == pytest.approx(1, abs=0.02)
    assert found["distance"] == pytest.approx(1, abs=0.02)
    assert found["own_component"] > 0.99


def test_classes_that_are_not_there():
    lonely = measure(codes_at((2, 1), (-2, 1), labels=[0, 1]), TWO, 1.0)
    assert lonely == {"own_component": 1, "spread": None, "distance": pytest.approx(1)}
    one = measure(codes_at((2, 1), (2, 3), labels=[1, 1]), TWO, 1.0)
    assert one == {"own_component": 0, "spread": pytest.approx(1), "distance": None}
    none = measure(codes_at(labels=[]), TWO, 1.0)
    assert none == dict.fromkeys(MEASURES)


def points(sets: dict[str, Codes], classes: tuple[str, ...]) -> pd.DataFrame:
    return pd.concat(points_of(sets, classes), ignore_index=True)


def test_points_are_random_rows_with_their_own_class():
    n = PLOTTED + 700
    xy = np.stack([np.arange(n), -np.arange(n)], axis=1).astype(np.float32)
    many = Codes(xy, (np.arange(n) % 2).astype(np.int32))
    few = Codes(xy[:5], many.labels[:5])
    table = points({"train": many, "m1": many, "m3": few}, ("calm", "tense"))
    assert list(table.columns) == ["x", "y", "source", "class"]
    counts = table["source"].value_counts(sort=False).to_dict()
    assert counts == {"train": PLOTTED, "m1": PLOTTED, "m3": 5}
    assert (table["class"] == np.where(table["x"] % 2 == 0, "calm", "tense")).all()
    assert (table["y"] == -table["x"]).all()
    drawn = {name: rows["x"].to_numpy() for name, rows in table.groupby("source")}
    assert all(len(set(x)) == len(x) for x in drawn.values())
    assert 0.6 < len(set(drawn["train"]) & set(drawn["m1"])) / PLOTTED < 0.75  # 1500 in 2200
    again = points({"train": many, "m1": many, "m3": few}, ("calm", "tense"))
    pd.testing.assert_frame_equal(table, again, check_exact=True)


@pytest.mark.parametrize(("point", "shown"), [((1, 2, 3), [[1, 2]]), ((1,), [[1, 0]]), ((), [])])
def test_points_of_codes_that_are_not_two_dimensional(point, shown):
    table = points({"train": codes_at(point, labels=[0])} if point else {}, ("calm",))
    assert table[["x", "y"]].to_numpy().tolist() == shown
    assert list(table.columns) == ["x", "y", "source", "class"]


PROTOCOL = SvmProtocol(c_grid=(1e-2, 1e-1, 1.0))


def four_clusters(seed: int, n: int) -> Codes:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, n).astype(np.int32)
    means = MixturePrior(2, 4.0, 1.0).means(4)
    return Codes((means[labels] + rng.normal(0, 2, (n, 2))).astype(np.float32), labels)


def test_svm_on_codes_is_scikit_learns():
    train, valid = four_clusters(0, 240), four_clusters(1, 160)
    mean, sd = train.points.mean(axis=0), train.points.std(axis=0)
    search = GridSearchCV(
        SVC(kernel="linear", class_weight="balanced"),
        {"C": list(PROTOCOL.c_grid)},
        scoring="balanced_accuracy",
        cv=StratifiedKFold(3, shuffle=True, random_state=0),
    ).fit((train.points - mean) / sd, train.labels)
    predicted = search.predict((valid.points - mean) / sd)
    wanted = np.mean([(predicted[valid.labels == k] == k).mean() for k in range(4)])
    score, c = codes.svm_on_codes(train, valid, PROTOCOL, 10.0, 4)
    assert c == search.best_params_["C"]
    assert score == pytest.approx(wanted, abs=0.01)  # a row on the edge may fall either way
    assert 0.6 < score < 0.95


def test_the_unit_of_codes_does_not_count():
    train, valid = four_clusters(2, 120), four_clusters(3, 80)
    bigger = [Codes(set_.points * np.float32(1024), set_.labels) for set_ in (train, valid)]
    found = codes.svm_on_codes(*bigger, PROTOCOL, 10.0, 4)
    assert found == codes.svm_on_codes(train, valid, PROTOCOL, 10.0, 4)


# --- the tasks, on encoders and rows whose nature is known ----------------------------------------

FOLD = 2


def copying_encoder(model: M1) -> dict:
    """Parameters of an encoder whose code is the first features, as long as they are above -50."""
    width, (hidden,), code = model.features, model.encoder, model.code
    first = {"kernel": np.eye(width, hidden), "bias": np.full(hidden, 50.0)}
    last = {"kernel": np.eye(hidden, code), "bias": np.full(code, -50.0)}
    return jax.tree.map(np.float32, {"hidden0": first, "output": last})


def write_lanes(study) -> None:
    """Leaves what training would: encoders that copy, M1's rows those of set-1, M3's far away.

    M2's lane of seed 1 diverged in fold 2, M1's in fold 1; M3's of seed 1 has an infinite cell
    in fold 0.
    """
    noise = {"m1": 0.0, "m2": 1.4, "m3": 0.0}
    save_lanes(study, noise, 60, {("m2", 1, FOLD), ("m1", 1, 1)}, {("m3", 1, 0)})
    for model, seed, fold in product(MODELS, study.seeds, range(5)):
        path = study.dir.encoder(model, seed, fold)
        path.parent.mkdir(parents=True, exist_ok=True)
        params = copying_encoder(study.plans[model].learner.model)
        params["output"]["bias"] += 0.25 * seed
        np.savez(path, **flat_arrays(params, "encoder"))


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    shapes = {f"{model}__model__encoder": (6,) for model in MODELS}
    root = tmp_path_factory.mktemp("study")
    study = tiny_study(root, seeds=[0, 1], embedding__fold=FOLD, **shapes)
    write_lanes(study)
    return study


@pytest.fixture(scope="module")
def record(study):
    return codes.measure_codes(study, FOLD)


def copied(study, fold: int, features: np.ndarray, seed: int = 0, model: str = "m1") -> np.ndarray:
    """What the encoders of ``write_lanes`` make of rows."""
    learner = study.plans[model].learner
    z = study.standardiser(fold).to_z(features)[:, : learner.model.code]
    return learner.gain * z + 0.25 * seed


def test_what_an_encoder_reads(study):
    """gain * clip((x - mean) / scale), in blocks of any number."""
    features = np.concatenate([study.source.features] * 15)
    found = encoded(study, "m2", 1, FOLD, features)
    np.testing.assert_allclose(found, copied(study, FOLD, features, 1, "m2"), atol=1e-4)
    assert encoded(study, "m2", 0, FOLD, features[:0]).shape == (0, 2)


def test_tasks_and_what_they_wait_for(study):
    tasks = {task.name: task for task in codes.tasks(study)}
    svms = [f"codes-svm-{model}-fold{fold}" for model in MODELS for fold in range(5)]
    assert list(tasks) == [*(f"codes-fold{k}" for k in range(5)), *svms]
    assert tasks["codes-fold3"].needs == ("train-m1", "train-m2", "train-m3")
    assert tasks["codes-svm-m2-fold3"].needs == ("train-m2", "evaluate-m1")
    assert tasks["codes-svm-m2-fold3"].arguments == ("m2", 3)
    assert all(task.work > 0 for task in tasks.values())


def test_measures_of_a_fold(study, record):
    means, source = study.plans["m1"].learner.model.prior.means(4), study.source
    fold = study.folds[FOLD]
    for seed in (0, 1):
        sets = {"train": (source.features[fold.train], source.labels[fold.train])}
        sets |= {"valid": (source.features[fold.valid], source.labels[fold.valid])}
        sets |= {model: study.synthetic(model, seed, FOLD) for model in ("m1", "m3")}
        for name, (features, labels) in sets.items():
            wanted = measure(Codes(copied(study, FOLD, features, seed), labels), means, 1.0)
            found = {key: record["measures"][name][key][seed] for key in MEASURES}
            assert found == pytest.approx(wanted, abs=1e-4), name
    assert record["prior"] == {"means": means.tolist(), "spread": 1.0}
    assert json.loads(json.dumps(record, allow_nan=False)) == record


def test_lanes_that_diverged_or_are_not_finite_have_no_value(study, record):
    def missing(record, source):
        return [value is None for value in record["measures"][source]["spread"]]

    for name in MEASURES:
        assert [v is None for v in record["measures"]["m2"][name]] == [False, True]
    other = codes.measure_codes(study, 0)
    assert missing(other, "m3") == [False, True] and missing(other, "m2") == [False, False]
    without_encoder = codes.measure_codes(study, 1)
    assert {name: missing(without_encoder, name) for name in SOURCES} == dict.fromkeys(
        SOURCES, [False, True]
    )


def test_the_table_is_of_one_fold_and_the_first_seed(study, record):
    table = pd.read_parquet(study.dir.table("codes"))
    before = study.dir.table("codes").read_bytes()
    codes.measure_codes(study, 4)
    assert study.dir.table("codes").read_bytes() == before
    fold = study.folds[FOLD]
    counts = {"train": len(fold.train), "valid": len(fold.valid)} | dict.fromkeys(MODELS, 60)
    assert table["source"].value_counts(sort=False).to_dict() == counts
    points = copied(study, FOLD, study.source.features[fold.valid])
    wanted = pd.DataFrame(points, columns=["x", "y"])
    wanted["class"] = np.array(study.source.classes)[study.source.labels[fold.valid]]
    found = table[table["source"] == "valid"].drop(columns="source")
    frames = (frame.sort_values(["x", "y"], ignore_index=True) for frame in (found, wanted))
    pd.testing.assert_frame_equal(*frames, atol=1e-4, check_dtype=False)


def test_the_same_study_gives_the_same_bits(study, record):
    root = study.dir.root / "again"
    root.mkdir()
    for folder in ("runs", "encoders"):
        (root / folder).symlink_to(study.dir.root / folder)
    other = replace(study, dir=StudyDir(root))
    assert codes.measure_codes(other, FOLD) == record
    tables = (pd.read_parquet(s.dir.table("codes")) for s in (study, other))
    pd.testing.assert_frame_equal(*tables, check_exact=True)
    assert codes.measure_svm(other, "m1", 0) == codes.measure_svm(study, "m1", 0)


def svm_by_hand(study, sets: list[np.ndarray], c_grid) -> float:
    """UAR on set-2 of ``FOLD`` of an SVM on set-1, both given as z-scores."""
    train, valid = (np.float32(rows) for rows in sets)
    labels, fold = study.source.labels, study.folds[FOLD]
    protocol = replace(study.plans["m1"].protocol.svm, c_grid=c_grid)
    predicted = predict(tune_and_fit(train, labels[fold.train], protocol), valid)
    return uar(confusion_counts(labels[fold.valid], predicted, 4))


@pytest.mark.parametrize("model", MODELS)
def test_svm_of_a_fold(study, model):
    record = codes.measure_svm(study, model, FOLD)
    fold, to_z = study.folds[FOLD], study.standardiser(FOLD).to_z
    sets = [study.source.features[rows] for rows in (fold.train, fold.valid)]
    grid = study.config.metrics.c_grid
    assert record["raw"] == svm_by_hand(study, [to_z(rows) for rows in sets], grid)
    points = [copied(study, FOLD, rows, model=model) for rows in sets]
    mean, sd = points[0].mean(axis=0), points[0].std(axis=0)
    coded = svm_by_hand(study, [(rows - mean) / sd for rows in points], (0.1, 1.0))
    # The shift of seed 1's codes changes nothing; a row on the edge may fall either way.
    seeds = [coded, None if model == "m2" else coded]
    assert record["codes"] == [s if s is None else pytest.approx(s, abs=0.04) for s in seeds]
    assert record["chosen_c"][0] in (0.1, 1.0)
    assert (record["model"], record["fold"]) == (model, FOLD)
    assert json.loads(json.dumps(record, allow_nan=False)) == record


def test_the_svm_on_features_is_that_of_the_evaluation(study, monkeypatch):
    """Table 2's, from the cache: none is trained anew."""
    protocol, folds = study.plans["m1"].protocol, [study.folds[3]]
    evaluate(study.source, folds, [], lambda lane: None, protocol, study.cache_dir, jobs=1)
    monkeypatch.setattr(fold_tools, "tune_and_fit", None)
    assert 0 < codes.measure_svm(study, "m1", 3)["raw"] < 1


@pytest.mark.slow
def test_on_models_that_were_trained(tmp_path):
    """One task of each kind after a real training of M1."""
    study = tiny_study(tmp_path)
    name = "codes-svm-m1-fold0"
    (task,) = (task for task in codes.tasks(study) if task.name == name)
    record = run_here(study, [replace(task, needs=("train-m1",))])[name]
    assert 0 <= record["codes"][0] <= 1
    assert record["chosen_c"][0] in study.settings("codes").c_grid
    train, valid = codes._codes_of_corpus(study, "m1", 0, 0)
    assert train.points.shape == (len(study.folds[0].train), 2)
    assert valid.points.shape == (len(study.folds[0].valid), 2)
    assert np.isfinite(train.points).all() and train.points.std(axis=0).min() > 0


def made_records(rng) -> dict:
    """Records of five folds and two seeds; M3 has no value in fold 1, one seed in fold 0."""
    records = {}
    for fold in range(5):
        measures = {s: {m: rng.uniform(size=2).tolist() for m in MEASURES} for s in SOURCES}
        if fold < 2:
            measures["m3"] = dict.fromkeys(MEASURES, [None, (0.75, None)[fold]])
        prior = {"means": [[1.0, 0.0]], "spread": 2.0}
        record = {"fold": fold, "seed": 0, "prior": prior, "measures": measures}
        records[f"codes-fold{fold}"] = record
        for model in MODELS:
            found = [None, None] if (model, fold) == ("m2", 4) else [0.4, 0.5 + 0.02 * fold]
            record = {"fold": fold, "model": model, "raw": 0.5 + 0.01 * fold, "codes": found}
            records[f"codes-svm-{model}-fold{fold}"] = record | {"chosen_c": [0.1, 1.0]}
    return records


def test_results_by_hand(study):
    records = made_records(np.random.default_rng(0))
    found = codes.results(study, records)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["fold"] == FOLD and found["seed"] == 0
    # Four means on the axes, 4 away: both coordinates along the diagonals must be above 0.
    own = found["prior"].pop("own_component")
    assert own == pytest.approx(norm.cdf(4 / math.sqrt(2)) ** 2, abs=0.002)
    assert found["prior"] == {"means": [[1.0, 0.0]], "spread": 2.0}
    for name in MEASURES:
        values = {}
        for source in SOURCES:
            lanes = [records[f"codes-fold{k}"]["measures"][source][name] for k in range(5)]
            known = [[value for value in seeds if value] for seeds in lanes]
            values[source] = [np.mean(seeds) if seeds else None for seeds in known]
            assert found[name][source] == study.over_folds(values[source])
        assert found[name]["m3"]["values"][:2] == [0.75, None]
        difference = found["differences"][name]["m3-m1"]
        assert difference["values"][1] is None
        assert difference["values"][0] == 0.75 - values["m1"][0]
        paired = [a - b for a, b in zip(values["valid"], values["train"], strict=True)]
        assert found["differences"][name]["valid-train"] == study.over_folds(paired)
    svm = found["svm"]
    assert svm["raw"]["mean"] == pytest.approx(0.52)
    assert svm["codes"]["m1"]["mean"] == pytest.approx(0.45 + 0.02)
    assert svm["differences"]["m1"]["values"] == pytest.approx([-0.05] * 5)
    assert svm["differences"]["m2"]["values"][4] is None
    assert set(found["definitions"]) >= set(MEASURES)


def test_a_fold_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="config.embedding.fold=7: there is no such fold"):
        codes.tasks(tiny_study(tmp_path, embedding__fold=7))
