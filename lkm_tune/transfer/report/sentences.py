"""The sentences of a report: decisions for a cell and for all cells, and useful further runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from lkm_tune.transfer.fit.answer import (
    LEAVE_OFF,
    NOT_NEEDED,
    PAPER_GAMMA,
    UNDECIDED,
    USE,
    CellAnswer,
)
from lkm_tune.transfer.fit.cells import CellKey
from lkm_tune.transfer.fit.shared_gamma import SharedGamma
from lkm_tune.transfer.wording import (
    NO_BREAK,
    at_most,
    count_text,
    gamma_text,
    listed,
    margin_text,
    percent,
    span,
)

COARSE = 4.0
"""Largest factor between neighbouring γ (half a decade, with room for rounding) at which intervals
do not miss narrow dips; docs/transfer.md has the figures."""


def decision_sentence(answer: CellAnswer) -> str:
    """The decision for a cell, without its name."""
    best = gamma_text(answer.recommended)
    if answer.predicted:
        return f"Start with γ = {best}: a prediction, since this cell was never searched."
    if answer.seeds == 0:
        return (
            "No answer, because no seed ran at more than one γ. Repeat the same seeds at every γ."
        )
    if answer.seeds == 1:
        return (
            f"Undecided: of the γ measured with one seed, {best} has the lowest error, but one"
            " seed cannot show whether this is chance. Add seeds."
        )
    if answer.decision == USE:
        return (
            f"Use γ = {best}: {percent(answer.gain)} lower error than without mixing"
            f" ({span(answer.gain_low, answer.gain_high)})."
        )
    if answer.decision == LEAVE_OFF:
        return f"Leave mixing off: no γ was shown to help; {_largest_gain(answer)}."
    if answer.decision == NOT_NEEDED:
        return (
            f"Mixing is not needed: no γ was shown to help; {_largest_gain(answer)}. Lowest"
            f" expected error at γ = {best}."
        )
    return _undecided(answer, best)


def _undecided(answer: CellAnswer, best: str) -> str:
    above = "" if math.isnan(answer.bound) else f", {_at_most_above(answer)}"
    if math.isnan(answer.gain):
        return (
            "It is unknown whether mixing helps, because no run has γ = 0. Among the other γ the"
            f" lowest expected error is at {best}{above}."
        )
    ends = [gamma_text(gamma) for gamma in (answer.open_low, answer.open_high)]
    between = f"between {ends[0]} and {ends[1]}" if ends[0] != ends[1] else f"at {ends[0]}"
    return f"Undecided {between}; lowest expected error at {best}{above}."


def _at_most_above(answer: CellAnswer) -> str:
    if math.isinf(answer.bound):
        return "its distance from the best is unknown"
    return f"at most {at_most(answer.bound)} above the best"


def _largest_gain(answer: CellAnswer) -> str:
    if not math.isfinite(answer.largest_gain):
        return "the possible gain is unknown"
    return f"a gain above {at_most(answer.largest_gain)} is excluded"


def cell_line(answer: CellAnswer) -> tuple[str, str, str]:
    """The decision, the gain and the exclusion, as the fields of a table."""
    best, seeds = gamma_text(answer.recommended), answer.seeds
    if answer.predicted:
        cost = answer.expected_regret
        usual = "" if math.isnan(cost) else f"costs {percent(cost)} on average"
        return f"start with γ = {best}", "never searched", usual
    if seeds < 2:
        return "undecided", "not known: one seed" if seeds else "not known", ""
    if answer.decision == LEAVE_OFF:
        excluded = _largest_gain(answer).removesuffix(" is excluded")
        return "leave mixing off", "none shown", excluded
    if answer.decision == NOT_NEEDED:
        excluded = _largest_gain(answer).removesuffix(" is excluded")
        return f"mixing not needed, best guess {best}", "none shown", excluded
    excluded = "nothing" if math.isinf(answer.bound) else ""
    if math.isfinite(answer.bound):
        excluded = f"more than {at_most(answer.bound)} above the best"
    if answer.decision == USE:
        gain = f"{percent(answer.gain)} ({span(answer.gain_low, answer.gain_high)})"
        return f"use γ = {best}", gain, excluded
    if math.isnan(answer.gain):
        return f"undecided, best guess {best}", "not known: no γ = 0", excluded
    ends = " to ".join(dict.fromkeys(map(gamma_text, (answer.open_low, answer.open_high))))
    return f"undecided: {ends}, best guess {best}", "none shown", excluded


def detail_sentences(answer: CellAnswer) -> list[str]:
    """Further sentences on a cell."""
    if answer.predicted:
        return _prediction(answer)
    if answer.seeds < 2:
        return []
    found = [f"This rests on {answer.seeds} seeds."]
    if answer.decision == USE and math.isfinite(answer.bound):
        found.append(f"γ = {gamma_text(answer.recommended)} is {_at_most_above(answer)}.")
    found += [*_own_control(answer), *_edge(answer), *_harm(answer)]
    if math.isfinite(answer.paper_regret_high) and not answer.flat:
        found.append(
            f"The published γ = {PAPER_GAMMA:g} costs {percent(answer.paper_regret)}"
            f" ({span(answer.paper_regret_low, answer.paper_regret_high)})."
        )
    if answer.step > COARSE:
        found.append(
            f"γ was measured in steps of a factor of {gamma_text(answer.step)}: a narrower dip of"
            " the error stays unseen."
        )
    return found


def cell_sentence(answer: CellAnswer) -> str:
    """One plain paragraph on γ in a cell, with the cell's name."""
    decision = decision_sentence(answer)
    named = f"{answer.name}: {decision[0].lower()}{decision[1:]}"
    return " ".join([named, *detail_sentences(answer)])


def _own_control(answer: CellAnswer) -> list[str]:
    value, low, high = (getattr(answer, f"gain_own_control{end}") for end in ("", "_low", "_high"))
    if not math.isfinite(value):
        return []
    if value < 0:
        value, low, high = -value, -high, -low
        return [
            "γ = 0 at its own best settings has a lower error: mixing costs"
            f" {percent(value)} ({span(low, high)}) against it."
        ]
    return [
        "Against γ = 0 at its own best settings the error is"
        f" {percent(value)} lower ({span(low, high)})."
    ]


def _harm(answer: CellAnswer) -> list[str]:
    if not math.isfinite(answer.harm_start):
        return []
    start, largest = gamma_text(answer.harm_start), gamma_text(answer.range_high)
    cost = f"{percent(answer.harm)} ({span(answer.harm_low, answer.harm_high)})"
    if start == largest:
        return [f"γ = {largest} costs {cost} against no mixing."]
    return [
        f"From γ = {start} on mixing costs more than {margin_text(answer.margin)}: {cost} at"
        f" γ = {largest}."
    ]


def _edge(answer: CellAnswer) -> list[str]:
    if not answer.at_edge or answer.decision in (LEAVE_OFF, NOT_NEEDED):
        return []
    upper = answer.gamma_best >= answer.range_high * (1 - 1e-6)
    beyond = answer.diverges_above if upper else answer.diverges_below
    side = "upper" if upper else "lower"
    if beyond is not None:
        return [
            f"The lowest error at γ > 0 is at the {side} end of the usable range: training diverges"
            f" at γ = {gamma_text(beyond)}."
        ]
    return [
        f"The lowest error at γ > 0 is at the {side} end of the measured range, so a better γ may"
        " lie beyond it."
    ]


def _prediction(answer: CellAnswer) -> list[str]:
    cells = len(answer.based_on)
    among = "one finished cell" if cells == 1 else f"{count_text(cells)} finished cells"
    found = [
        f"Predicted from {among} ({listed(answer.based_on)}).",
        f"With 95{NO_BREAK}% probability its own best γ > 0 lies between"
        f" {gamma_text(answer.gamma_low)} and {gamma_text(answer.gamma_high)}.",
    ]
    if not answer.kin:
        found.append(
            f"Neither {answer.model} nor {answer.task} was searched, so all cells count alike."
        )
    if not math.isfinite(answer.expected_regret):
        return [*found, "The error of such a prediction cannot be tested with fewer cells."]
    return [
        *found,
        "Predicted in this way for each of those cells, γ cost"
        f" {percent(answer.expected_regret)} more error than the best on average.",
    ]


def shared_sentence(
    shared: SharedGamma | None, cells: int, margin: float, names: Mapping[CellKey, str]
) -> str:
    """Whether one γ works in all cells.

    Args:
        shared: the γ whose cost in its worst cell is smallest; None if unknown.
        cells: number of finished cells.
        margin: difference of the error, as a fraction, that does not matter.
        names: names of the cells.
    """
    if cells < 2:
        return "One cell is finished, so there is nothing to compare yet."
    if shared is None:
        return (
            "It is unknown whether one γ works in all cells: this needs at least two seeds at the"
            " same γ in every cell."
        )
    gamma = f"γ = {gamma_text(shared.gamma)}" + (" (no mixing)" if shared.gamma == 0 else "")
    all_cells = f"all {count_text(shared.cells)} cells" if shared.cells > 2 else "both cells"
    left_out = cells - shared.cells
    without = f" ({count_text(left_out)} more with too few runs)" if left_out else ""
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
    needless = "mixing" if shared.gamma == 0 else "γ"
    return (
        f"{gamma} is within {margin_text(margin)} of the best in {all_cells}{without}: {needless}"
        " need not be searched here."
    )


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
        f"from γ = {gamma_text(start)} on in {listed(cells, most=2)}"
        for start, cells in starts.items()
    ]
    return f"Mixing is shown to cost more than {margin_text(margin)} {listed(where)}."


def general_sentences(
    answers: Sequence[CellAnswer], margin: float, names: Mapping[CellKey, str]
) -> list[str]:
    """Sentences on strong mixing and on the published γ over all cells."""
    return list(filter(None, [harm_sentence(answers, margin, names), paper_sentence(answers)]))


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
