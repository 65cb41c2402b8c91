"""Commands."""

import sys

from aegan.system import ending

if sys.argv[0] == "-m" or sys.argv[0].endswith("aegan"):  # a command, which imports for seconds
    ending.leave_at_once()
