"""Nodes that break trials: when they are left out, and when they are tried again."""

import time
from collections.abc import Callable, Collection, Mapping

from lkm_tune.ledger.left_out import LeftOut

FAILURES = 2
"""A node is left out after this many trials in a row whose failures may be its own."""

SECONDS_OUT = 600.0
"""A node that was left out is tried again after this time; one more failure leaves it out again."""

LABEL = "ray.io/node-id"
"""The label with a node's name, which Ray gives to every node."""


class NodeHealth:
    """Counts the trials that broke on each node, and names the nodes that trials avoid.

    A trial that breaks on several nodes counts for none of them: its settings may be the reason.
    The last sound node is never left out: its failures count against its trials. If it is gone, the
    nodes that were left out are better than none.
    """

    def __init__(
        self,
        present: Callable[[], Mapping[str, str]],
        keep: Callable[[LeftOut], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Starts without failures.

        Args:
            present: returns name -> address of the present nodes that can hold a trial.
            keep: receives every node that is left out, for status and report.
            clock: returns the time in seconds since 1970.
        """
        self._present, self._keep, self._clock = present, keep, clock
        # Node -> the keys of the trials that broke there since a trial has worked there.
        self._broke: dict[str, set[str]] = {}
        self._out: dict[str, LeftOut] = {}
        self._once_out: set[str] = set()

    @property
    def left_out(self) -> Mapping[str, LeftOut]:
        """Name -> the nodes that have no trials at present."""
        now = self._clock()
        for node in [node for node, out in self._out.items() if out.until <= now]:
            del self._out[node]
        return self._out

    def worked(self, node: str) -> None:
        """A trial has trained an epoch on the node."""
        self._broke.pop(node, None)
        self._once_out.discard(node)

    def failed(self, node: str, trial: str, reason: str) -> None:
        """A trial, named by its key, had a failure that may be the node's."""
        elsewhere = [
            other for other in self._broke if other != node and trial in self._broke[other]
        ]
        for other in elsewhere:
            self._broke[other].discard(trial)
        if elsewhere:
            return
        broke = self._broke.setdefault(node, set())
        broke.add(trial)
        enough = len(broke) >= (1 if node in self._once_out else FAILURES)
        if enough and node not in self.left_out and self.has_other({node}):
            self.leave_out(node, reason)

    def leave_out(self, node: str, reason: str) -> None:
        """Leaves a node out for a time; another node must be sound."""
        address = self._present().get(node, node)
        self._once_out.add(node)
        self._out[node] = LeftOut(address, reason, self._clock() + SECONDS_OUT)
        self._keep(self._out[node])

    def at(self, address: str) -> str:
        """The name of the present node with this address, "" if none or several have it."""
        names = [name for name, its in self._present().items() if its == address]
        return names[0] if len(names) == 1 else ""

    def has_other(self, nodes: Collection[str]) -> bool:
        """Whether a node that is not left out exists beside these nodes."""
        return not self._present().keys() <= {*nodes, *self.left_out}

    def avoided(self, suspects: Collection[str]) -> tuple[str, ...]:
        """The nodes that an attempt at a trial avoids; none if no other node is present.

        Args:
            suspects: the nodes on which earlier attempts failed.
        """
        if not self.has_other(()):
            return ()
        more = suspects if self.has_other(suspects) else ()
        return tuple(sorted({*self.left_out, *more}))
