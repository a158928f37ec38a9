"""Looks at the results: they add seeds to the curves until the pairs of cells are decided.

A look happens when every planned point of the curves has ended. Its additions depend only on these
points, so a study that is killed and continued at any moment plans the same points.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import count, islice, pairwise
from pathlib import Path
from typing import Any

from lkm_tune.files import read_json, write_text
from lkm_tune.ledger.trial_record import TrialRecord
from lkm_tune.study import Study

SEEDS = (3, 5, 8, 12, 18, 27, 40)
"""Numbers of seeds at which the study looks at its results."""

Point = tuple[float, int]
"""γ and seed of one run of a curve."""


@dataclass(frozen=True)
class Judgement:
    """The result of the analysis at a look.

    Attributes:
        open_pairs: number of ordered pairs of cells without a verdict.
        gammas: key of each cell in an open pair -> the γ that get more seeds.
        half_steps: cell -> further γ between the measured γ, if the place of the lowest error is
            uncertain for lack of measured γ.
    """

    open_pairs: int
    gammas: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    half_steps: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Look:
    """One look at the results.

    Attributes:
        seeds: number of seeds of the curves.
        following: number of seeds that open cells get next.
        judgement: the result of the analysis.
    """

    seeds: int
    following: int
    judgement: Judgement


Points = dict[str, tuple[Point, ...]]
"""Key of a cell -> the planned points of its curve."""

Ended = Mapping[str, Mapping[Point, TrialRecord]]
"""Key of a cell -> the ended points of its curve."""


@dataclass(frozen=True)
class LookPlan:
    """The parameters of the analysis at a look.

    Attributes:
        number: number of the look, from 0.
        sizes: the numbers of seeds of all possible looks, and the largest number of seeds.
        margin: difference of the error, as a fraction, that does not matter.
        guarantee: whether all looks together keep the error rate.
    """

    number: int
    sizes: tuple[int, ...]
    margin: float
    guarantee: bool


Judge = Callable[[Sequence[TrialRecord], LookPlan], Judgement]
"""The analysis of the ended points of all curves, at a look."""


def look_sizes(study: Study) -> tuple[int, ...]:
    """The numbers of seeds at which the study looks, and the largest number of seeds."""
    plan = study.curve
    first, most = len(plan.first_seeds), plan.max_seeds
    if not plan.adaptive or most <= first:
        return (first,)
    return (first, *(n for n in SEEDS if first < n < most), most)


class Looks:
    """The looks of one study, computed from its ledger and cached in a file."""

    def __init__(
        self, study: Study, judge: Judge, memory: Path | None = None, *, writable: bool = False
    ) -> None:
        """Computes nothing.

        Args:
            study: the study of the curves.
            judge: the analysis.
            memory: file of judgements by their points, so that the next driver and `lkm-tune
                status` need no new analysis. None for no file.
            writable: whether to write new judgements to the file.
        """
        self._study = study
        self._judge = judge
        self._memory = memory
        self._writable = writable
        self._judgements: dict[str, Judgement] | None = None

    @property
    def sizes(self) -> tuple[int, ...]:
        """See `look_sizes`."""
        return look_sizes(self._study)

    @property
    def first_points(self) -> tuple[Point, ...]:
        """The points of a curve before the first look."""
        plan = self._study.curve
        # Seeds are the outer loop, so a curve that ends early has complete seeds.
        return tuple((gamma, seed) for seed in plan.first_seeds for gamma in plan.gammas)

    def plan(self, ended: Ended, *, searched: bool) -> tuple[Points, tuple[Look, ...]]:
        """The points planned so far, and the looks that added them.

        Args:
            ended: the ended points of every cell whose curve has begun.
            searched: whether the searches of all cells have ended: pairs need all curves.
        """
        seeds = self._seeds()
        points: Points = dict.fromkeys(ended, self.first_points)
        looks: list[Look] = []
        for number, (size, following) in enumerate(pairwise(self.sizes)):
            if not (searched and points) or any(
                point not in ended[key] for key in points for point in points[key]
            ):
                break
            records = [ended[key][point] for key in sorted(points) for point in sorted(points[key])]
            judgement = self._judged(records, number)
            looks.append(Look(size, following, judgement))
            if not judgement.open_pairs:
                break
            for key in points:
                added = _added(key, judgement, seeds[:following], size)
                points[key] += tuple(point for point in added if point not in points[key])
        return points, tuple(looks)

    def _seeds(self) -> tuple[int, ...]:
        """All possible seeds of a curve; the seeds of the file come first."""
        first = self._study.curve.first_seeds
        further = (n for n in count(1) if n not in first and n != self._study.seed)
        return (*first, *islice(further, self.sizes[-1] - len(first)))

    def _judged(self, records: Sequence[TrialRecord], number: int) -> Judgement:
        key = self._key(records, number)
        known = self._remembered()
        if key not in known:
            plan = LookPlan(
                number, self.sizes, self._study.report.margin, self._study.curve.guarantee
            )
            known[key] = self._judge(records, plan)
            if self._memory is not None and self._writable:
                text = json.dumps({name: asdict(one) for name, one in known.items()})
                write_text(self._memory, text)
        return known[key]

    def _key(self, records: Sequence[TrialRecord], number: int) -> str:
        rests_on = [
            (r.spec.cell.key, r.spec.number, r.spec.seed, dict(r.spec.settings), r.state,
             r.summary.get("val_error"), r.summary.get("test_error"))
            for r in records
        ]  # fmt: skip
        plan = asdict(self._study.curve), self._study.report.margin, number
        text = json.dumps([plan, rests_on], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def _remembered(self) -> dict[str, Judgement]:
        if self._judgements is None:
            self._judgements = {}
            if self._memory is not None and self._memory.exists():
                # Damaged judgements are computed again.
                with suppress(ValueError):
                    self._judgements = read_json(self._memory, _judgements)
        return self._judgements


def _added(key: str, judgement: Judgement, seeds: Sequence[int], size: int) -> tuple[Point, ...]:
    """The points that extend a curve from `size` seeds to all of `seeds`."""
    new = [(gamma, seed) for seed in seeds for gamma in judgement.half_steps.get(key, ())]
    new += [(gamma, seed) for seed in seeds[size:] for gamma in judgement.gammas.get(key, ())]
    return tuple(new)


def _judgements(kept: Mapping[str, Any]) -> dict[str, Judgement]:
    return {key: _judgement(one) for key, one in kept.items()}


def _judgement(kept: Mapping[str, Any]) -> Judgement:
    def by_cell(name: str) -> dict[str, tuple[float, ...]]:
        return {key: tuple(gammas) for key, gammas in kept[name].items()}

    return Judgement(kept["open_pairs"], by_cell("gammas"), by_cell("half_steps"))
