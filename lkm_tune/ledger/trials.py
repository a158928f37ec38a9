"""Read access to the trials of a study, for the report, `status` and the planner."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lkm_tune.ledger.journal_reader import PHASES, read_trials
from lkm_tune.ledger.trial_record import TrialRecord
from lkm_tune.study import Cell, Phase, Study, TrialSpec
from lkm_tune.study.halving import rungs

SEARCH_OF: Mapping[Phase, Phase] = {"curve": "search", "control_curve": "control"}
"""Phase of a curve -> the phase of the search that decides its settings."""


class StudyTrials:
    """Every trial of one study, read only.

    Attributes:
        study: the study.
        rungs: the epochs of judgement of search trials.
        begun: the number of trials that have begun.
        changes: grows when a trial begins or ends, so that callers can cache.
    """

    def __init__(
        self, study: Study, records: Mapping[tuple[Cell, Phase], list[TrialRecord]]
    ) -> None:
        """Takes the records of each cell and phase, by number."""
        self.study = study
        self.changes = 0
        self.rungs = rungs(
            study.search.grace_period, study.search.reduction_factor, study.training.epochs
        )
        nothing: dict[tuple[Cell, Phase], list[TrialRecord]] = {
            (cell, phase): [] for cell in study.cells for phase in PHASES
        }
        self._records = {**nothing, **records}

    @classmethod
    def read(cls, study: Study, path: Path) -> "StudyTrials":
        """The trials of the ledger at `path`; none if the file is missing.

        Raises:
            ValueError: if a line before the last is damaged; the error names the line.
        """
        return StudyTrials(study, read_trials(study, path))

    @property
    def begun(self) -> int:
        """The number of trials that have begun."""
        return sum(map(len, self._records.values()))

    def records(self, cell: Cell, phase: Phase) -> list[TrialRecord]:
        """The trials of one phase of a cell, by number."""
        return self._records[cell, phase]

    def all_records(self) -> list[TrialRecord]:
        """Every trial, cell by cell."""
        return [record for records in self._records.values() for record in records]

    def record(self, spec: TrialSpec) -> TrialRecord:
        """The record of `spec`."""
        return self._records[spec.cell, spec.phase][spec.number]

    def best(self, cell: Cell, phase: Phase) -> TrialRecord | None:
        """The complete trial with the lowest validation error, or None."""
        complete = [r for r in self._records[cell, phase] if r.state == "complete"]
        return min(complete, key=lambda r: r.summary["val_error"], default=None)

    def search_over(self, cell: Cell, phase: Phase) -> bool:
        """Whether all trials of a cell's search (`search` or `control`) have ended."""
        records = self._records[cell, phase]
        planned = self.study.search.trials
        return len(records) >= planned and all(r.state != "running" for r in records)

    def curve_settings(self, cell: Cell, phase: Phase) -> dict[str, Any] | None:
        """The settings, without γ, of a cell's curve (`curve` or `control_curve`).

        Returns:
            None while the search that decides them runs, and if no trial of it is complete.
        """
        searched = SEARCH_OF[phase]
        if not self.search_over(cell, searched):
            return None
        if self.study.search.trials == 0:
            return {}
        best = self.best(cell, searched)
        return without_gamma(best.spec.settings) if best else None

    @property
    def superseded(self) -> list[TrialRecord]:
        """The curve points at settings that are no longer the settings of their cell's curve.

        While an extended search runs, the settings of the last curve point that began count.
        """
        found = []
        for cell in self.study.cells:
            for phase in SEARCH_OF:
                points = self._records[cell, phase]
                current = self.curve_settings(cell, phase) if points else None
                if current is None and points:
                    current = without_gamma(points[-1].spec.settings)
                found += [r for r in points if without_gamma(r.spec.settings) != current]
        return found


def without_gamma(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that all points of one curve share."""
    return {name: value for name, value in settings.items() if name != "gamma"}
