"""Pictures of synthetic rows beside real ones: what is chosen, and what is shown of it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.decomposition import PCA

from aegan.metrics.pictures import pictures_of, telling
from aegan.report.pictures import sides

CLASSES = ("angry", "sad")
NAMES = tuple(f"f{i}" for i in range(12))
LABELS = np.repeat([0, 1], [300, 50])


@pytest.fixture(scope="module")
def rows():
    """Column 3 tells most, 4 is nearly the same, then 7; 11 is constant."""
    found = np.random.default_rng(0).standard_normal((350, 12))
    found[:, 3] += 4 * LABELS
    found[:, 4] = found[:, 3] + 0.1 * found[:, 4]
    found[:, 7] += 1.5 * LABELS
    found[:, 11] = 0
    return found.astype(np.float32)


@pytest.fixture(scope="module")
def found(rows):
    made = np.random.default_rng(1).standard_normal((400, 12)).astype(np.float32)
    return pictures_of(NAMES, CLASSES, (rows, LABELS), (made, np.arange(400) % 2))


def test_the_most_telling_columns_are_no_repetitions(rows):
    chosen = telling(rows, LABELS, np.arange(11))
    assert [column for column, _ in chosen[:2]] == [3, 7] and len(chosen) == 8
    assert 4 not in dict(chosen) and 11 not in dict(chosen)
    groups = [rows[LABELS == label, 3].astype(float) for label in (0, 1)]
    mean = rows[:, 3].mean(dtype=float)
    between = sum(len(g) * (g.mean() - mean) ** 2 for g in groups)  # one degree of freedom
    within = sum(((g - g.mean()) ** 2).sum() for g in groups) / (len(rows) - 2)
    assert dict(chosen)[3] == pytest.approx(between / within, rel=1e-4)


def test_as_many_real_as_synthetic_rows_lie_in_the_plane_of_the_real_ones(found, rows):
    shown = {name: len(points["real"]["x"]) for name, points in found["points"].items()}
    assert shown == {"angry": 200, "sad": 50}
    assert all(len(p["synthetic"]["y"]) == shown[name] for name, p in found["points"].items())
    exact = PCA(2, svd_solver="full").fit(rows)
    np.testing.assert_allclose(found["explained"], exact.explained_variance_ratio_, atol=0.002)
    expected = exact.transform(rows[LABELS == 1])
    sad = np.array([found["points"]["sad"]["real"][axis] for axis in "xy"]).T
    for axis in (0, 1):  # up to the sign
        assert abs(np.corrcoef(sad[:, axis], expected[:, axis])[0, 1]) > 0.99


def test_margins_are_shares_of_each_class(found, rows):
    for column in found["columns"]:
        for who in ("real", "synthetic"):
            assert all(sum(bins) == pytest.approx(1, abs=0.002) for bins in column[who].values())
    first, edges = found["columns"][0], np.array(found["columns"][0]["edges"])
    own = np.clip(rows[LABELS == 1, 3], edges[0], edges[-1])
    assert first["name"] == "f3"
    np.testing.assert_allclose(first["real"]["sad"], np.histogram(own, edges)[0] / 50, atol=0.021)


def test_they_can_be_written_and_drawn(found):
    json.dumps(found, allow_nan=False)
    plane, margins = sides({"pictures": found | {"seed": 0, "fold": 2}})
    assert len(plane.panels) == 2 and len(margins.panels) == 8
    assert "fold 2" in " ".join(plane.caption.split()) and set(plane.data["rows"]) == {
        "real",
        "synthetic",
    }
    assert list(sides({})) == []  # of a run before there were any


@pytest.mark.parametrize("width", [0, 1])
def test_too_few_columns_give_no_picture(rows, width):
    some = np.concatenate([rows[:, :width], rows[:, 11:]], axis=1)  # the last is constant
    assert pictures_of(NAMES[: width + 1], CLASSES, (some, LABELS), (some, LABELS)) == {}


def test_a_class_without_rows_is_shown_as_nothing(rows):
    only = rows[:300], LABELS[:300]
    found = pictures_of(NAMES, CLASSES, (rows, LABELS), only)
    assert found["points"]["sad"]["synthetic"] == {"x": [], "y": []}
    assert set(found["columns"][0]["synthetic"]["sad"]) == {0}
