"""What is kept from one command to the next, in the user's cache folder."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import jax

from aegan.system.files import digest


def cache_dir() -> Path:
    """$AEGAN_CACHE, or aegan's folder in the user's cache."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("AEGAN_CACHE") or Path(root) / "aegan")


def references_dir() -> Path:
    """Where results lie that no model changes: SVMs on real rows, trivial generators."""
    return cache_dir() / "references"


def keep_compiled() -> None:
    """Keeps compiled programs, in the cache or where JAX_COMPILATION_CACHE_DIR says.

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
