"""Bad study files and what is said about them: the table is the specification."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lkm_tune.study import Catalog, FloatRange, IntRange, Study, StudyError, load_study

Load = Callable[..., Study]
Errors = Callable[..., list[str]]

HEAD = "name: s\nmodels: [pamnet, mxmnet]\ntasks: [qm9/homo]\n"
TASKS = (
    "qm9/mu, qm9/alpha, qm9/homo, qm9/lumo, qm9/gap, qm9/r2, qm9/zpve, qm9/U0, qm9/U, qm9/H, "
    "qm9/G, qm9/Cv"
)
SEARCH = (
    "trials, sampler, startup_trials, grace_period, reduction_factor, control, max_concurrent, "
    "time_limit"
)
TRAINED = "batch_size, lr, warmup_epochs, weight_decay, ema_decay, clip_norm"
SEARCHED = f"gamma, hidden, depth, layers, elements, {TRAINED}, distance, reduction, teacher"
GAMMA = "  gamma: {type: float, low: 1e-4, high: 100, log: true}\n"


def space(line: str) -> str:
    return f"space:\n{GAMMA}  {line}\n"


# What follows HEAD, and the lines that it must give. HEAD has three lines.
BAD = {
    # keys
    "unknown key": (
        "search:\n  trails: 8\n",
        [f"5: search.trails: unknown key, got 8; valid: {SEARCH} (did you mean trials?)"],
    ),
    "unknown section": (
        "curves: {seeds: [1]}\n",
        [
            '4: curves: unknown key, got {"seeds": [1]}; valid: name, models, tasks, space, data, '
            "search, curve, training, lkm, resources, seed (did you mean curve?)"
        ],
    ),
    "key twice": ("seed: 8\nseed: 9\n", ["5: seed: is written twice, first on line 4"]),
    "key that is no text": ("3: x\n", ['1: a key must be text, got "3"']),
    # types and bounds
    "text for a number": (
        'training: {lr: "1e-4"}\n',
        ['4: training.lr: must be a number, got "1e-4"'],
    ),
    "number for an integer": (
        "search: {trials: 8.0}\n",
        ["4: search.trials: must be a whole number, got 8.0"],
    ),
    "truth for an integer": (
        "search: {trials: true}\n",
        ["4: search.trials: must be a whole number, got true"],
    ),
    "text for truth": (
        "search: {control: yes}\n",
        ['4: search.control: must be true or false, got "yes"'],
    ),
    "value for a section": (
        "training: 30\n",
        ["4: training: must be a mapping of keys to values, got 30"],
    ),
    "too small": ("search: {trials: 0}\n", ["4: search.trials: must be at least 1, got 0"]),
    "no CPU": ("resources: {cpu: 0}\n", ["4: resources.cpu: must be more than 0, got 0"]),
    "too large": (
        "training: {ema_decay: 1}\n",
        ["4: training.ema_decay: must be less than 1, got 1"],
    ),
    "infinite": (
        "search: {time_limit: .inf}\n",
        ["4: search.time_limit: must be a finite number, got .inf"],
    ),
    "overflowing": (
        "training: {lr: 1e999}\n",
        ["4: training.lr: must be a finite number, got .inf"],
    ),
    "not in the list": (
        "lkm: {distance: L2}\n",
        ['4: lkm.distance: unknown value, got "L2"; valid: l2, l1 (did you mean l2?)'],
    ),
    "seed too large": (
        "seed: 4294967296\n",
        ["4: seed: must be less than 4294967296, got 4294967296"],
    ),
    "foreign tag": (
        "seed: !!python/name:os.system x\n",
        [
            '4: seed: cannot be read as tag:yaml.org,2002:python/name:os.system, got "x"',
            "4: seed: must be a whole number, got nothing",
        ],
    ),
    # the search space
    "range without type": (
        space("lr: {low: 1e-4, high: 1}"),
        ["6: space.lr.type: is missing; valid: float, int, choice"],
    ),
    "range of unknown type": (
        space("lr: {type: flot, low: 1e-4, high: 1}"),
        [
            '6: space.lr.type: unknown type, got "flot"; valid: float, int, choice '
            "(did you mean float?)"
        ],
    ),
    "range with unknown key": (
        space("lr: {type: float, low: 1e-4, hihg: 1}"),
        [
            "6: space.lr.high: is missing",
            "6: space.lr.hihg: unknown key, got 1; valid: type, low, high, log "
            "(did you mean high?)",
        ],
    ),
    "range that is a value": (
        space("lr: 1e-3"),
        ["6: space.lr: must be a mapping of names to values, got 0.001"],
    ),
    "bounds the wrong way": (
        space("lr: {type: float, low: 1, high: 0.1}"),
        ["6: space.lr: `low <= high` must hold, but got (low=1.0, high=0.1)"],
    ),
    "log of 0": (
        space("weight_decay: {type: float, low: 0, high: 1, log: true}"),
        ["6: space.weight_decay: `low > 0` must hold on a log scale, but got (low=0.0)"],
    ),
    "infinite bound": (
        space("lr: {type: float, low: 1, high: .inf}"),
        ["6: space.lr.high: must be a finite number, got .inf"],
    ),
    "choice of lists": (
        space("hidden: {type: choice, values: [32, [64]]}"),
        ["6: space.hidden.values[1]: must be text, a number, true or false, got [64]"],
    ),
    "bound outside its key": (
        space("ema_decay: {type: float, low: 0.5, high: 1.5}"),
        ["6: space.ema_decay.high: must be less than 1, got 1.5"],
    ),
    "choice outside its key": (
        space("distance: {type: choice, values: [l1, L2]}"),
        ['6: space.distance.values[1]: unknown value, got "L2"; valid: l2, l1 (did you mean l2?)'],
    ),
    "fractions for an integer": (
        space("batch_size: {type: float, low: 8, high: 64}"),
        [
            "6: space.batch_size.type: does not suit batch_size, which takes a whole number, "
            'got "float"; valid: int, choice'
        ],
    ),
    "fractions for a depth": (
        space("depth: {type: float, low: 2, high: 6}"),
        [
            '6: space.depth.type: does not suit depth, which takes a whole number, got "float"; '
            "valid: int, choice"
        ],
    ),
    "depth 0": (
        space("depth: {type: int, low: 0, high: 6}"),
        ["6: space.depth.low: must be at least 1, got 0"],
    ),
    "choice of the wrong kind": (
        space("hidden: {type: choice, values: [32, '64', true]}"),
        [
            '6: space.hidden.values[1]: must be a whole number, got "64"',
            "6: space.hidden.values[2]: must be a whole number, got true",
        ],
    ),
    "unknown setting": (
        space("dept: {type: int, low: 1, high: 2}"),
        [f"6: space.dept: unknown setting; valid: {SEARCHED} (did you mean depth?)"],
    ),
    "setting of one model": (
        space("cutoff: {type: float, low: 4, high: 6}"),
        [
            "6: space.cutoff: only a setting of every model can be searched, and pamnet has none "
            f"such; valid: {SEARCHED}"
        ],
    ),
    "epochs searched": (
        space("epochs: {type: int, low: 10, high: 20}"),
        [
            "6: space.epochs: cannot be searched: every schedule spans the full budget, "
            "training.epochs"
        ],
    ),
    "seed searched": (
        space("seed: {type: int, low: 0, high: 9}"),
        ["6: space.seed: cannot be searched: every trial of a search trains with the study's seed"],
    ),
    "fixed and searched": (
        space("lr: {type: float, low: 1e-4, high: 1}") + "training:\n  lr: 1e-3\n",
        ["8: training.lr: is fixed here and searched by space.lr; keep one of the two, got 0.001"],
    ),
    "no gamma": (
        "space:\n  depth: {type: int, low: 1, high: 3}\n",
        ["4: space.gamma: is missing: γ is what a study searches for"],
    ),
    "gamma from 0": (
        "space:\n  gamma: {type: float, low: 0, high: 1}\n",
        [
            "5: space.gamma.low: must be a finite number above 0: γ = 0 is the control, which is "
            "always run, got 0.0"
        ],
    ),
    "gamma among 0": (
        "space:\n  gamma: {type: choice, values: [0, 1]}\n",
        [
            "5: space.gamma.values[0]: must be a finite number above 0: γ = 0 is the control, "
            "which is always run, got 0"
        ],
    ),
    # the curve
    "curve without control": (
        "curve:\n  gammas: [0.1, 1]\n",
        [
            "5: curve.gammas: must contain 0, the control that every gain is measured against, "
            "got [0.1, 1.0]"
        ],
    ),
    "curve of the control": (
        "curve: {gammas: [0, 0]}\n",
        [
            "4: curve.gammas: must contain at least one γ above 0, got [0.0, 0.0]",
            "4: curve.gammas[1]: is listed twice, got 0.0",
        ],
    ),
    "one gamma": ("curve: {gammas: [0]}\n", ["4: curve.gammas: must hold at least 2, holds 1"]),
    "negative gamma": (
        "curve:\n  gammas:\n    - 0\n    - -1\n    - 2\n",
        ["7: curve.gammas[1]: must be at least 0, got -1"],
    ),
    "seed twice": (
        "curve: {seeds: [1, 2, 1]}\n",
        ["4: curve.seeds[2]: is listed twice, got 1"],
    ),
    "seed of the search": (
        "curve: {seeds: [7, 8]}\nseed: 8\n",
        ["4: curve.seeds[1]: must differ from `seed`, with which the settings are chosen, got 8"],
    ),
    "default seed of the search": (
        "seed: 3\n",
        [
            "4: curve.seeds[2]: must differ from `seed`, with which the settings are chosen, "
            "got 3 (the default)"
        ],
    ),
    # budgets
    "grace longer than training": (
        "training: {epochs: 5}\n",
        ["4: search.grace_period: must be at most training.epochs (5), got 10 (the default)"],
    ),
    "warmup as long as training": (
        "training: {epochs: 10, warmup_epochs: 10}\n",
        ["4: training.warmup_epochs: must be less than training.epochs (10), got 10.0"],
    ),
    "batch of more than all": (
        "data: {n_train: 20}\n",
        ["4: training.batch_size: must be at most data.n_train (20), got 32 (the default)"],
    ),
    "batches of more than all": (
        "data: {n_train: 50}\n" + space("batch_size: {type: int, low: 16, high: 64}"),
        ["7: space.batch_size: must stay within data.n_train (50), got 64"],
    ),
    "one GPU and a half": (
        "resources: {gpu: 1.5}\n",
        ["4: resources.gpu: must be a fraction of one GPU or a whole number of them, got 1.5"],
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_file(case: str, errors: Errors) -> None:
    text, expected = BAD[case]
    assert errors(HEAD + text) == [f"study.yaml:{line}" for line in expected]


# A whole file and its lines.
BAD_NAMES = {
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
    "unknown names": (
        "name: s\nmodels: [pamnet, mxnet]\ntasks:\n  - qm9/mu\n  - homo\n",
        [
            "2: models.mxnet: unknown model; valid: dimenet++, mxmnet, pamnet (did you mean "
            "mxmnet?)",
            f'5: tasks[1]: unknown task, got "homo"; valid: {TASKS} (did you mean qm9/homo?)',
        ],
    ),
    "listed twice": (
        "name: s\nmodels: [pamnet, pamnet]\ntasks: [qm9/mu, QM9/MU]\n",
        [
            '2: models[1]: is listed twice, got "pamnet"',
            '3: tasks[1]: is listed twice, got "qm9/mu"',
        ],
    ),
    "no lists": (
        "name: s\nmodels: pamnet\ntasks: qm9/mu\n",
        [
            '2: models: must be a list of names, or a mapping of names to settings, got "pamnet"',
            '3: tasks: must be a list, got "qm9/mu"',
        ],
    ),
    "empty lists": (
        "name: s\nmodels: []\ntasks: []\n",
        ["2: models: must hold at least 1, holds 0", "3: tasks: must hold at least 1, holds 0"],
    ),
    "settings of models": (
        "name: s\nmodels:\n  pamnet:\n    hiden: 64\n    hidden: 6.4\n    depth: 0\n"
        "  mxmnet: {cutoff: 5, layers: 2}\ntasks: [qm9/mu]\n"
        "space:\n  gamma: {type: float, low: 1, high: 2}\n"
        "  layers: {type: choice, values: [both, local]}\n",
        [
            "4: models.pamnet.hiden: unknown setting of pamnet, got 64; valid: hidden, depth, "
            "layers, cutoff_l, elements (did you mean hidden?)",
            "5: models.pamnet.hidden: must be a whole number, got 6.4",
            "6: models.pamnet.depth: must be at least 1, got 0",
            "7: models.mxmnet.layers: must be text, got 2",
            "7: models.mxmnet.layers: is fixed here and searched by space.layers; keep one of "
            "the two, got 2",
        ],
    ),
    "broken YAML": (
        "name: s\nmodels: [pamnet\ntasks: [qm9/mu]\n",
        ["3: is not valid YAML: while parsing a flow sequence, expected ',' or ']', but got ':'"],
    ),
    "contains itself": (
        "name: s\nmodels: &m {pamnet: *m}\ntasks: [qm9/mu]\n",
        [
            "2: models.pamnet: must not contain itself",
        ],
    ),
}


@pytest.mark.parametrize("case", BAD_NAMES)
def test_bad_whole_file(case: str, errors: Errors) -> None:
    text, expected = BAD_NAMES[case]
    assert errors(text) == [f"study.yaml:{line}" for line in expected]


def test_all_errors_at_once(errors: Errors) -> None:
    """Wrong types do not hide unknown names or rules between keys, nor invent new ones."""
    text = (
        "name: s\nmodels: {pamnet: {hidden: wide}}\ntasks: [qm9/lumoo]\n"
        "search: {trials: many, grace_period: 30}\n"
        "curve: {gammas: [0, x], seeds: [1, 1]}\n"
        "training: {epochs: 20, lr: fast}\n"
        "space: {gamma: {type: float, low: a, high: 1}, dept: {type: int, low: 1, high: 2}}\n"
    )
    assert [line.split(": ", 2)[1] for line in errors(text)] == [
        "models.pamnet.hidden",
        "tasks[0]",
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
    assert study.tasks == ("qm9/homo", "qm9/U0")
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


def test_own_models_come_from_the_resolver(load: Load, errors: Errors) -> None:
    def own_model(name: str) -> dict[str, object]:
        if name != "my.nets:build":
            raise ValueError(f"no module named {name.partition(':')[0]}")
        return {"depth": 3}

    text = "name: s\nmodels: {%s: {}}\ntasks: [qm9/mu]\n"
    study = load(text % '"my.nets:build"', "models.my.nets:build.depth=2", own_model=own_model)
    assert study.models == {"my.nets:build": {"depth": 2}}
    assert errors(text % '"your.nets:build"', own_model=own_model) == [
        "study.yaml:2: models.your.nets:build: cannot be used: no module named your.nets"
    ]


def test_what_cannot_be_built_is_an_error_of_the_file(errors: Errors) -> None:
    def build(name: str, settings: dict[str, object]) -> None:
        if settings.get("layers", "both") == "local" and settings.get("depth", 6) == 1:
            raise ValueError("nothing to mix")

    text = "name: s\nmodels: {pamnet: {layers: local}, mxmnet: {}}\ntasks: [qm9/mu]\n" + space(
        "depth: {type: int, low: 1, high: 3}"
    )
    assert errors(text, try_model=build) == [
        "study.yaml:6: space.depth.low: pamnet cannot be built: nothing to mix, got 1"
    ]
