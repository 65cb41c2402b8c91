"""Errors that a user can mend."""

from __future__ import annotations


class InputError(Exception):
    """Bad input from the user: one line that names the place and the mend.

    The command line prints the message alone, without a traceback, and exits with status 2.
    """
