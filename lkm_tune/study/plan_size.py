"""The numbers of trials and epochs of a study, for `lkm-tune check`."""

from dataclasses import dataclass
from itertools import islice

from lkm_tune.study.plan import SearchPlan
from lkm_tune.study.study import Study


@dataclass(frozen=True)
class PlanSummary:
    """The number of trials of a study, and their largest and expected number of epochs.

    Attributes:
        cells: models × tasks × combinations of compared values.
        search_trials: trials of one cell's search.
        control_trials: trials of one cell's search with γ = 0; 0 without `search.control`.
        curve_points: runs of one cell's curve, γ values × seeds.
        control_curve_points: runs of one cell at the best settings of the control.
        trials: all of these, over all cells.
        max_epochs: epochs over all cells if no trial is stopped early.
        expected_epochs: expected epochs over all cells with successive halving.
        max_molecule_epochs: `max_epochs` × the training samples of an epoch.
        expected_molecule_epochs: likewise for `expected_epochs`.
    """

    cells: int
    search_trials: int
    control_trials: int
    curve_points: int
    control_curve_points: int
    trials: int
    max_epochs: int
    expected_epochs: float
    max_molecule_epochs: int
    expected_molecule_epochs: float


def plan_summary(study: Study, seeds: int | None = None, further_gammas: int = 0) -> PlanSummary:
    """The numbers of `study`.

    Args:
        study: the study.
        seeds: number of seeds of every curve; None for the seeds before the first look.
        further_gammas: number of γ of every curve that are not in `curve.gammas`.
    """
    n_seeds = len(study.curve.first_seeds) if seeds is None else seeds
    cells, epochs, search = len(study.cells), study.training.epochs, study.search
    searched_control = search.control and search.trials > 0
    control_trials = search.trials if searched_control else 0
    curve_points = (len(study.curve.gammas) + further_gammas) * n_seeds
    control_points = n_seeds if searched_control else 0
    whole = curve_points + control_points
    per_cell = search.trials + control_trials + whole
    searches = 2 if searched_control else 1
    expected = cells * (searches * expected_search_epochs(search, epochs) + whole * epochs)
    most = cells * per_cell * epochs
    samples = sum(cell.n_train for cell in study.cells)
    return PlanSummary(
        cells=cells,
        search_trials=search.trials,
        control_trials=control_trials,
        curve_points=curve_points,
        control_curve_points=control_points,
        trials=cells * per_cell,
        max_epochs=most,
        expected_epochs=expected,
        max_molecule_epochs=per_cell * epochs * samples,
        expected_molecule_epochs=expected / cells * samples,
    )


def expected_search_epochs(search: SearchPlan, epochs: int) -> float:
    """Epochs of one search of `search.trials` trials, stopped by asynchronous successive halving.

    The n-th trial at a rung continues if it is among the best max(⌊n/η⌋, 1) so far (Li et al.,
    MLSys 2020, arXiv:1810.05934, section 3, in the form that stops trials). This is the expectation
    for sequential trials with errors in random order: the n-th trial continues with probability
    max(⌊n/η⌋, 1)/n. A sampler that learns stops fewer trials.
    """
    rung, reached, reached_at = search.grace_period, float(search.trials), 0
    total = 0.0
    while rung < epochs:
        total += reached * (rung - reached_at)
        reached, reached_at = _promoted(reached, search.reduction_factor), rung
        rung *= search.reduction_factor
    return total + reached * (epochs - reached_at)


def _promoted(reached: float, reduction_factor: int) -> float:
    """The expected number of `reached` trials that continue; `reached` may be fractional."""
    whole = int(reached)
    shares = (max(n // reduction_factor, 1) / n for n in range(1, whole + 2))
    return sum(islice(shares, whole)) + (reached - whole) * next(shares)
