from collections.abc import Callable
from random import Random

import pytest

from lkm_tune.study import PlanSummary, SearchPlan, Study, advice, plan_summary
from lkm_tune.study.halving import rungs, survives
from lkm_tune.study.plan_size import expected_search_epochs

TEXT = """\
name: s
models: [pamnet, mxmnet]
tasks: [qm9/homo]
data: {n_train: 100}
search: {trials: 8, startup_trials: 4, grace_period: 30, control: true}
curve: {gammas: [0, 0.01, 0.1, 1], seeds: [1, 2]}
training: {epochs: 30}
"""


def test_numbers_of_a_study_without_stopping(load: Callable[..., Study]) -> None:
    """2 cells of 8 + 8 trials, 4 γ × 2 seeds and 2 control points, 30 epochs each."""
    assert plan_summary(load(TEXT)) == PlanSummary(
        cells=2,
        search_trials=8,
        control_trials=8,
        curve_points=8,
        control_curve_points=2,
        trials=52,
        max_epochs=1560,
        expected_epochs=1560,
        max_molecule_epochs=156_000,
        expected_molecule_epochs=156_000,
    )


def test_without_control(load: Callable[..., Study]) -> None:
    summary = plan_summary(load(TEXT, "search.control=false"))
    assert (summary.control_trials, summary.control_curve_points, summary.trials) == (0, 0, 32)


@pytest.mark.parametrize(("trials", "factor"), [(1, 2), (8, 3), (30, 3), (30, 2)])
def test_expected_epochs_are_the_mean_over_random_orders(trials: int, factor: int) -> None:
    """The expectation agrees with the rule for independent random errors at every rung."""
    random, epochs, grace, plays = Random(0), 150, 10, 2000
    total = 0
    for _ in range(plays):
        errors: dict[int, list[float]] = {epoch: [] for epoch in rungs(grace, factor, epochs)}
        for _ in range(trials):
            for epoch, others in errors.items():
                error = random.random()
                goes_on = survives(error, others, factor)
                others.append(error)
                if not goes_on:
                    total += epoch
                    break
            else:
                total += epochs
    plan = SearchPlan(trials=trials, grace_period=grace, reduction_factor=factor)
    assert expected_search_epochs(plan, epochs) == pytest.approx(total / plays, rel=0.03)


@pytest.mark.parametrize(
    ("override", "begins"),
    [
        ("curve.seeds=[1]", "curve.seeds: one seed"),
        ("curve.gammas=[0, 1]", "curve.gammas: 2 values of γ"),
        ("search.startup_trials=8", "search.startup_trials: all 8 trials are random"),
        ("space.gamma.log=false", "space.gamma: the range spans more than two decades"),
        ("space.distance={type: choice, values: [l1, l2]}", "space.distance: γ is comparable"),
    ],
)
def test_advice(override: str, begins: str, load: Callable[..., Study]) -> None:
    assert advice(load(TEXT)) == []
    (sentence,) = advice(load(TEXT, override))
    assert sentence.startswith(begins)
