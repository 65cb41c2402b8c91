"""openSMILE itself: the rows of the tables, clips that give none, configs of one's own."""

from __future__ import annotations

import os
import subprocess
import sys
import wave
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from commands import ROOT

from aegan.audio import features
from aegan.audio.clips import ClipError
from aegan.audio.features import check_features, open_extractor
from aegan.data.contract import FeatureContract
from aegan.data.corpus import LABEL_COLUMNS, read_corpus
from aegan.errors import InputError


@pytest.fixture(scope="module", autouse=True)
def audio_extra() -> None:
    if find_spec("opensmile") is None:
        pytest.skip("AUDIO NOT TESTED: pip install -e '.[audio]'")


@pytest.fixture(scope="module")
def is10():
    """One extractor for all tests of single clips."""
    return open_extractor("IS10", "unused")


@pytest.fixture(scope="module")
def direct():
    """openSMILE as a user of the package calls it, from a file."""
    import opensmile

    smile = opensmile.Smile(
        feature_set=opensmile.FeatureSet.IS10,
        feature_level=opensmile.FeatureLevel.Functionals,
        sampling_rate=16000,
        resample=True,
        mixdown=True,
    )
    return lambda path: smile.process_file(str(path)).to_numpy()[0]


def speech(seconds: float = 1.0, rate: int = 16000, channels: int = 1) -> np.ndarray:
    """Something like a voice, (samples, channels), another one in each channel."""
    time = np.arange(round(seconds * rate))[:, None] / rate
    pitch = 110 + 30 * np.sin(2 * np.pi * 1.3 * time) + 25 * np.arange(channels)
    phase = 2 * np.pi * np.cumsum(pitch, axis=0) / rate
    voice = sum(np.sin(k * phase) / k for k in range(1, 9))
    return 0.2 * voice * (1 + np.sin(2 * np.pi * 3 * time))


def write(path: Path, signal: np.ndarray, rate: int = 16000, **options) -> Path:
    import soundfile

    soundfile.write(path, signal, rate, **options)
    return path


@pytest.mark.parametrize("name", ["nemo", "ravdess"])
def test_the_twelve_clips_give_the_rows_of_the_tables(shared_data, tmp_path, name):
    out = tmp_path / "few.parquet"
    done = subprocess.run(
        [sys.executable, "-m", "experiments.extract", f"--corpus={name}"]
        + [f"--audio={shared_data / 'wav'}", f"--out={out}"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    other = {"nemo": "03-01-01-01-01-01-02.wav", "ravdess": "EB0_anger_24.wav"}[name]
    assert "passed over 6" in done.stdout and other in done.stdout
    assert "Segment" not in done.stderr and "Warning" not in done.stderr
    table = pd.read_parquet(shared_data / f"{name}.parquet").set_index("file")
    frame = pd.read_parquet(out).set_index("file")
    assert len(frame) == 6
    expected = table.loc[frame.index]
    names = [column for column in table.columns if column not in LABEL_COLUMNS]
    assert [column for column in frame.columns if column not in LABEL_COLUMNS] == names
    np.testing.assert_array_equal(frame[names].to_numpy(), expected[names].to_numpy())
    for label in ("speaker", "emotion", "duration_s"):
        np.testing.assert_array_equal(frame[label].to_numpy(), expected[label].to_numpy())
    assert frame["duration_s"].dtype == np.float32
    metadata = pq.read_schema(out).metadata
    assert metadata[b"feature_set"] == b"IS10"
    assert metadata[b"licence"] == b"CC BY-NC-SA 4.0"
    words = metadata[b"extractor"].decode()
    assert words.startswith("opensmile ") and words.endswith(", IS10 functionals, 16000 Hz, mono")
    assert len(read_corpus(out).feature_names) == 1582


def test_other_rates_channels_and_formats_are_as_the_package_takes_them(is10, direct, tmp_path):
    stereo = write(tmp_path / "stereo.wav", speech(1.2, 44100, channels=2), 44100)
    row = is10.extract(str(stereo))
    np.testing.assert_array_equal(row.features, direct(stereo))
    assert row.duration_s == 1.2
    mono = (32767 * speech(1.2)).astype(np.int16)
    plain = is10.extract(str(write(tmp_path / "mono.wav", mono)))
    lossless = is10.extract(str(write(tmp_path / "mono.flac", mono)))
    np.testing.assert_array_equal(lossless.features, plain.features)
    deep = write(tmp_path / "deep.wav", speech(1.2), subtype="FLOAT")
    np.testing.assert_array_equal(is10.extract(str(deep)).features, direct(deep))


def bad_clips(folder: Path) -> dict[str, tuple[Path, str]]:
    """Clips without features, and why."""
    good = write(folder / "good.wav", speech()).read_bytes()
    flac = write(folder / "good.flac", speech()).read_bytes()

    def put(name: str, content: bytes) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    def header(position: int, value: int, size: int) -> bytes:
        return good[:position] + value.to_bytes(size, "little") + good[position + size :]

    (folder / "folder.wav").mkdir()
    rng = np.random.default_rng(0)
    return {
        "empty": (put("empty.wav", b""), "empty file"),
        "gone": (folder / "gone.wav", "No such file"),
        "folder": (folder / "folder.wav", "Is a directory"),
        "text": (put("text.wav", b"not audio at all\n" * 99), "not audio"),
        "noise": (put("noise.flac", rng.bytes(5000)), "not audio"),
        "first_bytes": (put("first.wav", good[:20]), "not audio"),
        "header_alone": (put("header.wav", good[:44]), "cut short"),
        "half": (put("half.wav", good[: len(good) // 2]), "cut short"),
        "half_flac": (put("half.flac", flac[: len(flac) // 2]), "not audio"),
        "no_samples": (write(folder / "none.wav", speech(0)), "no audio"),
        "short": (write(folder / "short.wav", speech(0.05)), "too short"),
        "silent": (write(folder / "silent.wav", 0 * speech()), "silent"),
        "nan": (write(folder / "nan.wav", np.nan * speech(), subtype="FLOAT"), "not finite"),
        "loud": (write(folder / "loud.wav", 9 * speech(), subtype="FLOAT"), "full scale"),
        "one_hertz": (put("slow.wav", header(24, 1, 4)), "sampling rate of 1 Hz"),
        "two_gigahertz": (put("fast.wav", header(24, 2**31 - 1, 4)), "sampling rate"),
        "no_channels": (put("channels.wav", header(22, 0, 2)), "not audio"),
    }


@pytest.mark.filterwarnings("ignore:Segment too short")  # of opensmile
def test_clips_without_features_say_why(is10, tmp_path):
    for name, (path, reason) in bad_clips(tmp_path).items():
        with pytest.raises(ClipError) as caught:
            is10.extract(str(path))
        assert reason in str(caught.value), (name, str(caught.value))
        assert "\n" not in str(caught.value)
        assert caught.value.lasting == (name not in ("gone", "folder"))
    is10.extract(str(tmp_path / "good.wav"))  # goes on as if nothing had been


def test_a_recording_as_long_as_an_hour_is_refused_unread(is10, tmp_path):
    path = tmp_path / "long.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(2000)
        file.writeframes(bytes(2000 * 3601))
    with pytest.raises(ClipError, match="cut it into utterances"):
        is10.extract(str(path))


def test_a_length_that_the_writing_program_did_not_know_is_no_damage(is10, tmp_path):
    good = write(tmp_path / "good.wav", speech())
    piped = tmp_path / "piped.wav"
    content = good.read_bytes()
    at = content.index(b"data") + 4
    piped.write_bytes(content[:at] + b"\xff\xff\xff\xff" + content[at + 4 :])
    expected = is10.extract(str(good)).features
    np.testing.assert_array_equal(is10.extract(str(piped)).features, expected)


# Energy of a clip: its mean, maximum and minimum.
CONFIG = r"""
[componentInstances:cComponentManager]
instance[dataMemory].type=cDataMemory
instance[waveIn].type=cWaveSource
instance[frames].type=cFramer
instance[energy].type=cEnergy
instance[functionals].type=cFunctionals
instance[sink].type=cArffSink
printLevelStats=0
nThreads=1
[waveIn:cWaveSource]
writer.dmLevel=wave
filename=\cm[inputfile(I){test.wav}:input]
monoMixdown=1
[frames:cFramer]
reader.dmLevel=wave
writer.dmLevel=frames
frameSize=0.025
frameStep=0.010
[energy:cEnergy]
reader.dmLevel=frames
writer.dmLevel=energy
writer.levelconf.growDyn=1
writer.levelconf.isRb=0
rms=1
log=0
[functionals:cFunctionals]
reader.dmLevel=energy
writer.dmLevel=func
frameMode=full
functionalsEnabled=Means;Extremes
Means.amean=1
Extremes.max=1
Extremes.min=1
[sink:cArffSink]
reader.dmLevel=func
filename=\cm[output(O){?}:output]
relation=energies
instanceName=\cm[instname(N){unknown}:name]
frameIndex=0
frameTime=0
append=1
"""
_LEFT_OUT = {
    "Means": "absmean qmean nzamean nzabsmean nzqmean nzgmean nnz",
    "Extremes": "range maxpos minpos amean maxameandist minameandist",
}
for _kind, _names in _LEFT_OUT.items():
    _lines = "".join(f"{_kind}.{name}=0\n" for name in _names.split())
    CONFIG = CONFIG.replace("[sink:", f"{_lines}\n[sink:")


def config_at(folder: Path, text: str = CONFIG, name: str = "energies.conf") -> tuple[str, str]:
    (folder / "scratch").mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return str(folder / name), str(folder / "scratch")


def test_a_config_of_ones_own(tmp_path):
    settings = config_at(tmp_path)
    check_features(settings[0])
    extractor = open_extractor(*settings)
    names = tuple(f"pcm_RMSenergy_{what}" for what in ("amean", "max", "min"))
    assert extractor.kind.contract == FeatureContract(names, "energies")
    assert extractor.kind.extractor.endswith(", energies.conf, 16000 Hz, mono")
    for seconds in (1.0, 0.6):  # one row each, though openSMILE appends
        signal = speech(seconds)
        row = extractor.extract(str(write(tmp_path / "a.wav", signal)))
        frames = np.lib.stride_tricks.sliding_window_view(signal[:, 0], 400)[::160]
        energy = np.sqrt((frames**2).mean(axis=1))
        expected = [energy.mean(), energy.max(), energy.min()]
        np.testing.assert_allclose(row.features, expected, rtol=1e-2)
        assert row.duration_s == seconds
    double = extractor.extract(str(write(tmp_path / "b.wav", np.repeat(signal, 3, 0), 48000)))
    np.testing.assert_allclose(double.features[:2], row.features[:2], rtol=0.02)  # at 16 kHz
    for name, (path, reason) in bad_clips(tmp_path).items():
        if name == "short":
            path = write(tmp_path / "short.wav", speech(0.01))
        with pytest.raises(ClipError) as caught:
            extractor.extract(str(path))
        assert reason in str(caught.value), (name, str(caught.value))


def test_the_config_is_part_of_what_an_extraction_is(tmp_path):
    kinds = [
        open_extractor(*config_at(tmp_path, text)).kind
        for text in (CONFIG, CONFIG, CONFIG.replace("frameStep=0.010", "frameStep=0.020"))
    ]
    assert kinds[0] == kinds[1]
    assert kinds[0].contract == kinds[2].contract and kinds[0].fingerprint != kinds[2].fingerprint
    # An included file is part of it too.
    (tmp_path / "step.inc").write_text("frameStep=0.010\n")
    including = CONFIG.replace("frameStep=0.010\n", "\\{step.inc}\n")
    before = open_extractor(*config_at(tmp_path, including)).kind
    (tmp_path / "step.inc").write_text("frameStep=0.020\n")
    assert open_extractor(*config_at(tmp_path, including)).kind.fingerprint != before.fingerprint


@pytest.mark.parametrize(
    "text, reason",
    [
        ("hello\n", "openSMILE fails"),
        ("", "openSMILE"),
        (CONFIG.replace("[sink:", "\\{gone/targets.inc}\n[sink:"), "gone/targets.inc"),
        (
            CONFIG.replace("cArffSink", "cCsvSink").replace("relation=energies\n", ""),
            "not an ARFF table",
        ),
        (CONFIG.replace("output(O){?}", "outpath(P){?}"), "openSMILE"),
        (CONFIG.replace("reader.dmLevel=func", "reader.dmLevel=energy"), "rows a clip"),
        # The energies are lost in a buffer of two; openSMILE returns some of them all the same.
        (CONFIG.replace("growDyn=1", "growDyn=0").replace("isRb=0", "isRb=1"), "get to the end"),
        (CONFIG.replace("cWaveSource", "cPortaudioSource"), "openSMILE fails"),
    ],
)
def test_a_config_that_does_not_work_is_refused_before_any_clip(tmp_path, text, reason):
    with pytest.raises(InputError) as caught:
        open_extractor(*config_at(tmp_path, text))
    message = str(caught.value)
    assert reason in message and "energies.conf" in message and "\n" not in message


@pytest.mark.parametrize("names", [("a", "b", "a"), ("a", "b", "speaker")])
def test_features_that_no_table_can_hold_are_refused(names):
    with pytest.raises(InputError, match=f"a column '{names[2]}' already"):
        features._tried("mine.conf", lambda signal, rate: (names, np.zeros((1, 3), np.float32)))


def test_unknown_sets_and_absent_configs_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such feature set; give one of .*IS10"):
        open_extractor("IS1O", str(tmp_path))
    for name in ("gone.conf", str(tmp_path / "gone")):
        with pytest.raises(InputError, match="no such file"):
            check_features(name)


def test_a_config_written_for_the_package_goes_through_it(is10, tmp_path):
    import opensmile

    folder = Path(opensmile.__file__).parent / "core" / "config"
    config = folder / "is09-13" / "IS10_paraling_compat.conf"
    extractor = open_extractor(str(config), str(tmp_path))
    assert extractor.kind.contract == is10.kind.contract
    path = str(write(tmp_path / "a.wav", speech(0.8, 22050, channels=2), 22050))
    np.testing.assert_array_equal(extractor.extract(path).features, is10.extract(path).features)
    alone = tmp_path / "alone.conf"  # without the files it includes
    alone.write_bytes((folder / "egemaps" / "v02" / "eGeMAPSv02.conf").read_bytes())
    with pytest.raises(InputError, match="alone.conf.* cannot find input file"):
        open_extractor(str(alone), str(tmp_path))


def test_emobase2010_by_the_original_config(is10, shared_data, tmp_path):
    folder = os.environ.get("AEGAN_OPENSMILE_CONFIGS")
    if not folder:
        pytest.skip(
            "ORIGINAL CONFIGS NOT TESTED: set AEGAN_OPENSMILE_CONFIGS to openSMILE's folder config"
        )
    config = Path(folder) / "emobase" / "emobase2010.conf"
    extractor = open_extractor(str(config), str(tmp_path))
    assert extractor.kind.contract.feature_set == "emobase2010"
    assert len(extractor.kind.contract.names) == 1582
    plain = write(tmp_path / "plain.wav", speech(1.5))
    np.testing.assert_array_equal(
        extractor.extract(str(plain)).features, by_opensmile(config, plain, tmp_path / "o.arff")
    )
    for clip in sorted((shared_data / "wav").glob("*.wav")):
        ours, other = extractor.extract(str(clip)), is10.extract(str(clip))
        same = np.isclose(ours.features, other.features, rtol=1e-4, atol=1e-6)
        assert 1200 < same.sum() < 1350  # of 1582: two sets that are nearly one


def by_opensmile(config: Path, sound: Path, table: Path) -> np.ndarray:
    """The row that openSMILE itself writes for a 16 kHz mono file."""
    from opensmile.core.lib import OpenSMILE

    smile = OpenSMILE()
    smile.initialize(str(config), {"I": str(sound), "O": str(table), "N": "x"})
    smile.run()
    smile.free()
    row = table.read_text().split("@data")[1].strip()
    return np.array(row.split(",")[1:-1], np.float64).astype(np.float32)
