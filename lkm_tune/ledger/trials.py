"""The trials of a study, to be looked at: what a report, `status` and the planner read."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lkm_tune.ledger.journal_reader import PHASES, read_trials
from lkm_tune.ledger.trial_record import TrialRecord
from lkm_tune.study import Cell, Phase, Study, TrialSpec
from lkm_tune.study.halving import rungs

SEARCH_OF: Mapping[Phase, Phase] = {"curve": "search", "control_curve": "control"}
"""Which search decides the settings of which curve."""


class StudyTrials:
    """Every trial of one study; nothing here changes any.

    Attributes:
        study: the study.
        rungs: the epochs after which search trials are judged.
        begun: how many trials it has.
        changes: grows when a trial begins or ends, so that nobody need look again before.
    """

    changes = 0

    def __init__(
        self, study: Study, records: Mapping[tuple[Cell, Phase], list[TrialRecord]]
    ) -> None:
        """Takes the records of each cell and phase, by number."""
        self.study = study
        self.rungs = rungs(
            study.search.grace_period, study.search.reduction_factor, study.training.epochs
        )
        nothing: dict[tuple[Cell, Phase], list[TrialRecord]] = {
            (cell, phase): [] for cell in study.cells for phase in PHASES
        }
        self._records = {**nothing, **records}

    @classmethod
    def read(cls, study: Study, path: Path) -> "StudyTrials":
        """The trials of the ledger at `path`; an absent file has none.

        Raises:
            ValueError: if a line before the last is damaged; names it.
        """
        return StudyTrials(study, read_trials(study, path))

    @property
    def begun(self) -> int:
        """How many trials have begun."""
        return sum(map(len, self._records.values()))

    def records(self, cell: Cell, phase: Phase) -> list[TrialRecord]:
        """The trials of one phase of a cell, by number."""
        return self._records[cell, phase]

    def all_records(self) -> list[TrialRecord]:
        """Every trial, cell by cell."""
        return [record for records in self._records.values() for record in records]

    def record(self, spec: TrialSpec) -> TrialRecord:
        """What is known of `spec`."""
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
        """The settings, γ aside, of a cell's curve (`curve` or `control_curve`).

        Returns:
            None until the search that decides them is over, and where none of its trials is
            complete.
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
        """The curve points at settings that are no longer those of their cell's curve.

        While a search goes on that was extended, the last point that began says which they are.
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
