"""Successive halving within a cell, as a pure function of what the ledger holds.

Asynchronous successive halving in its stopping form (Li et al., "A System for Massively Parallel
Hyperparameter Tuning", MLSys 2020, arXiv:1810.05934, section 3). Tune's own keeps its rungs in
memory, and Optuna's writes that a rung is passed before it is known whether the trial goes on:
after a kill in between, that trial would never be judged at its rung. Here the judgement follows
from the errors in the ledger alone.
"""

from collections.abc import Sequence


def rungs(grace_period: int, reduction_factor: int, budget: int) -> tuple[int, ...]:
    """The epochs after which trials are judged: grace_period · reduction_factor^k, below `budget`.

    Epochs of training count, not reports: a continued trial reports from 1 again.
    """
    epochs = []
    epoch = grace_period
    while epoch < budget:
        epochs.append(epoch)
        epoch *= reduction_factor
    return tuple(epochs)


def survives(error: float, others: Sequence[float], reduction_factor: int) -> bool:
    """Whether a trial with this error at a rung goes on.

    It does when it is among the best 1 / `reduction_factor` of all that reached the rung so far,
    itself included, or the best of them while they are too few for that.

    Args:
        error: the trial's error at the rung; lower is better.
        others: the errors at the rung of the cell's other trials, however they ended.
        reduction_factor: at least 2.
    """
    n_kept = max(1, (len(others) + 1) // reduction_factor)
    return sum(other < error for other in others) < n_kept
