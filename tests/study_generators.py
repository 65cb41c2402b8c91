"""What the training of a study would leave, made up, so that what uses it is tested in seconds."""

from __future__ import annotations

from collections.abc import Collection

import jax
import numpy as np

from aegan.data.audit import row_digests
from aegan.data.folds import fit_standardiser
from aegan.sampling.generator import Generator, constant_columns, params_of_rows, save_generator
from aegan.study.generators import part_seeds
from aegan.study.parts import HALF
from aegan.study.study import Study
from aegan.system.files import write_json
from aegan.tables.synthetic import write_synthetic


def untrained_generator(study: Study, model: str, rows: np.ndarray, seed: int) -> Generator:
    """Random weights, but the statistics of the rows that it would be trained on."""
    learner = study.part_plans[model].learner
    shapes = jax.eval_shape(learner.model.init_params, jax.random.key(0))
    rng = np.random.default_rng([seed, len(rows)])
    params = jax.tree.map(lambda w: np.float32(0.3 * rng.normal(size=w.shape)), shapes)
    features = study.source.features
    return Generator(
        model=learner.model,
        params=params_of_rows(learner.model, params),
        gain=learner.gain,
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
    honest = study.settings("low_resource").honest
    for model in study.models:
        for seed in study.seeds:
            for fold in study.folds:
                path = study.dir.run(model).generator({"seed": seed, "fold": fold.index})
                save_generator(path, untrained_generator(study, model, fold.train, seed))
        for part in study.every_part:
            every = part is study.parts[0] or part.scope == HALF
            if every or (model in honest and not part.of_a_run):
                for seed in part_seeds(study, part):
                    generator = untrained_generator(study, model, part.rows, seed)
                    save_generator(study.dir.generator(model, seed, part), generator)


def save_broken(study: Study, model: str, part, seed: int) -> None:
    """A generator of a part whose rows are not finite."""
    generator = untrained_generator(study, model, part.rows, seed)
    generator.params.update(jax.tree.map(lambda w: np.full_like(w, np.nan), generator.params))
    save_generator(study.dir.generator(model, seed, part), generator)


Lane = tuple[str, int, int]  # model, seed, fold


def save_lanes(
    study: Study,
    noise: dict[str, float],
    rows: int,
    diverged: Collection[Lane],
    infinite: Collection[Lane],
) -> None:
    """Rows of every cross-validation lane: of set-1 with noise in z, those of M3 far away."""
    for place, model in enumerate(study.models):
        lanes = [{"seed": s, "fold": k, "status": "ok"} for s in study.seeds for k in range(5)]
        for lane in lanes:
            seed, fold = lane["seed"], lane["fold"]
            rng = np.random.default_rng([place, seed, fold])
            chosen = study.folds[fold].train[:rows]
            z = study.standardiser(fold).to_z(study.source.features[chosen])
            z += rng.normal(0, noise[model], z.shape) + 5 * (model == "m3")
            features = study.standardiser(fold).to_raw(z.astype(np.float32))
            if (model, seed, fold) in diverged:
                lane["status"] = "diverged"
            if (model, seed, fold) in infinite:
                features[5, 3] = np.inf
            write_synthetic(
                study.dir.run(model).synthetic(lane),
                [(features, study.source.labels[chosen])],
                study.source.classes,
                study.source.contract,
                {"model": model, "run_hash": "0" * 16, "seed": seed, "fold": fold},
                finite=False,
            )
        write_json(study.dir.run(model).train_record, {"lanes": lanes})
