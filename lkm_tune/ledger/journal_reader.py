"""Reads the trials of a ledger from the lines of its journal, without Optuna.

Optuna needs a second for its import and many seconds to replay ten thousand trials. Optuna's
`JournalStorage` writes the format; `tests/ledger` compares both readers.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lkm_tune.files import regular
from lkm_tune.ledger.trial_record import TrialRecord
from lkm_tune.study import Cell, Phase, Study

PHASES: tuple[Phase, ...] = ("search", "control", "curve", "control_curve")


RUNNING, WAITING = 0, 4
"""Optuna's states of trials that have not ended."""


class DamagedLedgerError(ValueError):
    """A line of a ledger that cannot be read."""

    def __init__(self, path: Path, line: int) -> None:
        """Takes the number of the line, counted from 1."""
        super().__init__(
            f"{path} is damaged in line {line}: restore it from a copy, or begin anew with --fresh"
        )


@dataclass
class _Trial:
    attributes: dict[str, Any]
    finished: bool
    rungs: dict[int, float] = field(default_factory=dict)


def read_trials(study: Study, path: Path) -> dict[tuple[Cell, Phase], list[TrialRecord]]:
    """The trials of each cell and phase, by number; none if the file is missing.

    Args:
        study: the study of the ledger.
        path: the file of the ledger.

    Raises:
        DamagedLedgerError: if a line before the last is damaged.
    """
    of_study: list[list[_Trial]] = []
    names: list[str] = []
    trials: list[_Trial] = []
    for line in _lines(path):
        match line["op_code"]:  # Optuna's operations 1, 2, 3, 5 and 9 do not concern trials.
            case 0:  # a study is made
                if line["study_name"] not in names:
                    names.append(line["study_name"])
                    of_study.append([])
            case 4:  # a trial begins
                trials.append(_begun(line))
                of_study[line["study_id"]].append(trials[-1])
            case 6:  # a trial's state
                trials[line["trial_id"]].finished |= _has_ended(line["state"])
            case 7:  # an intermediate value
                rungs = trials[line["trial_id"]].rungs
                rungs[line["step"]] = line["intermediate_value"]
            case 8:  # a user attribute
                trials[line["trial_id"]].attributes |= line["user_attr"]
    found = dict(zip(names, of_study, strict=True))
    return {
        (cell, phase): [
            TrialRecord.of(study, cell, phase, number, one.attributes, one.finished, one.rungs)
            for number, one in enumerate(found.get(f"{cell.key}/{phase}", ()))
            # A kill may have interrupted the suggestion; the seed comes last.
            if "seed" in one.attributes
        ]
        for cell in study.cells
        for phase in PHASES
    }


def _begun(line: dict[str, Any]) -> _Trial:
    rungs = {int(step): value for step, value in (line.get("intermediate_values") or {}).items()}
    return _Trial(dict(line.get("user_attrs") or {}), _has_ended(line.get("state", RUNNING)), rungs)


def _has_ended(state: int) -> bool:
    return state not in (RUNNING, WAITING)


def check_lines(path: Path) -> None:
    """Raises `DamagedLedgerError` if a line before the last is damaged."""
    for _ in _lines(path):
        pass


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """The complete lines of a journal."""
    if not path.exists():
        return
    with regular(path).open("rb") as file:
        held: tuple[int, bytes] | None = None
        for number, line in enumerate(file, start=1):
            if held is not None:
                yield _parsed(path, *held)
            held = number, line
        # A driver may be writing the last line, or a kill may have torn it.
        if held is not None and held[1].endswith(b"\n"):
            try:
                yield json.loads(held[1])
            except ValueError:
                return


def _parsed(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        return json.loads(line)  # type: ignore[no-any-return]
    except ValueError as error:
        raise DamagedLedgerError(path, number) from error
