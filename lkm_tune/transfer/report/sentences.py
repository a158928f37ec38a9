"""The sentences of a report: decisions for a cell and for all cells, and useful further runs."""

from __future__ import annotations

import math

from lkm_tune.transfer.fit.answer import (
    LEAVE_OFF,
    NOT_NEEDED,
    PAPER_GAMMA,
    USE,
    CellAnswer,
)
from lkm_tune.transfer.fit.verdict import FEWEST_SEEDS
from lkm_tune.transfer.wording import (
    NO_BREAK,
    at_most,
    count_text,
    estimate,
    gamma_text,
    listed,
    margin_text,
    percent,
    span,
)

NOTHING_LEARNT = "; nothing learnt"
"""The end of a decision on a network that is no better than predicting the mean."""

COARSE = 4.0
"""Largest factor between neighbouring γ (half a decade, with room for rounding) at which intervals
do not miss narrow dips; docs/transfer.md has the figures."""


def decision_sentence(answer: CellAnswer) -> str:
    """The decision for a cell, without its name."""
    if answer.learnt_nothing:
        return (
            f"{_decision(answer)} But the network learnt nothing: its error at γ = 0 is"
            f" {percent(answer.of_mean)} of that of predicting the mean, so this holds for no"
            " network that learns."
        )
    return _decision(answer)


def _decision(answer: CellAnswer) -> str:
    best = gamma_text(answer.recommended)
    if answer.predicted:
        return f"Start with γ = {best}: a prediction, since this cell was never searched."
    if answer.only_diverges:
        return f"Leave mixing off: {_every_gamma_diverged(answer)}."
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


def _every_gamma_diverged(answer: CellAnswer) -> str:
    ends = dict.fromkeys(map(gamma_text, (answer.diverged[0], answer.diverged[-1])))
    return f"training diverged at every measured γ above 0 ({' to '.join(ends)})"


def _undecided(answer: CellAnswer, best: str) -> str:
    above = "" if math.isnan(answer.bound) else f", {_at_most_above(answer)}"
    if math.isnan(answer.gain):
        return (
            "It is unknown whether mixing helps, because no run has γ = 0. Among the other γ the"
            f" lowest expected error is at {best}{above}."
        )
    if answer.seeds < FEWEST_SEEDS:
        return (
            f"Undecided, since a decision needs {count_text(FEWEST_SEEDS)} seeds; lowest expected"
            f" error at γ = {best}{above}."
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


def _excluded_gain(answer: CellAnswer) -> str:
    if not math.isfinite(answer.largest_gain):
        return "nothing"
    return f"a gain above {at_most(answer.largest_gain)}"


def cell_line(answer: CellAnswer) -> tuple[str, str, str]:
    """The decision, the gain and the exclusion, as the fields of a table."""
    decision, gain, excluded = _line(answer)
    return decision + (NOTHING_LEARNT if answer.learnt_nothing else ""), gain, excluded


def _line(answer: CellAnswer) -> tuple[str, str, str]:
    best, seeds = gamma_text(answer.recommended), answer.seeds
    if answer.predicted:
        return f"start with γ = {best}", "never searched", ""
    if answer.only_diverges:
        return "leave mixing off", "not known", "every γ > 0 diverged"
    if seeds < 2:
        return "undecided", "not known: one seed" if seeds else "not known", ""
    if answer.decision == LEAVE_OFF:
        return "leave mixing off", "none shown", _excluded_gain(answer)
    if answer.decision == NOT_NEEDED:
        return f"mixing not needed, best guess {best}", "none shown", _excluded_gain(answer)
    excluded = "nothing" if math.isinf(answer.bound) else ""
    if math.isfinite(answer.bound):
        excluded = f"more than {at_most(answer.bound)} above the best"
    if answer.decision == USE:
        gain = estimate(answer.gain, answer.gain_low, answer.gain_high)
        return f"use γ = {best}", gain, excluded
    if math.isnan(answer.gain):
        return f"undecided, best guess {best}", "not known: no γ = 0", excluded
    if seeds < FEWEST_SEEDS:
        return f"undecided, best guess {best}", "not known: two seeds", excluded
    ends = " to ".join(dict.fromkeys(map(gamma_text, (answer.open_low, answer.open_high))))
    return f"undecided: {ends}, best guess {best}", "none shown", excluded


def detail_sentences(answer: CellAnswer) -> list[str]:
    """Further sentences on a cell."""
    if answer.predicted:
        return _prediction(answer)
    if answer.seeds < 2 or answer.only_diverges:
        return []
    found = [f"This rests on {answer.seeds} seeds."]
    if answer.decision == USE and math.isfinite(answer.bound):
        found.append(f"γ = {gamma_text(answer.recommended)} is {_at_most_above(answer)}.")
    found += [*_own_control(answer), *_edge(answer), *_harm(answer)]
    if math.isfinite(answer.paper_regret_high) and not answer.flat:
        cost = estimate(answer.paper_regret, answer.paper_regret_low, answer.paper_regret_high)
        found.append(f"The published γ = {PAPER_GAMMA:g} costs {cost}.")
    return found


def cell_sentence(answer: CellAnswer) -> str:
    """One plain paragraph on γ in a cell, with the cell's name."""
    decision = decision_sentence(answer)
    named = f"{answer.name}: {decision[0].lower()}{decision[1:]}"
    coarse = []
    if answer.step > COARSE and answer.seeds > 1:
        coarse.append(
            f"γ was measured in steps of a factor of {gamma_text(answer.step)}: a narrower dip of"
            " the error stays unseen."
        )
    return " ".join([named, *detail_sentences(answer), *coarse])


def _own_control(answer: CellAnswer) -> list[str]:
    value, low, high = (getattr(answer, f"gain_own_control{end}") for end in ("", "_low", "_high"))
    if not math.isfinite(value):
        return []
    if value < 0:
        value, low, high = -value, -high, -low
        return [
            "γ = 0 at its own best settings has a lower error: mixing costs"
            f" {estimate(value, low, high)} against it."
        ]
    return [
        "Against γ = 0 at its own best settings the error is"
        f" {percent(value)} lower ({span(low, high)})."
    ]


def _harm(answer: CellAnswer) -> list[str]:
    if not math.isfinite(answer.harm_start):
        return []
    start, largest = gamma_text(answer.harm_start), gamma_text(answer.range_high)
    cost = estimate(answer.harm, answer.harm_low, answer.harm_high)
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
