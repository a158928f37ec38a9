"""Why an attempt at a trial broke off, and what follows from it.

`lkm_tune.search.broken` finds the cause. Where a worker was killed it says nothing, the cause can
only be guessed, and the words for it say so.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Cause = Literal["own", "memory", "killed", "node", "storage", "code"]
"""Of a broken attempt: an error of the trial itself, memory that was refused, a process that died
without a word, a node that was lost, a disk that cannot be written, a package that is not the
driver's: it was changed while the study ran. Storage is also one that a node does not see."""

Verdict = Literal["again", "alone", "failed", "infeasible"]
"""What becomes of a trial: it goes on, it goes on with a node (or GPU) to itself, it has failed,
it does not fit at this setting."""

OWN_ERRORS, REFUSALS, DEATHS = 3, 2, 3
"""So many of one's own errors are a failure; so many refusals of memory, or deaths of the process
in one and the same epoch, mean that the trial does not fit."""

# How much of an error's text is kept.
_LINES = 8


class StorageError(Exception):
    """The storage folder cannot be written: the disk is full, or read-only."""


class CodeError(Exception):
    """The package of a worker is not the one that the driver runs."""


ENDINGS: dict[Cause, type[Exception]] = {"storage": StorageError, "code": CodeError}
"""Causes that no trial is to blame for and every trial would meet: they end the study."""


@dataclass(frozen=True)
class Failure:
    """One broken attempt.

    Attributes:
        cause: see `Cause`.
        reason: the last lines of its error.
        epoch: the last epoch that it had reported.
    """

    cause: Cause
    reason: str
    epoch: int


def shortened(text: str) -> str:
    """The last lines of an error's text: they say what it was."""
    return "\n".join(text.strip().splitlines()[-_LINES:])


def judge(failures: Sequence[Failure]) -> Verdict:
    """What becomes of a trial whose attempts so far ended in these failures.

    A lost node says nothing about its trials, and a process that is killed again and again but
    gets on in between is none that does not fit.
    """
    causes = Counter(failure.cause for failure in failures)
    if causes["own"] >= OWN_ERRORS:
        return "failed"
    deaths = Counter(failure.epoch for failure in failures if failure.cause == "killed")
    stuck = max(deaths.values(), default=0)
    if causes["memory"] >= REFUSALS or stuck >= DEATHS:
        return "infeasible"
    return "alone" if causes["memory"] or stuck == DEATHS - 1 else "again"


def explain(failures: Sequence[Failure]) -> str:
    """Why a trial was given up, in words; what is guessed is called a guess."""
    last = failures[-1]
    if judge(failures) != "infeasible":
        return last.reason
    if sum(failure.cause == "memory" for failure in failures) >= REFUSALS:
        refused = next(f for f in reversed(failures) if f.cause == "memory")
        return f"out of memory, the last time with a node (or GPU) to itself:\n{refused.reason}"
    return (
        f"its process was killed {DEATHS} times in epoch {last.epoch + 1}, the last time with a "
        "node (or GPU) to itself. A guess: it was out of memory, which on a CPU looks like any "
        f"other kill\n{last.reason}"
    )
