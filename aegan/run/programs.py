"""Config programs by name: ``configs/`` of a clone, ``aegan/configs/`` where aegan is installed."""

from __future__ import annotations

import difflib
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from aegan.errors import InputError

if TYPE_CHECKING:
    from ml_collections import ConfigDict

_PACKAGE = Path(__file__).parents[1]


def folder() -> Path:
    """Where the config programs lie."""
    inside = _PACKAGE / "configs"
    return inside if inside.is_dir() else _PACKAGE.parent / "configs"


def names() -> list[str]:
    """What there is by name: "m1", "paper", ..."""
    return sorted(file.stem for file in folder().glob("*.py") if file.stem != "__init__")


def path_of(name: str) -> Path:
    """The program of that name, or at that path; ``InputError`` if there is none."""
    path = Path(name) if name.endswith(".py") else folder() / f"{name}.py"
    if not path.is_file():
        near = difflib.get_close_matches(Path(name).stem, names(), n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names())}"
        raise InputError(f"no config {name!r}; {hint}")
    return path


def load(name: str, variant: str = "default") -> ConfigDict:
    """The config that a program gives: ``load("m2", "quick")``, ``load("mine/m9.py")``.

    Raises ``InputError`` if there is no such program, ``ValueError`` if it has no such variant.
    """
    return execute(path_of(name)).get_config(variant)


def see_beside(path: Path) -> None:
    """Lets a program import what lies beside it, such as a model of one's own."""
    beside = str(path.resolve().parent)
    if path.resolve().parent != folder().resolve() and beside not in sys.path:
        sys.path.append(beside)


def execute(path: Path) -> ModuleType:
    """The module that a file of Python is."""
    see_beside(path)
    spec = spec_from_file_location(f"aegan_{path.stem}", path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
