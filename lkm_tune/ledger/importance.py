"""The importance of searched settings, by Optuna's evaluator over the search trials."""

import pandas as pd

from lkm_tune.ledger.trials import StudyTrials
from lkm_tune.study import Study

FEWEST_TRIALS = 10
"""With fewer completed trials, importances are noise."""


def setting_importance(study: Study, trials: StudyTrials) -> pd.DataFrame:
    """Importance of every searched setting of each cell for the validation error.

    The importance is the share of the variance of the completed trials' error that a setting
    explains (F. Hutter et al., ICML 2014, fANOVA, eq. 13). The choice of the sampler and early
    stopping bias it.

    Args:
        study: the study.
        trials: its trials.

    Returns:
        Columns `study`, `cell`, `setting`, `importance` and `trials`, largest first in each cell;
        no rows for cells with fewer than `FEWEST_TRIALS` completed search trials.
    """
    rows = []
    for cell in study.cells:
        complete = [r for r in trials.records(cell, "search") if r.state == "complete"]
        if len(complete) < FEWEST_TRIALS:
            continue
        # Optuna takes a tenth of a second to import, and studies of curves alone need none.
        import optuna

        from lkm_tune.ledger.suggestions import distributions

        told = optuna.create_study()
        ranges = distributions(study, "search")
        for record in complete:
            drawn = {name: record.spec.settings[name] for name in ranges}
            error = record.summary["val_error"]
            told.add_trial(optuna.create_trial(params=drawn, distributions=ranges, value=error))
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=study.seed)
        found = optuna.importance.get_param_importances(told, evaluator=evaluator)
        rows += [
            {
                "study": study.name,
                "cell": str(cell),
                "setting": name,
                "importance": value,
                "trials": len(complete),
            }
            for name, value in found.items()
        ]
    return pd.DataFrame(rows, columns=["study", "cell", "setting", "importance", "trials"])
