"""A trained lane as one small file: all that is needed to draw rows from it, and nothing more."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import traverse_util

from aegan.data.contract import FeatureContract
from aegan.data.folds import Standardiser
from aegan.errors import InputError
from aegan.models.model import MODELS, Model, Params, networks_of_rows
from aegan.system.files import replacing

_FORMAT = 2
_ROWS_AT_ONCE = 4096


@dataclass(frozen=True, eq=False)
class Generator:
    """Decoder (and code generator) of one lane with the way back to raw units."""

    model: Model
    params: Params  # of the networks that rows are made with
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


def params_of_rows(model: Model, params: Params) -> Params:
    """The parameters that rows are made with, which a generator keeps."""
    return {name: params[name] for name in networks_of_rows(model)}


def constant_columns(features: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(dim,) float32: the value of each column of ``features`` that is the same in all ``rows``."""
    first = features[rows[0]]
    same = np.ones(len(first), dtype=bool)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        same &= (features[rows[start : start + _ROWS_AT_ONCE]] == first).all(axis=0)
    return np.where(same, first, np.float32(np.nan)).astype(np.float32)


def flat_arrays(tree: Mapping[str, Any], prefix: str) -> dict[str, np.ndarray]:
    """A tree of arrays as one dict, "params/decoder/hidden0/kernel" -> array."""
    return traverse_util.flatten_dict({prefix: jax.tree.map(np.asarray, tree)}, sep="/")


def nested_arrays(flat: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The tree that ``flat_arrays`` flattened, without its prefix."""
    (tree,) = traverse_util.unflatten_dict(dict(flat), sep="/").values()
    return tree


def save_generator(path: Path, generator: Generator) -> None:
    """Writes a generator as .npz (arrays and one JSON text, no pickle); whole or not at all."""
    g = generator
    meta = {
        "format": _FORMAT,
        "model": g.model.name,
        "fields": asdict(g.model),
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
        if meta["format"] not in _FIELDS:
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


def _fields_of_format_1(meta: Mapping[str, Any]) -> dict[str, Any]:
    """A model's fields in a file of version 0.1."""
    sizes, prior = dict(meta["sizes"]), meta["prior"]
    return {"init": sizes.pop("initialiser"), **sizes, **prior}


# How each format that can be read gives the model's fields.
_FIELDS = {1: _fields_of_format_1, _FORMAT: lambda meta: meta["fields"]}


def _generator(arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> Generator:
    if meta["model"] not in MODELS:
        raise InputError(
            f"a generator of the model {meta['model']!r}, which is not one of {', '.join(MODELS)}; "
            "import the file that defines it first, or name it with --model"
        )
    kind, given = MODELS[meta["model"]], _FIELDS[meta["format"]](meta)
    values = {f.name: given[f.name] for f in fields(kind) if f.name in given}
    params = {name: array for name, array in arrays.items() if name.startswith("params/")}
    return Generator(
        model=kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}),
        params=nested_arrays(params),
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
    g, model = generator, generator.model
    if g.contract.hash != meta["feature_hash"]:
        raise ValueError("feature names that are not those of its hash")
    if len(g.contract.names) != model.features or len(g.classes) != model.classes:
        raise ValueError("other features or classes than its networks have")
    for column in (g.standardiser.mean, g.standardiser.scale, g.constant):
        if column.shape != (model.features,) or column.dtype != np.float32:
            raise ValueError("statistics of other features than its networks have")
    wanted = jax.eval_shape(model.init_params, jax.random.key(0))
    shapes = [
        {path: (leaf.shape, str(leaf.dtype)) for path, leaf in jax.tree.leaves_with_path(params)}
        for params in (g.params, params_of_rows(model, wanted))
    ]
    if shapes[0] != shapes[1]:
        raise ValueError("parameters that do not fit its networks")
