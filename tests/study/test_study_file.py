"""Whole files: unreadable files, all errors at once, and valid files."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lkm_tune.study import Catalog, FloatRange, IntRange, Study, StudyError, TrialSpec, load_study

Load = Callable[..., Study]
Errors = Callable[..., list[str]]

HEAD = "name: s\nmodels: [pamnet, mxmnet]\ntasks: [qm9/homo]\n"

# A whole file and the expected lines of its error.
BAD = {
    "nothing": (
        "",
        [
            "1: must be a mapping of keys to values, beginning with `name: ...`, got nothing",
        ],
    ),
    "required keys": (
        "seed: 8\n",
        ["1: name: is missing", "1: models: is missing", "1: tasks: is missing"],
    ),
    "name of a folder": (
        "name: ../x\nmodels: [pamnet]\ntasks: [qm9/mu]\n",
        [
            "1: name: must begin with a letter or digit and hold only letters, digits, `.`, `_` "
            "and `-`, got '../x'"
        ],
    ),
    "no lists": (
        "name: s\nmodels: pamnet\ntasks: qm9/mu\n",
        [
            '2: models: must be a list of names, or a mapping of names to settings, got "pamnet"',
            "3: tasks: must be a list of names, or a mapping of names to keys of `data`, "
            'got "qm9/mu"',
        ],
    ),
    "empty lists": (
        "name: s\nmodels: []\ntasks: []\n",
        ["2: models: must hold at least 1, holds 0", "3: tasks: must hold at least 1, holds 0"],
    ),
    "broken YAML": (
        "name: s\nmodels: [pamnet\ntasks: [qm9/mu]\n",
        [
            "3: is not valid YAML: while parsing a flow sequence (line 2), expected ',' or ']', "
            "but got ':'"
        ],
    ),
    "contains itself": (
        "name: s\nmodels: &m {pamnet: *m}\ntasks: [qm9/mu]\n",
        [
            "2: models.pamnet: must not contain itself",
        ],
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_whole_file(case: str, errors: Errors) -> None:
    text, expected = BAD[case]
    assert errors(text) == [f"study.yaml:{line}" for line in expected]


def test_half_a_character(errors: Errors) -> None:
    said = errors(HEAD + 'seed: "\\ud800"\n"x\\udfff": 1\n')
    assert [line for line in said if "whole characters" in line] == [
        'study.yaml:4: seed: must hold whole characters, got "?"',
        'study.yaml:5: x?: must hold whole characters, got "x?"',
    ]


def test_all_errors_at_once(errors: Errors) -> None:
    """Wrong types neither hide unknown names or rules between keys, nor add false errors."""
    text = (
        "name: s\nmodels: {pamnet: {hidden: wide}}\ntasks: [qm9/lumoo]\n"
        "search: {trials: many, grace_period: 30}\n"
        "curve: {gammas: [0, x], seeds: [1, 1]}\n"
        "training: {epochs: 20, lr: fast}\n"
        "space: {gamma: {type: float, low: a, high: 1}, dept: {type: int, low: 1, high: 2}}\n"
    )
    assert [line.split(": ", 2)[1] for line in errors(text)] == [
        "models.pamnet.hidden",
        "tasks.qm9/lumoo",
        "search.trials",
        "search.grace_period",
        "curve.gammas[1]",
        "curve.seeds[1]",
        "training.lr",
        "space.gamma.low",
        "space.dept",
    ]


def test_a_file_that_is_not_there(tmp_path: Path, catalog: Catalog) -> None:
    with pytest.raises(StudyError, match=r"none\.yaml: cannot be read: no such file"):
        load_study(tmp_path / "none.yaml", catalog)
    (tmp_path / "latin.yaml").write_bytes("name: é".encode("latin-1"))
    with pytest.raises(StudyError, match="must be text in UTF-8, but byte 7 is not"):
        load_study(tmp_path / "latin.yaml", catalog)


def test_good_file(load: Load) -> None:
    study = load(
        "name: s\n"
        "models:\n  pamnet: {hidden: 64, elements: [1, 6, 8]}\n  dimenet++:\n"
        "tasks: [QM9/Homo, qm9/u0]\n"
        "data: {n_train: 110_000}\n"
        "space:\n"
        "  gamma: {type: float, low: 1e-4, high: 1e2, log: true}\n"
        "  depth: {type: int, low: 2, high: 6}\n"
        "search:\n"
        "training: {lr: 1, ema_decay: .99}\n"
        "seed: 5\n"
    )
    assert study.models == {"pamnet": {"hidden": 64, "elements": [1, 6, 8]}, "dimenet++": {}}
    assert list(study.tasks) == ["qm9/homo", "qm9/U0"]
    assert study.data.n_train == 110000
    assert study.space == {
        "gamma": FloatRange(type="float", low=1e-4, high=100.0, log=True),
        "depth": IntRange(type="int", low=2, high=6),
    }
    assert type(study.training.lr) is float
    assert (study.search.trials, study.seed) == (50, 5)
    assert [cell.key for cell in study.cells] == [
        "pamnet-qm9_homo-110000",
        "pamnet-qm9_U0-110000",
        "dimenet++-qm9_homo-110000",
        "dimenet++-qm9_U0-110000",
    ]


def test_every_combination_of_what_is_compared_is_a_cell(load: Load) -> None:
    study = load(
        "name: s\nmodels: {pamnet: {hidden: 8}}\ntasks: {qm9/mu: {n_train: 90}}\n"
        "compare: {depth: [2, 4], n_train: [50, 70], mixing: [learned]}\n"
    )
    assert [(cell.key, cell.n_train) for cell in study.cells] == [
        (f"pamnet-qm9_mu-{n}-depth_{depth}-mixing_learned", n) for depth in (2, 4) for n in (50, 70)
    ]
    cell = study.find_cell("pamnet[mixing=learned]", "qm9/mu", 4, 50)
    assert str(cell) == "pamnet on qm9/mu, depth 4, mixing learned, n_train 50"
    assert cell.address == "pamnet@qm9/mu@depth=4@mixing=learned@n_train=50"
    with pytest.raises(LookupError, match="no cell of pamnet on qm9/mu with 60 samples"):
        study.find_cell("pamnet", "qm9/mu", 4, 60)
    trial = TrialSpec(study.name, cell, "curve", 0, {"gamma": 0.1}, 1, study.training.epochs)
    again = TrialSpec.from_dict(json.loads(json.dumps(trial.to_dict())))
    assert again == trial and again.key == trial.key
    config = study.run_config(trial)
    assert config.model_settings == {"hidden": 8, "depth": 4}
    assert (config.data.n_train, config.lkm.mixing) == (50, "learned")


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1e-4", 1e-4),
        ("1E2", 100.0),
        ("5.", 5.0),
        (".5", 0.5),
        ("+1.5e+1", 15.0),
        ("1_000", 1000.0),
    ],
)
def test_numbers_are_read_as_in_yaml_1_2(written: str, value: float, load: Load) -> None:
    assert load(f"{HEAD}training: {{clip_norm: {written}}}\n").training.clip_norm == value
