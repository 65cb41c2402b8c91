"""What all commands share: their flags, one-line errors, an orderly end (`aegan.system.ending`)."""

from __future__ import annotations

import errno
import logging
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from absl import app, flags

from aegan.errors import InputError
from aegan.system import ending
from aegan.system.screen import WIDTH, complain
from aegan.tables.text import SUFFIXES

# How this program is called: by its module in a clone, by its command where it is installed.
_CALL = "aegan " if __package__ == "aegan.experiments" else "python -m experiments."
_PAPER = {"angry", "happy", "neutral", "sad"}  # what experiments.run takes unless told otherwise
_FOLDS = 5  # likewise
# States of the machine that a system call fails for.
_MACHINE = {getattr(errno, name, None) for name in "EACCES EDQUOT EFBIG EIO EMFILE".split()}
_MACHINE |= {errno.ENAMETOOLONG, errno.ENFILE, errno.ENOSPC, errno.EPERM, errno.EROFS}
_CONFIG = "m2" if _CALL == "aegan " else "configs/m2.py"


def at_home(argv: Sequence[str]) -> list[str]:
    """Arguments in which a path that begins with ``~``, behind a flag or alone, is a whole one."""
    parts = (re.fullmatch(r"(-[\w.-]+=)?(.*)", text, re.DOTALL) for text in argv)
    return [(part[1] or "") + os.path.expanduser(part[2]) for part in parts]


def parse_flags(argv: list[str]) -> list[str]:
    """absl's parsing, with one line instead of a traceback; exit status 2."""
    try:
        return flags.FLAGS(at_home(argv))
    except flags.Error as error:
        message = str(error).strip().splitlines()[-1].removeprefix("FATAL Flags parsing error: ")
        fail(message)


_parsed: list[list[str]] = []  # what parsing left, where that was done early


def parse_early(
    name: str, parse: Callable = parse_flags, check: Callable[[], object] = lambda: None
) -> None:
    """Parses and checks the flags of the program called ``name``, if it was started.

    It ends here with --help or a wrong flag, before what takes seconds to import is imported.
    """
    if name == "__main__" or sys.modules["__main__"].__dict__.get("PROGRAM") == name:
        sys.modules["__main__"].__doc__ = sys.modules[name].__doc__  # what --help prints
        ending.keep_screen()
        app.define_help_flags()
        try:
            _parsed[:] = [parse(sys.argv)]
            check()
        except SystemExit as end:
            _exit(end)
        except Exception as error:
            if (line := _mendable(error)) is None:
                raise
            fail(line)


def _exit(end: SystemExit) -> NoReturn:
    """Ends the process; absl's own help ends with 1."""
    helped = end.code == ending.FAULT and any(re.match("--?help", text) for text in sys.argv)
    sys.exit(ending.DONE if helped else end.code)


def command_line(program: str) -> str:
    """This call of a program, as it can be typed again: "python -m experiments.run ..."."""
    return f"{_CALL}{program} {shlex.join(sys.argv[1:])}".rstrip()


def fail(message: object) -> NoReturn:
    """Ends the command with one line and status 2."""
    print(f"error: {message}", file=sys.stderr)
    sys.exit(ending.INPUT)


def guarded(body: Callable[[], None], argv: Sequence[str], after_interrupt: str) -> int:
    """Runs the body of a command and returns its exit status.

    ``argv`` is what the flags left over; ``after_interrupt`` is what the user reads after Ctrl-C.
    """
    logging.disable(logging.ERROR)  # what orbax and asyncio log as an error is raised, too
    ending.listen()
    status = ending.DONE
    try:
        if len(argv) > 1:
            raise InputError(f"left-over argument {argv[1]!r}; flags are --name=value")
        body()
    except ending.Stopped as stopped:
        status = stopped.status
    except Exception as error:
        if ending.asked():  # workers, which may have got the signal too, ended first
            status = ending.asked().status
        elif (line := _mendable(error)) is None:
            status = ending.FAULT
            raise
        else:
            complain(f"error: {line}")
            status = ending.INPUT
    finally:
        ending.leave_at_once(status)
    if status > ending.INPUT:
        complain(f"interrupted: {after_interrupt}")
    return status


def _mendable(error: Exception) -> str | None:
    """What a user can do about an error, in one line; None for a fault of aegan's own."""
    said = (str(error).strip().splitlines() or [type(error).__name__])[0]
    if isinstance(error, InputError):
        return said
    if isinstance(error, MemoryError):
        return f"not enough memory ({said}); free some, or give less at once"
    if isinstance(error, OSError) and error.errno in _MACHINE:
        place = "" if error.filename is None else f"{error.filename}: "
        return str(InputError(f"{place}cannot be used ({error.strerror}); see to that"))
    return _no_device()


def _no_device() -> str | None:
    """That jax has not the devices it was told to use, of which it may say anything anywhere."""
    if "jax" in sys.modules and (asked_for := os.environ.get("JAX_PLATFORMS")):
        try:
            sys.modules["jax"].devices()
        except (AssertionError, RuntimeError) as error:  # by the device
            said = next(iter(str(error).splitlines()), "none is found")[:200]
            what = f"JAX_PLATFORMS={asked_for}: this machine has no such device"
            return str(InputError(f"{what} ({said}); unset it, or see to that"))
    return None


def start(main: Callable[[Sequence[str]], int], parse: Callable = parse_flags) -> None:
    """Parses the flags and runs ``main``; the process ends with its status."""
    ending.keep_screen()
    # Results must not depend on it; workers and jax, where it is not imported yet, read it here.
    os.environ["JAX_ENABLE_X64"] = "0"
    if "jax" in sys.modules:
        sys.modules["jax"].config.update("jax_enable_x64", False)
    try:
        # Once: a config defines a flag for each of its fields that is given.
        app.run(main, flags_parser=lambda argv: _parsed[0] if _parsed else parse(argv))
    except SystemExit as end:
        _exit(end)


def need(*needed: flags.FlagHolder) -> None:
    """Refuses to go on without these flags."""
    for flag in needed:
        if not flag.value:
            raise InputError(f"--{flag.name} is missing; give one, see --help")


def check_there(flag: flags.FlagHolder, what: str) -> None:
    """Refuses a path that is given and not there."""
    if flag.value and not Path(flag.value).exists():
        raise InputError(f"{flag.value}: no such file; give the path of {what}")


def check_out(out: Path, overwrite: bool) -> None:
    """Refuses a table (--out) that could not be written in the end."""
    if out.suffix.lower() not in SUFFIXES:
        raise InputError(f"--out={out}: no such format; end the name in {', '.join(SUFFIXES)}")
    if out.is_dir():
        raise InputError(f"--out={out}: is a folder; give the path of a table")
    if out.exists() and not overwrite:
        raise InputError(f"--out={out}: is there already; give another name or --overwrite")
    folder = next(parent for parent in out.absolute().parents if parent.exists())
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise InputError(
            f"--out={out}: cannot be written ({error.strerror}); give another folder"
        ) from error


def pairs_of(flag: flags.FlagHolder) -> dict[str, str]:
    """A list flag of name=value, as a dict."""
    pairs: dict[str, str] = {}
    for text in flag.value:
        name, _, value = map(str.strip, text.partition("="))
        if not name or not value:
            raise InputError(f"--{flag.name}: '{text}' is not name=value; write name=value,...")
        if pairs.setdefault(name, value) != value:
            raise InputError(f"--{flag.name}: '{name}' is there twice; keep one")
    return pairs


def named_columns(flag: flags.FlagHolder, known: Sequence[str]) -> dict[str, str]:
    """What --columns says, {"speaker": "spk"}; ``known`` are the names that may come first."""
    named = pairs_of(flag)
    for role, name in named.items():
        if role not in known:
            turned = f"write {name}={role}: the table's own name comes second"
            mend = turned if name in known else f"there are {', '.join(known)}"
            raise InputError(f"--{flag.name}: no column '{role}'; {mend}")
    return named


def next_command(
    out: Path, emotions: Iterable[str], speakers: Iterable[str], own_folds: bool
) -> list[str]:
    """The command that takes a written table, in lines of at most 80 columns where they can be.

    Emotions and speakers are those of its rows; ``own_folds``: it has a column `fold` or `session`.
    """
    if out.suffix.lower() != ".parquet":
        command = [f"next: {_CALL}convert", f"--in={shlex.quote(str(out))}"]
        command.append(f"--out={shlex.quote(str(out.with_suffix('.parquet')))}")
    else:
        emotions, speakers = list(emotions), list(speakers)
        folds = _FOLDS if own_folds else _most_folds(emotions, speakers)
        if folds is None:
            return ["next: recordings of more speakers; these are too few for two folds"]
        command = [f"next: {_CALL}run", f"--config={_CONFIG}"]
        command.append(f"--workdir={shlex.quote(f'runs/{out.stem}')}")
        command.append(f"--config.data.path={shlex.quote(str(out))}")
        if set(emotions) != _PAPER:
            command.append('--config.data.classes="()"')
        if folds < _FOLDS:
            command.append(f"--config.data.folds={folds}")
    lines = [command[0]]
    for argument in command[1:]:
        if len(lines[-1]) + len(argument) + 3 > WIDTH:
            lines[-1] += " \\"
            lines.append("   ")
        lines[-1] += f" {argument}"
    return lines


def _most_folds(emotions: Sequence[str], speakers: Sequence[str]) -> int | None:
    """The most folds, five if it can be, that these rows allow; None where two are too many."""
    import numpy as np

    from aegan.data.contract import FeatureContract
    from aegan.data.corpus import Corpus
    from aegan.data.folds import make_folds

    classes, labels = np.unique(np.array(emotions, dtype=str), return_inverse=True)
    corpus = Corpus(
        name="table",
        features=np.zeros((len(labels), 1), np.float32),
        labels=labels.astype(np.int32),
        classes=tuple(classes.tolist()),
        speakers=np.array(speakers, dtype=str),
        sessions=None,
        files=np.array([f"{row:09d}" for row in range(len(labels))]),
        contract=FeatureContract(("none",)),
        simulated=False,
    )
    for folds in range(_FOLDS, 1, -1):
        with suppress(InputError):
            return len(make_folds(corpus, folds))
    return None
