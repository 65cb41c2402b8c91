"""The models, each a page of its own. A new one is a file here, a line below and a config."""

from aegan.models.m1 import M1
from aegan.models.m2 import M2
from aegan.models.m3 import M3
from aegan.models.m4 import M4
from aegan.models.m5 import M5

__all__ = ["M1", "M2", "M3", "M4", "M5"]
