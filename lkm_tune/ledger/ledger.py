"""The ledger: every trial of a study, in Optuna's append-only journal.

A cell has one Optuna study for each phase. Starting again builds everything from here: finished
trials are known to the sampler, running ones are issued again. One process writes at a time (the
driver holds the study's lock); others may read.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from lkm_tune.ledger.failure import Failure
from lkm_tune.ledger.journal import open_journal
from lkm_tune.ledger.suggestions import distributions, suggest_settings
from lkm_tune.study import Cell, Phase, Study, TrialSpec
from lkm_tune.study.halving import rungs, survives

PHASES: tuple[Phase, ...] = ("search", "control", "curve", "control_curve")

# What diverged or did not fit into memory is told a finite value beside its violated constraint:
# Optuna refuses NaN, and a penalised value alone would rank ahead of every stopped trial.
INFEASIBLE, INFEASIBLE_VALUE = "infeasible", 1e30
Settings = Mapping[str, Any]

optuna.logging.set_verbosity(optuna.logging.WARNING)


@dataclass
class Record:
    """One trial as the ledger knows it.

    Attributes:
        spec: the trial's identity.
        state: `running`, or how it ended: `complete`, `stopped`, `diverged`, `infeasible` (did
            not fit into memory), `failed`.
        rungs: best validation error so far at every rung that it reached, by epoch.
        summary: the fields of its `RunResult`, once it has ended; NaN is None here.
        reason: why it ended.
        failures: its broken attempts, oldest first.
        warm: of a trial that starts warm: where its settings are `from`, with the `claim` of other
            cells; of a cell's first also the `candidates` that it may begin with.
    """

    spec: TrialSpec
    state: str = "running"
    rungs: dict[int, float] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    reason: str = ""
    failures: tuple[Failure, ...] = ()
    warm: Mapping[str, Any] = field(default_factory=dict)


class Ledger:
    """Reads and writes the trials of one study.

    Attributes:
        begun: how many trials it has.
        changes: grows whenever a trial begins or ends, so that others need not look again.
    """

    def __init__(self, study: Study, path: Path, *, writable: bool = True) -> None:
        """Opens the journal at `path`, or begins it.

        With `writable`, a last line that a killed process left unfinished is cut off: an append
        to it would make the file unreadable. Without, an absent file is an empty ledger.

        Raises:
            ValueError: if a line before the last is damaged; names it.
        """
        self.study = study
        self.rungs = rungs(
            study.search.grace_period, study.search.reduction_factor, study.training.epochs
        )
        self._records: dict[tuple[Cell, Phase], list[Record]] = {
            (cell, phase): [] for cell in study.cells for phase in PHASES
        }
        self._optuna: dict[tuple[Cell, Phase], optuna.Study] = {}
        # Optuna's own number of each trial, which it would look for among all of them.
        self._ids: dict[tuple[Cell, Phase], list[int]] = {both: [] for both in self._records}
        self.begun, self.changes = 0, 0
        if not writable and not path.exists():
            return
        self._journal, storage = open_journal(path, writable=writable)
        known = {study.study_name for study in optuna.get_all_study_summaries(storage)}
        with self._journal.together():
            for cell, phase in self._records:
                name = f"{cell.key}/{phase}"
                if name in known:
                    opened = optuna.load_study(storage=storage, study_name=name)
                    self._read(opened, cell, phase, writable)
                elif writable:
                    opened = optuna.create_study(storage=storage, study_name=name)
                    self._optuna[cell, phase] = opened

    def _read(self, opened: optuna.Study, cell: Cell, phase: Phase, writable: bool) -> None:
        self._optuna[cell, phase] = opened
        for trial in opened.get_trials(deepcopy=False):
            if writable and "seed" not in trial.user_attrs:
                # A kill came while it was drawn. The same sampler draws the rest.
                opened.sampler = self._sampler(cell, phase, trial.number)
                self._draw(optuna.trial.Trial(opened, trial._trial_id), phase)
        for trial in opened.get_trials(deepcopy=False):
            if "seed" in trial.user_attrs:
                self._enter(cell, phase, trial)

    def _enter(self, cell: Cell, phase: Phase, trial: FrozenTrial) -> TrialSpec:
        record = self._record(cell, phase, trial)
        self._records[cell, phase].append(record)
        self._ids[cell, phase].append(trial._trial_id)
        self.begun += 1
        self.changes += 1
        return record.spec

    def records(self, cell: Cell, phase: Phase) -> list[Record]:
        """The trials of one phase of a cell, by number."""
        return self._records[cell, phase]

    def all_records(self) -> list[Record]:
        """Every trial, cell by cell."""
        return [record for records in self._records.values() for record in records]

    def record(self, spec: TrialSpec) -> Record:
        """What is known of `spec`."""
        return self._records[spec.cell, spec.phase][spec.number]

    def ask(self, cell: Cell, phase: Phase) -> TrialSpec:
        """Begins a search trial with settings that the cell's sampler suggests.

        Suggestions are seeded by (study seed, cell, phase, number): one generator that goes on
        over all trials would repeat its draws after a restart.
        """
        number = len(self._records[cell, phase])
        opened = self._optuna[cell, phase]
        opened.sampler = self._sampler(cell, phase, number)
        with self._journal.together():
            self._draw(opened.ask(), phase)
        return self._enter(cell, phase, opened.get_trials(deepcopy=False)[number])

    def _draw(self, trial: optuna.trial.Trial, phase: Phase) -> None:
        """Draws the settings of a search trial, the seed last: it marks the drawing as whole."""
        trial.set_user_attr("settings", suggest_settings(trial, self.study, phase))
        trial.set_user_attr("seed", self.study.seed)

    def add_point(
        self, cell: Cell, phase: Phase, settings: Settings, seed: int, warm: Settings | None = None
    ) -> TrialSpec:
        """Begins a curve point, or a search trial that starts warm, with given settings."""
        opened = self._optuna[cell, phase]
        ranges = distributions(self.study, phase)
        given: dict[str, Any] = {
            "params": {name: settings[name] for name in ranges},
            "distributions": ranges,
            "user_attrs": {"settings": dict(settings), "seed": seed, "warm": dict(warm or {})},
        }
        opened.add_trial(optuna.create_trial(state=TrialState.RUNNING, **given))
        return self._enter(cell, phase, opened.get_trials(deepcopy=False)[-1])

    def goes_on(self, spec: TrialSpec, epoch: int, best_error: float) -> bool:
        """Enters a search trial's best error so far at a rung, and judges it.

        The same epoch may be reported again by a trial that was continued; the first error
        stands, and the judgement is made again. A trial that starts warm always goes on.
        """
        if epoch not in self.rungs or spec.phase not in ("search", "control"):
            return True
        record = self.record(spec)
        if epoch not in record.rungs:
            record.rungs[epoch] = best_error
            self._trial(spec).report(best_error, step=epoch)
        if record.warm:
            return True
        peers = self._records[spec.cell, spec.phase]
        others = [r.rungs[epoch] for r in peers if r is not record and epoch in r.rungs]
        return survives(record.rungs[epoch], others, self.study.search.reduction_factor)

    def note_failure(self, spec: TrialSpec, failure: Failure) -> tuple[Failure, ...]:
        """Enters a broken attempt; all of the trial's so far."""
        record = self.record(spec)
        record.failures = (*record.failures, failure)
        kept = [asdict(one) for one in record.failures]
        self._trial(spec).set_user_attr("failures", kept)
        return record.failures

    def finish(self, spec: TrialSpec, state: str, summary: Mapping[str, Any], reason: str) -> None:
        """Tells how a trial ended, once and for all."""
        record = self.record(spec)
        record.state, record.reason = state, reason
        record.summary = {key: _finite(value) for key, value in summary.items()}
        self.changes += 1
        with self._journal.together():
            trial = self._trial(spec)
            attributes = {"state": state, "reason": reason, "summary": record.summary}
            for name, value in attributes.items():
                trial.set_user_attr(name, value)
            self._tell(spec, trial, record)

    def _tell(self, spec: TrialSpec, trial: optuna.trial.Trial, record: Record) -> None:
        opened, state = self._optuna[spec.cell, spec.phase], record.state
        if state == "failed":
            opened.tell(spec.number, state=TrialState.FAIL)
        elif state == "stopped":
            opened.tell(spec.number, state=TrialState.PRUNED)
        elif state in ("diverged", "infeasible"):
            if not trial.constraints:
                trial.set_constraint(INFEASIBLE, 1.0)
            opened.tell(spec.number, INFEASIBLE_VALUE)
        else:
            opened.tell(spec.number, record.summary["val_error"])

    def best(self, cell: Cell, phase: Phase) -> Record | None:
        """The complete trial with the lowest validation error, or None."""
        complete = [r for r in self._records[cell, phase] if r.state == "complete"]
        return min(complete, key=lambda r: r.summary["val_error"], default=None)

    def completed_trials(self, cell: Cell, phase: Phase) -> list[FrozenTrial]:
        """Optuna's own records of the completed trials of one phase, diverged ones aside."""
        opened = self._optuna.get((cell, phase))
        if opened is None:
            return []
        complete = opened.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        return [trial for trial in complete if trial.value != INFEASIBLE_VALUE]

    def _trial(self, spec: TrialSpec) -> optuna.trial.Trial:
        opened = self._optuna[spec.cell, spec.phase]
        # Building a Trial draws from the study's sampler; this one has nothing to draw.
        opened.sampler = optuna.samplers.RandomSampler()
        return optuna.trial.Trial(opened, self._ids[spec.cell, spec.phase][spec.number])

    def _sampler(self, cell: Cell, phase: Phase, number: int) -> optuna.samplers.BaseSampler:
        identity = f"{self.study.seed}/{cell.key}/{phase}/{number}"
        seed = int.from_bytes(hashlib.sha256(identity.encode()).digest()[:4], "big")
        plan = self.study.search
        if plan.sampler == "random":
            return optuna.samplers.RandomSampler(seed=seed)
        return optuna.samplers.TPESampler(seed=seed, n_startup_trials=plan.startup_trials)

    def _record(self, cell: Cell, phase: Phase, trial: FrozenTrial) -> Record:
        attributes = trial.user_attrs
        spec = TrialSpec(
            study=self.study.name,
            cell=cell,
            phase=phase,
            number=trial.number,
            settings=attributes["settings"],
            seed=attributes["seed"],
            epochs=self.study.training.epochs,
        )
        return Record(
            spec=spec,
            state=attributes["state"] if trial.state.is_finished() else "running",
            rungs=dict(trial.intermediate_values),
            summary=attributes.get("summary", {}),
            reason=attributes.get("reason", ""),
            failures=tuple(Failure(**kept) for kept in attributes.get("failures", ())),
            warm=attributes.get("warm", {}),
        )


def _finite(value: Any) -> Any:
    """JSON has no NaN."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
