"""The kept table: each run is read once, and what has changed in MLflow is not missed."""

import json
import math

import pandas as pd
import pytest

from lkm_tune.tracking import ended, reader
from lkm_tune.tracking.experiments import STUDY, open_client


class Store:
    """An MLflow with runs as the writer leaves them."""

    def __init__(self, folder) -> None:
        self.uri = f"sqlite:///{folder / 'mlflow.db'}"
        self.client = open_client(self.uri)
        self.experiment = self.client.create_experiment("s", tags={STUDY: "s"})
        self.count = 0

    def trial(self, gamma: float, outcome: str = "complete", lr: float = 0.001) -> str:
        self.count += 1
        ended = 1_800_000_000_000 + 1000 * self.count
        settings = {"gamma": gamma, "lr": lr, "kind": "a b"}
        tags = {
            "lkm.kind": "trial", "lkm.study": "s", "lkm.model": "m", "lkm.task": "t",
            "lkm.cell": "m-t", "lkm.phase": "curve", "lkm.trial": f"m-t/curve/{self.count:04d}",
            "lkm.settings": json.dumps(settings), "lkm.outcome": outcome,
        }  # fmt: skip
        run = self.client.create_run(self.experiment, start_time=ended - 10, tags=tags)
        for name, value in {"n_train": 300, "seed": 1, "epochs": 5, "depth": 2}.items():
            self.client.log_param(run.info.run_id, name, value)
        self.client.log_metric(run.info.run_id, "final/test_error", math.pi * self.count)
        self.client.set_terminated(run.info.run_id, "FINISHED", ended)
        return str(run.info.run_id)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    return Store(tmp_path_factory.mktemp("mlflow"))


def test_kept_table_is_what_mlflow_says_and_is_read_once(store, tmp_path, monkeypatch) -> None:
    store.trial(0.0)
    first = store.trial(0.1, outcome="interrupted")
    one = ended.ended_runs(store.uri, tmp_path)
    assert len(one) == 1
    with monkeypatch.context() as patch:
        patch.setattr(reader, "open_client", None)
        pd.testing.assert_frame_equal(ended.ended_runs(store.uri, tmp_path), one)

    # What went on has ended now, and one run more.
    store.client.set_tag(first, "lkm.outcome", "complete")
    store.client.set_terminated(first, "FINISHED", 1_800_000_009_000)
    store.trial(0.01, lr=0.5)
    expected = reader.read_runs(store.uri)
    for _ in range(2):
        pd.testing.assert_frame_equal(ended.ended_runs(store.uri, tmp_path), expected)

    # The settings of the curve are decided: the point at others no longer counts.
    cell = store.client.create_run(store.experiment, tags={"lkm.kind": "cell", "lkm.cell": "m-t"})
    settings = json.dumps({"lr": 0.001, "kind": "a b"})
    store.client.set_tag(cell.info.run_id, "lkm.curve_settings", settings)
    found = ended.ended_runs(store.uri, tmp_path)
    pd.testing.assert_frame_equal(found, reader.read_runs(store.uri))
    assert len(found) == 2


def test_a_damaged_table_is_read_again(store, tmp_path) -> None:
    whole = ended.ended_runs(store.uri, tmp_path)
    text = (tmp_path / "runs.csv").read_text()
    for damaged in ("", text[: len(text) // 2], "no table"):
        (tmp_path / "runs.csv").write_text(damaged)
        pd.testing.assert_frame_equal(ended.ended_runs(store.uri, tmp_path), whole)
