"""Names that do not exist or do not fit: the tables are the specification."""

from collections.abc import Callable

import pytest

from lkm_tune.study import Study

Errors = Callable[..., list[str]]

HEAD = "name: s\nmodels: [pamnet, mxmnet]\ntasks: [qm9/homo]\n"
GAMMA = "  gamma: {type: float, low: 1e-4, high: 100, log: true}\n"
TASKS = (
    "qm9/mu, qm9/alpha, qm9/homo, qm9/lumo, qm9/gap, qm9/r2, qm9/zpve, qm9/U0, qm9/U, qm9/H, "
    "qm9/G, qm9/Cv"
)
TRAINED = "batch_size, lr, warmup_epochs, weight_decay, ema_decay, clip_norm, force_weight"
SEARCHED = f"gamma, hidden, depth, layers, {TRAINED}, distance, reduction, teacher, mixing"


def space(line: str) -> str:
    return f"space:\n{GAMMA}  {line}\n"


# The text after HEAD (three lines), and the expected lines of the error.
BAD = {
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
            "6: space.cutoff: only a setting of every model can be searched, and pamnet lacks it; "
            f"valid: {SEARCHED}"
        ],
    ),
    "list searched": (
        space("elements: {type: choice, values: [1, 6]}"),
        ["6: space.elements: cannot be searched: it takes a list"],
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
}


@pytest.mark.parametrize("case", BAD)
def test_bad_file(case: str, errors: Errors) -> None:
    text, expected = BAD[case]
    assert errors(HEAD + text) == [f"study.yaml:{line}" for line in expected]


# A whole file and its lines.
WHOLE = {
    "unknown names": (
        "name: s\nmodels: [pamnet, mxnet]\ntasks:\n  - qm9/mu\n  - homo\n",
        [
            "2: models.mxnet: unknown model; valid: dimenet++, mxmnet, pamnet (did you mean "
            "mxmnet?)",
            f"5: tasks.homo: unknown task; valid: {TASKS} (did you mean qm9/homo?)",
        ],
    ),
    "listed twice": (
        "name: s\nmodels: [pamnet, pamnet]\ntasks: [qm9/mu, QM9/MU]\n",
        [
            '2: models[1]: is listed twice, got "pamnet"',
            '3: tasks.QM9/MU: is listed twice, got "qm9/mu"',
        ],
    ),
    "settings of models": (
        "name: s\nmodels:\n"
        "  pamnet:\n    hiden: 64\n    hidden: 6.4\n    depth: 0\n    elements: 6\n"
        "  mxmnet: {cutoff: 5, layers: 2}\ntasks: [qm9/mu]\n"
        "space:\n  gamma: {type: float, low: 1, high: 2}\n"
        "  layers: {type: choice, values: [both, local]}\n",
        [
            "4: models.pamnet.hiden: unknown setting of pamnet, got 64; valid: hidden, depth, "
            "layers, cutoff_l, elements (did you mean hidden?)",
            "5: models.pamnet.hidden: must be a whole number, got 6.4",
            "6: models.pamnet.depth: must be at least 1, got 0",
            "7: models.pamnet.elements: must be a list, got 6",
            "8: models.mxmnet.layers: must be text, got 2",
            "8: models.mxmnet.layers: is fixed here and searched by space.layers; keep one of "
            "the two, got 2",
        ],
    ),
}


COMPARED = {
    "what cannot be": (
        "compare: {gamma: [0.1, 1], epochs: [10, 20], elements: [1], dept: [2]}\n",
        [
            "4: compare.gamma: cannot be compared: every cell searches γ and has a curve",
            "4: compare.epochs: cannot be compared: every schedule spans the full budget, "
            "training.epochs",
            "4: compare.elements: only a setting of every model can be compared, and dimenet++ "
            f"lacks it; valid: {SEARCHED}",
            f"4: compare.dept: unknown setting; valid: {SEARCHED} (did you mean depth?)",
        ],
    ),
    "values": (
        "compare: {n_train: [500, 10.5, '9'], depth: [2, 2, 0], mixing: [uniform, meen]}\n",
        [
            "4: compare.n_train[1]: must be a whole number, got 10.5",
            '4: compare.n_train[2]: must be a whole number, got "9"',
            "4: compare.depth[1]: is listed twice, got 2",
            "4: compare.depth[2]: must be at least 1, got 0",
            '4: compare.mixing[1]: unknown value, got "meen"; valid: uniform, neighbours, '
            "learned, confidence",
        ],
    ),
    "searched or fixed as well": (
        "compare: {depth: [2, 3], lr: [1e-3, 1e-2], hidden: [8]}\n"
        + space("depth: {type: int, low: 1, high: 3}")
        + "training: {lr: 1e-3}\n",
        [
            "4: compare.depth: is compared here and searched by space.depth; keep one of the two",
            "8: training.lr: is fixed here and compared by compare.lr; keep one of the two, "
            "got 0.001",
        ],
    ),
    "no lists": (
        "compare: {depth: 2, lr: []}\n",
        [
            "4: compare.depth: must be a list, got 2",
            "4: compare.lr: must hold at least 1, holds 0",
        ],
    ),
}


@pytest.mark.parametrize("case", COMPARED)
def test_bad_comparisons(case: str, errors: Errors) -> None:
    text, expected = COMPARED[case]
    assert errors(HEAD.replace("pamnet", "dimenet++") + text) == [
        f"study.yaml:{line}" for line in expected
    ]


@pytest.mark.parametrize("case", WHOLE)
def test_bad_names(case: str, errors: Errors) -> None:
    text, expected = WHOLE[case]
    assert errors(text) == [f"study.yaml:{line}" for line in expected]


def test_own_models_come_from_the_resolver(load: Callable[..., Study], errors: Errors) -> None:
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
        "study.yaml:6: space.depth.low: pamnet cannot be built: nothing to mix"
    ]


def test_the_setting_that_cannot_be_built_is_named(errors: Errors) -> None:
    def build(name: str, settings: dict[str, int]) -> None:
        if settings.get("hidden", 1) < 1:
            raise ValueError("hidden must be at least 1")

    text = "name: s\nmodels:\n  pamnet:\n    depth: 2\n    hidden: 0\ntasks: [qm9/mu]\n"
    assert errors(text, try_model=build) == [
        "study.yaml:5: models.pamnet.hidden: cannot be built: hidden must be at least 1"
    ]
