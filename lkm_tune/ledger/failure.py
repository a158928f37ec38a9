"""The causes of broken attempts at a trial, and their consequences.

`lkm_tune.search.broken` finds the cause. A killed worker leaves no error; the cause is then a
guess, and its text says so.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lkm_tune.masking import masked

Cause = Literal["own", "array", "memory", "killed", "node", "machine", "storage", "code"]
"""The cause of a broken attempt: an error of the trial, a network that cannot train in arrays,
refused memory, a process that died without an error, a lost node, something on the node that other
nodes may not share (its data, cache or GPU), storage that the node cannot write or see, or a
worker's package that differs from the driver's. A failure of storage or code has the cause
`machine` if another node may be sound."""

Verdict = Literal["again", "alone", "failed", "infeasible"]
"""The future of a trial: it continues, it continues alone on a node (or GPU), it has failed, or it
does not fit into memory with its settings."""

OWN_ERRORS, REFUSALS, DEATHS = 3, 2, 3
"""A trial has failed after this many errors. It does not fit into memory after this many refusals
of memory, or this many deaths of the process in the same epoch."""

# The kept length of an error's text.
_LINES = 8


class StorageError(Exception):
    """The storage folder cannot be written: the disk is full, or read-only."""


class CodeError(Exception):
    """The package of a worker differs from the driver's."""


ENDINGS: dict[Cause, type[Exception]] = {"storage": StorageError, "code": CodeError}
"""Causes that would stop every trial; they end the study if no other node may be sound."""


@dataclass(frozen=True)
class Failure:
    """One broken attempt.

    Attributes:
        cause: see `Cause`.
        reason: the last lines of the error.
        epoch: the last reported epoch.
        node: Ray's name of the node; "" if it is unknown.
        array: the number of trials that the attempt trained as one program.
    """

    cause: Cause
    reason: str
    epoch: int
    node: str = ""
    array: int = 1


def shortened(text: str) -> str:
    """The last lines of an error's text, which name the error, with passwords masked."""
    return masked("\n".join(text.strip().splitlines()[-_LINES:]))


def judge(failures: Sequence[Failure]) -> Verdict:
    """The verdict on a trial after these failures of its attempts.

    A lost node does not count against its trials, and a broken array does not: another trial may
    have broken it. Failures that may be those of a node count as soon as the trial has had one on a
    second node. Deaths of the process in different epochs do not count as lack of memory.
    """
    shared = len(suspects(failures)) > 1
    failures = _alone(failures)
    causes = Counter(failure.cause for failure in failures)
    if causes["own"] + (causes["machine"] if shared else 0) >= OWN_ERRORS:
        return "failed"
    deaths = Counter(failure.epoch for failure in failures if failure.cause == "killed")
    stuck = max(deaths.values(), default=0)
    if causes["memory"] >= REFUSALS or stuck >= DEATHS:
        return "infeasible"
    return "alone" if causes["memory"] or stuck == DEATHS - 1 else "again"


def parts_again(failures: Sequence[Failure]) -> int:
    """The number of parts in which a broken array is tried again.

    Args:
        failures: the failures of a trial of the array; the last is the array's.
    """
    last = failures[-1]
    if last.cause == "array":
        return last.array
    may_be_a_trial = last.cause in ("own", "memory", "killed") or (
        last.cause == "machine" and len(suspects(failures)) > 1
    )
    return 2 if may_be_a_trial else 1


def suspects(failures: Sequence[Failure]) -> frozenset[str]:
    """Ray's names of the nodes on which a trial had failures that may be those of the node."""
    return frozenset(failure.node for failure in failures if failure.cause == "machine")


def _alone(failures: Sequence[Failure]) -> list[Failure]:
    """The failures that are not an array's."""
    return [failure for failure in failures if failure.array == 1]


def explain(failures: Sequence[Failure]) -> str:
    """Why a trial was given up, in words; the text marks a guess."""
    last = failures[-1]
    if judge(failures) != "infeasible":
        return last.reason
    if sum(failure.cause == "memory" for failure in _alone(failures)) >= REFUSALS:
        refused = next(f for f in reversed(failures) if f.cause == "memory")
        return f"out of memory, the last time alone on a node (or GPU):\n{refused.reason}"
    return (
        f"its process was killed {DEATHS} times in epoch {last.epoch + 1}, the last time alone "
        "on a node (or GPU). A guess: it was out of memory, which on a CPU looks like any "
        f"other kill\n{last.reason}"
    )
