"""Every model learns: a short training on simulated rows, and what its own rows are good for."""

from __future__ import annotations

import importlib
from dataclasses import replace

import jax
import numpy as np
import pytest
from helpers import NAMES
from sklearn.metrics import recall_score
from sklearn.svm import LinearSVC

from aegan.models.model import MODELS
from aegan.run.config import read_config
from aegan.run.plan import Plan, plan_of, prepare
from aegan.sampling.rows import sampling_key, training_space_blocks
from aegan.training import lanes
from aegan.training.job import Job
from aegan.training.trainers import Vmapped

EPOCHS, PER_CALL = 128, 32
SEEDS = (0, 1)
# The paper's rates for M3 want seven thousand updates.
FASTER = {"autoencoder": (0.005, 0.9), "code_discriminator": (0.05, 0.0), "encoder": (0.02, 0.0)}
FASTER |= {"feature_discriminator": (0.0005, 0.0), "generator": (0.02, 0.0)}

REBUILDING = [name for name in NAMES if "autoencoder" in {s.name for s in MODELS[name].steps}]


def plan(name: str) -> Plan:
    """By the model's own config, narrow, one fold of a small corpus whose classes lie apart."""
    config = importlib.import_module("own_m9" if name == "m9" else f"configs.{name}").get_config()
    config.data.simulated_rows, config.data.simulated_features = 400, 40
    config.only_folds, config.seeds = (0,), SEEDS
    for part in ("encoder", "code_discriminator", "feature_discriminator"):
        config.model[part] = (48, 24)
    if name == "m3":
        config.model.code, config.train.gain = 8, 0.2
        for step, (rate, momentum) in FASTER.items():
            config.train.steps[step].update(rate=rate, momentum=momentum)
    read = read_config(config)
    source = prepare(read.data)
    corpus = source.corpus
    signs = np.random.default_rng(1).choice([-1.0, 1.0], (4, 40))
    apart = corpus.features + 1.5 * corpus.features.std(axis=0) * signs[corpus.labels]
    return plan_of(read, replace(source, corpus=replace(corpus, features=np.float32(apart))))


@pytest.mark.parametrize("name", REBUILDING)
def test_a_model_learns_to_rebuild_rows_and_to_make_rows_of_a_class(name):
    """Reconstruction of held-out rows falls; an SVM on synthetic rows knows real ones (TSTR)."""
    run = plan(name)
    learner, fold, stats = run.learner, run.folds[0], run.standardisers[0]
    sizes = run.largest_train, run.largest_valid
    stacked = lanes.make_lanes(run.folds, run.standardisers, run.lanes, *sizes)
    trainer = Vmapped(Job(learner, lanes.make_table(run.corpus), stacked))
    trainer.begin()
    calls = [trainer.run(first, PER_CALL).history for first in range(0, EPOCHS, PER_CALL)]
    reconstruction = np.concatenate(calls)[:, 1, :, 0]
    assert (reconstruction[-1] < 0.6 * reconstruction[0]).all()
    held_out, found = stats.to_z(run.corpus.features[fold.valid]), []
    for lane, seed in enumerate(SEEDS):
        params = lanes.lane_of(trainer.state().params, lane)
        key = sampling_key(lanes.lane_key(seed, 0))
        ((rows, labels),) = training_space_blocks(learner.model, params, key, 1000)
        judge = LinearSVC(C=0.01).fit(jax.device_get(rows) / learner.gain, labels)
        guessed = judge.predict(held_out)
        found.append(recall_score(run.corpus.labels[fold.valid], guessed, average="macro"))
    assert np.mean(found) > 0.75, found  # chance is 0.25
