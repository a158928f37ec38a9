"""What a study runs next, decided from the ledger alone."""

from collections.abc import Iterator, Mapping
from typing import Any

from lkm_tune.ledger.ledger import Ledger
from lkm_tune.search.warm import WarmStart, most_starts, next_start
from lkm_tune.study import Cell, Phase, Study, TrialSpec

# Which search decides the settings of which curve.
CURVE_OF: dict[Phase, Phase] = {"search": "curve", "control": "control_curve"}


class Planner:
    """The order of trials: interrupted ones, then searches, then the curves of searched cells.

    All cells share the slots: the cell with the fewest search trials is asked next. A curve
    starts as soon as its own cell's search is over, so that no slot waits for another cell.
    With a warm start, cells come one after the other, each with its curve as soon as its search is
    over: what they find is what the next ones begin with.
    """

    def __init__(self, study: Study, ledger: Ledger, warm: WarmStart | None = None) -> None:
        """Trials that the ledger calls running belong to a driver that is gone: they come first.

        Args:
            study: to plan.
            ledger: of the study.
            warm: what cells begin with; None if they begin cold, or if nothing will be run.
        """
        self.study = study
        self.ledger = ledger
        self._warm = warm
        self._interrupted = [r.spec for r in ledger.all_records() if r.state == "running"]
        # Without a search there is none of the control either: its curve would be the same.
        both = study.search.control and study.search.trials > 0
        self._phases: tuple[Phase, ...] = ("search", "control") if both else ("search",)
        self._cells = study.cells
        # Points that failed for a driver before get another chance; those of this one do not.
        self._failed_before = {
            _identity(r.spec) for r in ledger.all_records() if r.state in ("failed", "infeasible")
        }

    def next(self, *, begin: bool = True) -> TrialSpec | None:
        """A trial to run now, entered into the ledger; None if there is none at present.

        Args:
            begin: whether it may be one that begins; else it is one that was interrupted.
        """
        if self._interrupted:
            return self._interrupted.pop(0)
        if not begin:
            return None
        if self._warm:
            return self._next_curve_point() or self._next_search()
        return self._next_search() or self._next_curve_point()

    @property
    def finished(self) -> bool:
        """Whether everything that was planned has ended."""
        if any(record.state == "running" for record in self.ledger.all_records()):
            return False
        return self._search_to_ask() is None and next(self._missing_points(), None) is None

    @property
    def ready(self) -> int:
        """How many trials could run now, had they room: those that run, and those to be begun."""
        running = sum(record.state == "running" for record in self.ledger.all_records())
        asked = [
            len(self.ledger.records(cell, phase)) for cell in self._cells for phase in self._phases
        ]
        searches = sum(max(0, self.study.search.trials - count) for count in asked)
        return running + searches + sum(1 for _ in self._missing_points())

    @property
    def cells_without_curve(self) -> list[tuple[Cell, Phase]]:
        """Cells whose search ended without one complete trial: there are no settings to use."""
        return [
            (cell, phase)
            for cell in self._cells
            for phase in self._phases
            if self._search_over(cell, phase) and self.curve_settings(cell, phase) is None
        ]

    def curve_settings(self, cell: Cell, phase: Phase) -> Mapping[str, Any] | None:
        """The settings, γ aside, of a cell's curve; None until the search `phase` is over."""
        if not self._search_over(cell, phase):
            return None
        if self.study.search.trials == 0:
            return {}
        best = self.ledger.best(cell, phase)
        return {k: v for k, v in best.spec.settings.items() if k != "gamma"} if best else None

    @property
    def curves(self) -> list[tuple[Cell, Phase, Mapping[str, Any]]]:
        """Every curve whose settings are decided: cell, phase of its points, settings but γ."""
        decided = [
            (cell, CURVE_OF[phase], self.curve_settings(cell, phase))
            for cell in self._cells
            for phase in self._phases
        ]
        return [(cell, phase, known) for cell, phase, known in decided if known is not None]

    def _next_search(self) -> TrialSpec | None:
        chosen = self._search_to_ask()
        if chosen is None:
            return None
        if not (start := self._start(*chosen)):
            return self.ledger.ask(*chosen)
        settings = start.pop("settings")
        return self.ledger.add_point(*chosen, settings, self.study.seed, start)

    def _start(self, cell: Cell, phase: Phase) -> dict[str, Any] | None:
        """A trial that starts warm.

        What a cell may begin with is decided with its first trial: cells that end meanwhile, or a
        restart between, change nothing.
        """
        begun = len(self.ledger.records(cell, phase))
        if begun >= most_starts(self.study):
            return None
        if begun:
            return next_start(self.ledger, cell, phase)
        candidates = self._warm.candidates(self.ledger, cell, phase) if self._warm else []
        return {**candidates[0], "candidates": candidates} if candidates else None

    def _search_to_ask(self) -> tuple[Cell, Phase] | None:
        asked = [
            (len(self.ledger.records(cell, phase)), index, (cell, phase))
            for index, cell in enumerate(self._warm.order if self._warm else self._cells)
            for phase in self._phases
        ]
        left = [item for item in asked if item[0] < self.study.search.trials]
        if not left:
            return None
        by = (1, 0) if self._warm else (0, 1)
        return min(left, key=lambda item: (item[by[0]], item[by[1]]))[2]

    def _search_over(self, cell: Cell, phase: Phase) -> bool:
        records = self.ledger.records(cell, phase)
        planned = self.study.search.trials
        return len(records) >= planned and all(r.state != "running" for r in records)

    def _next_curve_point(self) -> TrialSpec | None:
        point = next(self._missing_points(), None)
        return self.ledger.add_point(*point) if point else None

    def _missing_points(self) -> Iterator[tuple[Cell, Phase, dict[str, Any], int]]:
        for cell in self._cells:
            for phase in self._phases:
                settings = self.curve_settings(cell, phase)
                if settings is not None:
                    yield from self._missing_of(cell, CURVE_OF[phase], settings)

    def _missing_of(
        self, cell: Cell, phase: Phase, settings: Mapping[str, Any]
    ) -> Iterator[tuple[Cell, Phase, dict[str, Any], int]]:
        have = [
            (record.spec.settings, record.spec.seed)
            for record in self.ledger.records(cell, phase)
            if _identity(record.spec) not in self._failed_before
        ]
        gammas = self.study.curve.gammas if phase == "curve" else (0.0,)
        # Seeds outermost: a curve that is cut short still has whole seeds.
        for seed in self.study.curve.first_seeds:
            for gamma in gammas:
                point = {"gamma": gamma, **settings}
                if (point, seed) not in have:
                    yield cell, phase, point, seed


def _identity(spec: TrialSpec) -> tuple[Cell, Phase, int]:
    # A hundred times quicker than the key of a trial.
    return spec.cell, spec.phase, spec.number
