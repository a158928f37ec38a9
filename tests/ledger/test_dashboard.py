"""`optuna-dashboard ledger.jsonl` shows a ledger: it is a journal of Optuna."""

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import get_all_study_summaries

from tests.serve.conftest import fill


def test_a_ledger_reads_as_the_dashboard_reads_it(tmp_path):
    """The dashboard lists the studies of the storage, and loads the trials of each."""
    study, folder, _ = fill(tmp_path, "seen", models=("gin",), tasks=("qm9/homo",), seeds=2)
    storage = JournalStorage(JournalFileBackend(str(folder.ledger)))
    names = [one.study_name for one in get_all_study_summaries(storage)]
    key = f"{study.cells[0].key}/curve"
    assert key in names
    trials = optuna.load_study(study_name=key, storage=storage).get_trials()
    assert len(trials) == 10 and all(trial.state.is_finished() for trial in trials)
    assert {trial.user_attrs["settings"]["gamma"] for trial in trials} == set(study.curve.gammas)
    assert all(trial.value > 0 for trial in trials)
