"""Warm start: a cell's first search trials are the best settings of the cells most like it.

Configurations that were best elsewhere, best kin first, before the sampler goes on by itself (M.
Feurer, J. Springenberg & F. Hutter, AAAI 2015, section "Initializing SMBO"). Kinship here is what
the cells are, not meta-features: the same architecture, task and dataset.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lkm_tune.search.folder import StudyFolder
from lkm_tune.search.ledger import Ledger, Record
from lkm_tune.study import Cell, Phase, Study, TrialSpec

MOST_STARTS = 3
"""So many trials of a cell start warm at most, and never more than a third of its search."""

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

    def starts(self, ledger: Ledger, cell: Cell, phase: Phase) -> list[dict[str, Any]]:
        """The settings that a cell's search begins with, in order, each with where it is `from`.

        First the recommended γ with the other settings of the nearest kin, then the best settings
        of each cell that has any, nearest kin first.

        Args:
            ledger: of the study.
            cell: whose search begins.
            phase: "search" or "control".
        """
        study = ledger.study
        known = [*ledger.all_records(), *self.elsewhere]
        known = [r for r in known if (r.spec.study, r.spec.cell) != (study.name, cell)]
        kin = sorted(_best(known, phase, study), key=lambda spec: _distance(spec, cell))
        found = [_start(spec, dict(spec.settings)) for spec in kin]
        if kin and phase == "search":
            gamma = self.recommend(known, cell)
            if gamma is not None and study.space["gamma"].holds(gamma):
                found.insert(0, _start(kin[0], {**kin[0].settings, "gamma": gamma}))
        different = [s for i, s in enumerate(found) if not _among(s, found[:i])]
        return different[: min(MOST_STARTS, study.search.trials // 3)]


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


def _best(known: Sequence[Record], phase: Phase, study: Study) -> Iterator[TrialSpec]:
    """The best complete trial of each cell that searched the settings of `study`."""
    best: dict[tuple[str, Cell], Record] = {}
    for record in known:
        if record.spec.phase != phase or record.state != "complete" or not _fits(record, study):
            continue
        key = (record.spec.study, record.spec.cell)
        if key not in best or record.summary["val_error"] < best[key].summary["val_error"]:
            best[key] = record
    return (record.spec for record in best.values())


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


def _start(spec: TrialSpec, settings: dict[str, Any]) -> dict[str, Any]:
    return {"settings": settings, "from": f"{spec.study}/{spec.key}"}


def _among(start: dict[str, Any], others: Sequence[dict[str, Any]]) -> bool:
    return any(start["settings"] == other["settings"] for other in others)
