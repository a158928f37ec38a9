"""A storage folder with finished studies, and a server over it."""

import shutil
from contextlib import contextmanager

import numpy as np
import pytest
from starlette.testclient import TestClient

from lkm_tune.app import make_report
from lkm_tune.ledger.facts import StudyFacts
from lkm_tune.ledger.ledger import Ledger
from lkm_tune.ledger.study_folder import StudyFolder
from lkm_tune.serve.server import make_app
from lkm_tune.serve.settings import Settings
from lkm_tune.study import CurvePlan, DataPlan, SearchPlan, Study

TOKEN = "t0ken-of-the-tests-" + "x" * 24
GAMMAS = (0.0, 0.001, 0.01, 0.1, 1.0)
BEARER = {"authorization": f"Bearer {TOKEN}"}
LOCAL = "http://127.0.0.1:8420"


def fill(storage, name, models=("gin", "gcn"), tasks=("qm9/homo", "qm9/mu"), seeds=3, done=None):
    """A study whose curves have ended, up to `done` points."""
    plan = CurvePlan(gammas=GAMMAS, seeds=tuple(range(1, seeds + 1)))
    study = Study(
        name=name,
        models={model: {} for model in models},
        tasks=tasks,
        search=SearchPlan(trials=0, control=False),
        data=DataPlan(n_train=300),
        curve=plan,
    )
    folder = StudyFolder(storage, name)
    folder.path.mkdir(parents=True)
    folder.write_study(study)
    folder.write_facts(StudyFacts({model: {"depth": 4} for model in models}))
    ledger, rng = Ledger(study, folder.ledger), np.random.default_rng(0)
    points = [
        (cell, gamma, seed)
        for cell in study.cells
        for seed in plan.first_seeds
        for gamma in plan.gammas
    ]
    for cell, gamma, seed in points[:done]:
        add_run(ledger, cell, gamma, seed, rng)
    return study, folder, ledger


def add_run(ledger, cell, gamma, seed, rng):
    """One ended run of a curve whose best γ is 0.01."""
    gain = 0.1 * np.exp(-2 * np.log10(gamma / 0.01) ** 2) if gamma else 0.0
    error = float(np.exp(4 + 0.05 * seed - gain + rng.normal(0, 0.004)))
    spec = ledger.add_point(cell, "curve", {"gamma": gamma}, seed)
    summary = {"val_error": error, "test_error": error, "device": "cpu", "seconds": 36.0}
    ledger.finish(spec, "complete", summary, "full budget")


@pytest.fixture(scope="session")
def filled(tmp_path_factory):
    """Two studies: `done` with a report, and `half` with a failed trial and no report."""
    storage = tmp_path_factory.mktemp("filled") / "lkm-runs"
    fill(storage, "done")
    make_report(storage, "done")
    study, _, ledger = fill(storage, "half", models=("gin",), tasks=("qm9/homo",), done=5)
    cell = study.cells[0]
    spec = ledger.add_point(cell, "curve", {"gamma": 0.0}, 2)
    ledger.finish(spec, "failed", {}, "ValueError: <script>alert(1)</script>")
    spec = ledger.add_point(cell, "curve", {"gamma": 1.0}, 2)
    ledger.finish(spec, "diverged", {}, "diverged")
    make_report(storage)  # the answers of all studies
    return storage


@pytest.fixture
def storage(filled, tmp_path):
    """A copy of the studies that a test may change."""
    place = tmp_path / "lkm-runs"
    shutil.copytree(filled, place)
    return place


@contextmanager
def server(storage, client=("127.0.0.1", 50000), **settings):
    """A client of a server over a storage folder; by default a program on the same machine."""
    app = make_app(Settings(storage=storage, token=TOKEN, **settings))
    with TestClient(app, LOCAL, client=client, follow_redirects=False) as found:
        yield found
