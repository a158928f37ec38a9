"""`lkm-tune diagnose` on trained networks: its figures and its pictures."""

import json

import pytest
from click.testing import CliRunner

from lkm_tune.cli.diagnose import diagnose
from lkm_tune.study import DataPlan, RunConfig, TrainingPlan
from lkm_tune.training import TrainingRun, save_model


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Two networks that differ only in γ, and the cache of their data."""
    folder = tmp_path_factory.mktemp("models")
    paths = []
    for gamma in (0.0, 100.0):
        config = RunConfig(
            model="pamnet",
            task="qm9/alpha",
            model_settings={"hidden": 8, "depth": 2},
            data=DataPlan(source="sample", n_train=128, n_val=16, n_test=16),
            training=TrainingPlan(epochs=6, batch_size=16, lr=5e-3, ema_decay=0.5),
            gamma=gamma,
        )
        run = TrainingRun(config, cache=folder / "cache")
        for _ in run.epochs():
            pass
        run.result()
        paths.append(folder / f"{gamma:g}/model.safetensors")
        save_model(run, paths[-1])
    return folder, paths


@pytest.fixture
def run(models, monkeypatch):
    """Runs the command, checks its exit code and returns its output."""
    folder, _ = models
    monkeypatch.setenv("LKM_TUNE_CACHE", str(folder / "cache"))

    def run(*arguments, code=0):
        done = CliRunner().invoke(diagnose, [*map(str, arguments), "--storage", str(folder)])
        assert done.exit_code == code, done.output
        return done.output

    return run


def test_mixing_makes_layers_alike(run, models):
    _, paths = models
    plain, mixed = json.loads(run(*paths, "--json"))
    assert (plain["gamma"], mixed["gamma"]) == (0, 100)
    assert plain["gradient_mixing"] == 0 < mixed["gradient_mixing"]
    assert len(plain["layers"]["cka"]) == 4
    assert mixed["layers"]["layer_variance"] < plain["layers"]["layer_variance"]


def test_pictures(run, models, tmp_path):
    _, paths = models
    output = run(*paths, "--output", tmp_path, "--projection", "pca", "--projection", "tsne")
    assert "gradient of the prediction" in output
    names = ("cka", "pca-molecule", "pca-test", "tsne-molecule", "tsne-test")
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"layers-{n}.png" for n in names]
    run(*paths, "--output", tmp_path)
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--molecule", "C99"], "there is no molecule C99 in qm9/alpha: give benzene"),
        (["--samples", "0"], "--samples must be at least 1, but is 0"),
        (["--cell", "pamnet@qm9/alpha"], "--cell needs a study, but"),
    ],
)
def test_what_cannot_be(run, models, tmp_path, arguments, said):
    _, paths = models
    assert said in run(*paths, "--output", tmp_path, *arguments, code=1)


def test_without_a_study(run):
    assert "no study has run in" in run(code=1)
