"""The judgement of a look: the open pairs of cells, and the γ that get more seeds."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import NormalDist
from typing import TYPE_CHECKING

from lkm_tune.ledger.trial_record import TrialRecord
from lkm_tune.search.looks import Judgement, Look, LookPlan, look_sizes
from lkm_tune.study import PlanSummary, Study, plan_summary

if TYPE_CHECKING:
    from pandas import DataFrame

    from lkm_tune.transfer.fit.open_pairs import CellState

SURELY_WORSE = 0.99
"""A γ that is worse than the best by the margin with this probability gets no more seeds."""

WIDE = 3.0
"""Smallest ratio of neighbouring γ between which γ is added: decades are halved twice."""

ERROR = 0.05
"""Largest false discovery rate of the verdicts, over all looks with `curve.guarantee`."""


def judge_curves(records: Sequence[TrialRecord], plan: LookPlan) -> Judgement:
    """The open pairs, by the analysis of the report.

    A study of one cell has no pairs. It is open until the recommended γ is shown to be within the
    margin of the best.

    Args:
        records: the ended points of all curves.
        plan: the plan of the look.
    """
    # The import of the analysis takes a second, and a study without looks does not need it.
    from lkm_tune.transfer.fit.open_pairs import open_pairs

    found = open_pairs(
        points_table(records), plan.margin, rate=spent(plan) if plan.guarantee else ERROR
    )
    states = {key.protocol: state for key, state in found.cells.items()}
    if len(states) == 1:
        open_cells = {key for key, state in states.items() if not state.bound <= plan.margin}
        count = len(open_cells)
    else:
        open_cells, count = {key.protocol for key in found.involved}, len(found.pairs)
    recommended = {state.recommended for state in states.values()}
    return Judgement(
        open_pairs=count,
        gammas={key: worth_seeds(states[key], recommended) for key in sorted(open_cells)},
        half_steps={
            key: half_steps(states[key]) for key in sorted(open_cells) if states[key].needs_gammas
        },
    )


def rate_at_stop(study: Study, looks: Sequence[Look]) -> float:
    """The false discovery rate of the verdicts of a study that stopped after these looks."""
    if not study.curve.guarantee or not looks:
        return ERROR
    decided = looks[-1].judgement.open_pairs == 0
    number = len(looks) - 1 if decided else len(looks)
    return spent(LookPlan(number, look_sizes(study), study.report.margin, True))


def spent(plan: LookPlan) -> float:
    """The error rate of a look, such that all looks together keep the total error rate.

    The increment of the spending function of O'Brien and Fleming's type,
    α(t) = 2 − 2Φ(z_{α/2} / √t), at the share t of the largest number of seeds (Lan & DeMets,
    Biometrika 70, 1983, section 3).
    By the union bound the increments hold for any dependence between the looks.
    """
    normal = NormalDist()

    def until(seeds: int) -> float:
        share = seeds / plan.sizes[-1]
        return 2 - 2 * normal.cdf(normal.inv_cdf(1 - ERROR / 2) / share**0.5)

    before = until(plan.sizes[plan.number - 1]) if plan.number else 0.0
    return until(plan.sizes[plan.number]) - before


def worth_seeds(state: "CellState", recommended: set[float]) -> tuple[float, ...]:
    """The γ of a cell that get more seeds.

    A γ that is surely worse than the best gets no seeds, unless it is a neighbour of the best or
    another cell recommends it. The control γ = 0 always gets seeds.

    Args:
        state: the state of the cell.
        recommended: the γ that the cells recommend.
    """
    measured = sorted(state.worse)
    best = min(measured, key=lambda gamma: abs(gamma - state.recommended))
    place = measured.index(best)
    near = set(measured[max(0, place - 1) : place + 2])
    return tuple(
        gamma
        for gamma in measured
        if gamma == 0
        or gamma in near | recommended
        # NaN (unknown) does not count as worse.
        or not state.worse[gamma] >= SURELY_WORSE
    )


def half_steps(state: "CellState") -> tuple[float, ...]:
    """The γ in the middle, on a log scale, between the best γ > 0 and its measured neighbours.

    Two γ with a ratio below `WIDE` get no γ between them.
    """
    measured: Mapping[float, float] = {g: worse for g, worse in state.worse.items() if g > 0}
    if not measured:
        return ()
    best = min(measured, key=lambda gamma: (measured[gamma], gamma))
    gammas = sorted(measured)
    place = gammas.index(best)
    around = pairwise(gammas[max(0, place - 1) : place + 2])
    return tuple(float(f"{(low * high) ** 0.5:.3g}") for low, high in around if high / low >= WIDE)


def most_half_steps(study: Study) -> int:
    """The largest number of γ that the looks of a study can add to one curve."""

    def between(ratio: float) -> int:
        return 0 if ratio < WIDE else 1 + 2 * between(ratio**0.5)

    gammas = sorted(gamma for gamma in study.curve.gammas if gamma > 0)
    looks = len(look_sizes(study)) - 1
    return min(2 * looks, sum(between(high / low) for low, high in pairwise(gammas)))


def largest_plan(study: Study) -> PlanSummary:
    """The largest plan that the looks of a study can lead to."""
    return plan_summary(study, look_sizes(study)[-1], most_half_steps(study))


def points_table(records: Sequence[TrialRecord]) -> "DataFrame":
    """The table of points for the analysis, with the key of a cell as its protocol."""
    import pandas as pd

    rows = [
        {
            "study": record.spec.study,
            "model": record.spec.cell.variant,
            "task": record.spec.cell.task,
            "depth": dict(record.spec.cell.compared).get("depth", 0),
            "n_train": record.spec.cell.n_train,
            "gamma": float(record.spec.settings["gamma"]),
            "seed": record.spec.seed,
            "val_error": record.summary.get("val_error"),
            "test_error": record.summary.get("test_error"),
            "status": record.state,
            "protocol": record.spec.cell.key,
            "protocol_text": record.spec.cell.key,
        }
        for record in records
    ]
    return pd.DataFrame(rows)
