"""Rows of openSMILE features, by the `opensmile` package or by a user's own config.

Every recording is brought to 16 kHz and one channel (the first) before openSMILE sees it.
"""

from __future__ import annotations

import hashlib
import os
import re
import textwrap
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from aegan.audio.clips import ClipError, Extractor, FeatureKind, Row, read_recording
from aegan.data.contract import UNKNOWN, FeatureContract
from aegan.data.corpus import LABEL_COLUMNS
from aegan.errors import InputError
from aegan.tables.arff import read_arff
from aegan.tables.roles import Options

SAMPLING_RATE = 16000  # Hz
_LONGEST_REASON = 160  # characters of openSMILE's own words
_MISSING = 'pip install -e ".[audio]"'

# From a signal (channels, samples) and its rate to the features' names and (rows, dim) float32.
_Extract = Callable[[np.ndarray, int], tuple[Sequence[str], np.ndarray]]


def _config_path(features: str) -> Path | None:
    """Path of the config that --features names; None for a feature set of the package."""
    path = Path(features)
    return path.absolute() if path.suffix == ".conf" or len(path.parts) > 1 else None


def check_features(features: str) -> None:
    """What can be told before any work, without a look into the audio packages.

    Raises:
        InputError: no `opensmile` package, or no such config.
    """
    if find_spec("opensmile") is None:
        raise InputError(f"opensmile is not installed; {_MISSING}")
    config = _config_path(features)
    if config is not None and not config.is_file():
        raise InputError(f"--features={features}: no such file; give an openSMILE config")


def open_extractor(features: str, scratch: str) -> Extractor:
    """An extractor by a feature set of the package or a config, tried on synthetic sound.

    ``scratch`` is an existing folder for files that openSMILE reads and writes on the way.

    Raises:
        InputError: the package cannot be imported, the feature set is unknown, or the config
            fails or gives no single row of named features.
    """
    try:
        import opensmile
    except (ImportError, OSError) as error:
        raise InputError(f"opensmile cannot be imported ({error}); {_MISSING}") from error
    config = _config_path(features)
    if config is None:
        sets = opensmile.FeatureSet.__members__
        if features not in sets:
            raise InputError(
                f"--features={features}: no such feature set; give one of "
                f"{', '.join(sorted(sets))} or the path of a config"
            )
        extract = _package(sets[features], opensmile.FeatureLevel.Functionals)
        name, words, text = features, f"{features} functionals", b""
    else:
        try:
            text = config.read_bytes()
        except OSError as error:
            raise InputError(f"--features={config}: cannot be read ({error.strerror})") from error
        if re.search(rb"\\cm\[source\b", text):  # takes its sound from the package
            extract = _package(str(config), "func", Path(scratch))
        else:
            extract = partial(_run_config, config, Path(scratch))
        name, words = config.stem, config.name
    names, values = _tried(features, extract)
    contract = FeatureContract.of(names)
    if contract.feature_set == UNKNOWN:
        contract = FeatureContract.of(names, name)
    # A config's includes are not read here, but the trial's values depend on them.
    seen = hashlib.sha256(text + values.tobytes()).hexdigest()[:16] if config else ""
    words = f"opensmile {version('opensmile')}, {words}, {SAMPLING_RATE} Hz, mono"
    return Extractor(FeatureKind(contract, words, seen), lambda path: _row(extract, Path(path)))


def _row(extract: _Extract, path: Path) -> Row:
    signal, rate = read_recording(path)
    seconds = signal.shape[1] / rate
    names, rows = extract(signal, rate)
    if not len(rows) or np.isnan(rows).all():
        raise ClipError(f"too short for these features ({seconds:.3f} s)")
    if len(rows) > 1:
        raise ClipError(f"{len(rows)} rows of features instead of one")
    bad = np.flatnonzero(~np.isfinite(rows[0]))
    if bad.size:
        raise ClipError(f"{bad.size} features are not finite, first {names[bad[0]]}")
    return Row(seconds, rows[0])


def _trial_signal() -> np.ndarray:
    """Five seconds (1, samples) of sound that every feature set has a value for."""
    time = np.arange(5 * SAMPLING_RATE) / SAMPLING_RATE
    pitch = 140 + 40 * np.sin(2 * np.pi * 0.7 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLING_RATE
    voice = sum(np.sin(k * phase) / k for k in range(1, 12))
    noise = np.random.default_rng(0).standard_normal(time.size)
    syllables = np.clip(np.sin(2 * np.pi * 1.5 * time), 0, None)
    return (0.2 * syllables * voice + 0.005 * noise).astype(np.float32)[None]


def _tried(features: str, extract: _Extract) -> tuple[Sequence[str], np.ndarray]:
    """Names and values (dim,) of the trial signal."""
    place = f"--features={features}"
    try:
        names, rows = extract(_trial_signal(), SAMPLING_RATE)
    except (ClipError, InputError) as error:
        mend = "give a config that takes -I and -O and writes ARFF, beside the files it includes"
        raise InputError(f"{place}: {error}; {mend}") from error
    if len(rows) != 1:
        what = f"gives {len(rows)} rows a clip; take functionals, one row a clip"
        raise InputError(f"{place}: {what}")
    for name, count in Counter((*LABEL_COLUMNS, *names)).items():
        if count > 1:
            raise InputError(f"{place}: a table has a column '{name}' already; rename the feature")
    return names, rows[0]


def _package(feature_set: object, level: object, scratch: Path | None = None) -> _Extract:
    """By the package's own `Smile`, one call a clip; with ``scratch`` its log is read."""
    import opensmile
    from opensmile.core.lib import OpenSmileException

    log = scratch and scratch / f"{os.getpid()}.log"
    try:
        smile = opensmile.Smile(
            feature_set=feature_set,
            feature_level=level,
            sampling_rate=SAMPLING_RATE,
            resample=True,
            mixdown=True,
            logfile=log and str(log),
        )
    except (OpenSmileException, ValueError, OSError) as error:
        reason = (_errors(log) or [str(error)])[0]
        mend = "give a config with the level 'func', beside the files it includes"
        raise InputError(
            f"--features={feature_set}: openSMILE refuses it ({reason}); {mend}"
        ) from error
    names = tuple(smile.feature_names)

    def extract(signal: np.ndarray, rate: int) -> tuple[Sequence[str], np.ndarray]:
        try:
            frame = smile.process_signal(signal, rate)
        except OpenSmileException as error:
            raise ClipError(f"openSMILE fails on it ({error})") from error
        _check_end(log)
        return names, frame.to_numpy(dtype=np.float32)

    return extract


def _run_config(
    config: Path, scratch: Path, signal: np.ndarray, rate: int
) -> tuple[Sequence[str], np.ndarray]:
    """By a full config, from a WAV file to an ARFF file, as SMILExtract runs it."""
    import audresample  # as `Smile` prepares its signals
    import soundfile
    from opensmile.core.lib import OpenSMILE, OpenSmileException

    sound, table, log = (scratch / f"{os.getpid()}.{suffix}" for suffix in ("wav", "arff", "log"))
    signal = audresample.remix(signal, 0, mixdown=True)
    (signal,) = audresample.resample(signal, rate, SAMPLING_RATE)
    samples = np.clip(signal * np.float32(32768), -32768, 32767)  # cut off as `Smile` does it
    soundfile.write(sound, samples.astype(np.int16), SAMPLING_RATE)
    for path in (table, log):  # openSMILE appends
        path.unlink(missing_ok=True)
    smile = OpenSMILE()
    try:
        options = {"I": str(sound), "O": str(table), "N": "clip"}
        smile.initialize(str(config), options, log_file=str(log))
        smile.run()
    except UnicodeEncodeError as error:
        raise ClipError("openSMILE takes plain ASCII paths only") from error
    except OpenSmileException as error:
        reasons = _errors(log) or [str(error)]
        raise ClipError(f"openSMILE fails ({reasons[-1]})") from error
    finally:
        smile.free()
    _check_end(log)
    if not table.exists():
        raise ClipError("openSMILE wrote no ARFF file")
    try:
        read = read_arff(table, Options())
    except InputError as error:
        raise ClipError("what it wrote to -O is not an ARFF table of numbers") from error
    return read.names, read.features


def _check_end(log: Path | None) -> None:
    """openSMILE goes on after many an error, with what it has; only its log tells."""
    for reason in _errors(log):
        if "No output was written" not in reason:  # as of a short clip
            raise ClipError(f"openSMILE did not get to the end ({reason})")


def _errors(log: Path | None) -> list[str]:
    """The errors in a log but for those of level 0, about options that a config does not know."""
    if log is None or not log.exists():
        return []
    errors = re.findall(r"\(ERR\) \[[1-9]\] (.*)", log.read_text(errors="replace"))
    return [textwrap.shorten(error, _LONGEST_REASON, placeholder=" ...") for error in errors]
