"""Clips: what comes of one, and how a recording is read, or refused where it is none or not whole.

A clip gives a row of features, or the reason why there is none.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from aegan.data.cells import LFS, POINTER
from aegan.data.contract import FeatureContract

# Outside these a header lies: 1 Hz would be resampled to gigabytes.
_RATES = (2_000, 400_000)  # Hz
_LONGEST = 3600.0  # seconds; utterances last some
_UNKNOWN_LENGTH = 0x7FF00000  # bytes; what programs announce that cannot know
_WHOLE = 0.99  # share of the announced audio that must be there


class Row(NamedTuple):
    """The features of a clip."""

    duration_s: float  # length of the audio as it lies in the file
    features: np.ndarray  # (dim,) float32, finite


class Skipped(NamedTuple):
    """A clip without features."""

    reason: str
    lasting: bool  # the same bytes will fail again, so that a later run need not try


class ClipError(Exception):
    """A clip gives no row; the others go on. See `Skipped` for ``lasting``."""

    def __init__(self, reason: str, lasting: bool = True) -> None:
        super().__init__(reason)
        self.lasting = lasting


class FeatureKind(NamedTuple):
    """What the rows of an extractor are."""

    contract: FeatureContract
    extractor: str  # in words, for the table: "opensmile 2.6.0, IS10 functionals, 16000 Hz, mono"
    fingerprint: str  # of all else that the values depend on, say the text of a config


class Extractor(NamedTuple):
    """A way from a path to a row. It is made, and stays, in a worker process."""

    kind: FeatureKind
    extract: Callable[[str], Row]  # raises ClipError


def read_recording(path: Path) -> tuple[np.ndarray, int]:
    """Signal (channels, samples) float32 and sampling rate in Hz, as `opensmile` reads them.

    Raises:
        ClipError: empty, not audio, cut short, silent, not finite or beyond full scale.
    """
    try:
        _check_bytes(path)
    except OSError as error:
        raise ClipError(f"cannot be opened ({error.strerror})", lasting=False) from error
    import audiofile

    try:
        rate, seconds = audiofile.sampling_rate(path), audiofile.duration(path)
        if not _RATES[0] <= rate <= _RATES[1]:
            raise ClipError(f"its header tells a sampling rate of {rate} Hz")
        if seconds > _LONGEST:
            raise ClipError(f"{seconds:.0f} s long; cut it into utterances")
        signal, rate = audiofile.read(path, always_2d=True)
    except (ClipError, MemoryError):
        raise
    except Exception as error:  # of whichever library decodes this format
        text = getattr(error, "error_string", None) or str(error) or type(error).__name__
        reason = text.strip().splitlines()[0].rstrip(".")
        raise ClipError(f"not audio that can be read ({reason})") from error
    announced = round(seconds * rate)
    if not signal.size:
        raise ClipError("no audio in the file")
    if signal.shape[1] < _WHOLE * announced:
        raise ClipError(f"cut short: {signal.shape[1]} of {announced} samples are there")
    if not np.isfinite(signal).all():
        raise ClipError("has samples that are not finite")
    low, high = signal.min(), signal.max()
    if low == high:
        raise ClipError("silent: all samples are the same")
    # openSMILE counts in 16 bits, where louder samples would come out with the other sign.
    if max(-low, high) > 1:
        raise ClipError(f"beyond full scale (peak {max(-low, high):.3g}); make it quieter")
    return signal, rate


def _check_bytes(path: Path) -> None:
    """Refuses an empty file and a WAV file that ends before its audio does."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size == 0:
            raise ClipError("empty file")
        head = file.read(12)
        if LFS.startswith(head):
            raise ClipError(POINTER, lasting=False)
        if head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return
        while len(chunk := file.read(8)) == 8 and chunk[:4] != b"data":
            length = int.from_bytes(chunk[4:], "little")
            file.seek(length + length % 2, os.SEEK_CUR)
        length, there = int.from_bytes(chunk[4:], "little"), size - file.tell()
        if len(chunk) == 8 and there < _WHOLE * length and length < _UNKNOWN_LENGTH:
            raise ClipError(f"cut short: {there} of {length} bytes of audio are there")
