"""A study before it runs: its two corpora, its identity, and what it refuses."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from study_helpers import tiny_config, tiny_study

from aegan.data.simulate import simulated_corpus
from aegan.errors import InputError
from aegan.models.m1 import M1
from aegan.run.plan import make_plan
from aegan.run.programs import load
from aegan.study.codes.tasks import encoding
from aegan.study.config import run_values
from aegan.study.opening import check_folder, claim_folder, read_study
from aegan.study.registry import EXPERIMENTS, tasks_of


def write_table(path, corpus, drop_class=None, rename=None):
    names = list(corpus.feature_names)
    if rename is not None:
        names[rename] = "another"
    frame = pd.DataFrame(corpus.features, columns=names)
    frame.insert(0, "file", corpus.files)
    frame.insert(1, "speaker", corpus.speakers)
    frame.insert(2, "emotion", np.array(corpus.classes)[corpus.labels])
    frame.insert(3, "session", corpus.sessions)
    frame[frame["emotion"] != drop_class].to_parquet(path, index=False)
    return str(path)


def read(config, root):
    return read_study(config, root, None, "python -m experiments.paper")


def test_the_simulated_pair_shares_features_and_classes(tmp_path):
    study = tiny_study(tmp_path)
    assert study.target.contract == study.source.contract
    assert study.target.classes == study.source.classes
    assert len(np.unique(study.target.sessions)) == 6
    assert study.target.simulated and study.source.simulated


def test_the_runs_are_those_of_experiments_run(tmp_path):
    """Same config, same plan: the run in a study's folder can be had without the study."""
    config = tiny_config()
    study = read(config, tmp_path)
    run = load("m3", "quick").to_dict()
    run["data"] = config["source"]
    run["model"], run["train"] = config["m3"]["model"], config["m3"]["train"]
    run["sample"], run["metrics"] = config["sample"], config["metrics"]
    alone = make_plan(run)
    assert alone.identity["config_hash"] == study.plans["m3"].identity["config_hash"]
    assert run_values(config, "m3")["model"]["name"] == "m3"


@dataclass(frozen=True)
class M7(M1):
    """A model that no line of the package names."""

    name = "m7"
    title = "M7: of a test"


def test_the_models_are_those_of_the_config(tmp_path):
    section = tiny_config()["m1"]
    section["model"]["name"] = "m7"
    changes = {"m7": section, "low_resource__honest": ("m7",), "metrics__along": 3}
    study = tiny_study(tmp_path, models=("m7", "m3"), **changes)
    assert study.models == tuple(study.plans)[:2] == tuple(study.part_plans) == ("m7", "m3")
    names = {task.name for task in tasks_of(study, EXPERIMENTS)}
    for name in ("train-m7", "evaluate-m3", "codes-svm-m7-fold0", "table4-tstr-m7-0"):
        assert name in names
    assert not any("m1" in name or "m2" in name for name in names)
    assert encoding(study) == "m7"
    (task,) = (t for t in tasks_of(study, ["low_resource"]) if t.name == "lowres-target-p20-r0")
    assert {n for n in task.needs if "p20" in n} == {"part-m7-0-target-p20-r0"}


def test_parts_train_in_the_shapes_of_the_whole_source(tmp_path):
    study = tiny_study(tmp_path)
    plan = study.part_plans["m1"]
    assert plan.largest_train == len(study.source.labels)
    assert plan.largest_valid == 0
    numbers = [study.part_fold(part).index for part in study.parts]
    assert not set(numbers) & {fold.index for fold in study.folds}


def test_the_identity_leaves_out_place_processes_and_choice_of_experiments(tmp_path):
    def identity(**changes):
        return read(tiny_config(**changes), tmp_path).identity["config_hash"]

    first = write_table(tmp_path / "a.parquet", simulated_corpus(200, 24, seed=1))
    second = tmp_path / "deeper" / "a.parquet"
    second.parent.mkdir()
    second.write_bytes((tmp_path / "a.parquet").read_bytes())
    assert identity() == identity(jobs=1) == identity(experiments=("toy",))
    assert identity(target__path=first) == identity(target__path=str(second))
    assert identity() != identity(seeds=(1,))
    assert identity() != identity(target__statistics="source")


def test_another_study_in_the_folder_is_refused_by_its_first_difference(tmp_path):
    tiny_study(tmp_path)
    check_folder(read(tiny_config(), tmp_path))
    with pytest.raises(InputError, match=r"config\.toy\.updates is 50 there and 60 here"):
        check_folder(read(tiny_config(toy__updates=60), tmp_path))
    (tmp_path / "study.json").unlink()
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match=r"holds a run of experiments\.run"):
        check_folder(read(tiny_config(), tmp_path))


def test_one_command_at_a_time_works_in_a_folder(tmp_path):
    study = read(tiny_config(), tmp_path)
    with claim_folder(study):
        with pytest.raises(InputError, match=r"process \d+ on .* is at work there"):
            with claim_folder(study):
                pass
    with claim_folder(study):
        pass


OWN = [  # of the experiments' own sections: field, what is said, of which values
    ("toy__seeds", "1 or more", 0),
    ("toy__seeds", "whole number", 2.5),
    ("toy__batch_size", "1 or more", 0),
    ("toy__updates", "whole number", True),
    ("toy__points", "40 or more", 30),
    ("toy__hidden", "widths above 0", [], [16, 0]),
    ("toy__radius", "above 0", 0.0),
    ("toy__spread", "above 0", -1.0),
    ("toy__rate", "above 0", float("nan"), float("inf")),
    ("toy__information_weight", "0 or more", -0.1),
    ("information__weights", "weights of 0 or more", (-1.0,), (float("nan"),), ("a",), ()),
    ("information__answer", "0 or more", -1.0),
    ("embedding__rows", "2 or more", 1),
    ("embedding__components", "2 or more", 1),
    ("embedding__neighbours", "1 or more", 0),
    ("embedding__perplexity", "1 or more", 0.5),
    ("codes__c_grid", "positive and rising", (), (1.0, 0.1), (-1.0, 1.0), ("a",)),
    ("cross_corpus__draws", "1 or more", 0, -1),
    ("cross_corpus__draws", "whole number", 2.5, True),
    ("low_resource__sizes", "N = 0 is always there", (0, 60)),
    ("low_resource__sizes", "above 0", (-5,)),
    ("low_resource__sizes", "different", (20, 20), ()),
    ("low_resource__percents", "above 0", (0.0, 50.0)),
    ("low_resource__percents", "up to 100", (100.5,), (float("nan"),)),
    ("low_resource__replicates", "1 or more", 0),
    ("low_resource__scopes", "target, source", ("target", "elsewhere"), ()),
    ("low_resource__honest", "m1, m2, m3", ("m4",)),
    ("low_resource__hidden", "above 0", (64, 0)),
    ("low_resource__updates", "1 or more", 0),
    ("low_resource__batch_size", "1 or more", -1),
    ("low_resource__rate", "above 0", 0.0),
]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target__statistics": "theirs"}, r"config\.target\.statistics='theirs': must be"),
        ({"m2__train__batch_size": 0}, r"config\.m2\.train\.batch_size=0: must be 1 or more"),
        ({"m3__model__code": 0}, r"config\.m3\.model\.code=0: must be 1 or more"),
        ({"source__simulated_rows": 3}, r"config\.source\.simulated_rows=3"),
        ({"target__simulated_rows": 3}, r"config\.target\.simulated_rows=3"),
        ({"jobs": -1}, r"config\.jobs=-1"),
        ({"m2__train__matmul_precision": "bfloat16"}, r"config\.m2\.train\.matmul_precision"),
        ({"models": ()}, r"config\.models=\[\]: must be different names of models"),
        ({"models": ("m1", "m7")}, r"config\.models: 'm7' has no section config\.m7; add it"),
        ({"models": ("m1",), "low_resource__honest": ("m2",)}, r"honest=\['m2'\]: .* of m1$"),
        *(
            ({field: value}, rf"config\.{field.replace('__', '.')}=.*{words}")
            for field, words, *values in OWN
            for value in values
        ),
        ({"seeds": (0, 0)}, r"config\.seeds=\[0, 0\]"),
        ({"low_resource__percents": (1.0,)}, r"config\.low_resource\.percents: 1 %"),
        ({"source__path": "missing.parquet"}, r"missing\.parquet: no such file"),
        ({"target__path": "missing.parquet"}, r"missing\.parquet: no such file"),
    ],
)
def test_bad_values_are_named(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        read(tiny_config(**changes), tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rename": 5}, r"target 'mine'.*another"),
        ({"drop_class": "angry"}, r"mine\.parquet: no row has the emotion 'angry'"),
    ],
)
def test_a_target_without_a_feature_or_class_is_refused(tmp_path, changes, message):
    path = write_table(tmp_path / "mine.parquet", simulated_corpus(200, 24), **changes)
    with pytest.raises(InputError, match=message):
        read(tiny_config(target__path=path), tmp_path)


def test_a_target_with_rows_of_the_source_is_refused_unless_allowed(tmp_path):
    corpus = simulated_corpus(200, 24)
    path = write_table(tmp_path / "same.parquet", corpus)
    with pytest.raises(InputError, match=r"'simulated' and 'same': leak, .* 200, first .*allow"):
        read(tiny_config(target__path=path), tmp_path)
    study = read(tiny_config(target__path=path, source__allow_leaks=True), tmp_path)
    (leak,) = study.identity["target"]["leaks"]
    assert "target 'same': test rows that the generator was trained on: 200" in leak["words"]


def test_a_real_source_needs_a_real_target_only_where_one_is_tested_on(tmp_path):
    path = write_table(tmp_path / "mine.parquet", simulated_corpus(200, 24))
    for experiment in ("cross_corpus", "low_resource"):
        with pytest.raises(InputError, match=rf"target\.path: is empty, but {experiment} tests on"):
            read(tiny_config(source__path=path, experiments=(experiment,)), tmp_path)
    alone = read(tiny_config(source__path=path, experiments=("codes", "toy")), tmp_path)
    assert alone.target is None and alone.identity["target"] is None
    within = {"experiments": ("low_resource",), "low_resource__scopes": ("source",)}
    assert read(tiny_config(source__path=path, **within), tmp_path).target is None


def test_parts_are_asked_for_only_where_they_are_needed(tmp_path):
    """A class too small for P per cent stops the low-resource study and no other."""
    few = {"low_resource__percents": (1.0,)}
    assert len(read(tiny_config(experiments=("toy",), **few), tmp_path).parts) == 1


def test_speaker_statistics_count_for_both_corpora(tmp_path):
    plain = read(tiny_config(), tmp_path)
    own = read(tiny_config(source__statistics="speaker"), tmp_path)
    speaker = own.target.speakers == own.target.speakers[0]
    means = own.target.features[speaker].mean(axis=0)
    np.testing.assert_allclose(means, plain.target.features.mean(axis=0), rtol=1e-3)


def test_a_study_is_immutable_to_its_users(tmp_path):
    study = tiny_study(tmp_path)
    assert replace(study, cache_dir=None).identity == study.identity
    with pytest.raises(AttributeError):
        study.config = {}
