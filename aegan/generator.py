"""A trained lane as one small file: all that is needed to draw rows from it, and nothing more."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aegan.data.contract import FeatureContract
from aegan.data.folds import Standardiser
from aegan.errors import InputError
from aegan.files import replacing
from aegan.models import networks as n
from aegan.models.declarations import get_model
from aegan.models.priors import MixturePrior, NormalPrior, Prior

_FORMAT = 1
_PRIORS = {"mixture": MixturePrior, "normal": NormalPrior}


@dataclass(frozen=True, eq=False)
class Generator:
    """Decoder (and code generator) of one lane with the way back to raw units."""

    nets: n.Networks
    prior: Prior
    params: n.Params  # of the networks that a draw passes through
    gain: float  # training space = gain * z-score
    standardiser: Standardiser  # of the lane's training rows
    constant: np.ndarray  # (dim,) float32: the value of a column constant in training, else NaN
    classes: tuple[str, ...]
    contract: FeatureContract
    trained_on: np.ndarray  # (rows,) uint64: digests of its training rows (see audit.py)
    passport: Mapping[str, Any]  # model, run_hash, seed, fold, status, corpus, licence, ...

    def to_raw_units(self, features: np.ndarray) -> np.ndarray:
        """Training space (rows, dim) -> raw units; a column constant in training stays so."""
        raw = self.standardiser.to_raw(features / np.float32(self.gain))
        fixed = ~np.isnan(self.constant)
        raw[:, fixed] = self.constant[fixed]
        return raw


def networks_of_a_draw(params: n.Params) -> n.Params:
    """The parameters that a draw from the prior passes through: decoder and code generator."""
    return {name: params[name] for name in (n.DECODER, n.CODE_GENERATOR) if name in params}


def constant_columns(training: np.ndarray) -> np.ndarray:
    """(dim,) float32: the value of each column of ``training`` (rows, dim) that has but one."""
    constant = training.min(axis=0) == training.max(axis=0)
    return np.where(constant, training[0], np.float32(np.nan)).astype(np.float32)


def _flat(tree: Mapping[str, Any], prefix: str) -> dict[str, np.ndarray]:
    flat: dict[str, np.ndarray] = {}
    for name, value in tree.items():
        path = f"{prefix}/{name}"
        flat |= _flat(value, path) if isinstance(value, Mapping) else {path: np.asarray(value)}
    return flat


def _nested(flat: Mapping[str, np.ndarray]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path, value in flat.items():
        *branches, leaf = path.split("/")[1:]
        node = tree
        for branch in branches:
            node = node.setdefault(branch, {})
        node[leaf] = value
    return tree


def save_generator(path: Path, generator: Generator) -> None:
    """Writes a generator as .npz (arrays and one JSON text, no pickle); whole or not at all."""
    g = generator
    kind = next(name for name, prior in _PRIORS.items() if isinstance(g.prior, prior))
    meta = {
        "format": _FORMAT,
        "model": g.passport["model"],
        "sizes": asdict(g.nets.sizes),
        "prior": {"kind": kind, **asdict(g.prior)},
        "gain": g.gain,
        "clip": g.standardiser.clip,
        "classes": g.classes,
        "feature_set": g.contract.feature_set,
        "features": g.contract.names,
        "passport": dict(g.passport),
    }
    arrays = _flat(g.params, "params") | {
        "mean": g.standardiser.mean,
        "scale": g.standardiser.scale,
        "constant": g.constant,
        "trained_on": g.trained_on,
        "meta": np.frombuffer(json.dumps(meta).encode(), np.uint8),
    }
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **arrays)


def load_generator(path: Path) -> Generator:
    """Reads what ``save_generator`` wrote.

    Raises:
      InputError: no such file, or not a generator of this version.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        meta = json.loads(arrays["meta"].tobytes())
        if meta["format"] != _FORMAT:
            raise InputError(f"{path}: a generator of format {meta['format']}; train it again")
        prior = dict(meta["prior"])
        sizes = {k: tuple(v) if isinstance(v, list) else v for k, v in meta["sizes"].items()}
        return Generator(
            nets=n.build_networks(get_model(meta["model"]).networks, n.Sizes(**sizes)),
            prior=_PRIORS[prior.pop("kind")](**prior),
            params=_nested({k: v for k, v in arrays.items() if k.startswith("params/")}),
            gain=meta["gain"],
            standardiser=Standardiser(arrays["mean"], arrays["scale"], meta["clip"]),
            constant=arrays["constant"],
            classes=tuple(meta["classes"]),
            contract=FeatureContract(tuple(meta["features"]), meta["feature_set"]),
            trained_on=arrays["trained_on"],
            passport=meta["passport"],
        )
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run the train stage first") from None
    except (OSError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: not a generator of aegan ({error}); train it again") from None
