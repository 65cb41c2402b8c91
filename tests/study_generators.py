"""Generators of a study that nobody trained, so that what uses them can be tested in seconds."""

from __future__ import annotations

import jax
import numpy as np

from aegan.data.audit import row_digests
from aegan.data.folds import fit_standardiser
from aegan.models.networks import init_params
from aegan.sampling.generator import Generator, constant_columns, networks_of_a_draw, save_generator
from aegan.study.generators import part_seeds
from aegan.study.parts import SOURCE
from aegan.study.study import MODELS, Study


def untrained_generator(study: Study, model: str, rows: np.ndarray, seed: int) -> Generator:
    """Random weights, but the statistics of the rows that it would be trained on."""
    plan = study.part_plans[model]
    shapes = jax.eval_shape(lambda key: init_params(plan.learner.nets, key), jax.random.key(0))
    rng = np.random.default_rng([seed, len(rows)])
    params = jax.tree.map(lambda w: np.float32(0.3 * rng.normal(size=w.shape)), shapes)
    features = study.source.features
    return Generator(
        nets=plan.learner.nets,
        prior=plan.schedule.prior,
        params=networks_of_a_draw(params),
        gain=plan.schedule.gain,
        standardiser=fit_standardiser(features, rows),
        constant=constant_columns(features, rows),
        classes=study.source.classes,
        contract=study.source.contract,
        trained_on=row_digests(features[rows]),
        rules=(),
        passport={"model": model, "run_hash": "0123456789abcdef", "seed": seed, "fold": 0},
    )


def save_untrained(study: Study) -> None:
    """A file for every generator that the tasks of a study may ask for."""
    honest = study.config["low_resource"]["honest"]
    for model in MODELS:
        for seed in study.seeds:
            for fold in study.folds:
                path = study.dir.run(model).generator({"seed": seed, "fold": fold.index})
                save_generator(path, untrained_generator(study, model, fold.train, seed))
        for part in study.parts:
            if part is study.parts[0] or (model in honest and not _of_a_run(part)):
                for seed in part_seeds(study, part):
                    generator = untrained_generator(study, model, part.rows, seed)
                    save_generator(study.dir.generator(model, seed, part), generator)


def _of_a_run(part) -> bool:
    return part.scope == SOURCE and part.percent == 100
