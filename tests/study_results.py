"""A study's results as a run leaves them, made up: for tests of the claims and of the report."""

from __future__ import annotations

import json
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pandas as pd
from report_results import KEYS, make_losses, make_summaries
from report_results import MEANS as OF_A_RUN

from aegan.metrics.intervals import corrected_estimate, estimate, fold_means
from aegan.report.paper import paper_figures
from aegan.study.registry import claims
from aegan.study.words import told

MODELS = ("m1", "m2", "m3")
FOLDS = 5
LOSSES = (
    "reconstruction",
    "code_discriminator",
    "encoder_adversarial",
    "feature_discriminator",
    "generator_adversarial",
    "information",
)
REFERENCES = ("real", "class_mean", "class_gaussian", "smote", "jitter")
MEANS = {
    "m1": (0.958, 0.497, 0.682, 0.468, 60.6, 0.14, 0.75, 0.0),
    "m2": (0.949, 0.481, 0.706, 0.487, 58.9, 0.15, 0.75, 0.0),
    "m3": (0.854, 0.412, 0.799, 0.474, 16.1, 0.51, 0.84, 0.0),
} | {name: OF_A_RUN[name] for name in REFERENCES}


def corpus(name: str, simulated: bool) -> dict:
    classes = {"angry": 749, "happy": 749, "neutral": 809, "sad": 769}
    return {
        "name": name,
        "simulated": simulated,
        "rows": sum(classes.values()),
        "features": 1582,
        "classes": classes,
        "speakers": 9,
        "sessions": None,
        "hash": "30425ab62df78809",
        "feature_set": "IS10",
        "feature_hash": "b9df4595521fd9a0",
        "licence": "CC BY-NC-SA 4.0",
        "leaks": [],
    }


def _around(rng, mean, sd, count=5):
    return estimate([float(v) for v in rng.normal(mean, sd, count)])


def _cross_validation(rng):
    lane = {"status": "ok", "detail": None, "epochs": 40, "last_good_epoch": 40}
    lane |= {"convergence": 0.02, "variance_ratio_check": 0.14, "classes_missing": []}
    lanes = [{"seed": seed, "fold": fold} | lane for seed in (0, 1) for fold in range(FOLDS)]
    effect = rng.normal(0, 0.04, FOLDS)

    def summaries(name, lanes=lanes):
        return make_summaries(rng, lanes, MEANS[name], effect, 1.8, 0.528)

    rows = {"train_rows": 2460, "valid_rows": 616}
    folds = [
        {"fold": f, "name": f"speakers {f}", "held_out": [f"S{f}"]} | rows for f in range(FOLDS)
    ]
    models = {}
    for model in MODELS:
        own = [dict(lane) for lane in lanes]
        if model == "m3":
            own[-1] |= {"status": "diverged", "last_good_epoch": 12, "convergence": None}
        models[model] = {
            "title": f"{model.upper()}: a model",
            "metrics": summaries(model, own),
            "verdict": {"word": "off the data" if model == "m3" else "prototype-like"},
            "lanes": own,
            "folds": folds,
            "paper": paper_figures(model),
            "run": f"runs/{model}",
        }

    def difference(first, second):
        values = (
            fold_means(models[model]["metrics"][metric]["per_lane"], lanes)
            for model, metric in (first, second)
        )
        return corrected_estimate([a - b for a, b in zip(*values, strict=True)], 616 / 2460)

    def ends(place, name):
        # Too few epochs of a discriminator have no correlation.
        correlation = None if name == "information" else 0.97 - 0.05 * place
        loss = {"convergence": 0.02 + 0.03 * place, "training": 30.0 / (place + 1)}
        return loss | {"validation": 33.0 / (place + 1), "correlation": correlation}

    return {
        "models": models,
        "references": {name: summaries(name) for name in REFERENCES},
        "differences": {
            f"{a}-{b}": {n: difference((a, n), (b, n)) for n in (*KEYS, "fid_over_floor")}
            for a, b in permutations(MODELS, 2)
        },
        "sets": {
            model: {t: difference((model, f"{t}_set1"), (model, f"{t}_set2"))
                    for t in ("trts", "tstr")}
            for model in MODELS
        },
        "losses": {
            model: {name: ends(i, name) for i, name in enumerate(LOSSES[:number])}
            for model, number in zip(MODELS, (3, 5, 6), strict=True)
        },
    }  # fmt: skip


def _embedding(rng):
    shares = {"real_set2": 0.21, "m1": 0.02, "m2": 0.03, "m3": 0.18, "class_mean": 0.0}
    shares |= {"class_gaussian": 0.3, "smote": 0.01, "jitter": 0.04}
    return {
        "method": "openTSNE 1.0.2",
        "fold": 0,
        "rows": {"real": 1500, "m1": 1500, "m2": 1500, "m3": 1500},
        "perplexity": 30.0,
        "off_support": {name: _around(rng, share, 0.01) for name, share in shares.items()},
        "off_support_differences": {
            "m2-m1": _around(rng, 0.01, 0.01),
            "m3-m1": _around(rng, 0.16, 0.02),
            "m3-m2": _around(rng, 0.15, 0.02),
        },
        "mixing": {"m1-m2": 0.71, "m1-m3": 0.12, "m2-m3": 0.15},
        "silhouette": {"real": 0.03, "m1": 0.66, "m2": 0.58, "m3": 0.34},
        "definitions": {"off_support": "Share of rows far away.", "mixing": "1 = wholly mixed."},
    }


def _codes(rng):
    def around(**means):
        return {name: _around(rng, mean, 0.02) for name, mean in means.items()}

    return {
        "fold": 0,
        "prior": {
            "means": [[4, 0], [0, 4], [-4, 0], [0, -4]],
            "spread": 1.0,
            "own_component": 0.995,
        },
        "own_component": around(train=0.93, valid=0.48, m1=0.99, m2=0.98, m3=0.87),
        "spread": around(train=1.1, valid=1.9, m1=0.8, m2=0.9, m3=0.5),
        "distance": around(train=0.93, valid=0.4, m1=0.97, m2=0.96, m3=0.9),
        "differences": {
            "own_component": {
                "m3-m1": _around(rng, -0.12, 0.02),
                "valid-train": _around(rng, -0.45, 0.03),
            },
            "spread": {"m3-m1": _around(rng, -0.3, 0.05)},
            "distance": {"m3-m1": _around(rng, -0.07, 0.05)},
        },
        "svm": {
            "raw": _around(rng, 0.528, 0.05),
            "codes": around(m1=0.47, m2=0.471, m3=0.52),
            "differences": around(m1=-0.058, m2=-0.057, m3=-0.008),
        },
        "definitions": {"spread": "Within-class deviation of the codes over the prior's."},
    }


def _cross_corpus(rng):
    def around(spreads, **means):
        return {key: _around(rng, mean, spreads[key]) for key, mean in means.items()}

    def table(lift):
        sds = {"trts": 0.01, "tstr": 0.01, "fid": 1, "fid_over_floor": 1}
        return {
            name: around(sds, trts=0.6 * trts + lift, tstr=0.8 * tstr + lift)
            | around(sds, fid=fid + 20, fid_over_floor=fid + 17)
            for name, (trts, _, _, tstr, fid, *_) in MEANS.items()
        }

    sds = {"trts": 0.008, "tstr": 0.004, "fid": 1}
    pairs = ("m2-m1", "m3-m2", "m3-m1")
    return {
        "statistics": "own",
        "draws": 5,
        "rows_per_class": 148,
        "tables": {"own": table(0.02), "source": table(-0.05)},
        "target_to_target": _around(rng, 0.66, 0.05),
        "differences": {
            statistics: {pair: around(sds, trts=0.004, tstr=0.002, fid=-3) for pair in pairs}
            for statistics in ("own", "source")
        },
        "definitions": {"trts": "SVM trained on the target."},
        "notes": ["Draws balance the target's classes."],
    }


def _low_resource(rng):
    percents, sizes = [10, 25, 50, 80, 100], [600, 2000, 6000]
    help_of = {"none": 0, "m1": 0.06, "m2": 0.055, "m3": 0.03, "class_gaussian": 0.03}
    help_of |= {"oversampling": 0.0, "smote": 0.01, "jitter": 0.005}

    def curve(mode, method, percent, size):
        base = 0.30 + 0.10 * np.log10(percent) / 2
        leak = 1.0 if mode == "paper" else percent / 100
        few = 1 - 0.8 * np.log10(percent / 10)
        help_ = help_of[method] * few * (0.4 + 0.6 * size / 6000)
        return base + help_ * (leak if method in MODELS else 1)

    baselines = ("class_gaussian", "oversampling", "smote", "jitter")
    modes = ("paper", "honest")

    def scope(lift, **more):
        cells, comparisons, values = [], [], {}
        draws = rng.normal(0, 0.01, 5) + lift
        for mode, percent, method in product(modes, percents, help_of):
            none, baseline = method == "none", method in baselines
            # At 100 % both modes are one, so that every method is in both.
            if none or method == "m1" or percent == 100 or baseline == (mode == "honest"):
                several = method == "m1" or baseline
                for size in [0] if none else sizes if several else sizes[-1:]:
                    uar = curve(mode, method, percent, size) + draws + rng.normal(0, 0.006, 5)
                    values[mode, method, percent, size] = uar
        for (mode, method, percent, size), uar in values.items():
            gain = uar - values[mode, "none", percent, 0]
            cell = {"mode": mode, "method": method, "percent": percent, "n": size}
            cell |= {"uar": estimate(list(uar)), "accuracy": estimate(list(uar + 0.02))}
            cells.append(cell | {"gain": None if method == "none" else estimate(list(gain))})
        pairs = [(("m1", a), ("m1", b)) for a, b in ((2000, 600), (6000, 2000), (6000, 600))]
        across = {
            "paper": [(("m1", 6000), (model, 6000)) for model in ("m2", "m3")],
            "honest": [(("m1", size), (name, size)) for name in baselines for size in sizes],
        }
        for mode, percent in product(modes, percents):
            for first, second in pairs + across[mode]:
                one, other = (values[mode, n, percent, size] for n, size in (first, second))
                item = {"mode": mode, "percent": percent}
                item |= {"first": list(first), "second": list(second)}
                comparisons.append(item | {"difference": estimate(list(one - other))})
        found = {"percents": percents, "sizes": sizes, "replicates": 5}
        return found | more | {"cells": cells, "comparisons": comparisons}

    return {
        "scopes": {"target": scope(0.0, statistics="own"), "source": scope(0.1, statistics=None)},
        "gain_low_less_high": {
            name: {"paper": _around(rng, 0.05, 0.01), "honest": _around(rng, 0.0, 0.01)}
            for name in ("target", "source")
        },
        "definitions": {"gain": "UAR less that without added rows."},
        "notes": ["At 100 % of the target's scope all draws are the whole source."],
    }


def _toy(rng):
    def both(gan, infogan, sd):
        return {
            "gan": _around(rng, gan, sd),
            "infogan": _around(rng, infogan, sd),
            "difference": _around(rng, infogan - gan, sd),
        }

    names = ("gan", "infogan")
    return {
        "per_seed": [
            {"seed": s, "model": m, "overlap": 0.01, "spread": 0.8, "flatness": 0.5, "modes": 4}
            for s in range(5)
            for m in names
        ],
        "overlap": both(0.03, 0.001, 0.0008),
        "spread": both(0.85, 0.4, 0.04),
        "flatness": both(0.6, 0.15, 0.03),
        "modes": {name: estimate([4, 4, 4, 4, 4]) for name in names},
        "target": {"overlap": _around(rng, 0.002, 0.0001), "modes": estimate([4] * 5)},
        "definitions": {"overlap": "Share of points expected in the wrong cluster."},
    }


def make_study(source_simulated=False, target_simulated=False) -> dict:
    """results.json of a study of all experiments."""
    rng = np.random.default_rng(3)
    experiments = {
        "toy": _toy(rng),
        "cross_validation": _cross_validation(rng),
        "embedding": _embedding(rng),
        "codes": _codes(rng),
        "cross_corpus": _cross_corpus(rng),
        "low_resource": _low_resource(rng),
    }
    names = (
        "simulated" if source_simulated else "nemo",
        "other" if target_simulated else "ravdess",
    )
    return {
        "format": 1,
        "title": "The study of Sahu, Gupta and Espy-Wilson",
        "command": "python -m experiments.paper --config=configs/paper.py "
        "--config.source.path=nemo.parquet --config.target.path=ravdess.parquet",
        "variant": "default",
        "config": {"seeds": [0, 1], "toy": {"seeds": 5}, "codes": {"c_grid": [1e-4, 1e-3]}},
        "config_hash": "abc123",
        "source": corpus(names[0], source_simulated),
        "target": corpus(names[1], target_simulated) | {"speakers": 24},
        "versions": {"python": "3.12.3", "jax": "0.12.0", "scikit-learn": "1.9.1"},
        "device": {"platform": "cpu", "kind": "cpu", "count": 1},
        "timing": {"tasks": 120, "task_seconds": 8123.4, "processes": 2, "wall_s": 4321.0}
        | {
            "kinds": {
                "training": {"tasks": 20, "seconds": 6123.4},
                "toy": {"tasks": 100, "seconds": 2000.0},
            }
        },
        "experiments": experiments,
        "claims": claims(experiments),
        "rule": told("", "rule"),
    }


def write_study(folder: Path, results: dict, rows: int = 400) -> None:
    """results.json with the tables that its experiments speak of."""
    rng = np.random.default_rng(5)
    (folder / "results.json").write_text(json.dumps(results, allow_nan=False))
    experiments = results["experiments"]
    tasks = folder / "tasks"
    tasks.mkdir(exist_ok=True)
    for run in experiments.get("cross_validation", {"models": {}})["models"].values():
        (folder / run["run"]).mkdir(parents=True, exist_ok=True)
        table = make_losses(run, adversarial=run["run"] != "runs/m1")
        table.to_parquet(folder / run["run"] / "losses.parquet")
    classes = list(results["source"]["classes"])

    def points(sources, widths, fars):
        """Per source a cloud of each class; widths and distances of those named, or the last."""
        parts = []
        for source in sources:
            label = rng.integers(0, len(classes), rows)
            angle, width = 0.5 * np.pi * label, widths.get(source, widths["other"])
            far = fars.get(source, fars["other"])
            x = far * np.cos(angle) + rng.normal(0, width, rows)
            y = far * np.sin(angle) + rng.normal(0, width, rows)
            names = np.take(classes, label)
            parts.append(pd.DataFrame({"x": x, "y": y, "source": source, "class": names}))
        return pd.concat(parts, ignore_index=True)

    if "embedding" in experiments:
        widths, fars = {"real": 14, "m3": 3, "other": 6}, {"real": 8, "m3": 30, "other": 18}
        points(("real", *MODELS), widths, fars).to_parquet(tasks / "embedding.parquet")
    if "codes" in experiments:
        widths, fars = {"valid": 2.5, "m3": 0.4, "other": 1}, {"valid": 2, "m3": 5, "other": 4}
        points(("train", "valid", *MODELS), widths, fars).to_parquet(tasks / "codes.parquet")
    if "toy" in experiments:
        parts = []
        for name in ("source", "target", "gan", "infogan"):
            cluster = rng.integers(0, 4, rows) * (name != "source")
            angle = 0.5 * np.pi * cluster
            width = {"gan": 0.8, "infogan": 0.1}.get(name, 1.0)
            far = 0.0 if name == "source" else 4.0
            x = far * np.cos(angle) + rng.normal(0, 1, rows)
            y = far * np.sin(angle) + rng.normal(0, width, rows)
            parts.append(pd.DataFrame({"panel": name, "x": x, "y": y, "cluster": cluster}))
        pd.concat(parts, ignore_index=True).to_parquet(tasks / "toy.parquet")
