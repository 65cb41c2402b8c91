"""Errors that a user can mend."""

from __future__ import annotations


class InputError(Exception):
    """Bad input from the user: one line that names the place and the mend.

    The command line prints the message alone, without a traceback, and exits with status 2.
    """

    def __init__(self, message: str):
        # What a message quotes from a file must not break its line.
        printable = (c if c.isprintable() else repr(c)[1:-1] for c in message)
        super().__init__("".join(printable))


class Busy(InputError):
    """Another process is at work in the same place; after its end the same may succeed."""
