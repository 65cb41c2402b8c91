from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from commands import ROOT, Done
from extractors import write_wav

from aegan.data.corpus import read_corpus

# Runs commands one after the other in one process, with four numbers in place of openSMILE.
DRIVER = """
import contextlib, io, json, sys
sys.path.insert(0, {tests!r})
import extractors
from absl import flags
from experiments import extract
from experiments.command import parse_flags
stand_in = {stand_in!r}
if stand_in:
    extract.check_features = lambda features: None
    extract.open_extractor = extractors.make_for_settings
def command(arguments):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            for flag in flags.FLAGS.flags_by_module_dict()["experiments.extract"]:
                flag.unparse()
            status = extract.main(parse_flags(["extract", *arguments]))
        except SystemExit as end:
            status = end.code
    return status, out.getvalue(), err.getvalue()
if __name__ == "__main__":
    answers = [command(arguments) for arguments in json.load(sys.stdin)]
    print(json.dumps(answers))
"""


def python(code: str, given: str = "") -> str:
    """What a program prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], input=given, capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def run(*commands: list[str], stand_in: bool = True, before: str = "") -> list[Done]:
    script = before + DRIVER.format(tests=str(ROOT / "tests"), stand_in=stand_in)
    return [Done(*answer) for answer in json.loads(python(script, json.dumps(commands)))]


def make_nemo(folder: Path) -> Path:
    """A few recordings named as nEMO's, and some that are not."""
    root = folder / "nemo"
    names = [
        f"{speaker}_{emotion}_{sentence}"
        for speaker in ("EB0", "WR0")
        for emotion in ("anger", "fear", "happiness", "neutral", "sadness")
        for sentence in (1, 2)
    ]
    for seed, name in enumerate([*names, "03-01-05-01-02-02-01", "song"]):
        write_wav(root / f"{name}.wav", seed)
    return root


def words(text: str) -> str:
    return " ".join(text.split())


def test_a_corpus_becomes_a_table_and_the_screen_tells_what_happened(tmp_path):
    root, out = make_nemo(tmp_path), tmp_path / "few.parquet"
    (root / "EB0_anger_1.wav").write_bytes(b"")
    base = ["--corpus=nemo", f"--audio={root}", "--jobs=1"]
    dry, done, again, overwritten, everything = run(
        [*base, "--dry_run"],
        [*base, f"--out={out}"],
        [*base, f"--out={out}"],
        [*base, f"--out={out}", "--overwrite", "--licence=ask me"],
        [*base, f"--out={tmp_path / 'all.parquet'}", "--classes=all"],
    )
    assert (dry.status, done.status, overwritten.status) == (0, 0, 0), done.err
    shown = words(done.out)
    assert shown.startswith(words(dry.out))  # which needs no table and makes none
    assert "found 20 recordings, 2 speakers, no sessions" in shown
    assert "classes anger 4, fear 4, happiness 4, neutral 4, sadness 4" in shown
    assert "taken angry 4 (anger), happy 4 (happiness), neutral 4 (neutral)" in shown
    assert "left out 4 of other classes: fear 4" in shown
    assert "WARNING not the published counts: anger: 4, published 749; fear: 4," in shown
    assert "passed over 2 (not named as a recording of nEMO)" in shown
    assert "03-01-05-01-02-02-01.wav, song.wav" in shown
    assert f"{out}: 15 rows x 4 features (four numbers)" in shown
    assert "skipped 1 clip, listed in" in shown and "EB0_anger_1.wav: not audio" in shown
    assert "python -m experiments.run --config=configs/m2.py" in shown
    for line in (dry.out + done.out + everything.out).splitlines():
        assert len(line) <= 80 or str(tmp_path) in line, line
    assert again.status == 2 and "--overwrite" in again.err
    corpus = read_corpus(out)
    assert corpus.classes == ("angry", "happy", "neutral", "sad") and len(corpus.files) == 15
    assert everything.status == 0
    assert '--config.data.classes="()"' in everything.out
    five = ("anger", "fear", "happiness", "neutral", "sadness")
    assert read_corpus(tmp_path / "all.parquet").classes == five
    (done,) = run([*base, f"--out={tmp_path / 'a.csv'}"])
    assert done.status == 0 and "next: python -m experiments.convert" in done.out


def test_a_table_of_labels_and_what_the_screen_says_of_it(tmp_path):
    for seed in range(5):
        write_wav(tmp_path / "wavs" / f"day{seed % 2}" / f"{seed}.wav", seed)
    labels, out = tmp_path / "labels.csv", tmp_path / "mine.parquet"
    rows = [f"{i},s{i},{('anger', 'fear')[i % 2]},d{i % 2}" for i in range(2)]
    labels.write_text("\n".join(["wav,spk,label,session", *rows, "x.mp3,s3,fear,d1"]))
    base = ["--corpus=csv", f"--audio={tmp_path / 'wavs'}", f"--out={out}"]
    missing, unnamed, done = run(
        base,
        [*base, f"--labels={labels}"],
        [*base, f"--labels={labels}", "--columns=file=wav,speaker=spk", "--jobs=1"],
    )
    assert missing.status == 2 and "--labels" in missing.err
    assert unnamed.status == 2 and "--columns=file=" in unnamed.err
    assert done.status == 0, done.err
    shown = words(done.out)
    assert "labels 2 of 3 labels have a recording, 2 of 5 recordings a label; matched by" in shown
    assert "a label; matched by base name without suffix WARNING only 2 of 3 labels" in shown
    assert "passed over 1 (neither .wav nor .flac; convert it): x.mp3" in shown
    assert "taken angry 1 (anger), fear 1 (fear)" in shown  # no class of the four is needed
    corpus = read_corpus(out)
    assert corpus.files.tolist() == ["0", "1"] and corpus.sessions.tolist() == ["d0", "d1"]
    assert corpus.classes == ("angry", "fear")


def test_bad_arguments_are_one_line_and_write_nothing(tmp_path):
    root = make_nemo(tmp_path)
    good = {"corpus": "nemo", "audio": str(root), "out": str(tmp_path / "o" / "t.parquet")}
    folder = tmp_path / "folder.parquet"
    folder.mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "labels.csv").write_bytes(b"PK\x03\x04")
    csv = {"corpus": "csv", "labels": str(tmp_path / "labels.csv")}
    cases = [
        ({"corpus": None}, "--corpus is missing"),
        ({"audio": None}, "--audio is missing"),
        ({"out": None}, "--out is missing"),
        ({"corpus": "nemmo"}, "did you mean nemo"),
        ({"audio": str(tmp_path / "none")}, "no such file"),
        ({"audio": str(tmp_path / "file")}, "not a folder"),
        ({"audio": str(folder)}, "no .wav"),
        ({"corpus": "savee"}, "none of"),
        ({"out": str(tmp_path / "t.xlsx")}, ".parquet, .csv, .arff"),
        ({"out": str(tmp_path / "t")}, ".parquet, .csv, .arff"),
        ({"out": str(folder)}, "is a folder"),
        ({"out": str(tmp_path / "file" / "t.parquet")}, "cannot be written"),
        ({"out": "/proc/t.parquet"}, "cannot be written"),
        ({"labels": str(tmp_path / "labels.csv")}, "drop it or --corpus=csv"),
        ({"columns": "file=wav"}, "--columns: nemo has labels of its own"),
        ({**csv, "columns": "file"}, "'file' is not name=value"),
        ({**csv, "columns": "spk=speaker"}, "write speaker=spk"),
        ({**csv, "columns": "fold=part"}, "there are file, speaker, emotion, session"),
        ({**csv, "columns": "file=a,file=b"}, "'file' is there twice"),
        (csv, "is a ZIP file or a spreadsheet"),
        ({"classes": "five"}, "--classes"),
        ({"jobs": "0"}, "--jobs"),
        ({"job": "1"}, "job"),
    ]
    commands = [
        [f"--{name}={value}" for name, value in {**good, **changes}.items() if value is not None]
        for changes, _ in cases
    ]
    before = sorted(tmp_path.rglob("*"))
    for (changes, message), done in zip(cases, run(*commands), strict=True):
        assert done.status == 2, (changes, done)
        assert done.err.startswith("error: ") and done.err.count("\n") == 1, done.err
        assert message in done.err, (changes, done.err)
    assert sorted(tmp_path.rglob("*")) == before


NO_AUDIO = """
from importlib.machinery import PathFinder
find = PathFinder.find_spec
def find_spec(name, path=None, target=None):
    return None if name.split(".")[0] in {packages!r} else find(name, path, target)
PathFinder.find_spec = find_spec
"""
AUDIO = ("opensmile", "audiofile", "audformat", "audinterface", "audresample", "soundfile")


def test_without_the_audio_packages_a_corpus_is_listed_and_the_error_names_the_mend(tmp_path):
    root, out = make_nemo(tmp_path), tmp_path / "t.parquet"
    listed, dry, done = run(
        ["--corpus=list"],
        ["--corpus=nemo", f"--audio={root}", "--dry_run"],
        ["--corpus=nemo", f"--audio={root}", f"--out={out}"],
        stand_in=False,
        before=NO_AUDIO.format(packages=AUDIO),
    )
    assert listed.status == 0 and "iemocap" in listed.out and "ravdess" in listed.out
    assert dry.status == 0 and "found 20 recordings" in words(dry.out)
    assert done.status == 2
    assert done.err == 'error: opensmile is not installed; pip install -e ".[audio]"\n'
    assert {path.name for path in tmp_path.iterdir()} == {"nemo"}


def test_no_audio_package_is_imported_before_audio_is_read():
    script = (
        "import importlib, pkgutil, sys\n"
        "import aegan.corpora, aegan.tables, aegan.audio, experiments.extract\n"
        "for package in (aegan.corpora, aegan.tables, aegan.audio):\n"
        "    for found in pkgutil.iter_modules(package.__path__):\n"
        "        importlib.import_module(package.__name__ + '.' + found.name)\n"
        f"print([name for name in {AUDIO!r} if name in sys.modules])\n"
        "print('jax' in sys.modules)\n"
    )
    assert python(script).splitlines() == ["[]", "False"]


def test_help_is_readable():
    call = [sys.executable, "-m", "experiments.extract", "--help"]
    done = subprocess.run(call, capture_output=True, text=True, cwd=ROOT)
    text = done.stdout + done.stderr
    names = "corpus audio out features classes jobs labels columns".split()
    assert all(f"--{name}" in text for name in names)
    assert max(map(len, text.splitlines())) <= 80
    assert "(.wav and .flac below it)" in words(text)
    assert "--corpus=csv keeps its other emotions" in words(text)
