"""Answers in words: the best γ of one cell, and what the pairs together say."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from operator import attrgetter
from typing import Any

from lkm_tune.transfer.fit.analysis import Pair
from lkm_tune.transfer.fit.cells import CellKey
from lkm_tune.transfer.fit.prediction import Prediction
from lkm_tune.transfer.fit.verdict import DOES_NOT, NOTHING, TRANSFERS, UNDECIDED
from lkm_tune.transfer.wording import gamma_text, percent, plain, span

PAPER_GAMMA = 0.02
"""The γ that the method's paper found best on QM9, on its own scale of γ (arXiv:2510.20236)."""

COARSE = 4.0
"""With larger factors between neighbouring γ than this (half a decade and what rounding adds)
intervals were seen to miss narrow dips; docs/transfer.md has the figures."""


@dataclass(frozen=True)
class BestGamma:
    """The best γ of one cell. Gains and regrets are fractions of the error, NaN where unknown.

    Attributes:
        model: architecture.
        task: task.
        depth: number of interaction blocks.
        n_train: training samples.
        gamma: γ with the lowest expected test error.
        low: lower end of the 95 % interval of γ.
        high: upper end of the 95 % interval of γ.
        gain: fraction by which the best γ lowers the error of γ = 0.
        gain_low: lower end of its 95 % interval.
        gain_high: upper end of its 95 % interval.
        gain_own_control: the gain over γ = 0 at the control's own best settings, NaN where the
            control had no search of its own.
        gain_own_control_low: lower end of its 95 % interval.
        gain_own_control_high: upper end of its 95 % interval.
        flat: whether no γ of the measured range is told from another.
        at_edge: whether the lowest error is at an end of the measured range.
        n_seeds: seeds that speak on it.
        unit: unit of the errors.
        control_error: error at γ = 0 (geometric mean over seeds).
        best_error: error to expect at the best γ.
        paper_regret: what `PAPER_GAMMA` costs here instead.
        paper_regret_low: lower end of its 95 % interval.
        paper_regret_high: upper end of its 95 % interval.
        sentence: all of this in plain words.
        predicted: whether the cell was never searched: γ, its interval and the expected regret are
            then predicted from other cells and all that only runs can tell is unknown.
        expected_regret: what such a prediction costs on average, where that can be tested.
        based_on: the cells that it is predicted from.
        studies: the studies whose runs it rests on; none where it is predicted.
    """

    model: str
    task: str
    depth: int
    n_train: int
    gamma: float
    low: float
    high: float
    gain: float
    gain_low: float
    gain_high: float
    gain_own_control: float
    gain_own_control_low: float
    gain_own_control_high: float
    flat: bool
    at_edge: bool
    n_seeds: int
    unit: str
    control_error: float
    best_error: float
    paper_regret: float
    paper_regret_low: float
    paper_regret_high: float
    sentence: str
    predicted: bool = False
    expected_regret: float = math.nan
    based_on: tuple[str, ...] = ()
    studies: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain data that is valid JSON: unknown numbers are None."""
        return {name: plain(value) for name, value in asdict(self).items()}


def predicted_answer(key: CellKey, found: Prediction) -> BestGamma:
    """The answer for a cell that was never searched."""
    cells = len(found.based_on)
    models = ", ".join(dict.fromkeys(other.model for other in found.based_on))
    tasks = ", ".join(dict.fromkeys(other.task for other in found.based_on))
    among = "one finished cell" if cells == 1 else f"{cells} finished cells"
    sentence = (
        f"{key}: never searched. From {among} ({models} on {tasks}) the γ to begin with is"
        f" {gamma_text(found.gamma)}; with 95 % probability its own best lies between"
        f" {gamma_text(found.low)} and {gamma_text(found.high)}."
    )
    if math.isfinite(found.expected_regret):
        sentence += (
            " Predicted in this way for each of those cells, γ cost"
            f" {percent(found.expected_regret)} more error than the best on average."
        )
    else:
        sentence += " What that costs cannot be tested with fewer cells."
    numbers = {
        field.name: math.nan for field in fields(BestGamma) if field.type in ("float", float)
    }
    return BestGamma(
        **{
            **numbers, **key._asdict(), "gamma": found.gamma, "low": found.low, "high": found.high,
            "flat": False, "at_edge": False, "n_seeds": 0, "unit": "", "sentence": sentence,
            "predicted": True, "expected_regret": found.expected_regret,
            "based_on": tuple(map(str, found.based_on)),
        }
    )  # fmt: skip


@dataclass(frozen=True)
class Shape:
    """What the sentence of a cell depends on beside its numbers."""

    margin: float
    flat_within: bool
    range_low: float
    range_high: float
    step: float
    diverges_below: float | None
    diverges_above: float | None


def cell_sentence(best: BestGamma, shape: Shape) -> str:
    """One plain paragraph on the best γ of a cell."""
    name = CellKey(best.model, best.task, best.depth, best.n_train)
    if best.n_seeds == 0:
        return (
            f"{name}: nothing can be said, because no seed ran at more than one γ. Repeat the same"
            " seeds at every γ."
        )
    if best.n_seeds == 1:
        return (
            f"{name}: of the γ measured with one seed, {gamma_text(best.gamma)} looks best, but"
            " whether it beats γ = 0 cannot be told from a single seed. Add seeds."
        )
    parts = [f"{name}: {_where(best, shape)}; {_gain(best, shape)}."]
    if math.isfinite(best.gain_own_control):
        low, high = best.gain_own_control_low, best.gain_own_control_high
        parts.append(
            f"Against γ = 0 at the control's own best settings the gain is"
            f" {percent(best.gain_own_control)} ({span(low, high)})."
        )
    parts += _edge(best, shape)
    if math.isfinite(best.paper_regret_high) and not best.flat:
        parts.append(
            f"Using the published {PAPER_GAMMA:g} instead costs {percent(best.paper_regret)}"
            f" ({span(best.paper_regret_low, best.paper_regret_high)})."
        )
    if shape.step > COARSE:
        parts.append(
            f"γ was measured in steps of a factor of {gamma_text(shape.step)} there: a dip"
            " narrower than that, and what it gains, is not seen."
        )
    return " ".join(parts)


def _where(best: BestGamma, shape: Shape) -> str:
    whole = f"{gamma_text(shape.range_low)} to {gamma_text(shape.range_high)}"
    if best.flat and shape.flat_within:
        return f"any γ from {whole} is as good, to within {percent(shape.margin)}"
    if best.flat:
        return f"these runs cannot tell any γ from {whole} from another"
    interval = f"{gamma_text(best.low)} to {gamma_text(best.high)}"
    return f"the best γ is {gamma_text(best.gamma)} (95 % interval {interval})"


def _gain(best: BestGamma, shape: Shape) -> str:
    if not math.isfinite(best.gain_high):
        return "without a γ = 0 run no gain can be given"
    interval = f"95 % interval {span(best.gain_low, best.gain_high)}, {best.n_seeds} seeds"
    which = "they lower" if best.flat else "it lowers"
    if best.gain_high <= 0:
        return f"but γ = 0 is better than every γ measured, by {percent(-best.gain)} ({interval})"
    if best.gain_high <= shape.margin:
        return f"but mixing gains at most {percent(best.gain_high)} here, so γ can stay 0"
    if best.gain_low > 0:
        return f"{which} the test error of γ = 0 by {percent(best.gain)} ({interval})"
    return f"a gain over γ = 0 is not shown: {percent(best.gain)} ({interval})"


def _edge(best: BestGamma, shape: Shape) -> list[str]:
    if not best.at_edge:
        return []
    upper = best.gamma >= shape.range_high * (1 - 1e-6)
    beyond = shape.diverges_above if upper else shape.diverges_below
    side = "upper" if upper else "lower"
    if beyond is not None:
        return [
            f"That is the {side} end of the usable range: training diverges at"
            f" γ = {gamma_text(beyond)}."
        ]
    return [f"That is the {side} end of the measured range, so a better γ may lie beyond it."]


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
    closest = min((p.seeds_needed for p in pairs if p.seeds_needed > 0), default=math.inf)
    if counts[UNDECIDED] and math.isfinite(closest):
        seeds = "one further seed" if closest == 1 else f"about {closest:.0f} further seeds"
        answer += f" The closest open pair would take {seeds} in each cell."
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
