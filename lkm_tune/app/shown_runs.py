"""The runs of a cell that show the effect of γ: γ = 0, the best γ and the highest γ."""

from collections.abc import Iterable, Mapping
from statistics import fmean

from lkm_tune.ledger.trial_record import TrialRecord
from lkm_tune.study import TrialSpec


def side_by_side(points: Iterable[TrialRecord]) -> Mapping[str, TrialSpec]:
    """Label -> one of the compared runs of a curve, all with the same seed.

    They are the runs of γ = 0, of the γ > 0 with the lowest mean validation error over its seeds,
    and of the highest γ that did not diverge. There are two runs if the best γ is the highest, and
    one run without any γ > 0.

    Args:
        points: the curve points of a cell, in any state.

    Raises:
        ValueError: if no seed has a complete run at γ = 0.
    """
    complete = [point for point in points if point.state == "complete"]
    by_gamma: dict[float, list[TrialRecord]] = {}
    for point in complete:
        by_gamma.setdefault(float(point.spec.settings["gamma"]), []).append(point)
    if 0.0 not in by_gamma:
        raise ValueError("there must be a complete curve run at γ = 0 to compare with")
    error = {
        gamma: fmean(run.summary["val_error"] for run in runs) for gamma, runs in by_gamma.items()
    }
    mixed = [gamma for gamma in sorted(by_gamma) if gamma > 0]
    names = {0.0: "γ = 0"}
    if mixed:
        best = min(mixed, key=lambda gamma: error[gamma])
        names[best] = f"γ = {best:g}, best"
        names.setdefault(mixed[-1], f"γ = {mixed[-1]:g}, highest")
    seed = min(run.spec.seed for run in by_gamma[0.0])
    return {
        name: min(by_gamma[gamma], key=lambda run: (run.spec.seed != seed, run.spec.seed)).spec
        for gamma, name in names.items()
    }
