"""Asking a cluster that adds nodes by demand for room."""

import ray

from lkm_tune.search.cluster.slots import Share

MOST = 100
"""Asked for at once: whoever gets nodes for them asks again."""


class Demand:
    """Tasks that wait for the share of a trial, and do nothing: Ray adds nodes for what waits.

    Trials themselves do not wait: a waiting one would have been suggested with less knowledge.
    Nor is it asked by `request_resources`, which outlives the driver, and would go on paying for
    nodes that nobody uses.
    """

    def __init__(self, share: Share) -> None:
        """Nothing is asked for yet.

        Args:
            share: what a trial holds.
        """
        self._share = share
        self._waiting: list[ray.ObjectRef[None]] = []

    def of(self, trials: int) -> None:
        """Asks for room for so many trials more than the present nodes hold."""
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
