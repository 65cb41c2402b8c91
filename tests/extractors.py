"""Extractors that need no openSMILE, for the tests of extraction; they run in worker processes."""

from __future__ import annotations

import ctypes
import os
import signal
import time
import warnings
import wave
from pathlib import Path

import numpy as np

from aegan.audio.clips import ClipError, Extractor, FeatureKind, Row
from aegan.data.contract import FeatureContract
from aegan.errors import InputError

NAMES = ("mean", "deviation", "peak", "mfcc[0]")


def write_wav(path: Path, seed: int, samples: int = 800) -> None:
    """A short 16 kHz recording of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).integers(-9000, 9000, samples).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(values.tobytes())


def features_of(path: str) -> Row:
    """Four numbers of a WAV file."""
    try:
        with wave.open(path, "rb") as file:
            frames = file.getnframes()
            values = np.frombuffer(file.readframes(frames), "<i2").astype(np.float32)
    except FileNotFoundError as error:
        raise ClipError("is gone", lasting=False) from error
    except (wave.Error, EOFError) as error:
        raise ClipError(f"not audio ({error or 'no bytes'})") from error
    if frames < 100:
        raise ClipError("too short")
    row = [values.mean(), values.std(), values.max(), values[0]]
    return Row(frames / 16000, np.array(row, np.float32))


def make_good(log: str = "", pause: float = 0.0, fingerprint: str = "") -> Extractor:
    """Notes "process path" in ``log`` as each clip begins."""
    contract = FeatureContract.of(NAMES, "four numbers")

    def extract(path: str) -> Row:
        if log:
            note(log, path)
        time.sleep(pause)
        return features_of(path)

    return Extractor(FeatureKind(contract, "stand-in", fingerprint), extract)


def note(log: str, path: str) -> None:
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(handle, f"{os.getpid()} {path}\n".encode())
    os.close(handle)


def ends(process: int, within: float = 20.0) -> bool:
    """Whether a process that is no child of ours ends soon."""
    status = Path(f"/proc/{process}/stat")
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            if status.read_text().rsplit(")")[1].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


def make_trouble(log: str = "") -> Extractor:
    """What a clip does, its name tells."""
    good = make_good(log)

    def extract(path: str) -> Row:
        row, name = good.extract(path), Path(path).stem.rstrip("0123456789")
        tried, here = (Path(path).with_suffix(suffix) for suffix in (".tried", ".here"))
        match name:
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "crash":
                ctypes.string_at(0)  # a segmentation fault, as a library's
            case "once" if not tried.exists():
                tried.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            case "hang":
                time.sleep(1000)
            case "raise":
                raise RuntimeError("two\nlines")
            case "memory":
                raise MemoryError
            case "meet":  # done as soon as two are under way at once
                here.touch()
                while len(list(here.parent.glob("*.here"))) < 2:
                    time.sleep(0.01)
            case "print":
                print("LITTER")
                os.write(1, b"LITTER")
                os.write(2, b"LITTER")
                warnings.warn("LITTER", stacklevel=1)
        return row

    return Extractor(good.kind, extract)


def make_refused() -> Extractor:
    raise InputError("--features=x: no such set; give another")


def make_broken() -> Extractor:
    raise ZeroDivisionError("of the\nlibrary")


def make_dead() -> Extractor:
    os._exit(7)


def make_for_settings(features: str, scratch: str) -> Extractor:
    """In place of the extractor that the command's settings ask for."""
    return make_good()
