"""The γ from which on mixing costs more than the margin: error rate and power."""

import numpy as np
import pytest
from scipy.stats import binom

from lkm_tune.transfer.fit.analysis import fit_cells
from lkm_tune.transfer.fit.harm import harm_of_strong_mixing
from lkm_tune.transfer.fit.run_table import check_runs

MARGIN = 0.05


def step(cost):
    """No effect below γ = 0.1, and a constant rise of the error from there on."""
    return lambda x: np.where(x > -1.1, np.log1p(cost), 0.0)


def harm(simulate, curve, **options):
    (cell,) = fit_cells(check_runs(simulate({"a": curve}, **options)), seed=0)
    return harm_of_strong_mixing(cell, MARGIN)


@pytest.mark.parametrize(
    ("cost", "seeds", "start"),
    [(0.2, 4, 0.1), (0.2, 2, np.nan), (0.02, 4, np.nan), (0.0, 4, np.nan), (-0.2, 4, np.nan)],
)
def test_where_mixing_is_shown_to_harm(simulate, cost, seeds, start):
    found = harm(simulate, step(cost), seeds=seeds)
    assert found.start == pytest.approx(start, nan_ok=True)
    assert found.cost.low <= cost <= found.cost.high


def test_how_often_it_is_wrong_and_how_often_it_speaks(simulate):
    """A cost equal to the margin is the hardest case without an effect to show."""
    studies, noise = 60, 0.03
    wrong = [harm(simulate, step(MARGIN), noise=noise, random=i).start > 0 for i in range(studies)]
    right = [harm(simulate, step(0.15), noise=noise, random=i).start > 0 for i in range(studies)]
    assert sum(wrong) <= binom.ppf(0.99, studies, 0.05)
    assert sum(right) >= 0.9 * studies
