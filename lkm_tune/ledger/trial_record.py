"""The record of one trial in the ledger."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lkm_tune.ledger.failure import Failure
from lkm_tune.study import Cell, Phase, Study, TrialSpec

Settings = Mapping[str, Any]


@dataclass
class TrialRecord:
    """One trial as the ledger knows it.

    Attributes:
        spec: the trial's identity.
        state: `running`, or how it ended: `complete`, `stopped`, `diverged`, `infeasible` (did
            not fit into memory), `failed`.
        rungs: best validation error so far at every rung that it reached, by epoch.
        summary: the fields of its `RunResult`, once it has ended; NaN is None here.
        reason: why it ended.
        failures: its broken attempts, oldest first.
        array: the numbers of the trials of its phase that began to train as one program with it,
            and its own; empty for a trial that trains alone.
    """

    spec: TrialSpec
    state: str = "running"
    rungs: dict[int, float] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    reason: str = ""
    failures: tuple[Failure, ...] = ()
    array: tuple[int, ...] = ()

    @classmethod
    def of(
        cls,
        study: Study,
        cell: Cell,
        phase: Phase,
        number: int,
        attributes: Settings,
        finished: bool,
        rungs: Mapping[int, float],
    ) -> "TrialRecord":
        """The record of a trial in Optuna's journal.

        Args:
            study: the study.
            cell: the cell.
            phase: the phase.
            number: the number of the trial within its cell and phase.
            attributes: the trial's user attributes in the ledger.
            finished: whether the trial has ended.
            rungs: the intermediate values.
        """
        spec = TrialSpec(
            study=study.name,
            cell=cell,
            phase=phase,
            number=number,
            settings=attributes["settings"],
            seed=attributes["seed"],
            epochs=study.training.epochs,
        )
        return cls(
            spec=spec,
            state=attributes["state"] if finished else "running",
            rungs=dict(rungs),
            summary=attributes.get("summary", {}),
            reason=attributes.get("reason", ""),
            failures=tuple(Failure(**kept) for kept in attributes.get("failures", ())),
            array=tuple(attributes.get("array", ())),
        )
