"""What is kept from one command to the next, in the user's cache folder, if it can be used."""

from __future__ import annotations

import os
import platform
import warnings
from pathlib import Path
from tempfile import TemporaryFile

import jax

from aegan.system.files import digest
from aegan.system.screen import warn_once


def cache_dir() -> Path | None:
    """$AEGAN_CACHE, or aegan's folder in the user's cache; None, and a warning, without one."""
    try:
        folder = Path(os.environ.get("AEGAN_CACHE") or _default_dir()).expanduser().absolute()
        folder.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=folder).close()
        return folder
    except (OSError, RuntimeError) as error:  # RuntimeError: nobody's home is known
        reason = getattr(error, "strerror", None) or error
        warn_once(f"no cache, so results take longer: set AEGAN_CACHE to a folder ({reason})")
        return None


def _default_dir() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aegan"


def references_dir() -> Path | None:
    """Where results lie that no model changes: SVMs on real rows, trivial generators."""
    folder = cache_dir()
    return None if folder is None else folder / "references"


def keep_compiled() -> None:
    """Keeps compiled programs, in the cache or where JAX_COMPILATION_CACHE_DIR says.

    One folder per kind of processor: a home folder may be shared by several, and a program
    compiled for one can stop on another.
    """
    # A full disk, say: the program is compiled all the same.
    warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache")
    if not jax.config.jax_compilation_cache_dir and (folder := cache_dir()) is not None:
        compiled = str(folder / "compiled" / _processor())
        jax.config.update("jax_compilation_cache_dir", compiled)


def _processor() -> str:
    """A name for the processor and what it can do."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        known = {line for line in text.splitlines() if line.startswith(("flags", "Features"))}
    except OSError:  # not Linux
        known = {platform.processor()}
    return digest([platform.machine(), *sorted(known)])
