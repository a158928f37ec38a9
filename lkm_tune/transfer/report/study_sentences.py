"""Sentences on all cells of a report together: one γ for all, strong mixing, further runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from lkm_tune.transfer.fit.answer import PAPER_GAMMA, UNDECIDED, CellAnswer
from lkm_tune.transfer.fit.cell_notes import FEWEST_GAMMAS
from lkm_tune.transfer.fit.cells import CellKey
from lkm_tune.transfer.fit.shared_gamma import SharedGamma
from lkm_tune.transfer.fit.verdict import FEWEST_SEEDS
from lkm_tune.transfer.report.sentences import COARSE
from lkm_tune.transfer.wording import (
    at_most,
    count_text,
    counted,
    gamma_text,
    listed,
    margin_text,
    percent,
    span,
)


def shared_sentence(
    shared: SharedGamma | None,
    answers: Sequence[CellAnswer],
    margin: float,
    names: Mapping[CellKey, str],
) -> str:
    """Whether one γ works in all cells.

    Args:
        shared: the γ whose cost in its worst cell is smallest; None if unknown.
        answers: the answers of the cells.
        margin: difference of the error, as a fraction, that does not matter.
        names: names of the cells.
    """
    curves = sum(not answer.only_diverges for answer in answers)
    if curves < 2:
        first = "One cell has" if curves else "No cell has"
        return f"{first} a finished curve, so there is nothing to compare yet."
    if shared is None:
        return f"It is unknown whether one γ works in all cells: {_why_unknown(answers, names)}."
    return _shared_gamma(shared, answers, margin, names) + _nothing_learnt(answers)


def _nothing_learnt(answers: Sequence[CellAnswer]) -> str:
    """The end of the sentence, where networks are no better than predicting the mean."""
    count = sum(answer.learnt_nothing for answer in answers)
    if not count:
        return ""
    where = "all" if count == len(answers) else f"{count_text(count)} of the"
    return f" But in {where} cells the network learnt nothing."


def _why_unknown(answers: Sequence[CellAnswer], names: Mapping[CellKey, str]) -> str:
    """Why no γ has a known cost in two cells or more."""
    seeds = [answer for answer in answers if answer.seeds < 2 and not answer.diverged]
    if seeds:
        few = listed([names[answer.key] for answer in seeds])
        return (
            f"a verdict needs {count_text(FEWEST_SEEDS)} seeds at the same γ in every cell, and"
            f" fewer than two ran in {few}"
        )
    gone = [names[a.key] for a in answers if a.diverged and math.isnan(a.bound)]
    if gone:
        return f"training diverges at so many γ that too few are left for a curve in {listed(gone)}"
    return f"a curve needs {count_text(FEWEST_GAMMAS)} usable γ above 0, the same in every cell"


def _shared_gamma(
    shared: SharedGamma,
    answers: Sequence[CellAnswer],
    margin: float,
    names: Mapping[CellKey, str],
) -> str:
    shared = shared.at_margin(margin)
    gamma = f"γ = {gamma_text(shared.gamma)}" + (" (no mixing)" if shared.gamma == 0 else "")
    all_cells = f"all {count_text(shared.cells)} cells" if shared.cells > 2 else "both cells"
    left_out = len(answers) - shared.cells
    without = f" ({count_text(left_out)} more with too few usable runs)" if left_out else ""
    closest = (
        f"{gamma} comes closest: at most {at_most(shared.bound)} above the best (in"
        f" {names[shared.worst]})."
    )
    if not shared.decides:
        return f"No verdict yet on one γ for {all_cells}{without}: a cell has two seeds. {closest}"
    if shared.bound > margin:
        return (
            f"No single γ is shown to be within {margin_text(margin)} of the best in"
            f" {all_cells}{without}. {closest}"
        )
    within = f"{gamma} is within {margin_text(margin)} of the best"
    if not shared.control:
        return (
            f"{within} γ above 0 in {all_cells}{without}. Whether mixing helps is unknown: a cell"
            " has no usable runs at γ = 0."
        )
    needless = "mixing" if shared.gamma == 0 else "γ"
    return f"{within} in {all_cells}{without}: {needless} need not be searched here."


def paper_sentence(answers: Sequence[CellAnswer]) -> str:
    """The cost of the published γ over all cells; "" if unknown."""
    known = [a for a in answers if math.isfinite(a.paper_regret_high)]
    if not known:
        return ""
    low, high = min(a.paper_regret for a in known), max(a.paper_regret for a in known)
    worst = max(a.paper_regret_high for a in known)
    costs = percent(low) if len(known) == 1 or percent(low) == percent(high) else span(low, high)
    where = " in every cell" if len(known) > 1 else ""
    return (
        f"The published γ = {PAPER_GAMMA:g} costs {costs}; more than {at_most(worst)} is excluded"
        f"{where}."
    )


def harm_sentence(
    answers: Sequence[CellAnswer], margin: float, names: Mapping[CellKey, str]
) -> str:
    """The cells where strong mixing is shown to cost more than the margin; "" if there are none.

    Args:
        answers: answers of the finished cells.
        margin: margin of the report.
        names: names of the cells.
    """
    starts: dict[float, list[str]] = {}
    harmed = [answer for answer in answers if math.isfinite(answer.harm_start)]
    for answer in sorted(harmed, key=lambda a: a.harm_start):
        cost = f"{percent(answer.harm)} at γ = {gamma_text(answer.range_high)}"
        starts.setdefault(answer.harm_start, []).append(f"{names[answer.key]} ({cost})")
    if not starts:
        return ""
    where = [
        f"from γ = {gamma_text(start)} on in {_among(cells)}"
        for start, cells in list(starts.items())[:4]
    ]
    rest = sum(map(len, list(starts.values())[4:]))
    where += [f"from a higher γ on in {counted(rest, 'more cell')}"] if rest else []
    return f"Mixing is shown to cost more than {margin_text(margin)} {'; '.join(where)}."


def _among(cells: Sequence[str], most: int = 2) -> str:
    """Names of cells, and the number of the other cells."""
    more = len(cells) - most
    rest = [f"and {counted(more, 'more cell')}"] if more > 0 else []
    return "; ".join([*cells[:most], *rest])


def general_sentences(
    answers: Sequence[CellAnswer], margin: float, names: Mapping[CellKey, str]
) -> list[str]:
    """Sentences on strong mixing, on the published γ and on coarse steps over all cells."""
    found = [harm_sentence(answers, margin, names), paper_sentence(answers)]
    return list(filter(None, [*found, coarse_sentence(answers, names)]))


def coarse_sentence(answers: Sequence[CellAnswer], names: Mapping[CellKey, str]) -> str:
    """The cells whose γ are far apart; "" if there are none."""
    coarse = [answer for answer in answers if answer.step > COARSE]
    if not coarse:
        return ""
    steps = " to ".join(
        dict.fromkeys(gamma_text(end(a.step for a in coarse)) for end in (min, max))
    )
    where = listed([names[answer.key] for answer in coarse])
    where = "every cell" if len(coarse) == len(answers) else where
    return (
        f"γ was measured in steps of a factor of {steps} in {where}: a narrower dip of the error"
        " stays unseen."
    )


def further_runs(
    answers: Sequence[CellAnswer], unsearched: Sequence[CellAnswer], open_pairs: Mapping[str, int]
) -> list[str]:
    """Useful further runs, the cheapest first.

    Args:
        answers: the answers of the finished cells.
        unsearched: the answers of cells without a search.
        open_pairs: number of undecided pairs that need "seeds", and that need "gammas".
    """
    found = []
    if open_pairs.get("seeds"):
        found.append(f"Open pairs that more seeds may settle: {open_pairs['seeds']}.")
    if open_pairs.get("gammas"):
        found.append(
            "Open pairs that need γ between the measured γ, with any number of seeds:"
            f" {open_pairs['gammas']}."
        )
    edge = [
        f"{a.name} (γ = {gamma_text(a.gamma_best)})"
        for a in answers
        if a.at_edge and not a.diverged
    ]
    coarse = [f"{a.name} (near {gamma_text(a.gamma_best)})" for a in answers if a.step > COARSE]
    flat = [a.name for a in answers if a.flat and a.decision == UNDECIDED]
    never = [f"{a.model} on {a.task}" for a in unsearched]
    kinds = {
        "Lowest error at the end of the measured range, so measure beyond it": edge,
        "No γ differs significantly from another; more seeds may show a difference": flat,
        "γ measured in coarse steps: γ between them would show narrower dips": coarse,
        "Never searched, so only predicted": never,
    }
    return found + [f"{kind}: {listed(names)}." for kind, names in kinds.items() if names]
