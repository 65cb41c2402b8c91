"""Commands."""

import sys

from aegan.system import ending

if sys.argv[0] == "-m" or sys.argv[0].endswith("aegan"):  # a command, which imports for seconds
    ending.leave_at_once()
# Or else jax keeps compiled programs without a checksum, and a damaged one would be run.
sys.modules.setdefault("zstandard", None)
