"""What a config becomes, and every value that no run could use, refused by its field."""

from __future__ import annotations

import ast
import importlib
import math
from dataclasses import replace

import numpy as np
import pytest
from helpers import PAPER
from ml_collections import ConfigDict
from own_m9 import get_config as own_config
from small_runs import write_table

from aegan.errors import InputError
from aegan.models.priors import MixturePrior, NormalPrior
from aegan.run import config
from aegan.run.config import read_config
from aegan.run.plan import make_plan, training_length
from configs import m1, m2, m3, m4
from experiments.configured import _with_names


def config_of(get_config=m2.get_config, **fields):
    """A quick config on 60 simulated rows of 20 features, with fields changed by dotted name."""
    config = get_config("quick")
    config.data.simulated_rows, config.data.simulated_features = 60, 20
    for name, value in fields.items():
        *sections, last = name.split("__")
        section = config
        for part in sections:
            section = section[part]
        with section.ignore_type():
            section[last] = value
    return config


BAD = {
    "train.epochs": (-1, 0),
    "train.updates": (0,),
    "train.min_epochs": (0,),
    "train.batch_size": (0, -64),
    "train.d2_every": (0,),
    "train.gain": (0.0, -0.2, math.nan, math.inf),
    "train.reduction": ("median",),
    "train.optimiser": ("lbfgs",),
    "train.init": ("zeros",),
    "train.matmul_precision": ("float16",),
    "train.information_weight": (-1.0, math.nan),
    "train.average": (0.0, -0.1, 1.5, math.nan),
    "train.checkpoint_seconds": (-1.0,),
    "train.steps.encoder.rate": (0.0, -0.1),
    "train.steps.generator.rate": (math.nan, math.inf),
    "train.steps.autoencoder.momentum": (1.0, -0.1),
    "data.folds": (1,),
    "data.statistics": ("global",),
    "data.clip": (0.0, math.nan),
    "data.simulated_rows": (10, -5),
    "data.simulated_features": (0,),
    "data.simulated_seed": (-1,),
    "model.name": ("m0",),
    "model.code": (0, 1),  # 1: fewer dimensions than four components need
    "model.latent": (0,),
    "model.encoder": ((), (8, 0), (8, -6), (8, 2.5)),
    "model.code_discriminator": ((),),
    "model.feature_discriminator": ((0,),),
    "model.auxiliary": ((-1,),),
    "model.code_generator": (("wide",),),
    "model.radius": (0.0,),
    "model.spread": (-1.0,),
    "sample.rows": (0,),
    "metrics.kernel": ("poly",),
    "metrics.c_grid": (
        (),
        ("one",),
        (0.0, 1.0),
        (1.0, 0.1),
        (1.0, 1.0),
        (0.1, math.inf),
        (0.1, math.nan),
    ),
    "metrics.inner_folds": (1,),
    "metrics.max_search_rows": (0,),
    "metrics.fid_nets": (0,),
    # With 2**32 jax would train both with the same key.
    "seeds": ((), (0, 0), (-1,), (0.5,), ("one",), (0, 2**32)),
    "only_folds": ((5,), (-1,), (1, 1)),
}


@pytest.mark.parametrize(("field", "value"), [(f, v) for f, values in BAD.items() for v in values])
def test_a_bad_value_is_refused_by_its_field(field, value):
    with pytest.raises(InputError) as error:
        make_plan(config_of(**{field.replace(".", "__"): value}))
    assert f"config.{field}" in str(error.value) and "\n" not in str(error.value)


def test_a_missing_table_is_refused():
    with pytest.raises(InputError, match="/no/such/table.parquet"):
        make_plan(config_of(data__path="/no/such/table.parquet"))


# --- what the shipped configs say -------------------------------------------------------------

M1_RULES = {"autoencoder": (0.001, 0.9), "code_discriminator": (0.1, 0.0), "encoder": (0.1, 0.0)}
D2_RULES = {"feature_discriminator": (0.0001, 0.0), "generator": (0.001, 0.0)}
M3_RULES = {"autoencoder": (0.001, 0.0), "code_discriminator": (0.01, 0.0), "encoder": (0.01, 0.0)}
PAPER_RULES = {"m1": M1_RULES, "m2": M1_RULES | D2_RULES, "m3": M3_RULES | D2_RULES}


@pytest.mark.parametrize("name", PAPER)
def test_rates_momentum_and_schedule_are_those_of_section_4_3(name):
    config = importlib.import_module(f"configs.{name}").get_config("paper")
    config.data.simulated_rows = 60
    plan = make_plan(config)
    model, learner = plan.learner.model, plan.learner
    pairs = dict(zip((step.name for step in model.steps), learner.rules, strict=True))
    assert {step: (rule.rate, rule.momentum) for step, rule in pairs.items()} == PAPER_RULES[name]
    assert {rule.optimiser for rule in learner.rules} == {"sgd"}
    # Two generator epochs for one of D2.
    every = {step: rule.every for step, rule in pairs.items()}
    assert every == {step: 2 if step == "feature_discriminator" else 1 for step in pairs}
    assert plan.config.sample.rows == 6000
    if name == "m3":
        assert model.prior == NormalPrior(20) and model.information_weight == 1.0
    else:
        assert model.prior == MixturePrior(2, radius=4.0, spread=1.0)


def flat(config, prefix=""):
    for name in config:
        if isinstance(config[name], ConfigDict):
            yield from flat(config[name], f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", config[name]


@pytest.mark.parametrize("module", [m1, m2, m3, m4])
def test_quick_differs_only_in_sizes(module):
    with pytest.raises(ValueError, match="no variant 'huge'"):
        module.get_config("huge")
    default, quick = (dict(flat(module.get_config(v))) for v in ("default", "quick"))
    sizes = "data.simulated_rows train.updates sample.rows metrics.c_grid metrics.fid_nets variant"
    assert {name for name in default if default[name] != quick[name]} <= set(sizes.split())


# --- what follows from the data ---------------------------------------------------------------


def test_dimensions_lanes_batches_and_standardisers_come_from_the_data():
    plan = make_plan(config_of(seeds=(3, 1), train__batch_size=7))
    assert (plan.learner.model.features, plan.learner.model.classes) == (20, 4)
    assert plan.lanes == tuple((seed, fold) for seed in (3, 1) for fold in range(5))
    largest = max(len(fold.train) for fold in plan.folds)
    assert plan.learner.batches == math.ceil(largest / 7)
    for fold, stats in zip(plan.folds, plan.standardisers, strict=True):
        z = stats.to_z(plan.corpus.features[fold.train])
        assert np.abs(z.mean(axis=0)).max() < 0.05


def test_a_fold_that_trains_alone_keeps_the_geometry_of_all_folds():
    together, alone = make_plan(config_of()), make_plan(config_of(only_folds=(2,)))
    assert alone.lanes == ((0, 2),)
    assert alone.learner == together.learner and alone.epochs == together.epochs
    assert alone.largest_train == together.largest_train


@pytest.mark.parametrize(
    ("updates", "min_epochs", "epochs", "batches", "expected"),
    [
        (1600, 4, None, 70, 23),  # 1600 / 70 = 22.9
        (1600, 4, None, 5, 320),  # a small table: many epochs
        (1600, 4, None, 1563, 4),  # a large one: at least four
        (1600, 4, 7, 70, 7),  # given
    ],
)
def test_the_length_of_training_follows_from_the_data(
    updates, min_epochs, epochs, batches, expected
):
    given = {"updates": updates, "min_epochs": min_epochs, "epochs": epochs}
    train = replace(read_config(config_of()).train, **given)
    assert training_length(train, batches) == expected


def test_speaker_statistics_change_the_corpus_and_say_so():
    plan, other = make_plan(config_of()), make_plan(config_of(data__statistics="speaker"))
    assert other.identity["corpus"]["statistics"] == "speaker"
    assert plan.identity["corpus"]["statistics"] == "fold"
    assert plan.corpus.hash != other.corpus.hash
    for speaker in np.unique(other.corpus.speakers):
        own = other.corpus.features[other.corpus.speakers == speaker]
        spread = other.corpus.features.std(axis=0)
        gap = np.abs(own.mean(axis=0) - other.corpus.features.mean(axis=0))
        assert (gap <= 1e-3 * np.maximum(spread, 1e-30) + 1e-5 * np.abs(own).max(axis=0)).all()


def test_the_identity_is_of_the_config_and_the_corpus():
    base = make_plan(config_of()).identity
    assert base == make_plan(config_of()).identity
    for change in ({"train__gain": 0.3}, {"seeds": (1,)}, {"data__simulated_seed": 1}):
        assert make_plan(config_of(**change)).identity["config_hash"] != base["config_hash"]


@pytest.mark.parametrize(("average", "first"), [(None, None), (1.0, 0), (0.3, 14), (0.01, 19)])
def test_weights_are_averaged_over_the_last_share_of_the_updates(average, first):
    """Of 20 updates, the last at least; a config without the field is that of older versions."""
    changes = {"train__epochs": 5, "train__batch_size": 13, "train__average": average}
    plan = make_plan(config_of(**changes))
    assert plan.epochs * plan.learner.batches == 20
    assert plan.learner.average_from == first
    old = config_of(**changes)
    del old.train["average"]
    assert (make_plan(old).identity["config_hash"] == plan.identity["config_hash"]) == (not average)


def test_the_rates_of_m4_are_those_of_m2():
    quick = [make_plan(config_of(module.get_config)).learner for module in (m2, m4)]
    assert quick[0].rules == quick[1].rules and quick[0].gain == quick[1].gain
    model = make_plan(config_of(m4.get_config, train__information_weight=0.3)).learner.model
    assert model.prior == MixturePrior(2, radius=4.0, spread=1.0)
    assert model.information_weight == 0.3 and not model.aux_sees_label


# --- a model of one's own ---------------------------------------------------------------------


def test_a_model_takes_fields_of_its_own_by_their_names_and_checks_them():
    fields = {"model__noise": (5, 3), "model__noise_size": 0.25}
    fields |= {"train__information_weight": 2.0, "train__steps__noise__rate": 0.125}
    config = config_of(own_config, **fields)
    plan = make_plan(config)
    model = plan.learner.model
    assert (model.noise, model.noise_size, model.information_weight) == ((5, 3), 0.25, 2.0)
    assert plan.learner.rule(model.steps[-1]).rate == 0.125
    for field, value in (("noise", (5, 0)), ("noise_size", -1.0)):
        with pytest.raises(InputError, match=rf"config\.model\.{field}="):
            make_plan(config_of(own_config, **{f"model__{field}": value}))
    del config.train.steps.noise
    with pytest.raises(InputError, match=r"config\.train\.steps\.noise: is missing; m9 has this"):
        make_plan(config)


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("0,1,2,3", ("0", "1", "2", "3")),
        ("(0,1)", ("0", "1")),
        ("calm, tense", ("calm", "tense")),
        ("sehr wütend,ruhig", ("sehr wütend", "ruhig")),
        ("生气,悲伤", ("生气", "悲伤")),
        ("$x,a\\b,it's", ("$x", "a\\b", "it's")),
        ('"a, b",c', ("a, b", "c")),
        ("'a','b'", ("a", "b")),
        ("01,1e3", ("01", "1e3")),
        ("calm", ("calm",)),
        ("()", ()),
        ("", ()),
    ],
)
@pytest.mark.parametrize("section", ["data", "source"])
def test_names_of_classes_on_the_command_line(given, names, section):
    text = f"--config.{section}.classes={given}"
    written = ast.literal_eval(_with_names(text).partition("=")[2])  # as the flag's parser does
    assert written == names
    config = config_of()
    with config.data.ignore_type():
        config.data.classes = written
    assert read_config(config).data.classes == names


def test_classes_that_python_names():
    assert read_config(config_of(data__classes=(0, 1))).data.classes == ("0", "1")
    assert read_config(config_of(data__classes=("calm,tense",))).data.classes == ("calm", "tense")
    unnamed = read_config(config_of())
    assert unnamed.data.classes is None
    assert unnamed.written["data"]["classes"] == ["angry", "happy", "neutral", "sad"]


def test_other_emotions_than_the_papers_are_refused_unless_classes_are_named(tmp_path):
    def change(frame):
        frame.loc[frame.index % 7 == 0, "emotion"] = "calm"
        return frame

    path = str(write_table(tmp_path / "t.parquet", change))
    own = {"data__path": path, "data__folds": 2}
    with pytest.raises(InputError, match="'calm' in row 0 .* --config.data.classes"):
        make_plan(config_of(**own))
    plan = make_plan(config_of(**own, data__classes=("angry", "happy", "neutral", "sad")))
    assert len(plan.corpus.files) == 68
    assert plan.identity["corpus"]["notes"][0].startswith("12 rows of other emotions left out")
    assert make_plan(config_of(**own, data__classes=())).corpus.classes[1] == "calm"


def test_a_class_with_few_rows_is_said_before_training(tmp_path):
    path = str(write_table(tmp_path / "t.parquet", lambda frame: frame.drop(range(8, 11))))
    notes = make_plan(config_of(data__path=path, data__folds=4)).corpus.notes
    assert "class 'neutral' has but 12 training rows in fold 3: too few to learn it from" in notes
    assert make_plan(config_of(data__simulated_rows=300)).corpus.notes == ()


def test_tensorboard_needs_its_extra_and_makes_no_other_run(monkeypatch):
    wanted = config_of(train__tensorboard=True)
    monkeypatch.setattr(config, "find_spec", lambda name: None)
    with pytest.raises(
        InputError, match=r"train.tensorboard=True: needs tensorboardX; pip install"
    ):
        read_config(wanted)
    monkeypatch.setattr(config, "find_spec", lambda name: name)
    hashes = {make_plan(c).identity["config_hash"] for c in (wanted, config_of())}
    assert len(hashes) == 1
