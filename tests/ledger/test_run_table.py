"""The typed table of runs from ledgers, with protocols."""

import gzip
import math
from copy import copy
from dataclasses import fields, replace

import pandas as pd
import pytest

from lkm_tune.ledger.facts import StudyFacts, TaskFacts
from lkm_tune.ledger.ledger import Ledger
from lkm_tune.ledger.run_table import (
    COLUMNS,
    LAYERS,
    RowMaker,
    all_runs,
    read_table,
    study_runs,
)
from lkm_tune.ledger.study_folder import StudyFolder, ledger_stamp
from lkm_tune.ledger.trial_record import TrialRecord
from lkm_tune.study import (
    GAMMA,
    CurvePlan,
    DataPlan,
    IntRange,
    LkmOptions,
    SearchPlan,
    Study,
    TrainingPlan,
    TrialSpec,
)
from lkm_tune.study.comparable import UNCOUNTED, RunFacts, protocol

STUDY = Study(
    name="s",
    models={"pamnet": {"hidden": 16}},
    tasks=("qm9/homo",),
    space={"gamma": GAMMA, "depth": IntRange(type="int", low=1, high=4)},
    data=DataPlan("sample", 300, 50),
    search=SearchPlan(trials=2, startup_trials=2, grace_period=1, control=False),
    curve=CurvePlan(gammas=(0.0, 0.1), seeds=(1,)),
    training=TrainingPlan(epochs=8),
)
(CELL,) = STUDY.cells
FACTS = StudyFacts({"pamnet": {"hidden": 128, "cutoff": 5.0}}, {"qm9/homo": TaskFacts("meV")})
SUMMARY = {
    "outcome": "complete", "reason": "full budget", "val_error": 33.0, "test_error": 34.0,
    "val_mean_error": 400.0, "test_mean_error": 410.0, "best_epoch": 3, "n_parameters": 1234,
    "seconds": 9.0, "device": "a GPU", "kd_ratio": 0.25, "code": "",
}  # fmt: skip


def fill(folder, study=STUDY, depths=(2, 3)):
    """A study with an ended search and a started curve."""
    folder.path.mkdir(parents=True)
    folder.write_study(study)
    folder.write_facts(FACTS)
    folder.note_data({"qm9/homo": "0123456789ab"})
    ledger = Ledger(study, folder.ledger)
    for depth in depths:
        spec = ledger.add_point(CELL, "search", {"gamma": 1.0, "depth": depth}, 0)
        ledger.finish(spec, "complete", {**SUMMARY, "val_error": float(depth)}, "full budget")
    spec = ledger.add_point(CELL, "curve", {"gamma": 0.1, "depth": 2}, seed=1)
    looked = {"layer_cka": 0.5, "layer_rank": 3.5, "diagnostics_seconds": 0.25}
    ledger.finish(spec, "complete", {**SUMMARY, **looked}, "full budget")
    spec = ledger.add_point(CELL, "curve", {"gamma": 0.0, "depth": 2}, seed=1)
    ledger.finish(spec, "diverged", {**SUMMARY, "val_error": math.nan}, "NaN")
    ledger.add_point(CELL, "curve", {"gamma": 0.0, "depth": 2}, seed=2)
    return ledger


@pytest.fixture
def folder(tmp_path):
    made = StudyFolder(tmp_path, "s")
    fill(made)
    return made


def test_a_row_says_everything_of_a_run(folder):
    runs = study_runs(folder)
    assert list(runs.columns) == [*COLUMNS, "diagnostics_seconds", *LAYERS]
    assert runs["phase"].tolist() == ["curve"] * 3 + ["search"] * 2
    assert runs["status"].tolist() == ["complete", "diverged", "running"] + ["complete"] * 2
    facts = {
        "study": "s", "model": "pamnet", "task": "qm9/homo", "depth": 2, "n_train": 300,
        "gamma": 0.1, "seed": 1, "unit": "meV", "lr": 5e-4, "epochs": 8, "layer_cka": 0.5,
        "layer_rank": 3.5, "diagnostics_seconds": 0.25,
        "scale": "distance=l2 reduction=mean teacher=live mixing=uniform "
        "layers=default loss=l1 normalisation=standard",
    }  # fmt: skip
    facts |= {name: value for name, value in SUMMARY.items() if name in COLUMNS}
    assert runs.loc[0, list(facts)].to_dict() == facts
    text = runs.loc[0, "protocol_text"]
    for said in ("task qm9/homo", "data 0123456789ab", "epochs 8", "depth 2", "cutoff 5.0"):
        assert said in text.split("; ")
    assert pd.isna(runs.loc[1, "val_error"])


def test_types_do_not_depend_on_content(folder, tmp_path):
    full, empty = study_runs(folder).dtypes[list(COLUMNS)], all_runs(tmp_path / "none")
    assert len(empty) == 0
    assert empty.dtypes.to_dict() == full.to_dict()


def test_points_at_settings_that_are_no_longer_the_best_are_left_out(folder):
    more = replace(STUDY, search=replace(STUDY.search, trials=3))
    folder.write_study(more)
    ledger = Ledger(more, folder.ledger)
    spec = ledger.add_point(CELL, "search", {"gamma": 1.0, "depth": 4}, 0)
    # While the search runs, the present curve counts.
    assert (study_runs(folder)["phase"] == "curve").sum() == 3
    ledger.finish(spec, "complete", {**SUMMARY, "val_error": 1.0}, "full budget")
    assert (study_runs(folder)["phase"] == "curve").sum() == 0
    spec = ledger.add_point(CELL, "curve", {"gamma": 0.1, "depth": 4}, seed=1)
    ledger.finish(spec, "complete", SUMMARY, "full budget")
    kept = study_runs(folder, superseded=True)
    by_depth = kept[kept["phase"] == "curve"].groupby("depth")["status"].agg(set)
    assert by_depth.to_dict() == {2: {"superseded"}, 4: {"complete"}}


def test_all_studies_together_have_their_ended_runs(folder, tmp_path):
    stamp = ledger_stamp(tmp_path)
    assert stamp == ledger_stamp(tmp_path)
    fill(StudyFolder(tmp_path, "t"), replace(STUDY, name="t"))
    assert ledger_stamp(tmp_path) != stamp
    runs = all_runs(tmp_path)
    assert runs["study"].value_counts().to_dict() == {"s": 4, "t": 4}
    assert runs["protocol"].nunique() == 2, "one by depth: the name of a study is no part of it"


def test_a_study_of_the_version_before_has_its_table(folder):
    """The ledger of an earlier version has no facts and no ratio of the losses, but all runs."""
    folder.facts.unlink()
    runs = study_runs(folder)
    assert len(runs) == 5
    assert runs["unit"].tolist() == [""] * 5
    assert runs["depth"].tolist() == [2, 2, 2, 2, 3]


def protocol_of(study=STUDY, facts=FACTS, summary=SUMMARY, **spec):
    cell = study.cells[0]
    given = {"phase": "curve", "number": 0, "settings": {"gamma": 0.1, "depth": 2}, "seed": 1}
    trial = TrialSpec(study.name, cell, **{**given, **spec}, epochs=study.training.epochs)
    return RowMaker(study, facts).row(TrialRecord(trial, "complete", summary=dict(summary)))


def test_runs_that_differ_in_gamma_and_seed_alone_have_one_protocol():
    keys = {
        protocol_of(**spec)["protocol"]
        for spec in (
            {},
            {"seed": 2},
            {"settings": {"gamma": 0.0, "depth": 2}},
            {"number": 7, "phase": "control_curve"},
            {"study": replace(STUDY, name="other", seed=3)},
            {"study": replace(STUDY, curve=CurvePlan(gammas=(0.0, 1.0), seeds=(5,)))},
            {"study": replace(STUDY, training=replace(STUDY.training, eval_batch_size=64))},
        )
    }
    (key,) = keys
    assert len(key) == 12


@pytest.mark.parametrize(
    "change",
    [
        {"settings": {"gamma": 0.1, "depth": 3}},
        {"study": replace(STUDY, models={"pamnet": {"hidden": 8}})},
        {"study": replace(STUDY, models={"mxmnet": {"hidden": 16}})},
        {"study": replace(STUDY, tasks={"qm9/mu": DataPlan()})},
        {"summary": {**SUMMARY, "code": "abc"}},
        {"facts": replace(FACTS, data={"qm9/homo": "another file"})},
        {"facts": replace(FACTS, precision="float64")},
        {"facts": replace(FACTS, models={"pamnet": {"hidden": 128, "cutoff": 4.0}})},
    ],
    ids=lambda change: next(iter(change)),
)
def test_runs_that_differ_in_anything_else_have_another_protocol(change):
    assert protocol_of(**change)["protocol"] != protocol_of()["protocol"]


EVERY = [
    (section, field.name)
    for section, plan in (("training", TrainingPlan), ("data", DataPlan), ("lkm", LkmOptions))
    for field in fields(plan)
]


@pytest.mark.parametrize(("section", "name"), EVERY)
def test_every_field_of_a_plan_counts_unless_it_is_named(section, name):
    """A new field counts by default."""
    plan = copy(getattr(STUDY, section))
    object.__setattr__(plan, name, "another")
    trial = TrialSpec("s", CELL, "curve", 0, {"gamma": 0.1, "depth": 2}, 1, 8)
    config = replace(STUDY.run_config(trial))
    object.__setattr__(config, section, plan)
    facts = RunFacts(data="0123456789ab")
    counts = protocol(config, facts) != protocol(STUDY.run_config(trial), facts)
    assert counts == (f"{section}.{name}" not in UNCOUNTED)


def test_a_table_of_a_file_keeps_wrong_texts_for_the_check(tmp_path):
    """`check_runs` names their rows together with all other faults."""
    file = tmp_path / "runs.csv"
    file.write_text("protocol,depth,n_train,gamma,seed\n0012,4,300,0.1,one\n,4.5,300,x,2\n")
    read = read_table(file)
    assert read["protocol"].tolist() == ["0012", ""]
    assert read["depth"].tolist() == [4, 4.5]
    assert read["n_train"].dtype == "int64"
    assert (read["gamma"].tolist(), read["seed"].tolist()) == (["0.1", "x"], ["one", "2"])


WHOLE = gzip.compress(b"study,gamma\n" + b"one,0.1\n" * 100, mtime=0)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (WHOLE[:-20], "ended before the end-of-stream marker"),
        (WHOLE[:-8] + bytes(8), "CRC check failed"),
        (b"study,gamma\n", "Not a gzipped file"),
        (WHOLE[:10] + b"\xff" + WHOLE[11:], "invalid block type"),
    ],
    ids=["cut", "other checksum", "not packed", "damaged"],
)
def test_a_damaged_packed_table_is_named_with_the_rule(tmp_path, content, said):
    file = tmp_path / "runs.csv.gz"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=said) as raised:
        read_table(file)
    rule = f"{file} must be a whole gzip file, since its name ends in .gz"
    assert str(raised.value).startswith(rule)


@pytest.mark.parametrize("sign", [";", "\t"])
def test_a_table_with_other_separators(tmp_path, sign):
    file = tmp_path / "runs.csv"
    file.write_text(f"study{sign}gamma\ns{sign}0,1\n")
    with pytest.raises(ValueError, match="commas must separate its columns, but got"):
        read_table(file)
