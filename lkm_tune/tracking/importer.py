"""The table of runs from MLflow alone, for users without the storage folder.

Every ended run has its row of the table (`messages.ROW`) from the ledger's `RowMaker`, so the table
here equals the table of `ledger.run_table`.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mlflow import MlflowClient
from mlflow.entities import Experiment, Run

from lkm_tune.ledger.run_table import ENDED, table
from lkm_tune.ledger.trials import SEARCH_OF, without_gamma
from lkm_tune.tracking.experiments import STUDY, open_client, runs_of, study_experiments
from lkm_tune.tracking.messages import ROW, curve_tag
from lkm_tune.tracking.mlflow_errors import named_failures
from lkm_tune.tracking.storage import sqlite_file

if TYPE_CHECKING:
    from pandas import DataFrame


def import_runs(
    tracking_uri: str, studies: Collection[str] | None = None, experiment: str | None = None
) -> "DataFrame":
    """The ended trials and current curve points of studies, with one row each.

    Where several experiments hold studies of one name, the column `study` has the names of the
    experiments.

    Args:
        tracking_uri: the address of MLflow.
        studies: names of studies; None means all.
        experiment: name of the one experiment to read; None means all.

    Returns:
        See `ledger.run_table.study_runs`.

    Raises:
        ConnectionError: if MLflow cannot be reached.
        FileNotFoundError: if the address is a SQLite database that does not exist.
        ValueError: if an earlier version wrote a run without a row, or if several experiments hold
            a study of `studies`.
    """
    file = sqlite_file(tracking_uri)
    if file is not None and not file.exists():
        raise FileNotFoundError(f"there is no MLflow database {file}")
    with named_failures("the runs in MLflow cannot be read"):
        return table(_chosen_rows(open_client(tracking_uri), studies, experiment))


def _chosen_rows(
    client: MlflowClient, studies: Collection[str] | None, experiment: str | None
) -> Iterator[dict[str, Any]]:
    chosen = [
        found
        for found in study_experiments(client)
        if (studies is None or found.tags[STUDY] in studies)
        and (experiment is None or found.name == experiment)
    ]
    names = Counter(found.tags[STUDY] for found in chosen)
    for found in chosen:
        name = found.tags[STUDY]
        if names[name] > 1:
            if studies is not None:
                raise ValueError(_several(name, chosen))
            name = found.name
        for row in _rows(list(runs_of(client, found.experiment_id))):
            yield {**row, "study": name}


def _several(study: str, experiments: list[Experiment]) -> str:
    names = ", ".join(sorted(found.name for found in experiments if found.tags[STUDY] == study))
    return (
        f"several experiments of this MLflow hold a study {study}: {names}; name one with "
        "--experiment NAME"
    )


def _rows(runs: list[Run]) -> Iterator[Mapping[str, Any]]:
    """The rows of one experiment, without superseded curve points."""
    curves: dict[tuple[str, str], Any] = {
        (run.data.tags["lkm.cell"], phase): json.loads(run.data.tags[curve_tag(phase)])
        for run in runs
        for phase in SEARCH_OF
        if run.data.tags.get("lkm.kind") == "cell" and curve_tag(phase) in run.data.tags
    }
    for run in runs:
        tags = run.data.tags
        if tags.get("lkm.kind") != "trial" or tags.get("lkm.outcome") not in ENDED:
            continue
        current = curves.get((tags["lkm.cell"], tags["lkm.phase"]))
        if current is None or without_gamma(json.loads(tags["lkm.settings"])) == current:
            if ROW not in tags:
                raise ValueError(
                    f"an earlier lkm-tune wrote {tags['lkm.trial']} of {tags['lkm.study']} to "
                    "MLflow without a row of the table: make the report from "
                    "the storage folder of the study"
                )
            yield json.loads(tags[ROW]) | {"reason": tags.get("lkm.reason", "")}
