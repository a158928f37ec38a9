"""The limits of a study: trials, wall time, and hours of what its trials hold."""

from collections.abc import Iterator

from lkm_tune.ledger.trials import StudyTrials
from lkm_tune.ledger.use import Spent
from lkm_tune.study import Study, TrialSpec


class Limits:
    """Says when a study has to end before its plan is done.

    At a limit of hours, running search trials go on to their next rung, where they could have been
    stopped anyway, and curve points to their end: a part of one says nothing. At the limit of
    trials those that have begun are within it, and end, interrupted ones and broken ones too.
    """

    def __init__(self, study: Study, trials: StudyTrials, spent: Spent) -> None:
        """Looks at the same trials and meter as the driver.

        Args:
            study: with its limits.
            trials: of the study.
            spent: what was spent so far; goes on counting.
        """
        self._study = study
        self._trials = trials
        self._hours_spent = spent

    @property
    def reached(self) -> str:
        """The limit that is reached, in words; "" while none is."""
        if self.full:
            limit = self._study.search.trial_limit
            return f"search.trial_limit: {self._trials.begun} of {limit} trials have begun"
        return next(self._hours(), "")

    @property
    def full(self) -> bool:
        """Whether no more trials may begin."""
        limit = self._study.search.trial_limit
        return limit is not None and self._trials.begun >= limit

    @property
    def spent(self) -> bool:
        """Whether no more hours may be spent: what has begun is not handed out again either."""
        return any(self._hours())

    def has_to_pause(self, spec: TrialSpec, epoch: int) -> bool:
        """Whether a running trial ends here for now; it goes on when the study does."""
        return spec.phase in ("search", "control") and epoch in self._trials.rungs and self.spent

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
