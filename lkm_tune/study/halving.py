"""Successive halving within a cell, as a pure function of the ledger.

Asynchronous successive halving in its stopping form (Li et al., "A System for Massively Parallel
Hyperparameter Tuning", MLSys 2020, arXiv:1810.05934, section 3). Tune's implementation keeps its
rungs in memory. Optuna's implementation records a passed rung before it decides whether the trial
continues: after a kill in between, the trial would never be judged at that rung. Here the judgement
depends only on the errors in the ledger.
"""

from collections.abc import Sequence


def rungs(grace_period: int, reduction_factor: int, budget: int) -> tuple[int, ...]:
    """The epochs of judgement: grace_period · reduction_factor^k, below `budget`.

    They are epochs of training. Tune's reports begin at 1 again in a continued trial.
    """
    epochs = []
    epoch = grace_period
    while epoch < budget:
        epochs.append(epoch)
        epoch *= reduction_factor
    return tuple(epochs)


def survives(error: float, others: Sequence[float], reduction_factor: int) -> bool:
    """Whether a trial with this error at a rung continues.

    It continues if it is among the best 1 / `reduction_factor` of the trials that have reached the
    rung, including this trial. If they are fewer than `reduction_factor`, only the best continues.

    Args:
        error: the trial's error at the rung; lower is better.
        others: the errors at the rung of all other trials of the cell.
        reduction_factor: at least 2.
    """
    n_kept = max(1, (len(others) + 1) // reduction_factor)
    return sum(other < error for other in others) < n_kept
