"""What the commands that take --config=FILE:VARIANT share."""

from __future__ import annotations

import ast
import csv
import difflib
import re
from contextlib import suppress
from pathlib import Path

from absl import flags

from aegan.data.folds import ALL
from aegan.errors import InputError
from aegan.run import programs

from .command import fail


def default_workdir(config_flag: str) -> Path:
    """configs/m2.py:quick -> runs/m2-quick."""
    path, _, variant = config_flag.partition(":")
    stem = Path(path).stem
    return Path("runs") / (f"{stem}-{variant}" if variant else stem)


def _config_path(argv: list[str]) -> str:
    """The config that was asked for; the flag itself may be only half parsed."""
    for text, following in zip(argv, [*argv[1:], ""], strict=True):
        name, equals, value = text.lstrip("-").partition("=")
        if name == "config":
            return (value if equals else following).partition(":")[0]
    return ""


def _plain(text: str) -> str:
    """A flag without the words that stand for something: a config's name, folds=all."""
    text = re.sub(r"^(-+config\.(data|source)\.folds=)all$", rf"\g<1>{ALL}", text)
    flag, _, value = text.partition("=")
    name, colon, variant = value.partition(":")
    if flag.lstrip("-") != "config" or not re.fullmatch(r"\w+", name):
        return text
    try:
        return f"{flag}={programs.path_of(name)}{colon}{variant}"
    except InputError as error:
        fail(error)


def _without_config(argv: list[str]) -> list[str]:
    """The arguments but --config and its fields."""
    rest, skip = argv[:1], False
    for text in argv[1:]:
        name, equals, _ = text.lstrip("-").partition("=")
        ours = text.startswith("-") and name.partition(".")[0] == "config"
        if not (ours or skip):
            rest.append(text)
        skip = ours and not equals
    return rest


def _check_files(argv: list[str]) -> None:
    """Refuses tables that are not there, before anything is imported to read them."""
    for text in argv[1:]:
        found = re.fullmatch(r"--?(config\.(?:data|source|target)\.path)=(.+)", text, re.DOTALL)
        if found and not Path(found[2]).exists():
            fail(f"{found[2]}: no such file; give --{found[1]} the path of a Parquet feature table")


def _with_names(text: str) -> str:
    """A flag that names classes, as Python's literal, whatever the names hold."""
    found = re.fullmatch(r"(--?config\.(?:data|source)\.classes)=(.*)", text, re.DOTALL)
    if not found:
        return text
    names = next(csv.reader([found[2]], skipinitialspace=True), [])
    with suppress(ValueError, SyntaxError):
        if found[2].strip()[:1] in ("(", "[", "'"):
            literal = ast.literal_eval(found[2])
            names = [literal] if isinstance(literal, str) else list(map(str, literal))
    return f"{found[1]}={tuple(filter(None, map(str.strip, names)))!r}"


def parse_flags(argv: list[str], example: str = "configs/m2.py") -> list[str]:
    """absl's parsing, with one line instead of a traceback; exit status 2.

    ``example`` is a config for whoever gave none.
    """
    programs.see_beside(Path(_config_path(argv)))
    try:
        flags.FLAGS(_without_config(argv))  # first what needs no config, which imports for a second
        _check_files(argv)
        rest = flags.FLAGS([_with_names(_plain(text)) for text in argv])
        # A file that failed to load complains only when it is used.
        config = flags.FLAGS["config"].value
        if config is not None and config.variant:
            return rest
        message = f"no config; give one, say --config={example}"
    except (KeyError, AttributeError) as error:
        text = str(error)
        name = re.search(r"lookup: ([\w.]+)", text) or re.search(r"(\w+)", text)
        near = re.search(r'Did you mean "(\w+)"', text)
        hint = f" (did you mean {near[1]!r}?)" if near else ""
        listing = "aegan/run/config.py" if example == "configs/m2.py" else example
        message = f"the config has no field {name[1]!r}{hint}; {listing} lists them"
    except OSError:
        path = _config_path(argv)
        near = difflib.get_close_matches(Path(path).stem, programs.names(), n=1)
        hint = "configs/ of the clone holds the configs"
        if near and path != f"configs/{near[0]}.py":
            hint = f"did you mean configs/{near[0]}.py?"
        message = f"--config={path}: cannot be read from here; {hint}"
    except flags.Error as error:
        # Where a config's own code fails, ml_collections puts the whole traceback in here.
        message = str(error).strip().splitlines()[-1].removeprefix("ValueError: ")
    fail(message)
