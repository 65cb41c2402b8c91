"""Damaged, swapped and tampered files, full disks, locks: refused or made again, never believed."""

from __future__ import annotations

import os
import random
import resource
import subprocess
import sys
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from builders import generator_of, small_run
from commands import ROOT

from aegan.data.contract import FeatureContract
from aegan.data.corpus import read_corpus
from aegan.data.folds import Fold, fit_standardiser
from aegan.data.parquet import read_frame, write_frame
from aegan.errors import InputError
from aegan.metrics.fold_tools import cached
from aegan.report.kit.documents import code, markdown
from aegan.run.workdir import Workdir, hold, open_generator
from aegan.sampling.generator import load_generator, save_generator
from aegan.system import files
from aegan.system.files import read_json, read_npz, sweep, whole, write_json, write_npz
from aegan.tables.read import read_table
from aegan.tables.synthetic import read_synthetic, write_synthetic
from aegan.tables.write import table_writer

CONTRACT = FeatureContract.of(["f0", "f1", "f2"])


def flipped(content: bytes, rng: random.Random) -> bytes:
    """With one bit the other way round."""
    place = rng.randrange(len(content))
    byte = content[place] ^ 1 << rng.randrange(8)
    return content[:place] + bytes([byte]) + content[place + 1 :]


def same(a, b) -> bool:
    """Arrays, frames and what JSON holds, to the bit."""
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, pd.DataFrame):
        return a.equals(b) and list(a.columns) == list(b.columns)
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    return a == b


def _synthetic(path):
    table = read_synthetic(path)
    values = {name: getattr(table, name) for name in ("features", "labels", "classes", "passport")}
    return values | {"names": table.contract.names, "set": table.contract.feature_set}


def _npz(path):
    with whole(path):
        return read_npz(path)


def _frame():
    return pd.DataFrame({"seed": [0, 1], "split": ["train", "valid"], "loss": [0.5, np.nan]})


def _write_synthetic(path):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(40, 3)).astype(np.float32), rng.integers(0, 2, 40).astype(np.int32)
    passport = {"model": "m2", "run_hash": "0123456789abcdef", "seed": 0, "fold": 1}
    write_synthetic(path, [rows], ("angry", "sad"), CONTRACT, passport)


KINDS = {
    "json": (
        lambda path: write_json(path, {"seed": 3, "lanes": [{"fold": 1, "x": 0.1}], "a": "b"}),
        read_json,
    ),
    "npz": (lambda path: write_npz(path, {"a": np.arange(9.0), "b": np.eye(3, dtype="i4")}), _npz),
    "frame.parquet": (
        lambda path: write_frame(path, _frame()),
        lambda path: read_frame(path, "make it again"),
    ),
    "rows.parquet": (_write_synthetic, _synthetic),
}


@pytest.mark.parametrize("name", KINDS)
def test_no_flipped_bit_is_believed(name, tmp_path):
    write, read = KINDS[name]
    path, rng = tmp_path / name, random.Random(0)
    write(path)
    content, value = path.read_bytes(), read(path)
    found = {"same": 0, "refused": 0, "wrong": []}
    for _ in range(300):
        path.write_bytes(flipped(content, rng))
        try:
            read_back = read(path)
        except InputError as error:
            assert name in str(error) and "; " in str(error)
            found["refused"] += 1
            continue
        if same(read_back, value):
            found["same"] += 1
        else:  # JSON whose digest lost its name keeps all the rest
            rest = {k: v for k, v in read_back.items() if k in value} if name == "json" else None
            assert rest == value, read_back
    assert found["refused"] > 100, found


def test_files_of_earlier_versions_have_no_digest_and_are_read(tmp_path):
    (tmp_path / "config.json").write_text('{"format": 1}')
    assert read_json(tmp_path / "config.json") == {"format": 1}
    _frame().to_parquet(tmp_path / "losses.parquet", index=False)
    assert same(read_frame(tmp_path / "losses.parquet", ""), _frame())


@pytest.mark.parametrize("content", ["[1]", "1", '{"a": ', "[" * 100_000, "\xff", ""])
def test_what_is_no_record_is_one_line(content, tmp_path):
    path = tmp_path / "train.json"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(InputError, match="train.json: not whole .*; "):
        read_json(path)


@pytest.mark.parametrize(
    "record",
    [{}, {"lanes": 3}, {"lanes": [3]}, {"lanes": [{"seed": 0}]}, {"lanes": [{"seed": "0"}]}],
)
def test_a_training_record_without_lanes_is_one_line(record, tmp_path):
    write_json(tmp_path / "train.json", record)
    with pytest.raises(InputError, match="train.json: not whole .*train stage again"):
        Workdir(tmp_path).record()


# --- npz ----------------------------------------------------------------------------------------


def _npy(shape: str) -> bytes:
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}"
    text = text.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize("shape", ["(1000000000000,)", "(4, 4)", "(-1,)", "(10**9,)"])
def test_an_array_that_says_it_is_larger_than_its_file_is_not_read(shape, tmp_path):
    with zipfile.ZipFile(tmp_path / "g.npz", "w") as file:
        file.writestr("meta.npy", _npy(shape) + bytes(8))
    with pytest.raises(InputError, match="g.npz: not whole"):
        load_generator(tmp_path / "g.npz")


def test_an_archive_that_unpacks_to_more_than_its_size_is_not_read(tmp_path):
    np.savez_compressed(tmp_path / "g.npz", meta=np.zeros(10**7, np.uint8))
    assert (tmp_path / "g.npz").stat().st_size < 10**5
    with pytest.raises(InputError, match="larger than the file"):
        load_generator(tmp_path / "g.npz")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": -1}, "its seed is -1"),
        ({"fold": 2**64}, "its fold is"),
        ({"seed": "0"}, "its seed is '0'"),
        ({"fold": True}, "its fold is True"),
    ],
)
def test_a_generator_with_a_seed_that_is_none_is_refused(change, words, tmp_path):
    generator = generator_of(small_run("m2"), 1)
    generator.passport.update(change)
    save_generator(tmp_path / "g.npz", generator)
    with pytest.raises(InputError, match=words):
        load_generator(tmp_path / "g.npz")


def test_a_generator_of_another_lane_is_refused(tmp_path):
    workdir = Workdir(tmp_path)
    lane = {"seed": 0, "fold": 1, "status": "ok"}
    write_json(workdir.train_record, {"lanes": [lane, {**lane, "fold": 2}]})
    save_generator(workdir.generator(lane), generator_of(small_run("m2"), 1))
    assert open_generator(workdir, lane).passport["fold"] == 1
    os.replace(workdir.generator(lane), workdir.generator({**lane, "fold": 2}))
    with pytest.raises(InputError, match="its fold is 1, not 2: it belongs to another lane"):
        open_generator(workdir, {**lane, "fold": 2})


def test_a_cache_item_under_another_name_is_not_taken(small_corpus, tmp_path):
    rows = np.arange(100, dtype=np.int32)
    standardiser = fit_standardiser(small_corpus.features, rows)

    fold = Fold(0, rows, rows + 100, (), "fold 0")
    place, made = (small_corpus, fold, standardiser), []

    def get(item):
        def make():
            made.append(item)
            return {"values": np.full(3, float(item)), "word": str(item)}

        return cached(place, tmp_path, make, item=item)

    assert [get(1)["word"], get(2)["word"], get(1)["word"]] == ["1", "2", "1"] and made == [1, 2]
    first, second = sorted(tmp_path.glob("*.npz"))
    both = first.read_bytes(), second.read_bytes()
    first.write_bytes(both[1])
    second.write_bytes(both[0])
    assert [get(1)["word"], get(2)["word"]] == ["1", "2"] and made == [1, 2, 1, 2]


def test_arrays_are_read_by_one_thread_at_a_time(tmp_path, monkeypatch):
    """numpy parses a header with `ast`, whose depth Python 3.11 counts for all threads together."""
    write_npz(tmp_path / "a.npz", {"a": np.arange(3)})
    at_once, most, load = [], [], np.load

    def noted(*arguments, **options):
        at_once.append(1)
        most.append(len(at_once))
        time.sleep(0.01)
        at_once.pop()
        return load(*arguments, **options)

    monkeypatch.setattr(np, "load", noted)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(read_npz, [tmp_path / "a.npz"] * 8))
    assert most == [1] * 8 and all(same(one, {"a": np.arange(3)}) for one in found)


# --- a disk without room ------------------------------------------------------------------------


@contextmanager
def files_up_to(size: int):
    """No file of this process grows beyond ``size`` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("size", [0, 1000, 100_000, 600_000])
@pytest.mark.parametrize("suffix", ["parquet", "csv", "arff"])
def test_a_table_that_has_no_room_is_one_line_and_leaves_nothing(suffix, size, tmp_path):
    path = tmp_path / f"t.{suffix}"
    path.write_text("the one before")
    rows = np.random.default_rng(0).normal(size=(16384, 20)).astype(np.float32)
    contract = FeatureContract.of([f"f{i}" for i in range(20)])
    with files_up_to(size), pytest.raises(InputError, match=f"{suffix}: cannot be written .*room"):
        with table_writer(path, ["file"], contract, {}) as writer:
            for start in range(2):
                writer.write({"file": [f"{start}-{i}" for i in range(len(rows))]}, rows)
    assert path.read_text() == "the one before" and os.listdir(tmp_path) == [path.name]


def test_the_error_of_whoever_gives_the_rows_is_not_the_tables(tmp_path):
    with pytest.raises(FileNotFoundError, match="labels.csv"):
        with table_writer(tmp_path / "t.csv", ["file"], CONTRACT, {}) as writer:
            writer.write({"file": ["a"]}, np.zeros((1, 3)))
            open(tmp_path / "labels.csv")
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("name", ["json", "npz", "frame.parquet"])
def test_a_file_that_has_no_room_is_one_line_and_leaves_nothing(name, tmp_path):
    with files_up_to(10), pytest.raises(InputError, match="cannot be written .*; make room"):
        KINDS[name][0](tmp_path / name)
    assert not os.listdir(tmp_path)


def test_what_a_killed_process_left_is_swept_away(tmp_path, monkeypatch):
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], stdout=-1)
    left = tmp_path / f".t.csv.{int(ended.stdout)}.tmp"
    others = [tmp_path / f".u.csv.{os.getpid()}.tmp", tmp_path / ".t.csv.tmp", tmp_path / "a.1.tmp"]
    for path in (left, *others):
        path.touch()
    monkeypatch.setattr(files, "_swept", set())
    sweep(tmp_path)
    assert not left.exists() and all(path.exists() for path in others)


def test_a_folder_is_one_commands_and_says_whose(tmp_path):
    code = "import sys; from aegan.run.workdir import hold; from pathlib import Path\n"
    code += "with hold(Path(sys.argv[1])): print('held', flush=True); input()"
    call = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(call, stdin=-1, stdout=-1, text=True, cwd=ROOT) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(InputError, match=rf"--workdir=.*process {other.pid} on .*since"):
            with hold(tmp_path):
                pass
        other.communicate("\n")
    with hold(tmp_path):
        pass


# --- names --------------------------------------------------------------------------------------


def _table(path, **changes):
    frame = pd.DataFrame(
        {"file": ["a", "b"], "speaker": ["s", "t"], "emotion": ["sad", "angry"], "f": [0.0, 1.0]}
    )
    frame.assign(**changes).to_parquet(path, index=False)
    return path


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"speaker": ["s", "x" * 1001]}, "row 1 .*column 'speaker' has 1001 characters"),
        ({"emotion": ["sad", "a\n# b"]}, "row 1 .*column 'emotion' holds a control character"),
        ({"file": ["a", "b\x1b[2J"]}, "row 1 .*column 'file' holds a control character"),
        ({"g\n": [0.0, 1.0]}, "the name of a column holds a control character"),
    ],
)
def test_names_that_are_none_are_refused_where_they_are_read(changes, words, tmp_path):
    with pytest.raises(InputError, match=words):
        read_corpus(_table(tmp_path / "t.parquet", **changes))


def test_metadata_of_pandas_that_came_to_harm_are_one_line(tmp_path):
    path = tmp_path / "t.parquet"
    table = pq.read_table(_table(path))
    harmed = table.schema.metadata[b"pandas"].replace(b"[", b"{", 1)
    pq.write_table(table.replace_schema_metadata({"pandas": harmed}), path)
    with pytest.raises(InputError, match="t.parquet: the metadata of pandas in it are damaged; "):
        read_corpus(path)


FORMULAS = ["=cmd|' /C calc'!A0", "+1", "-2+3", "@sum(a)", "plain", "'quoted"]


def test_a_spreadsheet_runs_nothing_of_a_csv_table(tmp_path):
    path = tmp_path / "t.csv"
    contract = FeatureContract.of(["=f0", "f1"])
    labels = {"file": FORMULAS, "speaker": ["s"] * 6, "emotion": ["=a"] * 3 + ["b"] * 3}
    with table_writer(path, list(labels), contract, {}) as writer:
        writer.write(labels, np.arange(12, dtype=np.float32).reshape(6, 2) - 3)
    frame = pd.read_csv(path)
    texts = [*frame.columns, *frame.select_dtypes(exclude="number").to_numpy().ravel()]
    assert texts and not any(text[0] in "=+-@" for text in texts)
    table = read_table(path)
    assert table.files.tolist() == FORMULAS and table.contract.names == contract.names
    assert table.labels["emotion"].tolist() == labels["emotion"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<script>x</script>", "\\<script>x\\</script>"),
        ("[a](http://b)", "[a\\](http&#58;//b)"),
        ("a\n# b", "a # b"),
        ("# b", "\\# b"),
        ("1. b", "1\\. b"),
        ("a|b `c` *d* _e_ f_g", "a\\|b \\`c\\` \\*d\\* \\_e\\_ f_g"),
        ("&lt; & co", "&amp;lt; & co"),
        ("48.1 [45.0, 51.2] -0.3 <0.01", "48.1 [45.0, 51.2] -0.3 <0.01"),
    ],
)
def test_markdown_shows_a_text_as_it_stands(text, shown):
    assert markdown(text) == shown


def test_code_of_backticks_has_a_longer_fence():
    assert (code("a"), code("a ``b")) == ("`a`", "``` a ``b ```")
