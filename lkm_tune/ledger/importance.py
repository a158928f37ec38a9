"""Which searched settings mattered, by Optuna's evaluator over the search trials."""

import optuna
import pandas as pd

from lkm_tune.ledger.ledger import Ledger
from lkm_tune.study import Study

FEWEST_TRIALS = 10
"""Over fewer completed trials importances are noise."""


def setting_importance(study: Study, ledger: Ledger) -> pd.DataFrame:
    """Importance of every searched setting of each cell for the validation error.

    Share of the variance of the completed trials' error that a setting explains (F. Hutter et al.,
    ICML 2014, fANOVA, eq. 13), biased by where the sampler looked and by what was stopped early.

    Args:
        study: the study.
        ledger: its trials.

    Returns:
        Columns `study`, `cell`, `setting`, `importance` and `trials`, largest first in each cell;
        no rows of cells with fewer than `FEWEST_TRIALS` completed search trials.
    """
    rows = []
    for cell in study.cells:
        trials = ledger.completed_trials(cell, "search")
        if len(trials) < FEWEST_TRIALS:
            continue
        told = optuna.create_study()
        told.add_trials(trials)
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=study.seed)
        found = optuna.importance.get_param_importances(told, evaluator=evaluator)
        rows += [
            {
                "study": study.name,
                "cell": str(cell),
                "setting": name,
                "importance": value,
                "trials": len(trials),
            }
            for name, value in found.items()
        ]
    return pd.DataFrame(rows, columns=["study", "cell", "setting", "importance", "trials"])
