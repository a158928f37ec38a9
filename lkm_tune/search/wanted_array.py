"""The number of trials that a study trains as one program, apart from the memory of a GPU."""

from lkm_tune.ledger.trials import SEARCH_OF
from lkm_tune.study import Study, TrialSpec
from lkm_tune.training.array_run import array_pays

SEARCHED = 8
"""The largest array of search trials with `auto`."""


def wanted_array(study: Study, trial: TrialSpec, device: str) -> int:
    """The largest array of trials like `trial`.

    `auto` takes all γ of a seed of a curve, or `SEARCHED` search trials, where an array is faster.

    Args:
        study: the study.
        trial: a trial.
        device: `cpu` or `cuda`.
    """
    if study.resources.array != "auto":
        return study.resources.array
    if not array_pays(study.run_config(trial), device):
        return 1
    return len(study.curve.gammas) if trial.phase in SEARCH_OF else SEARCHED
