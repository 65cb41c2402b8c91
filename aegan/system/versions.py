"""Which versions computed a result."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

import aegan

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "scipy")
PACKAGES += ("scikit-learn", "pandas", "pyarrow")


def versions(*others: str) -> dict[str, str]:
    """Versions of everything that the numbers depend on, and of ``others``, as far as installed."""
    found = {"aegan": aegan.__version__, "python": platform.python_version()}
    for name in (*PACKAGES, *others):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            pass
    return found
