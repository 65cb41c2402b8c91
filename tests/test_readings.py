"""Readings side by side: how the config changes, what studies share, what is told."""

from __future__ import annotations

import pytest
from study_helpers import tiny_config, tiny_study
from study_results import make_study

from aegan.data.folds import fit_standardiser
from aegan.errors import InputError
from aegan.study import generators, readings
from aegan.study.opening import read_study

SHORT = "m3.train.updates=10"


def test_a_reading_changes_the_fields_it_names():
    values = tiny_config()
    found = readings.changed(values, f"source.statistics=speaker {SHORT} m3.model.encoder=(9,8)")
    assert found["source"]["statistics"] == "speaker" and found["m3"]["train"]["updates"] == 10
    assert found["m3"]["model"]["encoder"] == [9, 8]
    assert values == tiny_config() and found["m2"] == values["m2"]


@pytest.mark.parametrize("reading", ["m3.train.update=10", "m3.train", "m7.train.updates=3", "x"])
def test_a_reading_of_no_field_is_refused(reading):
    with pytest.raises(InputError, match=r"config\.readings: .* is no field and value"):
        readings.changed(tiny_config(), reading)


def test_readings_do_not_make_another_study(tmp_path):
    plain, with_readings = (
        read_study(tiny_config(readings=given), tmp_path, None, "")
        for given in ((), ("source.statistics=speaker",))
    )
    assert plain.identity["config_hash"] == with_readings.identity["config_hash"]


def test_a_reading_takes_the_runs_that_are_the_same_and_no_others(tmp_path):
    study = tiny_study(tmp_path)
    other = read_study(
        readings.changed(tiny_config(), SHORT), readings.folder(tmp_path, SHORT), None, ""
    )
    assert other.dir.root == tmp_path / "readings" / "m3.train.updates-10"
    shared = generators.shared_tasks(study, other)
    assert {name.split("-")[1] for name in shared} == {"m1", "m2", "m4"}
    runs = {f"{what}-{model}" for what in ("train", "evaluate") for model in ("m1", "m2")}
    assert runs < set(shared)
    assert shared["train-m1"] == ("train-m1", "evaluate-m1")  # a run is taken whole
    part = "part-m1-0-target-p100-r0"
    assert shared[part] == (part,)
    for record in ("train-m1", "evaluate-m1", part):
        study.dir.record(record).parent.mkdir(exist_ok=True)
        study.dir.record(record).write_text(f'{{"task": "{record}"}}')
    for path in (
        study.dir.run("m1").results,
        study.dir.run("m1").root / ".lock",
        study.dir.encoder("m1", 0, 1),
        study.dir.generator("m1", 0, study.parts[0]),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("m1")
    tasks = {task.name: task for task in generators.tasks(other)}
    for _ in range(2):  # once more: as after an interruption
        for name in ("train-m1", "evaluate-m1", part):
            assert generators.take_over(study, other, tasks[name]) == {"task": name}
    there = {str(p.relative_to(other.dir.root)) for p in other.dir.root.rglob("*") if p.is_file()}
    assert there == {
        "tasks/train-m1.json",
        "tasks/evaluate-m1.json",
        "tasks/part-m1-0-target-p100-r0.json",
        "runs/m1/results.json",
        "encoders/m1/seed0-fold1.npz",
        "generators/m1/target-p100-r0-seed0.npz",
    }


def test_another_standardisation_shares_nothing(tmp_path):
    study = tiny_study(tmp_path)
    values = readings.changed(tiny_config(), "source.statistics=speaker")
    assert not generators.shared_tasks(study, read_study(values, tmp_path / "o", None, ""))


def test_statistics_of_the_corpus_are_those_of_all_rows(tmp_path):
    values = tiny_config(source__statistics="corpus")
    study = read_study(values, tmp_path, None, "")
    everyone = fit_standardiser(study.source.features, range(len(study.source.labels)))
    for stats in study.plans["m1"].standardisers:
        assert (stats.mean == everyone.mean).all() and (stats.scale == everyone.scale).all()


def test_the_matrix_and_its_sentence():
    results = make_study()
    other = {**results, "claims": [dict(claim) for claim in results["claims"]]}
    for claim in other["claims"]:
        verdict = "holds" if claim["number"] == 4 else "does not hold"
        claim["verdict"] = verdict
        claim["parts"] = [part | {"verdict": verdict} for part in claim["parts"]]
    told = readings.verdicts({readings.AS_CONFIGURED: results, "a.b=1": other})
    text, table = readings.blocks({**results, "readings": told})
    assert list(table.header)[1:] == [readings.AS_CONFIGURED, "a.b = 1"]
    assert len(table.rows) == len(results["claims"]) + 1
    cells = {row[0]: row[1:] for row in table.rows}
    fid = next(cell for title, cell in cells.items() if title.startswith("4. Table 3"))
    parts = [part for part in other["claims"][3]["parts"] if part["deciding"]]
    assert fid[1] == f"holds ({len(parts)} of {len(parts)})"
    held = [
        sum(part["verdict"] == "holds" for c in of["claims"] for part in c["parts"]
            if part["deciding"])
        for of in (results, other)
    ]  # fmt: skip
    total = sum(part["deciding"] for c in results["claims"] for part in c["parts"])
    assert list(cells["Parts that hold"]) == [f"{n} of {total}" for n in held]
    best = readings.AS_CONFIGURED if held[0] >= held[1] else "a.b=1"
    assert f"comes out under \u201c{best}\u201d: {max(held)} of {total} parts" in text
    assert "it is no test" in text
    assert readings.blocks(results) == ()
