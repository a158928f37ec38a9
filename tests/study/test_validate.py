"""Wrong keys, types and bounds, with their errors: the table is the specification."""

from collections.abc import Callable

import pytest

Errors = Callable[..., list[str]]

HEAD = "name: s\nmodels: [pamnet, mxmnet]\ntasks: [qm9/homo]\n"
GAMMA = "  gamma: {type: float, low: 1e-4, high: 100, log: true}\n"
SEARCH = (
    "trials, sampler, startup_trials, grace_period, reduction_factor, control, "
    "max_concurrent, trial_limit, time_limit, compute_limit"
)


def space(line: str) -> str:
    return f"space:\n{GAMMA}  {line}\n"


# The text after HEAD (three lines), and the expected lines of the error.
BAD = {
    # keys
    "unknown key": (
        "search:\n  trails: 8\n",
        [f"5: search.trails: unknown key, got 8; valid: {SEARCH} (did you mean trials?)"],
    ),
    "unknown section": (
        "curves: {seeds: [1]}\n",
        [
            '4: curves: unknown key, got {"seeds": [1]}; valid: name, models, tasks, space, '
            "compare, data, search, curve, training, lkm, resources, tracking, report, seed "
            "(did you mean curve?)"
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
    "too many": (
        "search: {trials: 1000000000}\ntraining: {epochs: 1000001}\ncurve: {max_seeds: 1001}\n",
        [
            "4: search.trials: must be at most 100000, got 1000000000",
            "5: training.epochs: must be at most 1000000, got 1000001",
            "6: curve.max_seeds: must be at most 1000, got 1001",
        ],
    ),
    "too small": ("search: {trials: -1}\n", ["4: search.trials: must be at least 0, got -1"]),
    "no array": (
        "resources: {array: 0, gpu: -1}\n",
        [
            "4: resources.gpu: must be at least 0, got -1",
            "4: resources.array: must be at least 1, got 0",
        ],
    ),
    "an unknown array": (
        "resources: {array: all}\n",
        ['4: resources.array: unknown value, got "all"; valid: auto'],
    ),
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
}


@pytest.mark.parametrize("case", BAD)
def test_bad_file(case: str, errors: Errors) -> None:
    text, expected = BAD[case]
    assert errors(HEAD + text) == [f"study.yaml:{line}" for line in expected]
