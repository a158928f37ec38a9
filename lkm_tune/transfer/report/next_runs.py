"""What would change the answer: the next runs that are worth their time."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from lkm_tune.transfer.fit.answer import CellAnswer
from lkm_tune.transfer.fit.limits import GAMMAS
from lkm_tune.transfer.fit.verdict import FEWEST_SEEDS, UNDECIDED
from lkm_tune.transfer.report.answer import COARSE
from lkm_tune.transfer.report.report import TransferReport
from lkm_tune.transfer.wording import gamma_text

_NAMED = 5
"""So many cells are named in a sentence; of more, only the number is given."""


def what_would_change(report: TransferReport) -> list[str]:
    """Sentences on which further runs could change what the report says, the cheapest first."""
    answers = report.answers
    found = [*_open_pairs(report.regret), *_edges(answers), *_few_seeds(answers), *_flat(answers)]
    found += _coarse(answers)
    if report.unsearched:
        names = _listed([f"{a.model} on {a.task}" for a in report.unsearched])
        found.append(f"Never searched, so only predicted: {names}.")
    return found


def _open_pairs(regret: pd.DataFrame) -> list[str]:
    left = regret[regret["verdict"] == UNDECIDED]
    if left.empty:
        return []
    finer = int((left["missing"] == GAMMAS).sum())
    found = [f"{len(left)} of {len(regret)} pairs are open."]
    if finer < len(left):
        found.append(f"More seeds may settle {len(left) - finer} of them.")
    if finer:
        found.append(
            f"For {finer} the doubt on the curve between the measured γ would stay with any number"
            " of seeds: they need γ between those measured, or the borrowed γ itself."
        )
    return [" ".join(found)]


def _edges(answers: Sequence[CellAnswer]) -> list[str]:
    return [
        f"{answer.name}: the lowest error at γ > 0 is at the end of the measured range, γ ="
        f" {gamma_text(answer.gamma_best)}; measure beyond it."
        for answer in answers
        if answer.at_edge and not answer.diverged
    ][:_NAMED]


def _few_seeds(answers: Sequence[CellAnswer]) -> list[str]:
    few = [answer.name for answer in answers if answer.seeds < FEWEST_SEEDS]
    return [f"Fewer than three seeds: {_listed(few)}."] if few else []


def _flat(answers: Sequence[CellAnswer]) -> list[str]:
    names = [answer.name for answer in answers if answer.flat and not answer.flat_within_margin]
    return [f"No γ is told from another yet, more seeds may: {_listed(names)}."] if names else []


def _coarse(answers: Sequence[CellAnswer]) -> list[str]:
    names = [
        f"{answer.name} around {gamma_text(answer.gamma_best)}"
        for answer in answers
        if answer.step > COARSE
    ]
    if not names:
        return []
    return [f"More γ between those measured would show narrower dips: {_listed(names)}."]


def _listed(names: list[str]) -> str:
    more = len(names) - _NAMED
    return "; ".join(names[:_NAMED]) + (f"; and {more} more" if more > 0 else "")
