"""Fig. 1 and section 3.1: a vanilla GAN and an InfoGAN from one normal to four, measured."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from aegan.metrics.intervals import estimate
from aegan.models.priors import MixturePrior
from aegan.study.experiment import Records, Task
from aegan.study.study import Study, differences
from aegan.study.toy.gans import COMPONENTS, Gan, sample, sample_target, train
from aegan.study.words import defined

NAME = "toy"
MODELS = {"gan": False, "infogan": True}  # whether it reads labels
MEASURES = ("overlap", "spread", "flatness")

SHARE = 0.05  # of the points, that a component needs to count
REACH = 3.0  # standard deviations of the target about a mean that are its mode
# Least deviation of a cluster along any axis, for a line has none: over the target's deviation ...
LEAST_SD = 0.01
LEAST_OF_ALL = 1e-4  # ... and over that of all points, so that a covariance can be inverted


class Measured(NamedTuple):
    """What the definitions say, of one model and seed; None where a point is not finite."""

    overlap: float | None
    spread: float | None
    flatness: float | None
    modes: int
    clusters: np.ndarray  # (n,) int, the target component that a point's cluster began at


def tasks(study: Study) -> list[Task]:
    """One task: all seeds of both models, seconds."""
    words, work = "Fig. 1: GAN and InfoGAN on four Gaussians", float(study.settings(NAME).updates)
    return [Task(NAME, words, run, kind=NAME, work=work)]


def run(study: Study) -> dict[str, Any]:
    """Trains, measures, and writes the points of seed 0 to ``table("toy")``."""
    toy = study.settings(NAME)
    gans = {name: Gan(toy, labelled) for name, labelled in MODELS.items()}
    keys = jax.vmap(jax.random.key)(jnp.arange(toy.seeds))
    points = {}
    for name, gan in gans.items():
        source, points[name] = jax.device_get(sample(gan, train(gan, keys), keys))
    target = jax.device_get(sample_target(gan, keys, toy.points))
    found = {name: [measure(xy, gan.target) for xy in points[name]] for name in MODELS}
    ideal = [measure(xy, gan.target) for xy in target.z]
    panels = (
        ("source", source.z[0], np.zeros(toy.points, int)),
        ("target", target.z[0], target.labels[0].argmax(axis=1)),
        *((name, points[name][0], found[name][0].clusters) for name in MODELS),
    )
    frames = [
        pd.DataFrame({"panel": name, "x": xy[:, 0], "y": xy[:, 1], "cluster": cluster})
        for name, xy, cluster in panels
    ]
    study.keep_points(NAME, frames)
    figures = (*MEASURES, "modes")
    return {
        "per_seed": [
            {"seed": seed, "model": name}
            | {figure: getattr(found[name][seed], figure) for figure in figures}
            for seed in range(toy.seeds)
            for name in MODELS
        ],
        "target": {figure: [getattr(one, figure) for one in ideal] for figure in figures},
    }


def results(study: Study, records: Records) -> dict[str, Any]:
    """Of both models over the seeds, which are independent; differences paired by seed."""
    record = records[NAME]
    found: dict[str, Any] = {"per_seed": record["per_seed"]}
    for name in (*MEASURES, "modes"):
        values = {
            model: [row[name] for row in record["per_seed"] if row["model"] == model]
            for model in MODELS
        }
        found[name] = {model: estimate(of_model) for model, of_model in values.items()}
        if name in MEASURES:
            found[name]["difference"] = estimate(differences(values["infogan"], values["gan"]))
    found["target"] = {name: estimate(seeds) for name, seeds in record["target"].items()}
    return found | {"definitions": defined(NAME)}


def measure(points: np.ndarray, target: MixturePrior) -> Measured:
    """Overlap, spread, flatness and modes of points (n, 2), which need no labels."""
    means = target.means(COMPONENTS).astype(float)
    if not np.isfinite(points).all():
        return Measured(None, None, None, 0, np.zeros(len(points), int))
    points = np.ascontiguousarray(points, dtype=float)
    distances = np.linalg.norm(points[:, None] - means, axis=2)
    nearest = distances.argmin(axis=1)
    modes = int(((distances < REACH * target.spread).mean(axis=0) >= SHARE).sum())
    counts = np.bincount(nearest, minlength=COMPONENTS)
    held = np.flatnonzero(counts >= SHARE * len(points))
    least = max(LEAST_SD * target.spread, LEAST_OF_ALL * float(points.std(axis=0).max())) ** 2
    groups = [points[nearest == k] for k in held]
    mixture = GaussianMixture(
        len(held),
        reg_covar=least,
        max_iter=500,
        weights_init=counts[held] / counts[held].sum(),
        means_init=np.stack([group.mean(axis=0) for group in groups]),
        precisions_init=np.stack([np.linalg.inv(_covariance(group, least)) for group in groups]),
        init_params="random_from_data",
        random_state=0,
    )
    with warnings.catch_warnings():
        # Points without clusters: the mixture after so many rounds is as good as any.
        warnings.simplefilter("ignore", ConvergenceWarning)
        posteriors = mixture.fit(points).predict_proba(points)
    axes = np.linalg.eigvalsh(mixture.covariances_)  # squared, ascending
    return Measured(
        overlap=float((1 - posteriors.max(axis=1)).mean()),
        spread=float(np.sqrt(mixture.weights_ @ axes.mean(axis=1)) / target.spread),
        flatness=float(mixture.weights_ @ np.sqrt(axes[:, 0] / axes[:, 1])),
        modes=modes,
        clusters=held[posteriors.argmax(axis=1)],
    )


def _covariance(points: np.ndarray, least: float) -> np.ndarray:
    """(2, 2), with ``least`` added to the variances."""
    centred = points - points.mean(axis=0)
    return centred.T @ centred / len(points) + least * np.eye(points.shape[1])
