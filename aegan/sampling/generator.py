"""A trained lane as one small file: all that is needed to draw rows from it, and nothing more."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import traverse_util

from aegan.data.contract import FeatureContract
from aegan.data.folds import Standardiser
from aegan.data.plausibility import project
from aegan.errors import InputError
from aegan.models.model import MODELS, Model, Params, networks_of_rows
from aegan.speakers.margins import Margins
from aegan.speakers.offsets import Offsets
from aegan.system.files import read_npz, whole, write_npz
from aegan.tables.synthetic import ANEW

_FORMAT = 3  # 2: without offsets and margins
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
    offsets: Offsets | None = None  # what a speaker's offset is told by; training space
    margins: Margins | None = None  # for a model whose rows are moved to them
    shift: np.ndarray | None = None  # (dim,) offset of the speaker that rows are made for

    def to_raw_units(self, features: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Training space (rows, dim) -> raw units; a column constant in training stays so."""
        if self.shift is not None:
            features = features + self.shift
        raw = self.standardiser.to_raw(features / np.float32(self.gain))
        fixed = ~np.isnan(self.constant)
        raw[:, fixed] = self.constant[fixed]
        if self.margins is None:
            return raw
        if self.shift is None:
            return self.margins.apply(self.contract.names, self.rules, raw, labels)
        # The margins are those of all training speakers.
        return project(self.contract.names, self.margins.on_grid(raw), self.rules)

    def to_training_space(self, raw: np.ndarray) -> np.ndarray:
        """Raw units (rows, dim) -> training space."""
        return self.standardiser.to_z(raw) * np.float32(self.gain)

    def speaker_offsets(self) -> Offsets:
        """``offsets``; ``InputError`` if it knows of no speakers."""
        if self.offsets is None or not self.offsets.known:
            what = "its training rows name no speakers, or it was made by an older version"
            raise InputError(f"this generator has no offsets of speakers: {what}; train it again")
        return self.offsets

    def for_speaker(self, unlabelled: np.ndarray) -> Generator:
        """The generator of a speaker's rows, known by rows (k, dim) in raw units, k >= 1.

        Their classes need not be known. ``InputError``: it knows of no speakers.
        """
        rows = self.to_training_space(unlabelled)
        return replace(
            self,
            params=self.model.without_speaker(self.params),
            shift=self.speaker_offsets().unlabelled(rows).astype(np.float32),
            passport={**self.passport, "unlabelled_rows_of_the_speaker": len(rows)},
        )

    def revoice(
        self, raw: np.ndarray, labels: np.ndarray, speakers: np.ndarray, unlabelled: np.ndarray
    ) -> np.ndarray:
        """Real rows (n, dim) of known classes and speakers (n,) moved to a speaker: raw units.

        Each row loses its own speaker's offset and gets that of ``unlabelled`` rows (k, dim).
        """
        offsets, rows = self.speaker_offsets(), self.to_training_space(raw)
        there = offsets.unlabelled(self.to_training_space(unlabelled))
        for speaker in np.unique(speakers):
            own = speakers == speaker
            rows[own] += there - offsets.labelled(rows[own], labels[own])
        moved = self.standardiser.to_raw(rows / np.float32(self.gain))
        return project(self.contract.names, moved, self.rules)


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
    g, z = generator, generator.standardiser
    meta = {
        "format": _FORMAT,
        "model": g.model.name,
        "fields": asdict(g.model),
        "gain": g.gain,
        "clip": z.clip,
        "classes": g.classes,
        "features": g.contract.names,
        **g.contract.to_metadata(),
        "rules": g.rules,
        "passport": dict(g.passport),
    }
    arrays = {"mean": z.mean, "scale": z.scale, "constant": g.constant, "trained_on": g.trained_on}
    arrays |= flat_arrays(g.params, "params")
    if g.offsets is not None:
        arrays |= flat_arrays(g.offsets._asdict(), "offsets")
    if g.margins is not None:
        arrays |= flat_arrays(g.margins.tree(), "margins")
    arrays["meta"] = np.frombuffer(json.dumps(meta).encode(), np.uint8)
    write_npz(path, arrays)


def load_generator(path: Path, mend: str = ANEW) -> Generator:
    """Reads what ``save_generator`` wrote; ``mend`` ends what is said of one that is not whole.

    Raises:
      InputError: no such file, a damaged one, or not a generator of this version.
    """
    try:
        with whole(path, mend):
            arrays = read_npz(path)
            meta = json.loads(arrays["meta"].tobytes())
            if meta["format"] not in _FIELDS:
                raise InputError(f"{path}: a generator of format {meta['format']}; train it again")
            return _generator(arrays, meta)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; {mend}") from None


# How each format that can be read gives the model's fields; 1 is of version 0.1.
_FIELDS = {
    1: lambda meta: {"init": meta["sizes"]["initialiser"]} | meta["sizes"] | meta["prior"],
    2: lambda meta: meta["fields"],
    _FORMAT: lambda meta: meta["fields"],
}


def _offsets(arrays: Mapping[str, np.ndarray]) -> Offsets | None:
    found = [arrays.get(f"offsets/{name}") for name in Offsets._fields]
    return None if any(part is None for part in found) else Offsets(*found)


def _margins(arrays: Mapping[str, np.ndarray]) -> Margins | None:
    found = {name: array for name, array in arrays.items() if name.startswith("margins/")}
    return Margins.of_tree(nested_arrays(found)) if found else None


def _generator(arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> Generator:
    """ValueError where the parts do not fit together."""
    if meta["model"] not in MODELS:
        raise InputError(
            f"a generator of the model {meta['model']!r}, which is not one of {', '.join(MODELS)}; "
            "import the file that defines it first, or name it with --model"
        )
    kind, given = MODELS[meta["model"]], _FIELDS[meta["format"]](meta)
    values = {f.name: given[f.name] for f in fields(kind) if f.name in given}
    params = {name: array for name, array in arrays.items() if name.startswith("params/")}
    model = kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})
    g = Generator(
        model=model,
        params=nested_arrays(params),
        gain=float(meta["gain"]),
        standardiser=Standardiser(arrays["mean"], arrays["scale"], float(meta["clip"])),
        constant=arrays["constant"],
        classes=tuple(meta["classes"]),
        contract=FeatureContract(tuple(meta["features"]), meta["feature_set"]),
        trained_on=arrays["trained_on"],
        rules=tuple(meta["rules"]),
        passport=dict(meta["passport"]),
        offsets=_offsets(arrays),
        margins=_margins(arrays),
    )
    for name in ("seed", "fold"):
        value = g.passport.get(name, 0)
        if type(value) is not int or not 0 <= value < 2**32:
            raise ValueError(f"its {name} is {value!r}")
    if len(set(g.classes)) < len(g.classes) or not all(isinstance(c, str) for c in g.classes):
        raise ValueError("classes that are no names, or one of them twice")
    if g.contract.hash != meta["feature_hash"]:
        raise ValueError("feature names that are not those of its hash")
    if len(g.contract.names) != model.features or len(g.classes) != model.classes:
        raise ValueError("other features or classes than its networks have")
    for column in (g.standardiser.mean, g.standardiser.scale, g.constant):
        if column.shape != (model.features,) or column.dtype != np.float32:
            raise ValueError("statistics of other features than its networks have")
    wanted = params_of_rows(model, jax.eval_shape(model.init_params, jax.random.key(0)))
    shapes = [
        {path: (leaf.shape, str(leaf.dtype)) for path, leaf in jax.tree.leaves_with_path(of)}
        for of in (g.params, wanted)
    ]
    if shapes[0] != shapes[1]:
        raise ValueError("parameters that do not fit its networks")
    d, c = model.features, model.classes
    if g.offsets and [len(v) for v in g.offsets] != [c, d, d, d]:
        raise ValueError("offsets of other features than its networks have")
    if (g.margins is None) == model.margins:
        raise ValueError("no margins, or margins of a model that has none")
    if g.margins is not None and not g.margins.fits(c, d):
        raise ValueError("margins of other features than its networks have")
    return g
