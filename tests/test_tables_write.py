"""Written tables: the same bits back, in other programs too."""

from __future__ import annotations

import csv
import json
import re
import resource
import string

import arff
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aegan.data.cells import known
from aegan.data.contract import FeatureContract
from aegan.errors import InputError
from aegan.tables import write
from aegan.tables.read import read_table
from aegan.tables.write import SUFFIXES, table_writer

EDGES = np.float32([1e-45, -1e-45, 1.1754944e-38, 3.4028235e38, -3.4028235e38, -0.0, 0.0, 0.1])
EDGES = np.append(EDGES, np.float32([1 / 3, 16777216, 123456789, 1e16, 1e-7, 2**-24]))


def bits(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values).view(np.int32)


def rows_of(count: int, dim: int, seed: int = 0) -> np.ndarray:
    """Numbers of every magnitude, none of them NaN or infinite."""
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 2**32, (count, dim), dtype=np.uint64).astype(np.uint32)
    values = values.view(np.float32)
    return np.where(np.isfinite(values), values, np.float32(0.5))


def write_table(path, features, labels=None, names=None, metadata=None, block=7):
    labels = labels or {"file": [f"f{i}.wav" for i in range(len(features))]}
    contract = FeatureContract.of(names or [f"f[{i}]" for i in range(features.shape[1])])
    with table_writer(path, list(labels), contract, metadata or {}) as writer:
        for start in range(0, len(features), block):
            part = slice(start, start + block)
            writer.write({n: values[part] for n, values in labels.items()}, features[part])
    return path


@pytest.fixture(scope="module", params=SUFFIXES)
def suffix(request):
    return request.param


text = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=20
).map(str.strip)
words = text.filter(known)  # "NA" and its like stand for nothing
keys = words.filter(lambda t: t.lower() not in ("noname", "unknown"))
numbers = st.floats(width=32, allow_nan=False, allow_infinity=False)
numbers |= st.sampled_from(EDGES.tolist())


@settings(deadline=None, max_examples=200, suppress_health_check=list(HealthCheck))
@given(data=st.data(), suffix=st.sampled_from(SUFFIXES))
def test_any_names_labels_and_numbers_come_back(tmp_path_factory, data, suffix):
    """Every bit of them, and every word; of CSV's metadata, only those of synthetic rows."""
    files = data.draw(st.lists(keys, min_size=1, max_size=12, unique=True))
    each = {"min_size": len(files), "max_size": len(files)}
    speakers = data.draw(st.lists(words, **each))
    names = data.draw(st.lists(text.map("mfcc {} [0]".format), min_size=2, max_size=2, unique=True))
    features = np.array(data.draw(st.lists(st.tuples(numbers, numbers), **each)), np.float32)
    synthetic = {"synthetic": "true"} if data.draw(st.booleans()) else {}
    metadata = synthetic | data.draw(
        st.dictionaries(st.text(string.ascii_letters, min_size=1).map("x_".__add__), st.text())
    )
    path = tmp_path_factory.mktemp("any") / f"t{suffix}"
    write_table(path, features, {"file": files, "speaker": speakers}, names, metadata)
    table = read_table(path)
    assert table.files.tolist() == files
    assert table.labels["speaker"].tolist() == speakers
    assert table.contract == FeatureContract.of(names)
    np.testing.assert_array_equal(bits(table.features), bits(features))
    kept = suffix != ".csv" or synthetic
    assert table.metadata == (metadata if kept else {})


@pytest.mark.parametrize("other", [".csv", ".arff"])
def test_real_tables_go_out_and_come_back(tmp_path, shared_data, other):
    real = read_table(shared_data / "nemo.parquet")
    order = ("speaker", "emotion", "duration_s")
    labels = {"file": real.files} | {name: real.labels[name] for name in order}
    names = real.contract.names
    path = write_table(tmp_path / f"t{other}", real.features, labels, names, block=1000)
    there = read_table(path)
    back = write_table(tmp_path / "t.parquet", there.features, labels, names, block=5000)
    for table in (there, read_table(back)):
        np.testing.assert_array_equal(bits(table.features), bits(real.features))
        assert table.contract == real.contract and table.contract.feature_set == "IS10"
        found = {"file": table.files} | {name: table.labels[name] for name in order}
        assert all((found[name] == labels[name]).all() for name in labels)
    frames = map(pd.read_parquet, (back, shared_data / "nemo.parquet"))
    pd.testing.assert_frame_equal(*frames)


def test_liac_arff_reads_the_same(tmp_path):
    features = rows_of(30, 4)
    files = [f"it's, {i} \\ %.wav" for i in range(30)]
    emotions = ["very sad", "angry"] * 15
    classes = {"classes": json.dumps(["angry", "very sad"]), "licence": "CC BY"}
    labels = {"file": files, "emotion": emotions, "duration_s": [0.1] * 30}
    names = ["f_sma[0]_iqr1-2", "percentile99.0", "a b", "c"]
    path = write_table(tmp_path / "a table.arff", features, labels, names, classes)
    with path.open(encoding="utf-8") as file:
        read = arff.load(file)
    assert read["relation"] == "a table" and "licence: CC BY" in read["description"]
    numeric = ["duration_s", "f_sma[0]_iqr1-2", "percentile99.0", "a b", "c"]
    kinds = [("file", "STRING"), ("emotion", ["angry", "very sad"])]
    assert read["attributes"] == kinds + [(name, "NUMERIC") for name in numeric]
    assert [row[:2] for row in read["data"]] == [list(p) for p in zip(files, emotions, strict=True)]
    numbers = np.array([row[3:] for row in read["data"]]).astype(np.float32)
    np.testing.assert_array_equal(bits(numbers), bits(features))


def test_arff_of_liac_arff_is_read(tmp_path):
    features = rows_of(5, 2)
    rows = [[f"it's {i}", *map(float, row), "very sad"] for i, row in enumerate(features)]
    attributes = [("file", "STRING"), ("a b", "NUMERIC"), ("c", "REAL")]
    attributes += [("class", ["very sad", "angry"])]
    content = {"relation": "x", "attributes": attributes, "data": rows, "description": "Of: me"}
    (tmp_path / "l.arff").write_text(arff.dumps(content), encoding="utf-8")
    table = read_table(tmp_path / "l.arff")
    assert table.files.tolist() == [f"it's {i}" for i in range(5)]
    assert table.labels["emotion"].tolist() == ["very sad"] * 5
    assert table.contract.names == ("a b", "c")
    np.testing.assert_array_equal(bits(table.features), bits(features))


def test_python_and_pandas_read_the_csv(tmp_path):
    features = rows_of(20, 3)
    files = ['a, "b"', "c\\", "d;e", "f'g"] * 5
    path = write_table(tmp_path / "t.csv", features, {"file": files}, ["x", "y,z", 'q"'])
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file, strict=True)
    assert header == ["file", "x", "y,z", 'q"'] and [row[0] for row in rows] == files
    frame = pd.read_csv(path)
    assert frame["file"].tolist() == files
    numbers = frame[["x", "y,z", 'q"']].to_numpy().astype(np.float32)
    np.testing.assert_array_equal(bits(numbers), bits(features))


def test_synthetic_rows_of_a_csv_all_carry_their_passport(tmp_path):
    metadata = {"model": "M 2", "synthetic": "true", "seed": "0"}
    path = write_table(tmp_path / "t.csv", rows_of(20, 3), metadata=metadata)
    frame = pd.read_csv(path)
    assert frame.columns.tolist() == ["file", "passport", "f[0]", "f[1]", "f[2]"]
    contract = FeatureContract.of(frame.columns[2:]).to_metadata()
    expected = "synthetic=true model='M 2' seed=0 feature_set=unknown feature_hash="
    assert set(frame["passport"]) == {expected + contract["feature_hash"]}
    write_table(tmp_path / "u.csv", rows_of(20, 3), metadata={"synthetic": "false"})
    assert "passport" not in pd.read_csv(tmp_path / "u.csv").columns


def test_parquet_metadata_durations_and_row_groups(tmp_path, monkeypatch):
    monkeypatch.setattr(write, "_ROW_GROUP", 16)
    features = rows_of(50, 3)
    labels = {"file": [str(i) for i in range(50)], "duration_s": [1.5] * 49 + ["2.25"]}
    path = write_table(tmp_path / "t.parquet", features, labels, metadata={"corpus": "x"}, block=9)
    file = pq.ParquetFile(path)
    groups = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    assert groups == [16, 16, 16, 2]
    assert [str(field.type) for field in file.schema_arrow] == ["string"] + ["float"] * 4
    contract = FeatureContract.of(file.schema_arrow.names[2:])
    metadata = {k.decode(): v.decode() for k, v in file.schema_arrow.metadata.items()}
    assert metadata == {"corpus": "x", **contract.to_metadata()}
    column = file.metadata.row_group(0).column(2)
    assert column.compression == "ZSTD" and "BYTE_STREAM_SPLIT" in column.encodings
    frame = pd.read_parquet(path)
    assert frame["duration_s"].tolist() == [1.5] * 49 + [2.25]
    np.testing.assert_array_equal(bits(frame.iloc[:, 2:].to_numpy()), bits(features))


def refusal(path, *args, **kwargs) -> str:
    with pytest.raises(InputError) as caught:
        write_table(path, *args, **kwargs)
    assert str(caught.value).startswith(str(path))
    assert list(path.parent.iterdir()) == []
    return str(caught.value)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e39])
def test_values_that_are_not_finite_are_refused_with_their_place(tmp_path, suffix, value):
    features = rows_of(30, 3).astype(np.float64)
    features[23, 1] = value
    message = refusal(tmp_path / f"t{suffix}", features)
    place = "column 'f[1]', row 23 (counted from 0)"
    assert f"{place}: the value {value} is not a finite float32" in message


GOOD, CONTRACT = np.ones((2, 2), np.float32), FeatureContract.of(["a", "b"])


@pytest.mark.parametrize(
    ("label", "given", "features", "part"),
    [
        ("file", {}, GOOD, "'file' is missing"),
        ("file", {"file": ["x", "y"], "speaker": ["x", "y"]}, GOOD, "'speaker' too many"),
        ("file", {"file": ["x"]}, GOOD, "1 values for 2 rows"),
        ("file", {"file": ["x", "y"]}, GOOD[:, :1], "features for 2"),
        ("file", {"file": ["x", "y"]}, GOOD[0], "features for 2"),
        ("file", {"file": ["x", "\ud800"]}, GOOD, "UTF-8"),
        ("duration_s", {"duration_s": ["long", "short"]}, GOOD, "not a number"),
    ],
)
def test_rows_of_other_columns_are_refused(tmp_path, suffix, label, given, features, part):
    path = tmp_path / f"t{suffix}"
    with pytest.raises(InputError, match=part), table_writer(path, [label], CONTRACT, {}) as writer:
        writer.write(given, features)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "changes", "part"),
    [
        ("t.xlsx", {}, ".parquet, .csv, .arff"),
        ("t.csv", {"names": ["a", "a"]}, "'a' is there 2 times"),
        ("t.csv", {"names": ["a", "file"]}, "'file' is there 2 times"),
        ("t.csv", {"labels": {"file": ["a", "b\nc"]}}, "column 'file', row 1"),
        ("t.arff", {"labels": {"file": ["a", "b\nc"]}}, "column 'file', row 1"),
        ("t.csv", {"names": ["a", "b\r"]}, "line break"),
        ("t.arff", {"names": ["a", "b\r"]}, "line break"),
        ("t.csv", {"names": ["a", "passport"], "metadata": {"synthetic": "true"}}, "'passport'"),
        ("t.arff", {"metadata": {"a:b": "c"}}, "metadata key 'a:b'"),
        (
            "t.arff",
            {"labels": {"emotion": ["sad", "angry"]}, "metadata": {"classes": '["sad"]'}},
            "'angry'",
        ),
    ],
)
def test_tables_that_cannot_be_written_are_refused(tmp_path, name, changes, part):
    assert part in refusal(tmp_path / name, rows_of(2, 2), **changes)


def test_places_that_cannot_be_written_are_refused(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InputError, match="is a directory"):
        write_table(tmp_path / "folder.csv", rows_of(2, 2))
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_table(tmp_path / "file" / "t.csv", rows_of(2, 2))


def test_a_full_disk_is_one_line(tmp_path, suffix):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        message = refusal(tmp_path / f"t{suffix}", rows_of(50, 20))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert re.search(r"cannot be written \(.*File too large\)", message), message


@pytest.mark.parametrize("error", [KeyboardInterrupt(), FileNotFoundError("of the caller")])
def test_an_interrupted_writer_leaves_the_old_table(tmp_path, suffix, error):
    path = write_table(tmp_path / f"t{suffix}", rows_of(2, 2))
    before = path.read_bytes()
    with pytest.raises(type(error)), table_writer(path, ["file"], CONTRACT, {}) as writer:
        writer.write({"file": ["x", "y"]}, GOOD)
        raise error
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
