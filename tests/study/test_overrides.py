from collections.abc import Callable
from typing import Any

import pytest

from lkm_tune.study import FloatRange, Study

TEXT = """\
name: s
models: [pamnet, mxmnet]
tasks: [qm9/homo]
space:
  gamma: {type: float, low: 1e-4, high: 100, log: true}
search: {trials: 8}
"""


@pytest.mark.parametrize(
    ("override", "read", "value"),
    [
        ("search.trials=20", lambda s: s.search.trials, 20),
        (" training.lr = 1e-3", lambda s: s.training.lr, 1e-3),
        ("curve.seeds=[4, 5]", lambda s: s.curve.first_seeds, (4, 5)),
        ("curve.seeds=[4, 5]", lambda s: s.curve.adaptive, False),
        ("curve.seeds=5", lambda s: s.curve.first_seeds, (1, 2, 3, 4, 5)),
        ("curve.seeds=5", lambda s: s.curve.adaptive, True),
        ("curve={seeds: [4, 5], until: decided}", lambda s: s.curve.adaptive, True),
        ("curve={seeds: 5, until: seeds}", lambda s: s.curve.adaptive, False),
        ("models.pamnet.hidden=64", lambda s: s.models, {"pamnet": {"hidden": 64}, "mxmnet": {}}),
        ("models=[dimenet++]", lambda s: s.models, {"dimenet++": {}}),
        ("data.n_test=null", lambda s: s.data.n_test, None),
        ("space.gamma.high=1", lambda s: s.space["gamma"].high, 1.0),
        ("data.source=/a=b", lambda s: s.data.source, "/a=b"),
    ],
)
def test_override(
    override: str, read: Callable[[Study], Any], value: Any, load: Callable[..., Study]
) -> None:
    assert read(load(TEXT, override)) == value


def test_the_default_space_can_be_narrowed(load: Callable[..., Study]) -> None:
    text = "name: s\nmodels: [pamnet]\ntasks: [qm9/homo]\n"
    gamma = load(text, "space.gamma.high=1").space["gamma"]
    assert gamma == FloatRange(type="float", low=1e-4, high=1.0, log=True)


def test_the_last_of_two_counts(load: Callable[..., Study]) -> None:
    assert load(TEXT, "search.trials=20", "search.trials=30").search.trials == 30


def test_an_override_mends_the_file(load: Callable[..., Study]) -> None:
    assert load(TEXT.replace("8", "eight"), "search.trials=20").search.trials == 20


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("search.trails=20", "--set: search.trails: unknown key, got 20; valid: trials, "),
        ("serach.trials=20", '--set: serach: unknown key, got {"trials": 20}; valid: name, '),
        ("search.trials=many", '--set: search.trials: must be a whole number, got "many"'),
        ("curve.seeds=[1, 0]", "--set: curve.seeds[1]: must differ from `seed`"),
        ("training.epochs=5", "--set: search.grace_period: must be at most training.epochs (5)"),
        ("models.mxnet.hidden=64", "--set: models.mxnet: unknown model; valid: "),
        ("search.trials", '--set: must be key=value, got "search.trials"'),
        ("=3", '--set: must be key=value, got "=3"'),
        ("curve.seeds=[1", "--set: is not valid YAML: "),
        ("seed.x=1", "--set: seed: has no key x: it is not a mapping, got 0"),
    ],
)
def test_bad_override(override: str, expected: str, errors: Callable[..., list[str]]) -> None:
    (line,) = errors(TEXT + "seed: 0\n", override)
    assert line.startswith(expected)
