"""The limits of a study: trials, wall time, and hours of what its trials hold."""

from collections.abc import Iterator

from lkm_tune.ledger.ledger import Ledger
from lkm_tune.ledger.use import Spent
from lkm_tune.study import Study, TrialSpec


class Limits:
    """Says when a study has to end before its plan is done.

    At a limit of hours, running search trials go on to their next rung, where they could have been
    stopped anyway, and curve points to their end: a part of one says nothing. At the limit of
    trials those that have begun are within it, and end, interrupted ones and broken ones too.
    """

    def __init__(self, study: Study, ledger: Ledger, spent: Spent) -> None:
        """Looks at the same ledger and meter as the driver.

        Args:
            study: with its limits.
            ledger: of the study.
            spent: what was spent so far; goes on counting.
        """
        self._study = study
        self._ledger = ledger
        self._hours_spent = spent
        self.halted: set[str] = set()
        """Tune's names of the trials that were halted at a rung."""

    @property
    def reached(self) -> str:
        """The limit that is reached, in words; "" while none is."""
        if self.full:
            limit = self._study.search.trial_limit
            return f"search.trial_limit: {self._ledger.begun} of {limit} trials have begun"
        return next(self._hours(), "")

    @property
    def full(self) -> bool:
        """Whether no more trials may begin."""
        limit = self._study.search.trial_limit
        return limit is not None and self._ledger.begun >= limit

    @property
    def spent(self) -> bool:
        """Whether no more hours may be spent: what has begun is not handed out again either."""
        return any(self._hours())

    def halts(self, trial_id: str, spec: TrialSpec, epoch: int) -> bool:
        """Whether a running trial ends here for now; it goes on when the study does."""
        searched = spec.phase in ("search", "control")
        halted = searched and epoch in self._ledger.rungs and self.spent
        if halted:
            self.halted.add(trial_id)
        return halted

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
