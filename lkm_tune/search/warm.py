"""Warm start: a cell's first search trials are led by what the cells most like it showed.

The first is the best of the nearest kin, then come those of `lkm_tune.search.prior`, before the
sampler goes on by itself (M. Feurer, J. Springenberg & F. Hutter, AAAI 2015, section "Initializing
SMBO"). Kinship here is what the cells are, not meta-features: the same architecture, task and
dataset. These trials train to their end: what is expected to be good is not to be stopped for
learning slowly, and the search is to know soon whether the expectation holds.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna

from lkm_tune.ledger.ledger import Ledger, Record
from lkm_tune.ledger.study_folder import StudyFolder
from lkm_tune.ledger.suggestions import distributions
from lkm_tune.search.prior import Tried, claims, in_unit_cube, log_errors, next_candidate
from lkm_tune.study import Cell, Phase, Study, TrialSpec

MOST_STARTS = 12
"""So many trials of a cell start warm at most (`most_starts`)."""

_DRAWN = 128
"""Settings from all over the space that may be tried beside those that were good elsewhere."""

_OF_EACH = 5
"""So many settings of each other cell may be tried, its best ones."""

Recommend = Callable[[Sequence[Record], Cell], float | None]


@dataclass(frozen=True)
class WarmStart:
    """What a study's cells begin with.

    Attributes:
        order: the study's cells, cheap ones first: what they find is there for the others.
        elsewhere: trials of other studies whose γ is on the same scale.
        recommend: the γ that the trials of other cells recommend for one; None if they do not.
    """

    order: tuple[Cell, ...]
    elsewhere: tuple[Record, ...]
    recommend: Recommend

    def candidates(self, ledger: Ledger, cell: Cell, phase: Phase) -> list[dict[str, Any]]:
        """The settings that a cell's search may begin with, the first of them to begin with.

        The first is the recommended γ with the other settings of the nearest kin, or without one
        what the other cells claim to be best: settings that were good in one of them, or some from
        all over the space.

        Args:
            ledger: of the study.
            cell: whose search begins.
            phase: "search" or "control".

        Returns:
            Each with its `settings`, with where it is `from`, and with the `claim` of the other
            cells (`prior.claims`); none where no other cell is known.
        """
        study = ledger.study
        known = [*ledger.all_records(), *self.elsewhere]
        known = [r for r in known if (r.spec.study, r.spec.cell) != (study.name, cell)]
        kin = sorted(_by_cell(known, phase, study), key=lambda of: _distance(of[0].spec, cell))
        if not kin:
            return []
        nearest = kin[0][0].spec
        found = [_start(r.spec, dict(r.spec.settings)) for of in kin for r in of[:_OF_EACH]]
        found += _drawn(study, phase, len(kin))
        gamma = self.recommend(known, cell) if phase == "search" else None
        if gamma is not None and study.space["gamma"].holds(gamma):
            found.insert(0, _start(nearest, {**nearest.settings, "gamma": gamma}))
        else:
            gamma = None
        found = [one for i, one in enumerate(found) if not _among(one, found[:i])]
        space = {name: study.space[name] for name in distributions(study, phase)}
        weighed = [(_weight(records[0].spec.cell, cell), records) for records in kin]
        claimed = claims(weighed, [one["settings"] for one in found], space)
        told = [
            {**one, "claim": round(claim, 5)}
            for one, claim in zip(found, claimed.tolist(), strict=True)
        ]
        return told if gamma is not None else sorted(told, key=lambda one: one["claim"])


def most_starts(study: Study) -> int:
    """So many trials of a cell start warm, never more than a third of its search."""
    return min(MOST_STARTS, study.search.trials // 3)


def next_start(ledger: Ledger, cell: Cell, phase: Phase) -> dict[str, Any] | None:
    """The settings to try next of the candidates that a cell began with.

    Returns:
        None where it did not begin warm, or has tried them all.
    """
    study, records = ledger.study, ledger.records(cell, phase)
    candidates = records[0].warm.get("candidates", ())
    tried = [r.spec.settings for r in records]
    left = [one for one in candidates if one["settings"] not in tried]
    if not left:
        return None
    space = {name: study.space[name] for name in distributions(study, phase)}
    points = in_unit_cube([one["settings"] for one in left], space)
    claim = {str(one["settings"]): one["claim"] for one in candidates}

    def of(some: list[Record]) -> Tried:
        return Tried(
            in_unit_cube([r.spec.settings for r in some], space).reshape(-1, points.shape[1]),
            np.array([claim[str(r.spec.settings)] for r in some]),
            log_errors(some),
        )

    running = [r for r in records if r.state == "running"]
    ended = [r for r in records if r.state not in ("running", "failed")]
    claimed = np.array([one["claim"] for one in left])
    return dict(left[next_candidate(points, claimed, of(ended), of(running))])


def trials_elsewhere(folder: StudyFolder, study: Study) -> tuple[Record, ...]:
    """The trials of the other studies of a storage folder whose γ means what it means in `study`.

    Args:
        folder: of the study.
        study: the study.
    """
    others = sorted(path.parent.name for path in folder.path.parent.glob("*/study.json"))
    storage = folder.path.parents[1]
    return tuple(
        record
        for name in others
        if name != study.name
        for record in _trials(StudyFolder(storage, name), study)
    )


def _trials(folder: StudyFolder, study: Study) -> Sequence[Record]:
    other = folder.read_study()
    if other is None or _scale(other) != _scale(study):
        return ()
    return Ledger(other, folder.ledger, writable=False).all_records()


def _scale(study: Study) -> tuple[Any, ...]:
    return study.lkm, study.training.force_weight


def _by_cell(known: Sequence[Record], phase: Phase, study: Study) -> Iterator[list[Record]]:
    """The ended trials of each cell that searched the settings of `study`, its best ones first."""
    found: dict[tuple[str, Cell], list[Record]] = {}
    for record in known:
        if record.spec.phase == phase and _fits(record, study):
            found.setdefault((record.spec.study, record.spec.cell), []).append(record)
    for records in found.values():
        if any(record.state == "complete" for record in records):
            yield sorted(records, key=_rank)


def _rank(record: Record) -> tuple[bool, float]:
    return record.state != "complete", record.summary.get("val_error") or math.inf


def _fits(record: Record, study: Study) -> bool:
    settings, control = record.spec.settings, record.spec.phase == "control"
    names = [name for name in study.space if not (control and name == "gamma")]
    return settings.keys() == study.space.keys() | {"gamma"} and all(
        study.space[name].holds(settings[name]) for name in names
    )


def _distance(spec: TrialSpec, cell: Cell) -> tuple[Any, ...]:
    other = spec.cell
    return (
        other.model != cell.model,
        other.task != cell.task,
        other.compared != cell.compared,
        _dataset(other) != _dataset(cell),
        abs(math.log(other.n_train / cell.n_train)),
        other.key,
        spec.study,
    )


def _dataset(cell: Cell) -> str:
    return cell.task.partition("/")[0]


def _weight(other: Cell, cell: Cell) -> float:
    """How much a cell's trials say on another: a task more than none, an architecture most."""
    same_model, same_task = other.model == cell.model, other.task == cell.task
    return (1 + 2 * same_model) * (1 + same_task) * (1 + (_dataset(other) == _dataset(cell)))


def _drawn(study: Study, phase: Phase, cells: int) -> list[dict[str, Any]]:
    """Settings from all over the space, the same for all cells of a study."""
    sampler = optuna.samplers.RandomSampler(seed=study.seed)
    drawing, ranges = optuna.create_study(sampler=sampler), distributions(study, phase)
    fixed = {} if phase == "search" else {"gamma": 0.0}
    origin = f"{cells} other cells" if cells > 1 else "another cell"
    return [{"settings": fixed | drawing.ask(ranges).params, "from": origin} for _ in range(_DRAWN)]


def _start(spec: TrialSpec, settings: dict[str, Any]) -> dict[str, Any]:
    return {"settings": settings, "from": f"{spec.study}/{spec.key}"}


def _among(start: dict[str, Any], others: Sequence[dict[str, Any]]) -> bool:
    return any(start["settings"] == other["settings"] for other in others)
