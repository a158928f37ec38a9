"""The table of runs from MLflow alone, for users without the storage folder.

Every ended run has its row of the table (`messages.ROW`) from the ledger's `RowMaker`, so the table
here equals the table of `ledger.run_table`.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mlflow import MlflowClient
from mlflow.entities import Run

from lkm_tune.ledger.run_table import ENDED, table
from lkm_tune.ledger.trials import SEARCH_OF, without_gamma
from lkm_tune.tracking.experiments import STUDY, open_client, study_experiments
from lkm_tune.tracking.messages import ROW, curve_tag
from lkm_tune.tracking.storage import sqlite_file

if TYPE_CHECKING:
    from pandas import DataFrame

PAGE = 1000


def import_runs(tracking_uri: str, studies: Collection[str] | None = None) -> "DataFrame":
    """The ended trials and current curve points of studies, with one row each.

    Args:
        tracking_uri: the address of MLflow.
        studies: names of studies; None means all.

    Returns:
        See `ledger.run_table.study_runs`.

    Raises:
        FileNotFoundError: if the address is a SQLite database that does not exist.
        ValueError: if an earlier version wrote a run without a row.
    """
    file = sqlite_file(tracking_uri)
    if file is not None and not file.exists():
        raise FileNotFoundError(f"there is no MLflow database {file}")
    client = open_client(tracking_uri)
    rows: list[Mapping[str, Any]] = []
    for experiment in study_experiments(client):
        if studies is None or experiment.tags[STUDY] in studies:
            runs = list(_runs(client, experiment.experiment_id))
            rows += _rows(runs)
    return table(dict(row) for row in rows)


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


def _runs(client: MlflowClient, experiment: str) -> Iterator[Run]:
    token = None
    while True:
        page = client.search_runs([experiment], max_results=PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return
