"""The planner: the next trials of a study, from the ledger alone."""

import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lkm_tune.ledger.trial_record import TrialRecord
from lkm_tune.ledger.trials import SEARCH_OF, StudyTrials, without_gamma
from lkm_tune.search.judgement import judge_curves
from lkm_tune.search.looks import Judge, Look, Looks, Point, Points
from lkm_tune.search.search_arrays import batch_size, divided
from lkm_tune.study import SEARCHES, Cell, Phase, Study, TrialSpec

if TYPE_CHECKING:
    # This module imports Optuna, which a query for progress does not need.
    from lkm_tune.ledger.ledger import Ledger

CURVE_OF: Mapping[Phase, Phase] = {search: curve for curve, search in SEARCH_OF.items()}
"""Phase of a search -> the phase of the curve at its settings."""


Array = tuple[TrialSpec, ...]
"""The trials of the ledger that one trial of Tune trains; usually one."""

ArraySize = Callable[[Cell, Phase, Mapping[str, Any]], int]
"""Cell, phase and settings of a trial -> the largest number of trials in its array."""


class Plan:
    """The rest of a study's plan.

    All cells share the slots: the cell with the fewest search trials is next. The curve of a cell
    starts when the search of the cell has ended, so that no slot waits for another cell.

    Attributes:
        array_size: the largest number of trials that train as one program. The trials of an array
            have one cell, phase and seed, and differ in `APART` alone.
    """

    def __init__(
        self,
        study: Study,
        trials: StudyTrials,
        judge: Judge = judge_curves,
        memory: Path | None = None,
        *,
        writable: bool = False,
    ) -> None:
        """Takes the study and its trials so far.

        Args:
            study: the study.
            trials: the trials of the study.
            judge: the analysis that finds the open pairs of cells.
            memory: file of its judgements; None for no file.
            writable: whether to write new judgements to the file.
        """
        self.study = study
        self.trials = trials
        self.array_size: ArraySize = lambda cell, phase, settings: 1
        self._looks = Looks(study, judge, memory, writable=writable)
        self._curves: tuple[Points, tuple[Look, ...]] = ({}, ())
        self._planned_at = -1
        # Without a search the control has no search either: its curve would be the same.
        both = study.search.control and study.search.trials > 0
        self._phases: tuple[Phase, ...] = SEARCHES if both else ("search",)
        self._cells = study.cells
        # Points that failed under an earlier driver run again; points that fail under this driver
        # do not.
        self._failed_before = {
            _identity(r.spec) for r in trials.all_records() if r.state in ("failed", "infeasible")
        }

    @property
    def finished(self) -> bool:
        """Whether every planned trial has ended."""
        if any(record.state == "running" for record in self.trials.all_records()):
            return False
        return self._search_to_ask() is None and next(self._missing_points(), None) is None

    @property
    def ready(self) -> int:
        """The number of running trials and of trials that could begin now; an array is one."""
        running = [record for record in self.trials.all_records() if record.state == "running"]
        return len(set(map(_array, running))) + sum(self._arrays_to_begin())

    def _arrays_to_begin(self) -> Iterator[int]:
        """The number of arrays of each search, and of each curve and seed."""
        for cell, phase, left in self._searches():
            # Settings and arrays are unknown before the sampler suggests them.
            size = self.array_size(cell, phase, {})
            yield math.ceil(left / min(size, batch_size(self.study, size)))
        for curve in self.curves:
            points = list(self._missing_of(*curve))
            if points:
                size = self.array_size(*points[0][:3])
                of_seed = Counter(seed for *_, seed in points)
                yield from (math.ceil(n / size) for n in of_seed.values())

    @property
    def cells_without_curve(self) -> list[tuple[Cell, Phase]]:
        """Cells whose search ended without a complete trial: their curve has no settings."""
        return [
            (cell, phase)
            for cell in self._cells
            for phase in self._phases
            if self.trials.search_over(cell, phase)
            and self.trials.curve_settings(cell, CURVE_OF[phase]) is None
        ]

    @property
    def curves(self) -> list[tuple[Cell, Phase, Mapping[str, Any]]]:
        """Every curve with decided settings: cell, phase of its points, settings without γ."""
        decided = [
            (cell, CURVE_OF[phase], self.trials.curve_settings(cell, CURVE_OF[phase]))
            for cell in self._cells
            for phase in self._phases
        ]
        return [(cell, phase, known) for cell, phase, known in decided if known is not None]

    @property
    def looks(self) -> tuple[Look, ...]:
        """The looks at the results so far (`curve.until: decided`)."""
        return self._plan_curves()[1]

    @property
    def next_look(self) -> int | None:
        """The number of seeds at the next look; None after the last look."""
        sizes, looks = self._looks.sizes, self.looks
        if looks and not looks[-1].judgement.open_pairs:
            return None
        following = looks[-1].following if looks else sizes[0]
        return following if following < sizes[-1] else None

    @property
    def trials_known(self) -> int:
        """The number of planned trials after the looks so far, with points that left the plan.

        A curve point leaves the plan where more search trials find better settings for its cell.
        """
        curves = [
            (cell, CURVE_OF[phase])
            for cell in self._cells
            for phase in self._phases
            if (cell, phase) not in self.cells_without_curve
        ]
        searches = len(self._cells) * len(self._phases) * self.study.search.trials
        planned = sum(len(self._planned_points(*curve)) for curve in curves)
        return searches + planned + self._points_outside_the_plan()

    def _points_outside_the_plan(self) -> int:
        return sum(
            len(self.trials.records(cell, phase))
            - len(self._points_of(cell, phase, settings).keys() & self._planned_points(cell, phase))
            for cell, phase, settings in self.curves
        )

    def _searches(self) -> Iterator[tuple[Cell, Phase, int]]:
        """Every search that lacks trials, with their number."""
        for cell in self._cells:
            for phase in self._phases:
                left = self.study.search.trials - len(self.trials.records(cell, phase))
                if left > 0:
                    yield cell, phase, left

    def _search_to_ask(self) -> tuple[Cell, Phase, int] | None:
        return max(self._searches(), key=lambda search: search[2], default=None)

    def _missing_points(self) -> Iterator[tuple[Cell, Phase, dict[str, Any], int]]:
        for curve in self.curves:
            yield from self._missing_of(*curve)

    def _missing_of(
        self, cell: Cell, phase: Phase, settings: Mapping[str, Any]
    ) -> Iterator[tuple[Cell, Phase, dict[str, Any], int]]:
        have = self._points_of(cell, phase, settings)
        for gamma, seed in self._planned_points(cell, phase):
            if (gamma, seed) not in have:
                yield cell, phase, {"gamma": gamma, **settings}, seed

    def _planned_points(self, cell: Cell, phase: Phase) -> Sequence[Point]:
        """γ and seed of every planned point; the control has the seeds of the curve."""
        points, _ = self._plan_curves()
        curve = points.get(cell.key, self._looks.first_points)
        if phase == "curve":
            return curve
        return [(0.0, seed) for seed in dict.fromkeys(seed for _, seed in curve)]

    def _points_of(
        self, cell: Cell, phase: Phase, settings: Mapping[str, Any]
    ) -> dict[Point, TrialRecord]:
        """The points of a curve at these settings, without points that run again."""
        return {
            (record.spec.settings["gamma"], record.spec.seed): record
            for record in self.trials.records(cell, phase)
            if _identity(record.spec) not in self._failed_before
            and without_gamma(record.spec.settings) == settings
        }

    def _plan_curves(self) -> tuple[Points, tuple[Look, ...]]:
        """The planned points of all curves, and the looks that added them."""
        if self._planned_at != self.trials.changes:
            ended = {
                cell.key: {
                    point: record
                    for point, record in self._points_of(cell, phase, settings).items()
                    if record.state != "running"
                }
                for cell, phase, settings in self.curves
                if phase == "curve"
            }
            searched = all(self.trials.search_over(cell, "search") for cell in self._cells)
            self._curves = self._looks.plan(ended, searched=searched)
            self._planned_at = self.trials.changes
        return self._curves


class Planner(Plan):
    """The order of trials: interrupted trials, then searches, then the curves of searched cells."""

    def __init__(
        self,
        study: Study,
        ledger: "Ledger",
        judge: Judge = judge_curves,
        memory: Path | None = None,
    ) -> None:
        """Puts running trials of the ledger first: they belong to an earlier driver.

        The arguments are the same as for `Plan`.
        """
        super().__init__(study, ledger, judge, memory, writable=True)
        self.ledger = ledger
        running = [r for r in ledger.all_records() if r.state == "running"]
        # Trials of the ledger that do not train yet.
        arrays = dict.fromkeys(map(_array, running))
        searches = list(dict.fromkeys(array[:2] for array in arrays))
        # As they began: another order would change the judgements at rungs.
        begun = sorted(arrays, key=lambda array: (searches.index(array[:2]), array[2]))
        self._waiting = [tuple(r.spec for r in running if _array(r) == array) for array in begun]

    def take_next(self, most: int = sys.maxsize) -> Array:
        """The next trial, or the next trials that train as one program, entered into the ledger.

        Args:
            most: how many new trials may begin; trials of the ledger train in any case.

        Returns:
            Nothing if there is no trial now.
        """
        if not self._waiting and most and (search := self._search_to_ask()) is not None:
            self._waiting = self._begin_batch(*search, most)
        if self._waiting:
            return self._waiting.pop(0)
        if not most:
            return ()
        points = self._missing_points()
        first = next(points, None)
        if first is None:
            return ()
        cell, phase, settings, seed = first
        of_curve = takewhile(lambda point: point[:2] == (cell, phase), points)
        others = (other for _, _, other, its_seed in of_curve if its_seed == seed)
        size = min(self.array_size(cell, phase, settings), most)
        together = [settings, *islice(others, size - 1)]
        return self.ledger.add_array(cell, phase, together, seed)

    def _begin_batch(self, cell: Cell, phase: Phase, left: int, most: int) -> list[Array]:
        """Begins trials of a search that lacks `left` trials: one, or as many as fill arrays."""

        def size(spec: TrialSpec) -> int:
            return self.array_size(cell, phase, spec.settings)

        # A kill during the write at the end leaves trials that train alone.
        with self.ledger.together():
            batch = [self.ledger.ask(cell, phase)]
            count = min(batch_size(self.study, size(batch[0])), left, most)
            batch += [self.ledger.ask(cell, phase) for _ in range(count - 1)]
            arrays = divided(batch, size)
            for array in arrays:
                self.ledger.train_together(array)
        return arrays


def _array(record: TrialRecord) -> tuple[Cell, Phase, tuple[int, ...]]:
    return record.spec.cell, record.spec.phase, record.array or (record.spec.number,)


def _identity(spec: TrialSpec) -> tuple[Cell, Phase, int]:
    # This tuple is a hundred times faster than the key of a trial.
    return spec.cell, spec.phase, spec.number
