"""Answers in words: the decision for one cell, and what the pairs together say."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from operator import attrgetter
from typing import Any

from lkm_tune.transfer.fit.analysis import Pair
from lkm_tune.transfer.fit.answer import (
    LEAVE_OFF,
    PAPER_GAMMA,
    USE,
    CellAnswer,
)
from lkm_tune.transfer.fit.cells import CellKey
from lkm_tune.transfer.fit.verdict import DOES_NOT, NOTHING, TRANSFERS, UNDECIDED
from lkm_tune.transfer.wording import gamma_text, percent, plain, span

COARSE = 4.0
"""With larger factors between neighbouring γ than this (half a decade and what rounding adds)
intervals were seen to miss narrow dips; docs/transfer.md has the figures."""


def answer_record(answer: CellAnswer) -> dict[str, Any]:
    """An answer as data that is valid JSON (unknown numbers are None), with its sentence."""
    record = {name: plain(value) for name, value in asdict(answer).items()}
    return {**record, "predicted": answer.predicted, "sentence": cell_sentence(answer)}


def cell_sentence(answer: CellAnswer) -> str:
    """One plain paragraph on γ in a cell."""
    if answer.predicted:
        return _prediction(answer)
    if answer.seeds == 0:
        return (
            f"{answer.name}: nothing can be said, because no seed ran at more than one γ. Repeat"
            " the same seeds at every γ."
        )
    if answer.seeds == 1:
        return (
            f"{answer.name}: of the γ measured with one seed, {gamma_text(answer.recommended)}"
            " looks best, but whether it beats γ = 0 cannot be told from a single seed. Add seeds."
        )
    parts = [f"{answer.name}: {decision_sentence(answer)}", *_own_control(answer), *_edge(answer)]
    if math.isfinite(answer.paper_regret_high) and not answer.flat:
        parts.append(
            f"Using the published {PAPER_GAMMA:g} instead costs {percent(answer.paper_regret)}"
            f" ({span(answer.paper_regret_low, answer.paper_regret_high)})."
        )
    if answer.step > COARSE:
        parts.append(
            f"γ was measured in steps of a factor of {gamma_text(answer.step)} there: a dip"
            " narrower than that, and what it gains, is not seen."
        )
    return " ".join(parts)


def decision_sentence(answer: CellAnswer) -> str:
    """What to do in a cell that was searched with at least two seeds."""
    best, seeds = gamma_text(answer.recommended), f"{answer.seeds} seeds"
    at_most = f"at most {percent(answer.bound)} above the best"
    if not math.isfinite(answer.bound):
        at_most = "how far above the best is not known"
    if answer.decision == USE:
        return (
            f"use γ = {best}: {percent(answer.gain)} lower error than without mixing"
            f" ({span(answer.gain_low, answer.gain_high)}, {seeds}); {at_most}."
        )
    if answer.decision == LEAVE_OFF:
        return (
            "leave mixing off: no γ was shown to help; a gain above"
            f" {percent(answer.largest_gain)} is excluded ({seeds})."
        )
    return (
        f"undecided between {gamma_text(answer.open_low)} and {gamma_text(answer.open_high)};"
        f" lowest expected error at {best}, {at_most} ({seeds})."
    )


def _own_control(answer: CellAnswer) -> list[str]:
    if not math.isfinite(answer.gain_own_control):
        return []
    interval = span(answer.gain_own_control_low, answer.gain_own_control_high)
    return [
        "Against γ = 0 at the control's own best settings the gain is"
        f" {percent(answer.gain_own_control)} ({interval})."
    ]


def _edge(answer: CellAnswer) -> list[str]:
    if not answer.at_edge or answer.decision == LEAVE_OFF:
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


def _prediction(answer: CellAnswer) -> str:
    cells = len(answer.based_on)
    among = "one finished cell" if cells == 1 else f"{cells} finished cells"
    listed = ", ".join(answer.based_on[:_NAMED]) + (" and others" if cells > _NAMED else "")
    sentence = (
        f"{answer.name}: never searched. From {among} ({listed}) the γ to begin with is"
        f" {gamma_text(answer.recommended)}; with 95 % probability its own best γ > 0 lies between"
        f" {gamma_text(answer.gamma_low)} and {gamma_text(answer.gamma_high)}."
    )
    if not answer.kin:
        sentence += (
            f" Neither {answer.model} nor {answer.task} was searched, so all cells count alike."
        )
    if math.isfinite(answer.expected_regret):
        return sentence + (
            " Predicted in this way for each of those cells, γ cost"
            f" {percent(answer.expected_regret)} more error than the best on average."
        )
    return sentence + " What that costs cannot be tested with fewer cells."


_NAMED = 4
"""So many cells are named in a sentence."""


@dataclass(frozen=True)
class Question:
    """One question on transfer with its answer in words and the counts behind it."""

    title: str
    answer: str
    counts: dict[str, int]


def _same(*fields: str) -> Callable[[CellKey, CellKey], bool]:
    of = attrgetter(*fields)
    return lambda s, t: bool(of(s) == of(t))


_AXES: tuple[tuple[str, Callable[[CellKey, CellKey], bool]], ...] = (
    ("from one depth to another", _same("model", "task", "n_train")),
    ("from one sample size to another", _same("model", "task")),
    ("from one architecture to another", _same("task", "n_train")),
    ("from one task to another", _same("model", "n_train")),
    ("between cells that differ in more than one way", lambda s, t: True),
)
"""Each pair belongs to the first axis that it fits. Depth may differ on the later ones: it is
one of the settings that the search finds for each cell."""


def transfer_questions(pairs: Sequence[Pair], margin: float) -> list[Question]:
    """For each axis along which cells differ: does γ transfer?"""
    left = list(pairs)
    questions = []
    for name, fits in _AXES:
        here = [pair for pair in left if fits(pair.source, pair.target)]
        left = [pair for pair in left if not fits(pair.source, pair.target)]
        if here:
            questions.append(_question(name, here, margin))
    return questions


def _question(name: str, pairs: Sequence[Pair], margin: float) -> Question:
    counts = {
        verdict: sum(pair.verdict.verdict == verdict for pair in pairs)
        for verdict in (TRANSFERS, DOES_NOT, NOTHING, UNDECIDED)
    }
    listed = ", ".join(f"{verdict}: {count}" for verdict, count in counts.items() if count)
    ways = f"{len(pairs)} ordered pairs" if len(pairs) > 1 else "one ordered pair"
    answer = f"{_conclusion(counts, len(pairs), margin)} Of {ways} — {listed}."
    return Question(f"Does γ transfer {name}?", answer, counts)


def _conclusion(counts: dict[str, int], pairs: int, margin: float) -> str:
    if counts[NOTHING] == pairs:
        return f"There is nothing to transfer: no γ gains more than {percent(margin)}."
    if counts[DOES_NOT]:
        share = "Not always" if counts[TRANSFERS] else "No"
        return f"{share}: a γ taken from elsewhere can cost more than {percent(margin)}."
    if counts[UNDECIDED] == 0:
        return f"Yes, to within {percent(margin)} of the error."
    if counts[TRANSFERS]:
        return f"Where it could be decided, yes, to within {percent(margin)}; the rest is open."
    return "Not answered: the runs are too few or too noisy to say."
