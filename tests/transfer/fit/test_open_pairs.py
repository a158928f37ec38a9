"""The open pairs and states of cells for a planner of further runs."""

import numpy as np
import pandas as pd
import pytest

from lkm_tune.transfer import RunTableError
from lkm_tune.transfer.fit.open_pairs import open_pairs

DECADES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)


def test_clear_pairs_are_decided_and_noisy_ones_open(simulate, shapes) -> None:
    curves = {"a": shapes["peak"](0.03, 0.1), "b": shapes["peak"](0.03, 0.1)}
    clear = open_pairs(simulate(curves, seeds=8, noise=0.002), margin=0.02)
    assert (clear.pairs, clear.decided, clear.involved) == ((), 2, frozenset())
    noisy = open_pairs(simulate(curves, seeds=3, noise=0.05), margin=0.01)
    assert {(s.model, t.model) for s, t in noisy.pairs} == {("a", "b"), ("b", "a")}
    assert noisy.involved == set(noisy.cells)
    assert {state.seeds for state in noisy.cells.values()} == {3}


def test_the_state_of_a_cell(simulate, shapes) -> None:
    runs = simulate({"a": shapes["peak"](0.03, 0.1), "b": shapes["flat"](0.1)}, noise=0.004)
    runs.loc[(runs["model"] == "a") & (runs["gamma"] == 1.0), "status"] = "diverged"
    a, b = open_pairs(runs, margin=0.02).cells.values()
    assert 0.015 < a.recommended < 0.06
    assert b.recommended == 0
    assert list(a.worse) == [0, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1]
    assert a.worse[0.03] < 0.01 < 0.99 < a.worse[0]
    assert a.worse[1.0] == 1
    assert b.worse[0] < 0.01 < 0.99 < min(b.worse[g] for g in b.worse if g)


@pytest.mark.parametrize(
    ("noise", "gammas", "missing"),
    [
        (0.001, DECADES, True),
        # Noise is the limit for any step of the grid.
        (0.001, (1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0), False),
        (0.05, (1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0), False),
    ],
)
def test_more_gammas_are_asked_for_where_interpolation_is_the_limit(
    simulate, shapes, noise, gammas, missing
) -> None:
    runs = simulate({"a": shapes["peak"](0.03, 0.15, 0.5)}, noise=noise, gammas=gammas)
    (state,) = open_pairs(runs, margin=0.01).cells.values()
    assert state.needs_gammas == missing


def test_a_table_without_curves_has_no_pairs(simulate, shapes) -> None:
    runs = simulate({"a": shapes["flat"]()})
    nothing = open_pairs(runs.iloc[:0])
    assert (nothing.pairs, nothing.cells) == ((), {})
    assert open_pairs(runs[runs["gamma"] == 0]).cells == {}
    with pytest.raises(RunTableError, match="missing column 'gamma'"):
        open_pairs(runs.drop(columns="gamma"))


def test_the_same_runs_give_the_same_answer(simulate, shapes) -> None:
    runs = simulate({"a": shapes["peak"](0.03, 0.1), "b": shapes["slope"](0.05)}, noise=0.02)
    shuffled = runs.sample(frac=1, random_state=np.random.RandomState(0))
    assert open_pairs(runs) == open_pairs(pd.concat([shuffled]))
