"""A trained lane as one small file: all that is needed to draw rows from it, and nothing more."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from aegan.data.contract import FeatureContract
from aegan.data.folds import Standardiser
from aegan.errors import InputError
from aegan.models import networks as n
from aegan.models.declarations import get_model
from aegan.models.priors import MixturePrior, NormalPrior, Prior
from aegan.system.files import replacing

_FORMAT = 1
_ROWS_AT_ONCE = 4096
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
    rules: tuple[str, ...]  # plausibility rules that its training rows keep
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


def constant_columns(features: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(dim,) float32: the value of each column of ``features`` that is the same in all ``rows``."""
    first = features[rows[0]]
    same = np.ones(len(first), dtype=bool)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        same &= (features[rows[start : start + _ROWS_AT_ONCE]] == first).all(axis=0)
    return np.where(same, first, np.float32(np.nan)).astype(np.float32)


def flat_arrays(tree: Mapping[str, Any], prefix: str) -> dict[str, np.ndarray]:
    """A tree of arrays as one dict, "params/decoder/hidden0/kernel" -> array."""
    flat: dict[str, np.ndarray] = {}
    for name, value in tree.items():
        path = f"{prefix}/{name}"
        branch = isinstance(value, Mapping)
        flat |= flat_arrays(value, path) if branch else {path: np.asarray(value)}
    return flat


def nested_arrays(flat: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The tree that ``flat_arrays`` flattened, without its prefix."""
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
        "feature_hash": g.contract.hash,
        "rules": g.rules,
        "passport": dict(g.passport),
    }
    arrays = flat_arrays(g.params, "params") | {
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
      InputError: no such file, a damaged one, or not a generator of this version.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        meta = json.loads(arrays["meta"].tobytes())
        if meta["format"] != _FORMAT:
            raise InputError(f"{path}: a generator of format {meta['format']}; train it again")
        generator = _generator(arrays, meta)
        _check(generator, meta)
        return generator
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such file; run the train stage again, which writes it anew"
        ) from None
    # What numpy, zipfile and JSON raise for a damaged file, and what its wrong parts raise here.
    except (
        *(ArithmeticError, AttributeError, EOFError, LookupError, OSError, RuntimeError),
        *(TypeError, ValueError, zipfile.BadZipFile, zlib.error),
    ) as error:
        raise InputError(
            f"{path}: not a whole generator of aegan ({error}); delete it and run the train stage "
            "again, which writes it anew"
        ) from None


def _generator(arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> Generator:
    prior = dict(meta["prior"])
    sizes = {k: tuple(v) if isinstance(v, list) else v for k, v in meta["sizes"].items()}
    return Generator(
        nets=n.build_networks(get_model(meta["model"]).networks, n.Sizes(**sizes)),
        prior=_PRIORS[prior.pop("kind")](**prior),
        params=nested_arrays({k: v for k, v in arrays.items() if k.startswith("params/")}),
        gain=float(meta["gain"]),
        standardiser=Standardiser(arrays["mean"], arrays["scale"], float(meta["clip"])),
        constant=arrays["constant"],
        classes=tuple(meta["classes"]),
        contract=FeatureContract(tuple(meta["features"]), meta["feature_set"]),
        trained_on=arrays["trained_on"],
        rules=tuple(meta["rules"]),
        passport=dict(meta["passport"]),
    )


def _check(generator: Generator, meta: Mapping[str, Any]) -> None:
    """ValueError where the parts do not fit together."""
    g, sizes = generator, generator.nets.sizes
    if g.contract.hash != meta["feature_hash"]:
        raise ValueError("feature names that are not those of its hash")
    if len(g.contract.names) != sizes.features or len(g.classes) != sizes.classes:
        raise ValueError("other features or classes than its networks have")
    for column in (g.standardiser.mean, g.standardiser.scale, g.constant):
        if column.shape != (sizes.features,) or column.dtype != np.float32:
            raise ValueError("statistics of other features than its networks have")
    wanted = jax.eval_shape(partial(n.init_params, g.nets), jax.random.key(0))
    shapes = [
        {path: (leaf.shape, str(leaf.dtype)) for path, leaf in jax.tree.leaves_with_path(params)}
        for params in (g.params, networks_of_a_draw(wanted))
    ]
    if shapes[0] != shapes[1]:
        raise ValueError("parameters that do not fit its networks")
