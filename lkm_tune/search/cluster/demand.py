"""Requests room on a cluster that adds nodes on demand."""

import ray

from lkm_tune.search.cluster.slots import Share

MOST = 100
"""Largest request at a time; a study that gets nodes requests more later."""


class Demand:
    """Empty tasks that wait for the share of a trial: Ray adds nodes for waiting tasks.

    Trials do not wait, because a waiting trial would be suggested with less knowledge. A request by
    `request_resources` would outlive the driver and pay for unused nodes.
    """

    def __init__(self, share: Share) -> None:
        """Makes no request.

        Args:
            share: the resources of a trial.
        """
        self._share = share
        self._waiting: list[ray.ObjectRef[None]] = []

    def of(self, trials: int) -> None:
        """Requests room for `trials` trials more than the present nodes hold."""
        trials = min(trials, MOST)
        if self._waiting:
            count = len(self._waiting)
            _, self._waiting = ray.wait(self._waiting, num_returns=count, timeout=0)
        while len(self._waiting) > trials:
            ray.cancel(self._waiting.pop())
        task = _nothing.options(num_cpus=self._share.cpu, num_gpus=self._share.gpu)
        self._waiting += [task.remote() for _ in range(trials - len(self._waiting))]


@ray.remote(max_retries=0)
def _nothing() -> None:
    pass
