"""What the readers share: walking a folder, reading label files, making a listing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple, NoReturn

from aegan.corpora.interface import Listing, PassedOver, Utterance
from aegan.errors import InputError

RECORDING_SUFFIXES = (".wav", ".flac")
OTHER_SUFFIXES = (  # of recordings that are not read
    *(".aac", ".aif", ".aiff", ".amr", ".avi", ".m4a", ".mkv", ".mov"),
    *(".mp3", ".mp4", ".oga", ".ogg", ".opus", ".sph", ".webm", ".wma"),
)
UTF_16 = (b"\xff\xfe", b"\xfe\xff")  # how such a file begins

LARGEST_LABEL_FILE = 32 * 2**20  # bytes; the corpora's own have a few MB at most
_SHOWN = 60  # characters of a file's own text in a message


class Folder(NamedTuple):
    """The files below a corpus' folder, in sorted order; hidden ones are left out."""

    root: Path
    recordings: tuple[Path, ...]
    others: tuple[Path, ...]  # label files and whatever else there is
    passed_over: tuple[PassedOver, ...]  # recordings that are hidden or no plain files

    def below(self, path: Path) -> str:
        """The path below the folder."""
        return path.relative_to(self.root).as_posix()


def shown(text: object, length: int = 10_000) -> str:
    """The text on one line that any terminal can print, cut to ``length`` characters."""
    whole = "".join(c if c.isprintable() else "?" for c in str(text))
    return whole if len(whole) <= length else whole[:length] + "..."


def quoted(text: str, length: int = _SHOWN) -> str:
    """A piece of a file's own text as a message shows it."""
    return f"'{shown(text, length)}'"


def scan(root: Path) -> Folder:
    """All files below a folder; links are followed, each folder is entered once.

    Raises:
        InputError: no such folder, none with recordings, or one that may not be read.
    """
    root = Path(root)
    place, mend = shown(root), "; give the folder of the recordings"
    if not os.path.isdir(root):
        what = "is a file, not a folder" if os.path.exists(root) else "no such folder"
        raise InputError(f"{place}: {what}{mend}")
    recordings, others, odd, entered = [], [], [], set()
    for folder, folders, names in os.walk(root, followlinks=True, onerror=_unreadable):
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in entered:  # a link in a circle would never end
            folders.clear()
            continue
        entered.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for path in (Path(folder, name) for name in sorted(names)):
            if path.suffix.lower() not in RECORDING_SUFFIXES:
                others += [] if path.name.startswith(".") else [path]
            elif path.name.startswith("."):
                odd.append((path, "a hidden file"))
            elif not os.path.isfile(path):
                odd.append((path, "a broken link or no plain file"))
            else:
                recordings.append(path)
    passed_over = (PassedOver(shown(path.relative_to(root).as_posix()), why) for path, why in odd)
    found = Folder(root, tuple(recordings), tuple(others), tuple(passed_over))
    if not recordings:
        unread = [path for path in others if path.suffix.lower() in OTHER_SUFFIXES]
        if unread:
            first = shown(found.below(unread[0]))
            mend = f", but {len(unread)} of other kinds (first {first}); convert them to .wav"
        raise InputError(f"{place}: no .wav or .flac file below it{mend}")
    return found


def _unreadable(error: OSError) -> NoReturn:
    what = f"may not be read ({error.strerror}); change its permissions"
    raise InputError(f"{shown(error.filename)}: {what}") from error


def list_utterances(
    folder: Folder,
    title: str,
    describe: Callable[[Path], Utterance | str],
    unrecorded: Iterable[str] = (),
    unread: Iterable[str] = (),
) -> Listing:
    """The listing of a folder of the corpus ``title``.

    ``describe`` gives the utterance of a recording, or why it is none. Of the names in the label
    files no recording has the ``unrecorded``, and one that is not read has the ``unread``.

    Raises:
        InputError: no recording is an utterance of the corpus, or two have one name.
    """
    found: dict[str, Utterance] = {}
    passed_over = list(folder.passed_over)
    for path in folder.recordings:
        utterance = describe(path)
        if isinstance(utterance, str):
            passed_over.append(PassedOver(shown(folder.below(path)), utterance))
            continue
        stem, suffix = os.path.splitext(utterance.file)
        name = stem if suffix.lower() in RECORDING_SUFFIXES else utterance.file
        other = found.setdefault(name, utterance)
        if other is not utterance:
            raise InputError(
                f"{shown(path)}: the same recording as {shown(other.path)}, by its name; remove "
                "one of them, or give a folder that holds a single copy of the corpus"
            )
    if not found:
        what, why = passed_over[0]
        raise InputError(
            f"{shown(folder.root)}: none of {len(passed_over)} recording(s) is of {title} (first "
            f"{what}: {why}); give another folder or another --corpus"
        )
    for names, why in (
        (unrecorded, "a label without a recording"),
        (unread, "neither .wav nor .flac; convert it"),
    ):
        passed_over += (PassedOver(shown(name), why) for name in sorted(names))
    utterances = sorted(found.values(), key=lambda utterance: utterance.file)
    return Listing(tuple(utterances), tuple(passed_over))


def read_bytes(path: Path) -> bytes:
    """The content of a label file.

    Raises:
        InputError: it is absent, no file, too large for labels, or may not be read.
    """
    place = shown(path)
    if not os.path.isfile(path):
        what = "is not a file" if os.path.exists(path) else "no such file"
        raise InputError(f"{place}: {what}; give the path of a label file")
    try:
        with open(path, "rb") as file:
            content = file.read(LARGEST_LABEL_FILE + 1)
    except OSError as error:
        error.filename = path
        _unreadable(error)
    if len(content) > LARGEST_LABEL_FILE:
        what = f"more than {LARGEST_LABEL_FILE >> 20} MB, too large for labels"
        raise InputError(f"{place}: {what}; give a label file")
    return content


def decode(content: bytes, place: str) -> str:
    """Text of bytes: UTF-16 if they say so, UTF-8 if they are, Latin-1 otherwise.

    Raises:
        InputError: a file that begins as UTF-16 and is not.
    """
    if content[:2] in UTF_16:  # what spreadsheets call Unicode text
        try:
            return content.decode("utf-16")
        except UnicodeDecodeError as error:
            raise InputError(f"{place}: damaged UTF-16; save it as UTF-8") from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")
