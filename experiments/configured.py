"""What the commands that take --config=FILE:VARIANT share."""

from __future__ import annotations

import difflib
import os
import platform
import re
from pathlib import Path

import jax
from absl import flags

from aegan.system.files import digest
from experiments.command import fail


def default_workdir(config_flag: str) -> Path:
    """configs/m2.py:quick -> runs/m2-quick."""
    path, _, variant = config_flag.partition(":")
    stem = Path(path).stem
    return Path("runs") / (f"{stem}-{variant}" if variant else stem)


def cache_dir() -> Path:
    """Where results that no model changes are kept: $AEGAN_CACHE or the user's cache folder."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("AEGAN_CACHE") or Path(root) / "aegan")


def keep_compiled() -> None:
    """Keeps compiled programs in the user's cache, or where JAX_COMPILATION_CACHE_DIR says.

    One folder per kind of processor: a home folder may be shared by several, and a program
    compiled for one can stop on another.
    """
    if not jax.config.jax_compilation_cache_dir:
        folder = cache_dir() / "compiled" / _processor()
        jax.config.update("jax_compilation_cache_dir", str(folder))


def _processor() -> str:
    """A name for the processor and what it can do."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        known = {line for line in text.splitlines() if line.startswith(("flags", "Features"))}
    except OSError:  # not Linux
        known = {platform.processor()}
    return digest([platform.machine(), *sorted(known)])


def _config_path(argv: list[str]) -> str:
    """The config that was asked for; the flag itself may be only half parsed."""
    for text, following in zip(argv, [*argv[1:], ""], strict=True):
        name, equals, value = text.lstrip("-").partition("=")
        if name == "config":
            return (value if equals else following).partition(":")[0]
    return ""


def _configs() -> list[str]:
    """Names of the clone's configs."""
    folder = Path(__file__).parents[1] / "configs"
    return sorted({file.stem for file in folder.glob("*.py")} - {"__init__", "common"})


def parse_flags(argv: list[str], example: str = "configs/m2.py") -> list[str]:
    """absl's parsing, with one line instead of a traceback; exit status 2.

    ``example`` is a config for whoever gave none.
    """
    try:
        rest = flags.FLAGS(argv)
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
        listing = "aegan/run/defaults.py" if example == "configs/m2.py" else example
        message = f"the config has no field {name[1]!r}{hint}; {listing} lists them"
    except OSError:
        path = _config_path(argv)
        near = difflib.get_close_matches(Path(path).stem, _configs(), n=1)
        hint = "configs/ of the clone holds the configs"
        if near and path != f"configs/{near[0]}.py":
            hint = f"did you mean configs/{near[0]}.py?"
        message = f"--config={path}: cannot be read from here; {hint}"
    except flags.Error as error:
        # Where a config's own code fails, ml_collections puts the whole traceback in here.
        message = str(error).strip().splitlines()[-1].removeprefix("ValueError: ")
    fail(message)
