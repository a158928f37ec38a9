"""A trained network as a file: it repeats its test predictions, and runs no code."""

import numpy as np
import pytest

from lkm_tune.study import DataPlan, RunConfig, TrainingPlan
from lkm_tune.training import TrainedModel, TrainingRun, save_model


@pytest.fixture(scope="module", params=["qm9/alpha", "qm9/U0", "qm9/U0+mu"])
def trained(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    config = RunConfig(
        model="mxmnet",
        task=request.param,
        model_settings={"hidden": 8, "depth": 1},
        data=DataPlan(source="sample", n_train=48, n_val=16, n_test=16),
        training=TrainingPlan(epochs=2, batch_size=16),
    )
    run = TrainingRun(config, cache=folder)
    for _ in run.epochs():
        pass
    run.result()
    save_model(run, folder / "model.safetensors")
    return run, folder / "model.safetensors"


def test_predictions_have_the_test_error(trained):
    run, path = trained
    model = TrainedModel.load(path)
    assert model.config == run.config
    test = run.data.split.test
    batch, _ = run.data.batch(test)
    predicted = model.predict(batch)
    for column, target in enumerate(run.data.task.targets):
        known = run.data.store.targets[target.name][test] * target.factor
        name = target.name if len(run.data.task.targets) > 1 else "error"
        error = np.abs(predicted[:, column] - known).mean()
        assert error == pytest.approx(run.errors("test")[name], rel=1e-3)


def test_another_file_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"something else")
    with pytest.raises(ValueError, match=r"must be a model\.safetensors of lkm-tune"):
        TrainedModel.load(path)
