"""The ledger: every trial of a study, in Optuna's append-only journal.

A cell has one Optuna study for each phase. A restart reads everything from the ledger: the sampler
knows the finished trials, and running trials are issued again. One process writes at a time (the
driver holds the study's lock); other processes read with `StudyTrials.read`.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import optuna
from optuna.trial import FrozenTrial, TrialState

from lkm_tune.ledger.failure import Failure, Verdict, explain, judge
from lkm_tune.ledger.journal import open_journal
from lkm_tune.ledger.suggestions import distributions, suggest_settings
from lkm_tune.ledger.trial_record import TrialRecord
from lkm_tune.ledger.trials import StudyTrials
from lkm_tune.study import SEARCHES, Cell, Phase, Study, TrialSpec
from lkm_tune.study.halving import survives

# Optuna gets this finite value and a violated constraint for trials that diverged or ran out of
# memory: Optuna refuses NaN, and a large value alone would rank ahead of every stopped trial.
INFEASIBLE, INFEASIBLE_VALUE = "infeasible", 1e30
Settings = Mapping[str, Any]

STOPPED = "stopped by successive halving"
"""The reason of trials that successive halving ended."""

optuna.logging.set_verbosity(optuna.logging.WARNING)


class Listener(Protocol):
    """Receives every event of trials, after the ledger has recorded it."""

    def began(self, record: TrialRecord) -> None:
        """A trial starts, or continues elsewhere."""

    def reported(self, spec: TrialSpec, result: Settings) -> None:
        """An epoch of a trial has ended, with the fields of its `EpochResult`."""

    def ended(self, record: TrialRecord) -> None:
        """A trial has ended, perhaps in an earlier process."""

    def interrupted(self, spec: TrialSpec) -> None:
        """The driver ends while a trial runs; the trial continues when the study is continued."""


class Ledger(StudyTrials):
    """Reads and writes the trials of one study, and decides how each trial ended.

    Attributes:
        changes: grows when a trial begins or ends, so that callers can cache.
        without_arrays: the models that could not train in an array.
    """

    def __init__(self, study: Study, path: Path) -> None:
        """Opens or creates the journal at `path`, and removes an unfinished last line.

        Raises:
            ValueError: if a line before the last is damaged; the error names the line.
        """
        super().__init__(study, {})
        self.without_arrays: set[str] = set()
        self._listeners: list[Listener] = []
        self._optuna: dict[tuple[Cell, Phase], optuna.Study] = {}
        # Optuna's number of each trial; Optuna would search all trials for it.
        self._ids: dict[tuple[Cell, Phase], list[int]] = {both: [] for both in self._records}
        self._journal, storage = open_journal(path)
        known = {study.study_name for study in optuna.get_all_study_summaries(storage)}
        with self._journal.together():
            for cell, phase in self._records:
                name = f"{cell.key}/{phase}"
                if name in known:
                    opened = optuna.load_study(storage=storage, study_name=name)
                    self._read(opened, cell, phase)
                else:
                    opened = optuna.create_study(storage=storage, study_name=name)
                    self._optuna[cell, phase] = opened

    def _read(self, opened: optuna.Study, cell: Cell, phase: Phase) -> None:
        self._optuna[cell, phase] = opened
        for trial in opened.get_trials(deepcopy=False):
            if "seed" not in trial.user_attrs:
                # A kill interrupted the suggestion. The same sampler suggests the rest.
                opened.sampler = self._sampler(cell, phase, trial.number)
                self._draw(optuna.trial.Trial(opened, trial._trial_id), phase)
        for trial in opened.get_trials(deepcopy=False):
            self._enter(cell, phase, trial)

    def _enter(self, cell: Cell, phase: Phase, trial: FrozenTrial) -> TrialSpec:
        record = TrialRecord.of(
            self.study,
            cell,
            phase,
            trial.number,
            trial.user_attrs,
            trial.state.is_finished(),
            trial.intermediate_values,
        )
        self._records[cell, phase].append(record)
        self._ids[cell, phase].append(trial._trial_id)
        for failure in record.failures:
            self._learn(cell, failure)
        self.changes += 1
        return record.spec

    def listen(self, listener: Listener) -> None:
        """Adds a listener for future events, and reports every ended trial to it at once.

        An earlier driver may have been killed before it told its listeners of the end of a trial.
        """
        self._listeners.append(listener)
        for record in self.all_records():
            if record.state != "running":
                listener.ended(record)

    def together(self) -> AbstractContextManager[None]:
        """A context whose entries reach the disk together, at its end.

        A kill during the write at the end may keep the first entries alone.
        """
        return self._journal.together()

    def ask(self, cell: Cell, phase: Phase) -> TrialSpec:
        """Begins a search trial with settings that the cell's sampler suggests.

        Suggestions are seeded by (study seed, cell, phase, number): one generator for all trials
        would repeat its draws after a restart.
        """
        number = len(self._records[cell, phase])
        opened = self._optuna[cell, phase]
        opened.sampler = self._sampler(cell, phase, number)
        with self.together():
            self._draw(opened.ask(), phase)
        return self._enter(cell, phase, opened.get_trials(deepcopy=False)[number])

    def _draw(self, trial: optuna.trial.Trial, phase: Phase) -> None:
        """Draws the settings of a search trial. The seed comes last and marks them as complete."""
        trial.set_user_attr("settings", suggest_settings(trial, self.study, phase))
        trial.set_user_attr("seed", self.study.seed)

    def add_point(self, cell: Cell, phase: Phase, settings: Settings, seed: int) -> TrialSpec:
        """Begins a curve point, or a search trial with given settings."""
        opened = self._optuna[cell, phase]
        ranges = distributions(self.study, phase)
        given: dict[str, Any] = {
            "params": {name: settings[name] for name in ranges},
            "distributions": ranges,
            "user_attrs": {"settings": dict(settings), "seed": seed},
        }
        opened.add_trial(optuna.create_trial(state=TrialState.RUNNING, **given))
        return self._enter(cell, phase, opened.get_trials(deepcopy=False)[-1])

    def add_array(
        self, cell: Cell, phase: Phase, settings: Sequence[Settings], seed: int
    ) -> tuple[TrialSpec, ...]:
        """Begins curve points that train as one program, one for each of the settings."""
        with self.together():
            specs = tuple(self.add_point(cell, phase, one, seed) for one in settings)
            self.train_together(specs)
        return specs

    def train_together(self, specs: Sequence[TrialSpec]) -> None:
        """Enters which trials the next attempt trains as one program."""
        array = tuple(spec.number for spec in specs) if len(specs) > 1 else ()
        for spec in specs:
            record = self.record(spec)
            if record.array != array:
                record.array = array
                self._trial(spec).set_user_attr("array", list(array))

    def start(self, spec: TrialSpec) -> None:
        """A trial starts, or continues elsewhere."""
        for listener in self._listeners:
            listener.began(self.record(spec))

    def report(self, spec: TrialSpec, result: Settings) -> None:
        """An epoch of a trial is over: the fields of its `EpochResult`."""
        for listener in self._listeners:
            listener.reported(spec, result)

    def enter_rung(self, spec: TrialSpec, epoch: int, best_error: float) -> None:
        """Enters a search trial's best error so far, if the epoch is a rung.

        A continued trial may report the same epoch again; the first error stays.
        """
        record = self.record(spec)
        if epoch in self._rungs_of(spec) and epoch not in record.rungs:
            record.rungs[epoch] = best_error
            self._trial(spec).report(best_error, step=epoch)

    def survives(self, spec: TrialSpec, epoch: int) -> bool:
        """Whether a trial continues after an epoch; always true between rungs."""
        if epoch not in self._rungs_of(spec):
            return True
        record = self.record(spec)
        peers = self._records[spec.cell, spec.phase]
        others = [r.rungs[epoch] for r in peers if r is not record and epoch in r.rungs]
        return survives(record.rungs[epoch], others, self.study.search.reduction_factor)

    def _rungs_of(self, spec: TrialSpec) -> tuple[int, ...]:
        return self.rungs if spec.phase in SEARCHES else ()

    def end(self, spec: TrialSpec, last: Settings) -> None:
        """A trial has ended with its last report.

        Args:
            spec: the trial.
            last: the report. If the run ended by itself, it has `summary`, the fields of a
                `RunResult`. Otherwise successive halving stopped the trial.
        """
        if summary := last.get("summary"):
            self.finish(spec, summary["outcome"], summary, summary["reason"])
            return
        # The cost of a search includes the epochs of stopped trials.
        reached = {
            "epoch": last["epoch"],
            "val_error": last["best_error"],
            "kd_ratio": last.get("kd_ratio"),
            "seconds": last["trained_seconds"],
            "device": last["device"],
        }
        self.finish(spec, "stopped", reached, STOPPED)

    def break_off(self, spec: TrialSpec, failure: Failure) -> Verdict:
        """Enters a broken attempt, and the end of the trial if the trial is given up."""
        record = self.record(spec)
        record.failures = (*record.failures, failure)
        self._learn(spec.cell, failure)
        kept = [asdict(one) for one in record.failures]
        self._trial(spec).set_user_attr("failures", kept)
        verdict = judge(record.failures)
        if verdict in ("failed", "infeasible"):
            self.finish(spec, verdict, {}, explain(record.failures))
        return verdict

    def _learn(self, cell: Cell, failure: Failure) -> None:
        if failure.cause == "array":
            self.without_arrays.add(cell.model)

    def interrupt(self) -> None:
        """The driver ends: every running trial continues when the study is continued."""
        for record in self.all_records():
            if record.state == "running":
                for listener in self._listeners:
                    listener.interrupted(record.spec)

    def finish(self, spec: TrialSpec, state: str, summary: Settings, reason: str) -> None:
        """Enters the end of a trial."""
        record = self.record(spec)
        record.state, record.reason = state, reason
        record.summary = {key: _finite(value) for key, value in summary.items()}
        self.changes += 1
        with self.together():
            trial = self._trial(spec)
            attributes = {"state": state, "reason": reason, "summary": record.summary}
            for name, value in attributes.items():
                trial.set_user_attr(name, value)
            self._tell(spec, trial, record)
        for listener in self._listeners:
            listener.ended(record)

    def _tell(self, spec: TrialSpec, trial: optuna.trial.Trial, record: TrialRecord) -> None:
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

    def _trial(self, spec: TrialSpec) -> optuna.trial.Trial:
        opened = self._optuna[spec.cell, spec.phase]
        # Building a Trial draws from the study's sampler; this sampler draws nothing.
        opened.sampler = optuna.samplers.RandomSampler()
        return optuna.trial.Trial(opened, self._ids[spec.cell, spec.phase][spec.number])

    def _sampler(self, cell: Cell, phase: Phase, number: int) -> optuna.samplers.BaseSampler:
        identity = f"{self.study.seed}/{cell.key}/{phase}/{number}"
        seed = int.from_bytes(hashlib.sha256(identity.encode()).digest()[:4], "big")
        plan = self.study.search
        if plan.sampler == "random":
            return optuna.samplers.RandomSampler(seed=seed)
        return optuna.samplers.TPESampler(seed=seed, n_startup_trials=plan.startup_trials)


def _finite(value: Any) -> Any:
    """The value, or None for NaN, which JSON does not have."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
