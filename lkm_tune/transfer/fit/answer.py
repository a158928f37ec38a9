"""The answer for one cell, as numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from lkm_tune.transfer.fit.cell_notes import NOTHING_LEARNT
from lkm_tune.transfer.fit.cells import CellKey
from lkm_tune.transfer.fit.verdict import FEWEST_SEEDS

PAPER_GAMMA = 0.02
"""The best γ of the paper on QM9, on the paper's scale of γ (arXiv:2510.20236)."""

USE, LEAVE_OFF, NOT_NEEDED = "use", "leave off", "not needed"
UNDECIDED, PREDICTED = "undecided", "predicted"
"""Kinds of decisions, see `CellAnswer.decision`."""


@dataclass(frozen=True)
class CellAnswer:
    """The answer for one cell.

    Errors are in `unit`. Gains, regrets and bounds are fractions of the error. γ has no unit.
    Intervals are 95 %, ends `_low` and `_high`. NaN where unknown.

    Attributes:
        model: architecture.
        task: task.
        depth: number of interaction blocks; 0 for models without a depth.
        n_train: training samples.
        protocol: digest of the protocol, "" if unknown.
        name: name of the cell for people.
        recommended: γ with the lowest expected error; 0 is a candidate.
        decision: `USE` (the recommended γ is shown to lower the error), `LEAVE_OFF` (γ = 0 has the
            lowest expected error: no γ was shown to help), `NOT_NEEDED` (no γ was shown to help,
            and γ = 0 is shown to be within the margin of the best), `UNDECIDED` (none of these), or
            `PREDICTED` (the cell was never searched).
        open_low: if no gain is shown, the lowest γ that may be the best (0 allowed).
        open_high: the highest such γ.
        gain: fraction by which the recommended γ lowers the error of γ = 0; 0 if γ = 0 is
            recommended.
        gain_low: lower end, cross-fitted over seeds.
        gain_high: upper end.
        largest_gain: the largest gain of any γ that is not excluded (one test at 5 %).
        bound: largest distance of the recommended γ from the best (one test at 5 %).
        gamma_best: the γ > 0 with the lowest fitted error.
        gamma_low: lower end of the γ > 0 not significantly worse than the best.
        gamma_high: upper end.
        gain_own_control: gain over γ = 0 at the best settings of the control, NaN if the control
            had no search.
        gain_own_control_low: lower end.
        gain_own_control_high: upper end.
        harm_start: the lowest measured γ from which on every γ is shown to cost more than the
            margin, against γ = 0.
        harm: cost of the largest measured γ against γ = 0.
        harm_low: lower end.
        harm_high: upper end.
        paper_regret: regret of `PAPER_GAMMA`.
        paper_regret_low: lower end.
        paper_regret_high: upper end.
        flat: whether no γ > 0 of the measured range differs significantly from another.
        flat_within_margin: whether all γ > 0 are shown to be within the margin of each other.
        at_edge: whether the lowest error at γ > 0 is at an end of the measured range.
        range_low: lowest usable γ > 0.
        range_high: highest usable γ.
        step: factor between the measured γ on both sides of `gamma_best`.
        diverged: γ at which training diverges.
        diverges_below: the nearest diverging γ below the usable range, None without one.
        diverges_above: the nearest diverging γ above the usable range, None without one.
        control_error: error at γ = 0 (geometric mean over seeds).
        error: expected error at the recommended γ.
        unit: unit of the errors, "" if unknown.
        outcome: the analysed error: "test_error", or "val_error" if no test error is known.
        seeds: number of seeds with information on the curve.
        runs: number of runs in the fit.
        noise: standard deviation of the log error between runs of one γ, in the middle of the
            measured γ where it changes with γ.
        kd_ratio: γ·L_KD / L_pred at the measured γ nearest to `gamma_best`.
        scale: the scale of γ, "" if unknown.
        margin: difference of the error that does not matter.
        missing: the reason for a bound above the margin: too few "seeds", too few "gammas" near the
            best, or "" for a bound within the margin.
        of_mean: error at γ = 0 (without it, at the lowest γ) as a fraction of the error of
            predicting the mean; from 1 on, the network learnt nothing.
        studies: studies of the runs; none for a prediction.
        notes: sentences on runs that are left out or suspicious.
        expected_regret: mean regret of such predictions, if it can be tested.
        based_on: names of the cells of the prediction.
        kin: number of these cells with the same architecture or task.
    """

    model: str
    task: str
    depth: int
    n_train: int
    protocol: str
    name: str
    recommended: float
    decision: str
    open_low: float = math.nan
    open_high: float = math.nan
    gain: float = math.nan
    gain_low: float = math.nan
    gain_high: float = math.nan
    largest_gain: float = math.nan
    bound: float = math.nan
    gamma_best: float = math.nan
    gamma_low: float = math.nan
    gamma_high: float = math.nan
    gain_own_control: float = math.nan
    gain_own_control_low: float = math.nan
    gain_own_control_high: float = math.nan
    harm_start: float = math.nan
    harm: float = math.nan
    harm_low: float = math.nan
    harm_high: float = math.nan
    paper_regret: float = math.nan
    paper_regret_low: float = math.nan
    paper_regret_high: float = math.nan
    flat: bool = False
    flat_within_margin: bool = False
    at_edge: bool = False
    range_low: float = math.nan
    range_high: float = math.nan
    step: float = math.nan
    diverged: tuple[float, ...] = ()
    diverges_below: float | None = None
    diverges_above: float | None = None
    control_error: float = math.nan
    error: float = math.nan
    unit: str = ""
    outcome: str = ""
    seeds: int = 0
    runs: int = 0
    noise: float = math.nan
    kd_ratio: float = math.nan
    scale: str = ""
    margin: float = math.nan
    missing: str = ""
    of_mean: float = math.nan
    studies: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    expected_regret: float = math.nan
    based_on: tuple[str, ...] = ()
    kin: int = 0

    @property
    def key(self) -> CellKey:
        """The cell."""
        return CellKey(self.model, self.task, self.depth, self.n_train, self.protocol)

    def at_margin(self, margin: float) -> CellAnswer:
        """The answer with the decision at another margin."""
        decision = self.decision
        if decision in (NOT_NEEDED, UNDECIDED) and self.seeds >= FEWEST_SEEDS:
            decision = NOT_NEEDED if self.largest_gain <= margin else UNDECIDED
        return replace(self, margin=margin, decision=decision)

    @property
    def only_diverges(self) -> bool:
        """Whether training diverged at every measured γ > 0, so that there is no curve."""
        return bool(self.diverged) and math.isnan(self.range_low)

    @property
    def learnt_nothing(self) -> bool:
        """Whether the network is no better than predicting the mean."""
        return self.of_mean >= NOTHING_LEARNT

    @property
    def predicted(self) -> bool:
        """Whether the cell was never searched."""
        return self.decision == PREDICTED
