"""Files that appear whole or not at all and are read back as they were written, or refused.

What is read back carries a digest that reading checks: JSON and ``.npz`` under the key ``sha256``,
Parquet as `aegan.data.parquet` says. A file without one is of an earlier version.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import re
import shlex
import sys
import threading
import time
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None

from aegan.errors import Busy, InputError

AGAIN = "delete it and run the same command again"  # the mend of most files that are damaged
_SEAL = "sha256"
_COMMAND = 200  # characters of a command line that a lock shows
# Of a process of this machine, or of an earlier version, which did not say.
_HERE = hashlib.sha256(platform.node().encode()).hexdigest()[:6]
_TEMPORARY = re.compile(rf"\..+\.(\d+)(?:-{_HERE})?\.tmp")
# What reading a damaged file raises: numpy, zipfile, JSON, and what looks into them. Of a
# flag that says encrypted, or packed in an unknown way, zipfile raises kinds of RuntimeError.
_DAMAGE = (ArithmeticError, AttributeError, EOFError, LookupError, OSError, RuntimeError)
_DAMAGE += (SyntaxError, TypeError, ValueError, zipfile.BadZipFile, zlib.error)


@contextmanager
def writing(path: Path, mend: str = "make room, or give another path") -> Iterator[None]:
    """``InputError`` in place of what a full, lost or locked disk raises in the block."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(f"{path}: cannot be written ({reason}); {mend}") from error


@contextmanager
def whole(path: Path, mend: str = AGAIN) -> Iterator[None]:
    """``InputError`` in place of what a damaged file raises in the block; not if it is absent."""
    try:
        yield
    except FileNotFoundError:
        raise
    except _DAMAGE as error:
        reason = next(iter(str(error).splitlines()), "")[:200] or type(error).__name__
        if isinstance(error, KeyError):
            reason = f"{reason} is missing"
        raise InputError(f"{path}: not whole ({reason}); {mend}") from None


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """``replacing``, but its errors stay those of the system."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{_HERE}.tmp")
    sweep(path.parent)
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        with suppress(OSError):  # says nothing beside what it follows
            temporary.unlink()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its place if the block ends well.

    ``InputError``: it cannot be written; nothing is left of it.
    """
    with writing(path), beside(path) as temporary:
        yield temporary


_swept: set[Path] = set()  # by this process


def sweep(folder: Path) -> None:
    """Removes the temporary files of processes that were killed, once in a process's life."""
    folder = Path(folder).absolute()
    if folder in _swept:
        return
    _swept.add(folder)
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            found = _TEMPORARY.fullmatch(entry.name)
            if found and not _lives(int(found[1])):
                with suppress(OSError):
                    os.unlink(entry.path)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # somebody else's
        pass
    return True


def write_text(path: Path, text: str) -> None:
    """Writes a text file, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Writes JSON, whole or not at all; refuses NaN and infinity, which JSON has not."""
    value = json.loads(json.dumps(value, allow_nan=False))
    write_text(path, json.dumps(value | {_SEAL: digest(value)}, indent=2) + "\n")


def read_json(path: Path, mend: str = AGAIN) -> dict[str, Any]:
    """Reads what ``write_json`` wrote.

    Raises:
        FileNotFoundError: no such file.
        InputError: not JSON, or other than it was written.
    """
    with whole(path, mend):
        value = json.loads(Path(path).read_bytes())
        if not isinstance(value, dict):
            raise ValueError("not a JSON object")
        seal = value.pop(_SEAL, None)
        if seal is not None and seal != digest(value):
            raise ValueError("changed since it was written")
        return value


def write_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes arrays by name, whole or not at all."""
    seal = np.frombuffer(_digest_of(arrays).encode(), np.uint8)
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **{_SEAL: seal}, **arrays)  # first: it tells if others are lost


# numpy parses headers with `ast`, which in Python 3.11 fails now and then in two threads at once.
_reading = threading.Lock()


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """Reads what ``write_npz`` wrote, never a pickle, in no more memory than the file is large.

    Raises what numpy and zipfile do; see ``whole``.
    """
    with _reading, open(path, "rb") as file, zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        packed = any(m.compress_type != zipfile.ZIP_STORED or m.flag_bits & 1 for m in members)
        size = sum(member.file_size for member in members)
        if packed or size > os.fstat(file.fileno()).st_size:
            raise ValueError("its arrays are larger than the file")
        for member in members:
            with archive.open(member) as stream:
                version = np.lib.format.read_magic(stream)
                read = "read_array_header_1_0" if version == (1, 0) else "read_array_header_2_0"
                shape, _, dtype = getattr(np.lib.format, read)(stream)
                if stream.tell() + math.prod(shape) * dtype.itemsize != member.file_size:
                    raise ValueError(f"{member.filename} is of another size than its header says")
        file.seek(0)
        with np.load(file, allow_pickle=False) as loaded:
            arrays = dict(loaded)
    seal = arrays.pop(_SEAL, None)
    if seal is not None and seal.tobytes().decode() != _digest_of(arrays):
        raise ValueError("changed since it was written")
    return arrays


def _digest_of(arrays: Mapping[str, np.ndarray]) -> str:
    found = hashlib.sha256()
    for name, array in arrays.items():
        found.update(f"{name} {array.dtype.str} {array.shape}".encode())
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()


def digest(value: Any) -> str:
    """Short SHA-256 (16 hex digits) of a JSON-like value, independent of the order of keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@contextmanager
def locked(file: IO[str], refusal: str) -> Iterator[None]:
    """Holds a lock on an open file ("a+") while the block runs, where the system has locks.

    ``Busy``: another process holds it; ``refusal`` has the place for who that is, "{holder}".
    """
    try:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = " ".join(file.read(1000).split()) or "another command"
        raise Busy(refusal.replace("{holder}", holder)) from None
    except OSError:  # a file system without locks
        pass
    since, command = time.strftime("%Y-%m-%d %H:%M"), shlex.join(sys.argv)[:_COMMAND]
    with suppress(OSError):  # a full disk
        file.truncate(0)
        print(f"process {os.getpid()} on {platform.node()}, since {since} ({command})", file=file)
        file.flush()
    yield
