"""A run's results.json and losses as a run writes them, made up, for the report's tests."""

from __future__ import annotations

import numpy as np
import pandas as pd

from aegan.metrics.intervals import summarise
from aegan.report import tables as T
from aegan.report.paper import paper_figures

MEANS = {  # per generator: trts 1, 2, tstr 1, 2, fid, variance ratio, nearest row, copies
    "model": (0.951, 0.712, 0.673, 0.508, 24.1, 0.142, 0.71, 0.0),
    "real": (0.982, 0.481, np.nan, 0.531, 3.1, 1.0, 1.0, 0.01),
    "class_mean": (1.0, 0.803, 0.602, 0.447, 141.7, 0.001, 0.68, 0.0),
    "class_gaussian": (0.861, 0.492, 0.883, 0.521, 5.2, 1.002, 0.97, 0.0),
    "smote": (1.0, 0.494, 0.957, 0.538, 4.0, 0.753, 0.41, 0.62),
    "jitter": (0.981, 0.489, 0.978, 0.549, 3.3, 1.011, 0.22, 0.97),
    "oversampling": (0.982, 0.481, 0.98, 0.53, 0.4, 0.99, 0.0, 1.0),
}
KEYS = (*T.UARS, "fid", "variance_ratio", "nn_distance", "copies")


def make_summaries(rng, lanes, means, effect, floor, ceiling):
    """Summaries about ``means``, by fold; of real rows the FID (floor) and the UAR (ceiling)."""
    folds, per_lane = [lane["fold"] for lane in lanes], {}
    ok = [lane["status"] == "ok" for lane in lanes]
    for key, mean in zip(KEYS, means, strict=True):
        values = mean * (1 + effect[folds] + rng.normal(0, 0.01, len(lanes)))
        values = np.where(ok, np.minimum(values, 1 if key in KEYS[:4] else np.inf), np.nan)
        per_lane[key] = [None if np.isnan(value) else value for value in values.tolist()]
    per_lane["fid_real"] = [floor] * len(lanes)
    per_lane["fid_over_floor"] = [None if v is None else v - floor for v in per_lane["fid"]]
    per_lane["real_to_real"] = (ceiling * (1 + 2 * effect[folds])).tolist()
    return {key: summarise(values, lanes) for key, values in per_lane.items()}


def make_results(model="m2", seeds=2, folds=5, classes=None, simulated=False):
    """A results.json as a run writes it; one lane diverged when there is more than one."""
    rng = np.random.default_rng(7)
    classes = classes or {"angry": 1103, "happy": 1636, "neutral": 1708, "sad": 1084}
    ended = {"status": "ok", "detail": None, "epochs": 60, "last_good_epoch": 60}
    ended |= {"convergence": 0.012, "variance_ratio_check": 0.14, "classes_missing": []}
    lanes = [{"seed": s, "fold": f, **ended} for s in range(seeds) for f in range(folds)]
    if len(lanes) > 1:
        lanes[-1] |= {"status": "diverged", "last_good_epoch": 17, "convergence": None}
        lanes[-1] |= {"detail": "reconstruction not finite in epoch 18 | batch 3"}

    def summaries(name):
        own = lanes if name == "model" else [lane | {"status": "ok"} for lane in lanes]
        return make_summaries(rng, own, MEANS[name], rng.normal(0, 0.02, folds), 3.1, 0.531)

    def matrix(quality):
        own, wrong = np.eye(len(classes)), (1 - quality) / max(len(classes) - 1, 1)
        return (1500 * np.where(own, quality, wrong)).round().astype(int).tolist()

    def by_class(name):
        ratio, some = MEANS[name][5], list(classes)[1]
        recall = {c: float(rng.uniform(0.3, 0.9)) for c in classes}
        return {
            "variance_ratio": {c: ratio * (1 + 0.1 * i) for i, c in enumerate(classes)},
            "trts_set2_recall": recall,
            "tstr_set2_recall": recall | {some: None},
        }

    return {
        "format": 1,
        "model": model,
        "variant": "default",
        "title": "M2: M1 with a discriminator on the features",
        "corpus": {"name": "simulated" if simulated else "nemo", "simulated": simulated}
        | {"rows": sum(classes.values()), "features": 1582, "classes": classes, "speakers": 10}
        | {"sessions": 5 if simulated else None, "statistics": "fold"}
        | {"hash": "0123456789abcdef", "feature_hash": "fedcba9876543210"},
        "config": {"model": {"name": model, "lambda": None}, "training": {"rates": [0.001, 0.1]}},
        "config_hash": "abc123",
        "versions": {"python": "3.11.2", "jax": "0.10.2"},
        "device": {"platform": "cpu", "kind": "cpu", "count": 1, "matmul_precision": "highest"},
        "timing": {"train_s": 91.23, "sample_s": 2.0, "evaluate_s": None},
        "training": {"epochs": 60, "batches_per_epoch": 70, "updates": 4200, "batch_size": 64},
        "folds": [
            {"fold": f, "name": f"speakers F{f}, M{f}", "held_out": [f"F{f}", f"M{f}"]}
            | {"train_rows": 4424, "valid_rows": 1107}
            for f in range(folds)
        ],
        "lanes": lanes,
        "metrics": summaries("model"),
        "references": {name: summaries(name) for name in MEANS if name != "model"},
        "per_class": {name: by_class(name) for name in MEANS},
        "confusion": {
            "model": {key: matrix(MEANS["model"][i]) for i, key in enumerate(KEYS[:4])},
            "real": {"real_to_real": matrix(0.53)},
        },
        "svm": {
            "protocol": {"kernel": "linear", "c_grid": [1e-5, 3e-5, 1e-4], "inner_folds": 3},
            "chosen_c": {name: [1e-4] * folds for name in ("set1", "set2", "class_mean")}
            | {"synthetic": [None if lane["status"] != "ok" else 1e-5 for lane in lanes]},
        },
        "verdict": {
            "word": "prototype-like",
            "reasons": ["TRTS on set-2 is 23 points above that of real rows", "variance < 0.5"],
            "references": {"real": "faithful", "class_mean": "collapsed", "smote": "copying"},
            "rule": "prototype-like: TRTS set-2 above the real rows and variance ratio below 0.5.",
        },
        "paper": paper_figures(model),
    }


def make_losses(results, epochs=40, adversarial=True):
    """Losses of every lane; D2's in every third epoch, a diverged lane's with an end."""
    rng = np.random.default_rng(1)
    epoch = np.arange(1, epochs + 1)
    falling = np.exp(-epoch / 5)
    tables = []
    for lane in results["lanes"]:
        for split, lift in (("train", 1.0), ("valid", 1.12)):
            base = 60 * lift * (0.5 + np.exp(-epoch / 8)) + rng.normal(0, 0.4, epochs)
            table = pd.DataFrame({"seed": lane["seed"], "fold": lane["fold"], "epoch": epoch})
            table = table.assign(split=split, reconstruction=base)
            table["code_discriminator"] = 0.69 - 0.3 * falling
            table["encoder_adversarial"] = 0.69 + 0.9 * lift * falling
            if adversarial:
                noise = 0.1 * rng.normal(0, 0.1, (2, epochs))
                table["feature_discriminator"] = np.where(epoch % 3, np.nan, 0.5 + noise[0])
                table["generator_adversarial"] = 1.2 * lift + noise[1]
            if lane["status"] == "diverged":
                table.loc[table["epoch"] > 18, "reconstruction"] = np.nan
                table.loc[table["epoch"] == 18, "reconstruction"] = 1e9
            tables.append(table)
    return pd.concat(tables, ignore_index=True)
