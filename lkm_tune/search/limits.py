"""The limits of a study: trials, wall time, and hours of the resources that trials hold."""

import sys
from collections.abc import Iterator

from lkm_tune.ledger.trials import StudyTrials
from lkm_tune.ledger.use import Spent
from lkm_tune.study import SEARCHES, Study, TrialSpec


class Limits:
    """Decides when a study must end before its plan is complete.

    At a limit of hours, running search trials continue to their next rung, where successive halving
    could stop them anyway. Curve points continue to their end, since a partial point is useless. At
    the limit of trials, all trials that have begun continue to their end, also after an
    interruption or a broken attempt.
    """

    def __init__(self, study: Study, trials: StudyTrials, spent: Spent) -> None:
        """Uses the trials and the meter of the driver.

        Args:
            study: the study with its limits.
            trials: the trials of the study.
            spent: the hours spent, which the driver updates.
        """
        self._study = study
        self._trials = trials
        self._hours_spent = spent

    @property
    def reached(self) -> str:
        """The limit that the study has reached, in words; "" if none."""
        if self.full:
            limit = self._study.search.trial_limit
            return f"search.trial_limit: {self._trials.begun} of {limit} trials have begun"
        return next(self._hours(), "")

    @property
    def full(self) -> bool:
        """Whether no more trials may begin."""
        return self.left == 0

    @property
    def left(self) -> int:
        """How many more trials may begin."""
        limit = self._study.search.trial_limit
        return sys.maxsize if limit is None else max(0, limit - self._trials.begun)

    @property
    def spent(self) -> bool:
        """Whether the hours are spent: trials that have begun then do not run again."""
        return any(self._hours())

    def has_to_pause(self, spec: TrialSpec, epoch: int) -> bool:
        """Whether a running trial pauses after this epoch, until the study is continued."""
        return spec.phase in SEARCHES and epoch in self._trials.rungs and self.spent

    def _hours(self) -> Iterator[str]:
        search, spent = self._study.search, self._hours_spent
        held, kind = spent.compute
        if search.time_limit is not None and spent.wall >= search.time_limit:
            yield f"search.time_limit: {spent.wall:.3g} of {search.time_limit:g} hours are spent"
        if search.compute_limit is not None and held >= search.compute_limit:
            yield (
                f"search.compute_limit: {held:.3g} of {search.compute_limit:g} {kind}-hours "
                "are spent"
            )
