"""Rules between the numbers of a study: the table is the specification."""

from collections.abc import Callable

import pytest

from lkm_tune.study import Catalog, StudyError, load_study

Errors = Callable[..., list[str]]

HEAD = "name: s\nmodels: [pamnet, mxmnet]\ntasks: [qm9/homo]\n"
GAMMA = "  gamma: {type: float, low: 1e-4, high: 100, log: true}\n"


def space(line: str) -> str:
    return f"space:\n{GAMMA}  {line}\n"


# The text after HEAD (three lines), and the expected lines of the error.
BAD = {
    # γ
    "no gamma": (
        "space:\n  depth: {type: int, low: 1, high: 3}\n",
        ["4: space.gamma: is missing: every study searches γ"],
    ),
    "gamma from 0": (
        "space:\n  gamma: {type: float, low: 0, high: 1}\n",
        [
            "5: space.gamma.low: must be a finite number above 0: the control "
            "γ = 0 always runs, got 0.0"
        ],
    ),
    "gamma among 0": (
        "space:\n  gamma: {type: choice, values: [0, 1]}\n",
        [
            "5: space.gamma.values[0]: must be a finite number above 0: the control γ = 0 "
            "always runs, got 0"
        ],
    ),
    "fixed and searched": (
        space("lr: {type: float, low: 1e-4, high: 1}") + "training:\n  lr: 1e-3\n",
        ["8: training.lr: is fixed here and searched by space.lr; keep one of the two, got 0.001"],
    ),
    # the curve
    "curve without control": (
        "curve:\n  gammas: [0.1, 1]\n",
        ["5: curve.gammas: must contain 0, the control for every gain, got [0.1, 1.0]"],
    ),
    "curve of the control": (
        "curve: {gammas: [0, 0]}\n",
        [
            "4: curve.gammas[1]: is listed twice, got 0",
            "4: curve.gammas: must contain at least one γ above 0, got [0.0, 0.0]",
        ],
    ),
    "one gamma": ("curve: {gammas: [0]}\n", ["4: curve.gammas: must hold at least 2, holds 1"]),
    "negative gamma": (
        "curve:\n  gammas:\n    - 0\n    - -1\n    - 2\n",
        ["7: curve.gammas[1]: must be at least 0, got -1"],
    ),
    "gamma twice beside a text": (
        "curve:\n  gammas:\n    - 0\n    - 0.1\n    - 0.1\n    - a\n",
        [
            "8: curve.gammas[2]: is listed twice, got 0.1",
            '9: curve.gammas[3]: must be a number, got "a"',
        ],
    ),
    "seed twice": (
        "curve: {seeds: [1, 2, 1]}\n",
        ["4: curve.seeds[2]: is listed twice, got 1"],
    ),
    "seed of the search": (
        "curve: {seeds: [7, 8]}\nseed: 8\n",
        ["4: curve.seeds[1]: must differ from `seed`, the seed of the search, got 8"],
    ),
    "no seed": ("curve: {seeds: 0}\n", ["4: curve.seeds: must be at least 1, got 0"]),
    "seeds in words": (
        "curve: {seeds: many}\n",
        ['4: curve.seeds: must be a whole number, got "many"'],
    ),
    "a seed in words": (
        "curve: {seeds: [1, two]}\n",
        ['4: curve.seeds[1]: must be a whole number, got "two"'],
    ),
    "fewer seeds at most than at first": (
        "curve: {seeds: 5, max_seeds: 4}\n",
        ["4: curve.max_seeds: must be at least the number of seeds in curve.seeds (5), got 4"],
    ),
    "no margin": ("report: {margin: 0}\n", ["4: report.margin: must be more than 0, got 0"]),
    "a margin that is no number": (
        "report: {margin: .nan}\n",
        ["4: report.margin: must be a finite number, got .nan"],
    ),
    "default seed of the search": (
        "seed: 3\n",
        [
            "4: curve.seeds: means the seeds 1 to 3, which must not contain `seed` (3), got 3 (the "
            "default)"
        ],
    ),
    "seed of the search among counted seeds": (
        "seed: 1\ncurve: {seeds: 4}\n",
        ["5: curve.seeds: means the seeds 1 to 4, which must not contain `seed` (1), got 4"],
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
        [
            "4: resources.gpu: must be a fraction of one GPU, a whole number of them, or auto, "
            "got 1.5"
        ],
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_file(case: str, errors: Errors) -> None:
    text, expected = BAD[case]
    assert errors(HEAD + text) == [f"study.yaml:{line}" for line in expected]


def test_a_value_of_a_mapping_is_no_default(catalog: Catalog) -> None:
    study = {
        "name": "s",
        "models": ["pamnet"],
        "tasks": ["qm9/mu"],
        "seed": 1,
        "curve": {"seeds": [1]},
    }
    with pytest.raises(StudyError) as raised:
        load_study(study, catalog)
    assert str(raised.value) == (
        "study: curve.seeds[0]: must differ from `seed`, the seed of the search, got 1"
    )
